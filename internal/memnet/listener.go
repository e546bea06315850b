// Package memnet is a network in memory, for tests: a net.Listener and
// connections that behave like sockets, in a testing/synctest bubble as well as
// outside of one.
//
// Unlike net.Pipe a connection has a buffer of [BufferSize] bytes in each
// direction, so Write returns before the peer reads, and any number of
// goroutines may write at once. Every wait is durable in the sense of
// testing/synctest, and time is taken from package time alone. A listener, its
// dialers and its connections must be used in one and the same bubble.
//
// Where systems differ, memnet does what the harshest of them does: a
// connection that is closed with unread data, or written to after its peer has
// closed, is reset, and a reset discards what was not yet read.
package memnet

import (
	"context"
	"errors"
	"net"
	"sync"
)

// ErrRefused is what dialling a closed Listener fails with. It does not match
// net.ErrClosed: on a real network nobody can tell a closed listener from one
// that will be back.
var ErrRefused = errors.New("connection refused")

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }

// Listener accepts the connections that its own Dial makes. As with a socket,
// dialling does not wait for Accept. It is safe for concurrent use.
type Listener struct {
	mu      sync.Mutex
	changed sync.Cond
	waiting []*Conn
	closed  bool
}

// Listen returns a new Listener, which has one address and no name.
func Listen() *Listener {
	l := &Listener{}
	l.changed.L = &l.mu
	return l
}

// Accept waits for the next connection. It fails with an error that matches
// net.ErrClosed once the Listener is closed.
func (l *Listener) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.waiting) == 0 {
		if l.closed {
			return nil, &net.OpError{Op: "accept", Net: "memory", Addr: addr{}, Err: net.ErrClosed}
		}
		l.changed.Wait()
	}
	conn := l.waiting[0]
	l.waiting = l.waiting[1:]
	return conn, nil
}

// Dial connects to the Listener.
func (l *Listener) Dial(ctx context.Context) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr{}, Err: err}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: addr{}, Err: ErrRefused}
	}
	dialled, accepted := Pipe()
	l.waiting = append(l.waiting, accepted)
	l.changed.Signal()
	return dialled, nil
}

// DialContext is Dial in the form that http.Transport and other dialers take.
// It ignores the network and the address.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	conn, err := l.Dial(ctx)
	if err != nil {
		return nil, err // not conn: a nil *Conn in an interface is not nil
	}
	return conn, nil
}

// Close ends Accept and resets the connections that were not accepted yet.
// Those that were stay as they are. A second Close does nothing.
func (l *Listener) Close() error {
	l.mu.Lock()
	waiting := l.waiting
	l.waiting = nil
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	for _, conn := range waiting {
		conn.Cut()
	}
	return nil
}

// Addr returns an address that says no more than that this is memory.
func (l *Listener) Addr() net.Addr { return addr{} }
