package netconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// After an error that will pass, as where the process has run out of file
// descriptors, accepting waits, each time for twice as long.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

type connKey struct{}

// ConnFromContext returns the net.Conn that a connection came of, where the
// context is one that Serve has passed to its server. It tells who the peer is:
// its address, or by ConnectionState of a *tls.Conn its certificate. It must not
// be read, written or closed, nor its deadlines be set.
func ConnFromContext(ctx context.Context) (net.Conn, bool) {
	c, ok := ctx.Value(connKey{}).(net.Conn)
	return c, ok
}

// Serve accepts connections on the listener and has each served by server, which
// may be a transport.Acceptor, in a goroutine of its own, with a context that has the
// values of ctx and the net.Conn, see [ConnFromContext]. TLS is done by a listener of tls.NewListener;
// the handshake then takes place in the connection's goroutine, before the
// server hears of it, and within Options.HandshakeTimeout.
//
// Serve goes on after errors that will pass, such as too many open files or no memory:
// it waits 5 ms and tries again, then 10 ms, and so on up to a second. It ends when
// ctx is done, with nil, or when the listener is closed or none any more, with that error,
// which matches net.ErrClosed where somebody has closed the listener. In both cases it
// closes the listener, ends the contexts of the connections, and returns when
// the server is done with all of them and their goroutines are gone. To end a
// hub in order, call its Shutdown first and let ctx end then.
//
// Options that make no sense are an error at once, and close the listener.
//
// Nothing here bounds the number of connections; a listener that does may be
// put in between.
func Serve(ctx context.Context, listener net.Listener, server transport.Server, options Options) error {
	if err := options.check(); err != nil {
		_ = listener.Close()
		return err
	}
	options = options.withDefaults(server)
	asked := ctx
	ctx, cancel := context.WithCancel(ctx)
	var goroutines sync.WaitGroup
	defer goroutines.Wait()
	goroutines.Go(func() {
		<-ctx.Done()
		_ = listener.Close() // where that fails, Accept does too
	})
	defer cancel()

	var pause time.Duration
	for {
		c, err := listener.Accept()
		switch {
		case err == nil:
			pause = 0
			goroutines.Add(1)
			go serveConn(ctx, c, server, options, goroutines.Done)
		case asked.Err() != nil:
			return nil
		case !passing(err):
			return fmt.Errorf("netconn: accepting: %w", err)
		default:
			pause = min(max(2*pause, firstPause), lastPause)
			timer := time.NewTimer(pause)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
	}
}

// passing reports whether it makes sense to accept again after err: after anything that
// the system says, but that the listener is none. Some of it is about one connection that
// was about to be accepted, the rest about what the system is short of at present; see
// accept(2). A listener that is not the system's says so by a method that package net has
// deprecated, for use elsewhere, because of timeouts.
func passing(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno != syscall.EBADF && errno != syscall.EINVAL && errno != syscall.ENOTSOCK && errno != syscall.EFAULT
	}
	var temporary interface{ Temporary() bool }
	return errors.As(err, &temporary) && temporary.Temporary()
}

// serveConn tells ended when it is done with the connection, which may be after
// it returns.
func serveConn(ctx context.Context, c net.Conn, server transport.Server, options Options, ended func()) {
	attended := false
	defer func() {
		if !attended {
			ended()
		}
	}()
	if secure, ok := c.(interface {
		HandshakeContext(ctx context.Context) error
	}); ok {
		handshake, cancel := context.WithTimeout(ctx, options.HandshakeTimeout)
		err := secure.HandshakeContext(handshake)
		cancel()
		if err != nil {
			_ = c.Close()
			return
		}
	}
	conn := newConn(c, options.Conn)
	ctx = context.WithValue(ctx, connKey{}, c)
	if acceptor, ok := server.(transport.Acceptor); ok {
		attended = true
		conn.attend(ctx, acceptor, ended)
		return
	}
	// The server has closed it by contract; this is for one that panics, or that
	// was written for a test.
	defer conn.Close(transport.Reason{Code: transport.Shutdown})
	_ = server.Serve(ctx, conn) // why it ended is the server's to log
}
