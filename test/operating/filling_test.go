package operating

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/stage"
)

// Where the log of a cluster is nearly full, messages are refused, and members come and go as ever. When what is old has
// gone, messages are taken again.
func TestALogThatIsNearlyFull(t *testing.T) {
	stage.OneHub(t, "it makes its own cluster")
	synctest.Test(t, func(t *testing.T) {
		const keeps = 4 * time.Minute
		engine := cluster.NewLocalWith(cluster.LocalOptions{Keeps: keeps, Shards: 1, MaxBytes: 4 << 20})
		defer engine.Close()
		hub, err := lectern.NewHub(lectern.Policy{Cluster: engine})
		require.NoError(t, err)
		defer hub.Close()
		master, err := hub.Create(t.Context(), "class", "teacher")
		require.NoError(t, err)
		text := lectern.Text(string(make([]byte, 1<<10)))
		sent := 0
		for ; err == nil; sent++ {
			require.Less(t, sent, 4000)
			_, err = master.Broadcast(t.Context(), text)
			time.Sleep(10 * time.Millisecond)
		}
		require.ErrorIs(t, err, lectern.ErrBusy)
		require.Greater(t, sent, 100)
		require.ErrorIs(t, master.SetAttribute(t.Context(), "k", text), lectern.ErrBusy)
		channel, exists := hub.Channel("class")
		require.True(t, exists)
		_, err = channel.Broadcast(t.Context(), text)
		require.ErrorIs(t, err, lectern.ErrBusy)

		slave, err := hub.Join(t.Context(), "class", "student")
		require.NoError(t, err)
		require.NoError(t, slave.Leave())
		time.Sleep(2 * keeps)
		_, err = master.Broadcast(t.Context(), text)
		require.NoError(t, err)
		require.NoError(t, master.Close())
	})
}
