package histories

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// TestBackAtOnce: who has learned that a channel is over can make it anew at
// once, on the connection on which it was told.
func TestBackAtOnce(t *testing.T) {
	hub := newHubs(t)
	dialer, disconnect := overMemory(t, hub)
	w := newWorld(t, hub, dialer)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	alice, bob := w.client(), w.client()
	_, err := bob.Create(ctx, "keep", "bob") // what keeps the connection open
	require.NoError(t, err)
	for range 20 * *rounds {
		master, err := alice.Create(ctx, "c0", "alice")
		require.NoError(t, err)
		slave, err := bob.Join(ctx, "c0", "bob")
		require.NoError(t, err)
		require.NoError(t, master.Close())
		<-slave.Done()
		require.ErrorIs(t, slave.Err(), lectern.ErrMasterLeft)
		next, err := bob.Create(ctx, "c0", "bob")
		require.NoError(t, err)
		require.NoError(t, next.Close())
	}
	cancel()
	w.close()
	disconnect()
	require.NoError(t, hub.Close())
}
