package httpstream

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// An owned is an http.Transport of a connection's own, whose connections are all closed with it:
// one of HTTP/2 that waits for an answer, as on a link that is dead, is none that is idle.
type owned struct {
	transport *http.Transport

	mu     sync.Mutex
	conns  map[*ownedConn]struct{}
	closed bool
}

type ownedConn struct {
	net.Conn
	owner *owned
}

func newOwned() *owned {
	o := &owned{conns: make(map[*ownedConn]struct{})}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		o.transport = t.Clone()
	} else {
		o.transport = &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	}
	dial := o.transport.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	o.transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return o.add(conn)
	}
	return o
}

func (o *owned) add(conn net.Conn) (net.Conn, error) {
	o.mu.Lock()
	closed := o.closed
	c := &ownedConn{conn, o}
	if !closed {
		o.conns[c] = struct{}{}
	}
	o.mu.Unlock()
	if closed {
		_ = conn.Close()
		return nil, errClosed
	}
	return c, nil
}

// close closes all connections, and has none made any more.
func (o *owned) close() {
	o.mu.Lock()
	o.closed = true
	conns := o.conns
	o.conns = nil
	o.mu.Unlock()
	o.transport.CloseIdleConnections()
	for c := range conns {
		_ = c.Conn.Close()
	}
}

func (c *ownedConn) Close() error {
	c.owner.mu.Lock()
	delete(c.owner.conns, c)
	c.owner.mu.Unlock()
	return c.Conn.Close()
}
