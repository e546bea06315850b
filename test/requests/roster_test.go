package requests

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// byHand is a master whose hub is the test.
type byHand struct {
	t      *testing.T
	dialer hubDialer
	hub    transport.Conn
	master *lectern.Master
}

// hubByHand creates abc123 with alice as its master.
func hubByHand(t *testing.T) *byHand {
	h := &byHand{t: t, dialer: make(hubDialer, 1)}
	client := lectern.NewClient(h.dialer, lectern.ClientOptions{})
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	created := make(chan *lectern.Master)
	go func() {
		master, err := client.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		created <- master
	}()
	h.hub = <-h.dialer
	h.writes(`{"type":"created","ref":%d,"channel":"abc123","username":"alice","resume":"x","epoch":1,"master_timeout_ms":30000}`, h.next().Ref)
	h.master = <-created
	require.Equal(t, wire.Ping, h.next().Type, "it confirms the membership")
	return h
}

func (h *byHand) next() wire.Frame {
	data, err := h.hub.Read()
	require.NoError(h.t, err)
	frame, err := wire.Decode(data)
	require.NoError(h.t, err)
	return frame
}

func (h *byHand) writes(format string, values ...any) {
	require.NoError(h.t, h.hub.Write(fmt.Appendf(nil, format, values...)))
}

// joins, and the others, are what the hub tells.
func (h *byHand) joins(name string, number int) {
	h.writes(`{"type":"presence","channel":"abc123","username":"%s","role":"slave","state":"online","number":%d,"joined":true}`, name, number)
}

func (h *byHand) lists(entries string) {
	h.writes(`{"type":"members","channel":"abc123","members":[%s]}`, entries)
}

func entry(name, state string, number int) string {
	return fmt.Sprintf(`{"username":"%s","state":"%s","number":%d}`, name, state, number)
}

// told expects exactly these events of slaves and messages.
func (h *byHand) told(events ...string) {
	h.t.Helper()
	synctest.Wait()
	h.writes(`{"type":"presence","channel":"abc123","username":"last","role":"slave","state":"online"}`)
	got := []string{}
	for {
		switch event := stage.Next(h.t, h.master).(type) {
		case lectern.Presence:
			switch event.Username {
			case "last":
				require.Equal(h.t, append([]string{}, events...), got)
				h.writes(`{"type":"presence","channel":"abc123","username":"last","role":"slave","state":"left"}`)
				stage.NextPresence(h.t, h.master, "last", lectern.StateGone)
				return
			case "alice":
				continue // the own connection
			}
			what := event.Username + " " + event.State.String()
			if event.Joined {
				what = event.Username + " joins " + event.State.String()
			}
			got = append(got, what)
		case lectern.Message:
			got = append(got, event.From+": "+event.Text())
		}
	}
}

// A list that nobody has asked for stands for the changes since the last one. By the
// numbers a master sees who has left and joined again in between.
func TestListInPlaceOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		h.joins("bob", 1)
		h.joins("eve", 2)
		h.joins("zoe", 3)
		h.told("bob joins online", "eve joins online", "zoe joins online")
		h.lists(entry("bob", "online", 5) + "," + entry("dan", "online", 6) + "," + entry("eve", "away", 2))
		h.told("dan joins online", "eve away", "bob gone", "bob joins online", "zoe gone")
		h.lists(entry("bob", "online", 5) + "," + entry("dan", "online", 6) + "," + entry("eve", "away", 2))
		h.told()
		h.writes(`{"type":"presence","channel":"abc123","username":"eve","role":"slave","state":"online"}`) // back, the same one
		h.lists(entry("bob", "away", 5) + "," + entry("dan", "away", 7) + "," + entry("eve", "online", 2))
		h.told("eve online", "bob away", "dan gone", "dan joins away")
		h.lists("")
		h.told("bob gone", "dan gone", "eve gone")
		require.Empty(t, h.master.Members())

		// A question's answer is no list in place of changes, nor is a question.
		h.writes(`{"type":"members","ref":99,"channel":"abc123","members":[{"username":"bob","state":"online"}]}`)
		h.writes(`{"type":"members","channel":"abc123"}`)
		h.writes(`{"type":"members","channel":"another","members":[]}`)
		h.told()
	})
}

