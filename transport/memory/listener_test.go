package memory_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

type key struct{}

// greeter is a transport.Server that tells each peer the name in its context,
// and lingers for a while when it ends.
type greeter struct {
	limit  int
	linger time.Duration
}

func (g *greeter) MaxFrameBytes() int { return g.limit }

func (g *greeter) Serve(ctx context.Context, conn transport.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close(transport.Reason{Code: transport.Shutdown}) })
	defer stop()
	name, _ := ctx.Value(key{}).(string)
	if err := conn.Write([]byte("hello " + name)); err != nil {
		return err
	}
	for {
		if _, err := conn.Read(); err != nil {
			time.Sleep(g.linger)
			return conn.Close(transport.Reason{Code: transport.Left})
		}
	}
}

var _ transport.Dialer = (*memory.Listener)(nil)

func dial(t *testing.T, l *memory.Listener, name string) *memory.Conn {
	ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, name))
	conn, err := l.Dial(ctx)
	require.NoError(t, err)
	cancel() // bounds the dialling alone
	greeting, err := conn.Read()
	require.NoError(t, err)
	require.Equal(t, "hello "+name, string(greeting))
	return conn.(*memory.Conn)
}

func TestListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memory.Listen(&greeter{limit: 100, linger: time.Second}, memory.Options{})
		alice, bob, carol := dial(t, l, "alice"), dial(t, l, "bob"), dial(t, l, "carol")
		require.Equal(t, []*memory.Conn{alice, bob, carol}, l.Conns())

		require.NoError(t, alice.Write(make([]byte, 101)))
		_, err := alice.Read()
		require.ErrorContains(t, err, "too_large", "the limit is the server's")
		bob.Cut()
		time.Sleep(2 * time.Second)
		require.Equal(t, []*memory.Conn{carol}, l.Conns())

		start := time.Now()
		var closing sync.WaitGroup
		for range 3 {
			closing.Go(func() { require.NoError(t, l.Close()) })
		}
		_, err = carol.Read()
		require.Equal(t, &transport.CloseError{Reason: transport.Reason{Code: transport.Shutdown}}, err)
		closing.Wait()
		require.Equal(t, time.Second, time.Since(start), "Close waits for the server")
		require.Empty(t, l.Conns())
		_, err = l.Dial(t.Context())
		require.ErrorIs(t, err, net.ErrClosed)
	})
}

func TestDialRefused(t *testing.T) {
	l := memory.Listen(&greeter{}, memory.Options{})
	defer l.Close()
	conn := dial(t, l, "before")
	down := errors.New("the line is down")
	l.Refuse(down)
	_, err := l.Dial(t.Context())
	require.ErrorIs(t, err, down)
	require.NotErrorIs(t, err, net.ErrClosed)
	require.NoError(t, conn.Write([]byte("goes on")))
	l.Refuse(nil)
	dial(t, l, "after")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = l.Dial(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// leaver is a server that does not close what it served.
type leaver struct{}

func (leaver) Serve(context.Context, transport.Conn) error { return nil }

func TestListenerClosesWhatTheServerLeft(t *testing.T) {
	l := memory.Listen(leaver{}, memory.Options{})
	defer l.Close()
	conn, err := l.Dial(t.Context())
	require.NoError(t, err)
	_, err = conn.Read()
	require.Equal(t, &transport.CloseError{Reason: transport.Reason{Code: transport.Shutdown}}, err)
}

// Connections come, go and are counted while the listener closes.
func TestListenerUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memory.Listen(&greeter{}, memory.Options{})
		var dialling sync.WaitGroup
		for range 20 {
			dialling.Go(func() {
				for {
					conn, err := l.Dial(t.Context())
					if err != nil {
						require.ErrorIs(t, err, net.ErrClosed)
						return
					}
					_, _ = conn.Read()
					time.Sleep(time.Millisecond)
					_ = conn.Close(transport.Reason{Code: transport.Left})
				}
			})
		}
		for range 20 {
			time.Sleep(time.Millisecond)
			for _, conn := range l.Conns() {
				conn.Cut()
			}
		}
		require.NoError(t, l.Close())
		dialling.Wait()
	})
}
