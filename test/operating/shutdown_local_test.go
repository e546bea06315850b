package operating

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
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
