package operating

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// An adapter may read when it likes, in whatever goroutine.
func TestReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{MaxHandshakeBytes: 200})
		require.NoError(t, err)
		near, far := memory.Pipe(memory.Options{MaxFrameBytes: hub.MaxFrameBytes()})
		ctx, cancel := context.WithCancel(t.Context())
		receiver, err := hub.Accept(ctx, far)
		require.NoError(t, err)
		alice := &stage.Raw{T: t, Conn: near}
		takeIn := func() {
			message, err := far.Read()
			require.NoError(t, err)
			require.NoError(t, receiver.Receive(message))
		}
		alice.Send(stage.AliceCreates)
		takeIn()
		alice.Expect(stage.AliceCreated)
		// The limit of the time before a membership has gone.
		alice.Send(`{"type":"ping","ref":2,"more":"` + strings.Repeat("x", 200) + `"}`)
		takeIn()
		alice.Expect(`{"type":"pong","ref":2}`)

		// The end of the context ends the reading.
		cancel()
		_, err = far.Read()
		require.Error(t, err)
		require.NoError(t, receiver.End(err))
		alice.Closed(transport.Shutdown)
		require.NoError(t, hub.Close())
	})
}

func TestReceiverThatEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{MaxHandshakeBytes: 200})
		require.NoError(t, err)
		near, far := memory.Pipe(memory.Options{MaxFrameBytes: hub.MaxFrameBytes()})
		receiver, err := hub.Accept(t.Context(), far)
		require.NoError(t, err)
		err = receiver.Receive([]byte(strings.Repeat("x", 201)))
		require.ErrorIs(t, err, lectern.ErrTooLarge)
		require.ErrorIs(t, receiver.End(err), lectern.ErrTooLarge)
		(&stage.Raw{T: t, Conn: near}).Closed(transport.TooLarge)
		require.NoError(t, hub.Close())
		_, err = hub.Accept(t.Context(), far)
		require.ErrorIs(t, err, lectern.ErrShuttingDown)
	})
}

// What panics while a connection is read costs that connection, and nothing that
// the hub waits for stays behind.
func TestPanicWhileReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{})
		require.NoError(t, err)
		near, far := memory.Pipe(memory.Options{MaxFrameBytes: hub.MaxFrameBytes()})
		served := make(chan any)
		go func() {
			defer func() { served <- recover() }()
			_ = hub.Serve(context.Background(), &fragile{Conn: far, messages: 2})
		}()
		alice := &stage.Raw{T: t, Conn: near}
		alice.Send(stage.AliceCreates)
		alice.Expect(stage.AliceCreated)
		alice.Send(`{"type":"ping","ref":2}`)
		require.Equal(t, "cannot read", <-served)
		_, _ = near.Read() // the pong, if it was in time
		_, err = near.Read()
		require.Error(t, err)
		one := lectern.NewClient(hub, lectern.ClientOptions{})
		status, err := one.Status(stage.Within(t), "abc123")
		require.NoError(t, err)
		require.Equal(t, lectern.StateAway, status.Master.State)
		require.NoError(t, one.Close())
		require.NoError(t, hub.Close())
	})
}

// fragile is a connection whose reading panics after so many messages.
type fragile struct {
	transport.Conn
	messages int
}

func (f *fragile) Read() ([]byte, error) {
	if f.messages == 0 {
		panic("cannot read")
	}
	f.messages--
	return f.Conn.Read()
}

// Whatever an adapter makes of an error that says what was wrong, the peer is told the
// words.
func TestReceiverToldByWhatItsAdapterMakesOfAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{})
		require.NoError(t, err)
		for _, test := range []struct {
			received string
			end      func(err error) error
			text     string
		}{
			{"garbage", func(err error) error { return fmt.Errorf("adapter: %w", err) }, "what came is not Lectern's protocol"},
			{"", func(error) error { return &lectern.Error{Code: "odd", Text: "the proxy says so"} }, "the proxy says so"},
			{"", func(error) error { return errors.New("some fault of the adapter") }, ""},
		} {
			near, far := memory.Pipe(memory.Options{})
			receiver, err := hub.Accept(t.Context(), far)
			require.NoError(t, err)
			if test.received != "" {
				err = receiver.Receive([]byte(test.received))
				require.Error(t, err)
			}
			require.Error(t, receiver.End(test.end(err)))
			_, err = near.Read()
			var closed *transport.CloseError
			require.ErrorAs(t, err, &closed)
			require.Equal(t, transport.Reason{Code: transport.ProtocolError, Text: test.text}, closed.Reason)
		}
		require.NoError(t, hub.Close())
	})
}
