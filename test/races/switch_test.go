package races

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Two that switch the same handle at the same time: one of them does.
func TestSwitchesAtTheSameTime(t *testing.T) {
	stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		for _, channel := range []string{"first", "second", "third"} {
			alice.Creates(channel, "alice")
		}
		for range 20 {
			slave, err := s.Hub.Join(stage.Within(t), "first", "user_one")
			require.NoError(t, err)
			next := make([]*lectern.Slave, 2)
			var switching sync.WaitGroup
			for i, channel := range []string{"second", "third"} {
				switching.Go(func() { next[i], _ = slave.Switch(stage.Within(t), channel) })
			}
			switching.Wait()
			require.NotEqual(t, next[0] == nil, next[1] == nil)
			for _, slave := range next {
				if slave != nil {
					require.NoError(t, slave.Leave())
				}
			}
		}
	})
}

// A switch was refused, and a message sent after it was accepted, and the
// connection was lost before either was told. Sent again, the switch succeeds, and
// the message comes too late. Its sender must not be told that nobody got it.
func TestSwitchThatSucceedsWhenSentAgain(t *testing.T) {
	for range 20 {
		stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice := s.User()
			master := alice.Creates("first", "alice")
			one := &stage.MutedDialer{User: s.User()}
			client := lectern.NewClient(one, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
			defer func() { require.NoError(t, client.Close()) }()
			slave, err := client.Join(stage.Within(t), "first", "user_one")
			require.NoError(t, err)
			stage.NextPresence(t, master, "user_one", lectern.StateOnline)
			one.Mute()
			var waiting sync.WaitGroup
			waiting.Go(func() {
				next, err := slave.Switch(stage.Within(t), "second")
				require.NoError(t, err)
				require.Equal(t, "second", next.Channel())
			})
			synctest.Wait()
			waiting.Go(func() {
				_, err := slave.Send(stage.Within(t), lectern.Text("hello"))
				require.ErrorIs(t, err, lectern.ErrSendUnknown)
			})
			stage.NextText(t, master, "hello")
			alice.Creates("second", "alice")
			one.ComeBack()
			waiting.Wait()
		})
	}
}

// One that switches in the instant in which another connection takes its
// membership over is in one of the two channels.
func TestRaceOfSwitchAndTakeover(t *testing.T) {
	for range *rounds {
		stage.InBubble(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
			alice := s.User()
			alice.Creates("abc123", "alice")
			alice.Creates("second", "alice")
			old, next := s.Raw(), s.Raw()
			old.Send(stage.OneJoins)
			old.Expect(stage.OneJoined)
			var writing sync.WaitGroup
			writing.Go(func() {
				_ = old.Conn.Write([]byte(`{"type":"join","ref":2,"channel":"second","username":"user_one","from":"abc123"}`))
			})
			writing.Go(func() {
				_ = next.Conn.Write([]byte(`{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":"` + old.Secret + `"}`))
			})
			writing.Wait()
			synctest.Wait()
			in := 0
			for _, name := range []string{"abc123", "second"} {
				channel, _ := s.Hub.Channel(name)
				shot, _ := channel.Snapshot()
				in += len(shot.Slaves)
			}
			require.Equal(t, 1, in)
		})
	}
}

// Who switches is told that it is in the one before it is told that it is out of the other,
// whoever delivers first.
func TestRaceOfTheAnswersToASwitch(t *testing.T) {
	noRate := lectern.RateLimit{PerSecond: -1}
	stage.Everywhere(t, lectern.Policy{FrameRate: noRate, MembershipRate: noRate}, func(t *testing.T, s *stage.Stage) {
		alice, one := s.User(), s.Raw()
		for _, channel := range []string{"abc123", "xyz"} {
			alice.Creates(channel, "alice")
		}
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		from, to := "abc123", "xyz"
		for ref := 2; ref < 2+5**rounds; ref++ {
			one.Send(fmt.Sprintf(`{"type":"join","ref":%d,"channel":%q,"username":"user_one","from":%q}`, ref, to, from))
			one.Expect(strings.NewReplacer("abc123", to, `"ref":1`, fmt.Sprintf(`"ref":%d`, ref)).Replace(stage.OneJoined),
				fmt.Sprintf(`{"type":"left","channel":%q}`, from))
			from, to = to, from
		}
	})
}
