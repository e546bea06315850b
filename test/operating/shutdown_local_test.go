package operating

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// A member in the hub's process knows at once that the hub will not be back,
// however short its master's time is.
func TestShutdownOfMembersWithLittleTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 20 {
			hub, err := lectern.NewHub(lectern.Policy{MasterTimeout: 50 * time.Millisecond})
			require.NoError(t, err)
			master, err := hub.Create(stage.Within(t), "abc123", "alice")
			require.NoError(t, err)
			slave, err := hub.Join(stage.Within(t), "abc123", "user_one")
			require.NoError(t, err)
			require.NoError(t, hub.Shutdown(stage.Within(t)))
			stage.Ended(t, master, lectern.ErrShutdown)
			stage.Ended(t, slave, lectern.ErrShutdown)
		}
	})
}

// Where a client leads to several hubs of its process, it is over when all of them are.
func TestShutdownOfOneOfTheHubsOfAClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var hubs [2]*lectern.Hub
		for i := range hubs {
			hub, err := lectern.NewHub(lectern.Policy{})
			require.NoError(t, err)
			hubs[i] = hub
		}
		client := lectern.NewClient(transport.DialAny(hubs[0], memory.WithValues(t.Context(), hubs[1])), lectern.ClientOptions{})
		defer client.Close()
		first, err := client.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		require.NoError(t, hubs[0].Shutdown(stage.Within(t)))
		stage.Ended(t, first, lectern.ErrHubLost)
		second, err := client.Create(stage.Within(t), "abc123", "alice")
		require.NoError(t, err)
		began := time.Now()
		require.NoError(t, hubs[1].Shutdown(stage.Within(t)))
		stage.Ended(t, second, lectern.ErrShutdown)
		require.Equal(t, began, time.Now())
	})
}