// What was asked of a slave that has left and joined again ends, as when both had been
// told. Who was asked and has stayed goes on.
func TestListEndsWhatWasAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		h.joins("bob", 1)
		h.joins("eve", 2)
		h.told("bob joins online", "eve joins online")
		asked := stage.InBackground(func() (lectern.Message, error) {
			return h.master.Request(stage.Within(t), "bob", lectern.Text("are you there?"))
		})
		h.writes(`{"type":"ack","ref":%d,"seq":1}`, h.next().Ref)
		answers := make(chan lectern.Answer, 10)
		go func() {
			defer close(answers)
			for answer := range h.master.Gather(stage.Within(t), lectern.Text("who is there?")) {
				answers <- answer
			}
		}()
		h.writes(`{"type":"ack","ref":%d,"seq":2}`, h.next().Ref)
		synctest.Wait()
		h.lists(entry("bob", "online", 3) + "," + entry("eve", "online", 2))
		require.ErrorIs(t, (<-asked).Err, lectern.ErrNoSuchSlave)
		gone := <-answers
		require.Equal(t, "bob", gone.From)
		require.ErrorIs(t, gone.Err, lectern.ErrNoSuchSlave)
		h.writes(`{"type":"message","channel":"abc123","from":"bob","seq":1,"reply":2,"text":"was not asked"}`)
		h.writes(`{"type":"message","channel":"abc123","from":"eve","seq":2,"reply":2,"text":"I am"}`)
		answer := <-answers
		require.NoError(t, answer.Err)
		require.Equal(t, "I am", answer.Message.Text())
		_, more := <-answers
		require.False(t, more)
	})
}

// A hub that tells no numbers, or has told none yet, is understood as before: one of the
// same name is the same.
func TestListsWithoutNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		h.writes(`{"type":"presence","channel":"abc123","username":"bob","role":"slave","state":"online"}`)
		h.told("bob online")
		h.lists(`{"username":"bob","state":"online"}`)
		h.told()
		h.lists(entry("bob", "online", 4)) // told from now on
		h.told()
		h.lists(`{"username":"bob","state":"away"}`)
		h.told("bob away")
		h.lists(entry("bob", "online", 4))
		h.told("bob online")
		h.lists(entry("bob", "online", 5))
		h.told("bob gone", "bob joins online")
	})
}

// After a resume, too, one who has left and joined again is told so: behind the messages
// that the master has missed, since the former one's answer may be among them.
func TestResumeTellsWhoHasJoinedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		h.joins("bob", 1)
		h.joins("eve", 2)
		h.told("bob joins online", "eve joins online")
		answers := make(chan lectern.Answer, 10)
		go func() {
			defer close(answers)
			for answer := range h.master.Gather(stage.Within(t), lectern.Text("who is there?")) {
				answers <- answer
			}
		}()
		h.writes(`{"type":"ack","ref":%d,"seq":1}`, h.next().Ref)
		synctest.Wait()
		require.NoError(t, h.hub.Close(transport.Reason{Code: transport.Slow}))
		h.hub = <-h.dialer
		h.writes(`{"type":"created","ref":%d,"channel":"abc123","username":"alice","resume":"x","epoch":2,"seq":2,"master_timeout_ms":30000,"members":[%s]}`,
			h.next().Ref, entry("bob", "online", 3)+","+entry("eve", "online", 4))
		require.Equal(t, wire.Ping, h.next().Type)
		h.writes(`{"type":"message","channel":"abc123","from":"bob","seq":1,"reply":1,"text":"I was"}`)
		h.writes(`{"type":"message","channel":"abc123","from":"bob","seq":2,"text":"hello again"}`)
		h.told("bob: hello again", "bob gone", "bob joins online", "eve gone", "eve joins online")
		answer := <-answers
		require.NoError(t, answer.Err)
		require.Equal(t, "I was", answer.Message.Text())
		answer = <-answers
		require.Equal(t, "eve", answer.From)
		require.ErrorIs(t, answer.Err, lectern.ErrNoSuchSlave)
	})
}

// A master whose connection is lost before the end of what it has missed, and once more, is
// told once who has left and who has joined since.
func TestWhoHasJoinedAgainIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := hubByHand(t)
		h.joins("bob", 1)
		h.joins("eve", 2)
		h.told("bob joins online", "eve joins online")
		for _, members := range []string{entry("bob", "online", 3) + "," + entry("eve", "online", 2), entry("bob", "online", 4)} {
			synctest.Wait()
			require.NoError(t, h.hub.Close(transport.Reason{Code: transport.Slow}))
			h.hub = <-h.dialer
			h.writes(`{"type":"created","ref":%d,"channel":"abc123","username":"alice","resume":"x","epoch":2,"seq":1,"master_timeout_ms":30000,"members":[%s]}`,
				h.next().Ref, members)
			require.Equal(t, wire.Ping, h.next().Type)
		}
		h.writes(`{"type":"message","channel":"abc123","from":"bob","seq":1,"text":"hello again"}`)
		h.told("bob: hello again", "bob gone", "bob joins online", "eve gone")
	})
}
