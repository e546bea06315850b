//go:build !race

package outbox_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport"
)

// A sink takes everything; trying tells whether it can without waiting.
type sink struct {
	wrote  chan struct{}
	trying bool
}

func (s sink) Read() ([]byte, error)        { select {} }
func (s sink) Close(transport.Reason) error { return nil }
func (s sink) Write(...[]byte) error {
	s.wrote <- struct{}{}
	return nil
}

func (s sink) TryWrite(...[]byte) bool {
	if s.trying {
		s.wrote <- struct{}{}
	}
	return s.trying
}

// Neither who writes by itself nor a goroutine takes memory for each message. The
// race detector lets pools forget at random, so this is not for it.
func TestNoAllocationForEachWrite(t *testing.T) {
	for _, trying := range []bool{true, false} {
		conn := sink{wrote: make(chan struct{}, 1), trying: trying}
		q := outbox.New(conn, &outbox.Limits{Messages: 10, Bytes: 1000})
		messages := [][]byte{[]byte("one"), []byte("two")}
		allocs := testing.AllocsPerRun(1000, func() {
			_, _, err := q.PushAll(messages)
			require.NoError(t, err)
			<-conn.wrote
		})
		require.Less(t, allocs, 0.5, "trying: %v", trying)
		q.Close(transport.Reason{})
		q.Wait()
	}
}
