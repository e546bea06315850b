package delivery

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// Who is slow is remembered for a sender that waits for it, and for nobody else:
// where nobody ever waits, the list would only grow.
func TestNobodyIsRememberedWhereNobodyWaits(t *testing.T) {
	for _, test := range []struct {
		slow     Slow
		observed bool
	}{
		{SlowDropOldest, true},
		{SlowDisconnect, true},
	} {
		t.Run(fmt.Sprint(uint8(test.slow)), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newChannel(t, test.slow, test.observed)
				master := c.enter("alice", wire.Master, takesAll{})
				stuck := newStuckConn()
				defer stuck.release()
				c.enter("slow", wire.Slave, stuck)
				for range 200 { // more than half of what may wait, and not all of it
					c.send(master, strings.Repeat("x", 4000))
				}
				synctest.Wait()
				require.Empty(t, c.slow.take())
				messages, _ := c.lines[1].out.Waiting()
				require.Greater(t, messages, 128, "it was slow")
			})
		})
	}
}
