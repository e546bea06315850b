//go:build !race

package websocket_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Without the race detector only: with it, sync.Pool drops things on purpose.
func TestAllocations(t *testing.T) {
	client, server := countedPair(t)
	small, large := make([]byte, 200), make([]byte, 20_000)
	for name, ends := range map[string][2]end{"to the server": {client, server}, "to the client": {server, client}} {
		from, to := ends[0], ends[1]
		for size, message := range map[string][]byte{"small": small, "large": large} {
			batch := [][]byte{message}
			allocations := testing.AllocsPerRun(1000, func() {
				from.Write(batch...)
				to.Read()
			})
			// One is the framing library's, for the reader of a message.
			require.LessOrEqual(t, allocations, 1.0, "%s message %s", size, name)
		}
	}
	for name, from := range map[string]end{"client": client, "server": server} {
		from.beneath.deaf.Store(true)
		batch := [][]byte{small, small, large, small}
		require.Zero(t, testing.AllocsPerRun(1000, func() { from.Write(batch...) }), "a batch of the %s", name)
	}
	client.beneath.Close()
	server.Close(goodbye)
	client.Close(goodbye)
}
