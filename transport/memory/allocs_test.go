//go:build !race

package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport/memory"
)

// The race detector lets pools forget at random, so this is not for it.
func TestNoAllocationPerMessage(t *testing.T) {
	a, b := memory.Pipe(memory.Options{})
	batch := make([][]byte, 50)
	for i := range batch {
		batch[i] = make([]byte, 20*i)
	}
	allocs := testing.AllocsPerRun(200, func() {
		require.NoError(t, a.Write(batch...))
		for range batch {
			_, err := b.Read()
			require.NoError(t, err)
		}
	})
	require.Less(t, allocs, 2.0) // for fifty messages
}
