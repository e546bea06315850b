package netconn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
)

// echo is a transport.Server that sends back what it reads, until the connection
// or its context ends.
type echo struct {
	limit int
	mu    sync.Mutex
	seen  []context.Context
}

func (e *echo) MaxFrameBytes() int { return e.limit }

func (e *echo) Serve(ctx context.Context, conn transport.Conn) error {
	e.mu.Lock()
	e.seen = append(e.seen, ctx)
	e.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close(transport.Reason{Code: transport.Shutdown}) })
	defer stop()
	for {
		message, err := conn.Read()
		if err != nil {
			return conn.Close(transport.Reason{Code: transport.Left})
		}
		if err := conn.Write(message); err != nil {
			return err
		}
	}
}

// serving runs Serve in a bubble. end ends its context and returns its error.
func serving(t *testing.T, listener net.Listener, server transport.Server, options Options) (end func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, server, options) }()
	return func() error {
		cancel()
		return <-served
	}
}

func dialMemory(t *testing.T, listener *memnet.Listener) transport.Conn {
	conn, err := Dialer{NetDialContext: listener.DialContext}.Dial(t.Context())
	require.NoError(t, err)
	return conn
}

func requireEcho(t *testing.T, conn transport.Conn) {
	require.NoError(t, conn.Write([]byte("echo?")))
	message, err := conn.Read()
	require.NoError(t, err)
	require.Equal(t, "echo?", string(message))
}

func TestServeUntilTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener, server := memnet.Listen(), &echo{limit: 100}
		end := serving(t, listener, server, Options{})
		one, two := dialMemory(t, listener), dialMemory(t, listener)
		requireEcho(t, one)
		requireEcho(t, two)
		raw, ok := ConnFromContext(server.seen[0])
		require.True(t, ok)
		require.Equal(t, "memory", raw.RemoteAddr().String())

		require.NoError(t, one.Write(make([]byte, 101)))
		_, err := one.Read()
		require.ErrorContains(t, err, "too_large", "the limit is the server's")
		require.NoError(t, one.Close(transport.Reason{Code: transport.Left}))

		read := make(chan error, 1)
		go func() {
			_, err := two.Read()
			read <- err
		}()
		require.NoError(t, end())
		require.ErrorContains(t, <-read, "shutdown")
		require.NoError(t, two.Close(transport.Reason{Code: transport.Left}))
		_, err = listener.Dial(t.Context())
		require.Error(t, err, "the listener is closed")
	})
}

func TestServeWhenTheListenerIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener, server := memnet.Listen(), &echo{}
		served := make(chan error, 1)
		go func() { served <- Serve(t.Context(), listener, server, Options{}) }()
		conn := dialMemory(t, listener)
		requireEcho(t, conn)
		read := make(chan error, 1)
		go func() {
			_, err := conn.Read()
			read <- err
		}()
		require.NoError(t, listener.Close())
		require.ErrorIs(t, <-served, net.ErrClosed)
		require.ErrorContains(t, <-read, "shutdown")
		require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))
	})
}

func TestServeWithAContextThatHasEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, Serve(ctx, memnet.Listen(), &echo{}, Options{}))
}

// exhausted is a listener that has run out of something for so many times.
type exhausted struct {
	*memnet.Listener
	calls []time.Time

	mu       sync.Mutex
	err      error
	failures int
}

func (l *exhausted) fail(err error, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err, l.failures = err, times
}

func (l *exhausted) Accept() (net.Conn, error) {
	l.calls = append(l.calls, time.Now())
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failures > 0 {
		l.failures--
		return nil, l.err
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	return l.Listener.Accept()
}

type passingError struct{}

func (passingError) Error() string   { return "too many open files" }
func (passingError) Temporary() bool { return true }

// Out of file descriptors, of which some become free in the end.
func TestServeBacksOff(t *testing.T) {
	for name, failure := range map[string]error{
		"A16 out of file descriptors": &net.OpError{Op: "accept", Net: "memory", Err: os.NewSyscallError("accept4", syscall.EMFILE)},
		"A16 anything that passes":    &net.OpError{Op: "accept", Net: "memory", Err: passingError{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				listener := &exhausted{Listener: memnet.Listen()}
				end := serving(t, listener, &echo{}, Options{})
				before := dialMemory(t, listener.Listener)
				requireEcho(t, before)
				synctest.Wait() // the next call is in progress
				listener.fail(failure, 10)
				conn := dialMemory(t, listener.Listener) // is accepted by the call in progress
				requireEcho(t, conn)
				synctest.Wait()
				late := dialMemory(t, listener.Listener)
				requireEcho(t, before) // those that are there notice nothing
				requireEcho(t, late)
				for _, c := range []transport.Conn{before, conn, late} {
					require.NoError(t, c.Close(transport.Reason{Code: transport.Left}))
				}
				require.NoError(t, end())
				for i, pause := range []int{5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000} {
					require.Equal(t, time.Duration(pause)*time.Millisecond, listener.calls[i+3].Sub(listener.calls[i+2]))
				}
			})
		})
	}
}

func TestServeDoesNotOversleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := &exhausted{Listener: memnet.Listen(), err: passingError{}, failures: 1 << 30}
		end := serving(t, listener, &echo{}, Options{})
		time.Sleep(10*time.Second + time.Millisecond)
		start := time.Now()
		require.NoError(t, end())
		require.Zero(t, time.Since(start))
	})
}

// Whatever the system lacks, or the network says of one connection, is no reason to end
// for everybody: accept(2) has the list.
func TestServeWaitsOutWhatPasses(t *testing.T) {
	for _, errno := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.ENOSPC, syscall.EPERM, syscall.ECONNABORTED,
		syscall.ECONNRESET, syscall.EPROTO, syscall.ENETDOWN, syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ETIMEDOUT,
		syscall.ENOPROTOOPT, syscall.EOPNOTSUPP, syscall.EINTR, syscall.EIO,
	} {
		t.Run(fmt.Sprint(errno), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				failure := &net.OpError{Op: "accept", Net: "memory", Err: os.NewSyscallError("accept4", errno)}
				listener := &exhausted{Listener: memnet.Listen(), err: failure, failures: 3}
				end := serving(t, listener, &echo{}, Options{})
				conn := dialMemory(t, listener.Listener)
				requireEcho(t, conn)
				require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))
				require.NoError(t, end())
			})
		})
	}
}

func TestServeGivesUp(t *testing.T) {
	for name, broken := range map[string]error{
		"a listener's own word": errors.New("not a socket any more"),
		"closed":                &net.OpError{Op: "accept", Net: "memory", Err: net.ErrClosed},
		"no descriptor":         &net.OpError{Op: "accept", Net: "memory", Err: os.NewSyscallError("accept4", syscall.EBADF)},
		"not listening":         &net.OpError{Op: "accept", Net: "memory", Err: os.NewSyscallError("accept4", syscall.EINVAL)},
		"no socket":             &net.OpError{Op: "accept", Net: "memory", Err: os.NewSyscallError("accept4", syscall.ENOTSOCK)},
	} {
		t.Run(name, func(t *testing.T) {
			listener := &exhausted{Listener: memnet.Listen(), err: broken, failures: 1}
			require.ErrorIs(t, Serve(t.Context(), listener, &echo{}, Options{}), broken)
		})
	}
}

// A connection that is still in its TLS handshake keeps nobody waiting, and is
// closed in time.
func TestServeTLS(t *testing.T) { t.Run("A3 A4 stalled handshakes", testServeTLS) }

func testServeTLS(t *testing.T) {
	serverConfig, clientConfig := certificate()
	synctest.Test(t, func(t *testing.T) {
		listener, server := memnet.Listen(), &echo{}
		end := serving(t, tls.NewListener(listener, serverConfig), server, Options{HandshakeTimeout: 7 * time.Second})

		silent, err := listener.Dial(t.Context())
		require.NoError(t, err)
		slow, err := listener.Dial(t.Context())
		require.NoError(t, err)
		plain, err := listener.Dial(t.Context())
		require.NoError(t, err)
		start := time.Now()

		conn, err := Dialer{NetDialContext: listener.DialContext, TLSConfig: clientConfig}.Dial(t.Context())
		require.NoError(t, err)
		requireEcho(t, conn)
		require.Zero(t, time.Since(start))
		raw, ok := ConnFromContext(server.seen[0])
		require.True(t, ok)
		require.True(t, raw.(*tls.Conn).ConnectionState().HandshakeComplete)
		require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))

		send(t, plain, unit(kindMessage, "hello"))
		_, _ = io.Copy(io.Discard, plain) // an alert, and the end
		require.Zero(t, time.Since(start))

		send(t, slow, []byte("\x16\x03\x01\x02\x00\x01"))
		for range 6 {
			time.Sleep(time.Second)
			send(t, slow, []byte("\x00"))
		}
		for _, c := range []net.Conn{silent, slow} {
			_, _ = io.Copy(io.Discard, c)
			require.Equal(t, 7*time.Second, time.Since(start))
		}
		require.Len(t, server.seen, 1, "the server heard of none of them")
		for _, c := range []net.Conn{silent, slow, plain} {
			_ = c.Close()
		}
		require.NoError(t, end())
	})
}

// leaver is a server that does not close what it served.
type leaver struct{}

func (leaver) Serve(context.Context, transport.Conn) error { return nil }

func TestServeClosesWhatTheServerLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen()
		end := serving(t, listener, leaver{}, Options{})
		conn := dialMemory(t, listener)
		_, err := conn.Read()
		require.Equal(t, &transport.CloseError{Reason: transport.Reason{Code: transport.Shutdown}}, err)
		require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))
		require.NoError(t, end())
	})
}

func TestConnFromAnyOtherContext(t *testing.T) {
	_, ok := ConnFromContext(t.Context())
	require.False(t, ok)
}
