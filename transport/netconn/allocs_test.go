//go:build !race

package netconn

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// The race detector lets pools forget at random, so this is not for it.
func TestNoAllocationPerMessage(t *testing.T) {
	near, far := tcpConns(t)
	one, two := New(near, transport.ConnOptions{}), New(far, transport.ConnOptions{})
	batch := make([][]byte, 100)
	for i := range batch {
		batch[i] = make([]byte, 20*i)
	}
	allocs := testing.AllocsPerRun(200, func() {
		require.NoError(t, one.Write(batch...))
		for range batch {
			_, err := two.Read()
			require.NoError(t, err)
		}
	})
	require.Less(t, allocs, 2.0) // for a hundred messages
	closed := make(chan error, 1)
	go func() { closed <- one.Close(transport.Reason{Code: transport.Left}) }()
	_, err := two.Read()
	require.Error(t, err)
	require.NoError(t, two.Close(transport.Reason{Code: transport.Left}))
	require.NoError(t, <-closed)
}
