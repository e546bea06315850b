package lectern_test

import (
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// An audience that several processors share gets everything once and in order, those
// who come and go in between included, and the Observer is told of each delivery.
func TestBroadcastToACrowd(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	synctest.Test(t, func(t *testing.T) {
		const crowd, last = 1700, 10 // more than four processors are worth, and no multiple of a piece
		l := newLedger()
		hub, err := lectern.NewHub(lectern.Policy{Observer: l, Outbox: lectern.Bound{Messages: 4 * crowd}})
		require.NoError(t, err)
		master, err := hub.Create(within(t), "abc123", "alice")
		require.NoError(t, err)
		slaves := make([]*lectern.Slave, crowd)
		for i := range slaves {
			slaves[i], err = hub.Join(within(t), "abc123", fmt.Sprint("user_", i))
			require.NoError(t, err)
		}
		const leavesAfter = 4
		for i := range last {
			if i == leavesAfter {
				require.NoError(t, slaves[crowd/2].Close())
			}
			broadcast(t, master, fmt.Sprint("message ", i))
		}
		synctest.Wait()
		l.has(t, map[string]int64{"messages_sent slave": last*crowd - (last - leavesAfter)})
		for i, slave := range slaves {
			for n := range last {
				if i == crowd/2 && n == leavesAfter {
					break
				}
				nextText(t, slave, fmt.Sprint("message ", n))
			}
		}
		require.NoError(t, hub.Close())
	})
}
