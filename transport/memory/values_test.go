package memory_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

type valueKey struct{}

// seer is a server that tells what it sees of a context.
type seer struct{ seen chan any }

func (s seer) Serve(ctx context.Context, conn transport.Conn) error {
	s.seen <- ctx.Value(valueKey{})
	s.seen <- ctx.Err()
	return conn.Close(transport.Reason{Code: transport.Shutdown})
}

func TestWithValues(t *testing.T) {
	server := seer{make(chan any, 2)}
	l := memory.Listen(server, memory.Options{})
	defer l.Close()
	// What was made with the values may be over; the dialling ends by its own context.
	values, end := context.WithCancel(context.WithValue(t.Context(), valueKey{}, "alice"))
	end()
	dialer := memory.WithValues(values, l)
	require.Equal(t, l, dialer.(interface{ Unwrap() transport.Dialer }).Unwrap())
	for _, ctx := range []context.Context{t.Context(), context.WithValue(t.Context(), valueKey{}, "another")} {
		_, err := dialer.Dial(ctx)
		require.NoError(t, err)
		require.Equal(t, "alice", <-server.seen)
		require.Nil(t, <-server.seen)
	}
	why := errors.New("over")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	_, err := dialer.Dial(ended)
	require.ErrorIs(t, err, context.Canceled)
}

func TestTimesWithoutTheirUnitPanic(t *testing.T) {
	for _, options := range []memory.Options{{ProbeAfter: 10}, {GiveUp: 5 * time.Microsecond}} {
		require.Panics(t, func() { memory.Pipe(options) })
		require.Panics(t, func() { memory.Listen(seer{}, options) })
	}
}
