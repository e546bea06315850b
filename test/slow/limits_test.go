package slow

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// A slave that never reads is let go with slow and delays nobody. It can come
// back.
func TestSlowSlave(t *testing.T) {
	policy := lectern.Policy{Outbox: lectern.QueueLimit{Messages: 16}, Replay: lectern.QueueLimit{Messages: 1000, Bytes: 100 << 20}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		quick := s.User().Joins("abc123", "user_two")
		slow := s.Raw()
		slow.Send(stage.OneJoins)
		slow.Expect(stage.OneJoined)
		began := time.Now()
		const count = 80
		// Memory and the sockets' buffers hold some of it, so it has to be a lot.
		text := strings.Repeat("x", 10_000)
		for i := range count {
			stage.Broadcast(t, master, fmt.Sprint(i, text))
			stage.Receive(t, quick, fmt.Sprint(i, text))
			synctest.Wait() // in a cluster the slow one's hub may be another one
		}
		require.Equal(t, began, time.Now(), "others were delayed")
		last := 0
		for {
			frame, err := slow.Read()
			if err != nil {
				var closed *transport.CloseError
				require.True(t, errors.As(err, &closed), "%v", err)
				require.Equal(t, transport.Slow, closed.Reason.Code)
				break
			}
			last++
			require.Contains(t, frame, fmt.Sprintf(`"seq":%d,`, last), "in order and without a hole")
		}
		require.Less(t, last, count)
		require.NotZero(t, last)

		again := s.Raw()
		again.Send(fmt.Sprintf(`{"type":"resume","ref":1,"channel":"abc123","username":"user_one","resume":%q,"last":%d}`, slow.Secret, last))
		again.Expect(stage.OneResumed(1))
		for last < count {
			last++
			frame, err := again.Read()
			require.NoError(t, err)
			require.Contains(t, frame, fmt.Sprintf(`"seq":%d,`, last))
		}
	})
}

// One that takes nothing at all is let go by the time that a write may take,
// also where little waits for it.
func TestStuckSlave(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice")
		slow := s.Raw()
		slow.Send(stage.OneJoins)
		slow.Expect(stage.OneJoined)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		for range 4 {
			stage.Broadcast(t, master, strings.Repeat("x", 60_000))
		}
		began := time.Now()
		away := stage.NextPresence(t, master, "user_one", lectern.StateAway)
		require.LessOrEqual(t, away.Since.Sub(began), 16*time.Second)
	})
}

// A master that does not keep up costs its slaves a refusal that they know of.
func TestSlowMaster(t *testing.T) {
	policy := lectern.Policy{
		Outbox: lectern.QueueLimit{Messages: 16}, Replay: lectern.QueueLimit{Messages: 1000, Bytes: 100 << 20}, WriteTimeout: time.Hour,
	}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.Raw()
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		slave := s.User().Joins("abc123", "user_one")
		alice.Expect(stage.OneOnline)
		accepted, refused := 0, 0
		for refused < 3 {
			_, err := slave.Send(stage.Within(t), lectern.Text(fmt.Sprint(accepted)))
			if err != nil {
				require.ErrorIs(t, err, lectern.ErrBusy)
				refused++
				continue
			}
			accepted++
			require.Less(t, accepted, 10_000, "never refused")
			synctest.Wait()
		}
		for i := range accepted {
			alice.Expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"%d"}`, i+1, i))
		}
		stage.Say(t, slave, "better now")
		alice.Expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"user_one","seq":%d,"text":"better now"}`, accepted+1))
	})
}
