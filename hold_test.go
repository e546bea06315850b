package lectern

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// Who is slow is remembered for a sender that waits for it, and for nobody else:
// where nobody ever waits, the list would only grow.
func TestNobodyIsRememberedWhereNobodyWaits(t *testing.T) {
	for _, policy := range []Policy{
		{Observer: discard{}, Slow: SlowDropOldest},
		{Observer: discard{}},
	} {
		t.Run(fmt.Sprint(policy.Slow), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub, err := NewHub(policy)
				require.NoError(t, err)
				defer hub.Close()
				master, err := hub.Create(t.Context(), "abc123", "alice")
				require.NoError(t, err)
				conn, err := hub.Dial(t.Context())
				require.NoError(t, err)
				defer conn.Close(transport.Reason{Code: transport.Left})
				require.NoError(t, conn.Write([]byte(`{"type":"join","channel":"abc123","username":"slow"}`)))
				synctest.Wait()
				for range 200 { // more than half of what may wait, and not all of it
					_, err := master.Broadcast(t.Context(), Text(strings.Repeat("x", 4000)))
					require.NoError(t, err)
				}
				synctest.Wait()
				channel, _ := hub.Channel("abc123")
				require.Empty(t, channel.crowd.take())
				require.NoError(t, master.Close())
			})
		})
	}
}
