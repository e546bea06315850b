package handover

import (
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Who is the master again has what it got as the master before, though the hub was not told that it has
// arrived: it gets each message once. What it has not answered it is asked again.
func TestWhoIsTheMasterAgainGetsAMessageOnce(t *testing.T) {
	var do atomic.Pointer[func()]
	stage.InVirtualTime(t, atTheDecision(&do), func(t *testing.T, s *stage.Stage) {
		master, two := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "two")
		s.User().Joins("abc123", "one")
		asked := make(chan stage.Outcome[lectern.Message], 1)
		sends := func() {
			stage.Say(t, two, "first")
			answer := stage.InBackground(func() (lectern.Message, error) { return two.Request(stage.Within(t), lectern.Text("may I?")) })
			go func() { asked <- <-answer }()
			synctest.Wait()
			stage.Say(t, two, "second")
		}
		do.Store(&sends)
		alice := handsOver(t, master, "one")
		do.Store(nil)
		require.Equal(t, []string{"first", "may I?", "second"}, textsIn(t, master))
		channel, _ := s.Hub.Channel("abc123")
		require.NoError(t, channel.SetMaster(stage.Within(t), "alice"))
		<-alice.Done()
		again := alice.Promoted()
		stage.Say(t, two, "third")
		var texts []string
		for e, err := range again.Events(stage.Within(t)) {
			require.NoError(t, err)
			if m, ok := e.(lectern.Message); ok {
				texts = append(texts, m.Text())
				if m.RequestID != 0 {
					_, err := again.Reply(stage.Within(t), m, lectern.Text("you may"))
					require.NoError(t, err)
				}
				if m.Text() == "third" {
					break
				}
			}
		}
		require.Equal(t, []string{"may I?", "third"}, texts)
		require.NoError(t, (<-asked).Err)
	})
}

// textsIn are the messages that a handle which has ended, or is about to, has got.
func textsIn(t *testing.T, h stage.Handle) (texts []string) {
	for e := range h.Events(stage.Within(t)) {
		if m, ok := e.(lectern.Message); ok {
			texts = append(texts, m.Text())
		}
	}
	return texts
}
