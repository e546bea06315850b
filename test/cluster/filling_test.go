package cluster

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/transport/memory"
)

// Where a shard is half full, a channel that takes much of it is refused messages, wherever they are sent, and others in it go on; until
// what is old has gone.
func TestOneChannelDoesNotFillItsShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		const keeps, room = 10 * time.Minute, 4 << 20
		log := cluster.NewLocalWith(cluster.LocalOptions{Keeps: keeps, Shards: 1, MaxBytes: room})
		defer func() { require.NoError(t, log.Close()) }()
		var clients []*lectern.Client
		for range 2 {
			none := lectern.RateLimit{PerSecond: -1}
			hub, err := lectern.NewHub(lectern.Policy{MasterTimeout: time.Minute, FrameRate: none, SlaveMessageRate: none, Cluster: log, Replay: lectern.QueueLimit{Messages: 8, Bytes: 1 << 17}})
			require.NoError(t, err)
			listener := memory.Listen(hub, memory.Options{})
			defer func() {
				require.NoError(t, hub.Close())
				require.NoError(t, listener.Close())
			}()
			for range 2 {
				client := lectern.NewClient(listener, lectern.ClientOptions{})
				defer func() { require.NoError(t, client.Close()) }()
				clients = append(clients, client)
			}
		}
		much, err := clients[0].Create(ctx, "much", "alice")
		require.NoError(t, err)
		little, err := clients[0].Create(ctx, "little", "alice")
		require.NoError(t, err)
		slave, err := clients[2].Join(ctx, "much", "bob")
		require.NoError(t, err)
		text := lectern.Text(strings.Repeat("x", 16<<10))
		filled := func() float64 { return log.State().Shards[0].Filled }
		fills := func(m *lectern.Master) (err error) {
			for err == nil && filled() < 0.9 {
				if _, err = m.Broadcast(ctx, text); err == nil {
					time.Sleep(50 * time.Millisecond)
				}
			}
			return err
		}
		require.ErrorIs(t, fills(much), lectern.ErrBusy)
		require.InDelta(t, 0.5, filled(), 0.15)
		_, err = slave.Send(ctx, text)
		require.ErrorContains(t, err, "the channel takes much of the cluster's log")
		require.ErrorIs(t, much.SetAttribute(ctx, "k", lectern.Text("v")), lectern.ErrBusy)
		_, err = little.Broadcast(ctx, text)
		require.NoError(t, err)
		_, err = clients[1].Join(ctx, "much", "eve")
		require.NoError(t, err)

		taken, err := clients[3].ResumeMaster(ctx, much.Ticket())
		require.NoError(t, err)
		time.Sleep(keeps + keeps/10)
		_, err = taken.Broadcast(ctx, text)
		require.NoError(t, err)
	})
}
