package restart

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// A hub that never had the membership does not speak for the one that is being replaced, though
// it is the only one that can be reached meanwhile.
func TestAnotherHubDoesNotSpeakForOneThatIsReplaced(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		other := &address{t: t}
		other.starts(nil)
		client := lectern.NewClient(transport.DialAny(a, other), lectern.ClientOptions{})
		defer client.Close()
		master, err := client.Create(t.Context(), "abc123", "alice")
		require.NoError(t, err)
		state := a.stops(time.Second)
		time.Sleep(5 * time.Second)
		require.NoError(t, master.Err())
		a.starts(state)
		stage.Broadcast(t, master, "after")
		require.NoError(t, client.Close())
		require.NoError(t, other.hub.Close())
	})
}
