package slow

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// An audience that several processors share gets everything once and in order, those
// who come and go in between included, and the Observer is told of each delivery.
func TestBroadcastToACrowd(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	synctest.Test(t, func(t *testing.T) {
		const crowd, last = 1700, 10 // more than four processors are worth, and no multiple of a piece
		l := stage.NewLedger()
		hub, err := lectern.NewHub(lectern.Policy{Observer: l, Outbox: lectern.QueueLimit{Messages: 4 * crowd}})
		require.NoError(t, err)
		master, err := hub.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		slaves := make([]*lectern.Slave, crowd)
		for i := range slaves {
			slaves[i], err = hub.Join(stage.Within(t), "abc123", fmt.Sprint("user_", i))
			require.NoError(t, err)
		}
		const leavesAfter = 4
		for i := range last {
			if i == leavesAfter {
				require.NoError(t, slaves[crowd/2].Leave())
			}
			stage.Broadcast(t, master, fmt.Sprint("message ", i))
		}
		synctest.Wait()
		l.Has(t, map[string]int64{"messages_sent slave": last*crowd - (last - leavesAfter)})
		for i, slave := range slaves {
			for n := range last {
				if i == crowd/2 && n == leavesAfter {
					break
				}
				stage.NextText(t, slave, fmt.Sprint("message ", n))
			}
		}
		require.NoError(t, hub.Close())
	})
}

// An audience so large that several processors share it out: each slave has every
// message once and in order, however slow slaves are treated, in both forms.
func TestLargeAudience(t *testing.T) {
	const slaves, messages = 850, 30
	for _, slow := range []lectern.Slow{lectern.SlowDisconnect, lectern.SlowDropOldest} {
		t.Run(fmt.Sprint(slow), func(t *testing.T) {
			stage.InBubble(t, lectern.Policy{Slow: slow}, func(t *testing.T, s *stage.Stage) {
				master := s.User().Creates("abc123", "alice")
				binary := make([]*lectern.Slave, slaves)
				for i := range binary {
					var err error
					binary[i], err = s.Hub.Join(stage.Within(t), "abc123", fmt.Sprint("user", i))
					require.NoError(t, err)
				}
				text := s.Raw()
				text.Send(stage.OneJoins)
				text.Expect(stage.OneJoined)
				for i := range messages {
					stage.Broadcast(t, master, fmt.Sprint("message ", i))
					synctest.Wait() // so that each is a delivery
				}
				for i := range messages {
					want := fmt.Sprint("message ", i)
					for _, slave := range binary {
						stage.Receive(t, slave, want)
					}
					text.Expect(fmt.Sprintf(`{"type":"message","channel":"abc123","from":"alice","seq":%d,"text":%q}`, i+1, want))
				}
			})
		})
	}
}
