package stage

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// The tests of the rules are written once, and run over every network in this file.

// Network is one way to reach a hub.
type Network struct {
	name string
	// start serves the hub until the test ends.
	start func(t *testing.T, hub *lectern.Hub) DialFunc
	// realTime: it does not work in a bubble.
	realTime bool
}

// DialFunc makes a connection to a hub that is being served, and the Plug of that
// connection. Where first is not nil and the network can do that, first is sent with the
// handshake, and sent is true.
type DialFunc func(ctx context.Context, first []byte) (conn transport.Conn, plug Plug, sent bool, err error)

// Plug breaks a connection.
type Plug interface {
	// Cut breaks the connection. Both ends are told.
	Cut()
	// Silence makes the connection dead. Neither end is told.
	Silence()
}

// InMemory are the networks that work in a bubble, in virtual time.
var InMemory = []Network{
	{"memory", overMemory, false},
	{"websocket", func(t *testing.T, hub *lectern.Hub) DialFunc { return overWebSocket(t, hub, memnetPort()) }, false},
	{"netconn", func(t *testing.T, hub *lectern.Hub) DialFunc { return overNetconn(t, hub, memnetPort(), false) }, false},
	{"netconn over TLS", func(t *testing.T, hub *lectern.Hub) DialFunc { return overNetconn(t, hub, memnetPort(), true) }, false},
}

// OverHTTP are those of which what is sent is a request. They take several times as long as others: they are for the tests that are run
// Everywhere, and for all others with the flag -overhttp.
var OverHTTP = []Network{
	{"httpstream", func(t *testing.T, hub *lectern.Hub) DialFunc { return overHTTPStream(t, hub, memnetPort(), false) }, false},
	{"httpstream by polls", func(t *testing.T, hub *lectern.Hub) DialFunc { return overHTTPStream(t, hub, memnetPort(), true) }, false},
}

// OnLoopback are the networks of the operating system, in real time.
var OnLoopback = []Network{
	{"websocket on loopback", func(t *testing.T, hub *lectern.Hub) DialFunc { return overWebSocket(t, hub, tcpPort(t)) }, true},
	{"TCP on loopback", func(t *testing.T, hub *lectern.Hub) DialFunc { return overNetconn(t, hub, tcpPort(t), false) }, true},
}

func overMemory(t *testing.T, hub *lectern.Hub) DialFunc {
	listener := memory.Listen(hub, memory.Options{})
	t.Cleanup(func() { _ = listener.Close() })
	return func(ctx context.Context, _ []byte) (transport.Conn, Plug, bool, error) {
		conn, err := listener.Dial(ctx)
		if err != nil {
			return nil, nil, false, err
		}
		return conn, conn.(*memory.Conn), false, nil
	}
}

func overWebSocket(t *testing.T, hub *lectern.Hub, p port) DialFunc {
	server := &http.Server{
		Handler:           websocket.NewHandler(hub, websocket.Options{}),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(p.listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return func(ctx context.Context, first []byte) (conn transport.Conn, _ Plug, sent bool, err error) {
		var raw pluggedConn
		dialer := websocket.Dialer{
			URL: "ws://lectern.test/ws",
			NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var err error
				raw, err = p.dial(ctx)
				return raw, err
			},
		}
		if first == nil {
			conn, err = dialer.Dial(ctx)
		} else {
			conn, sent, err = dialer.DialFirst(ctx, first)
		}
		return conn, raw, sent, err
	}
}

func overNetconn(t *testing.T, hub *lectern.Hub, p port, secure bool) DialFunc {
	listener := p.listener
	dialer := netconn.Dialer{Address: "lectern.test:1"}
	if secure {
		server, client := memnet.TLS()
		listener = tls.NewListener(listener, server)
		dialer.TLSConfig = client
	}
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = netconn.Serve(ctx, listener, hub, netconn.Options{}) })
	t.Cleanup(func() {
		cancel()
		serving.Wait()
	})
	return func(ctx context.Context, _ []byte) (transport.Conn, Plug, bool, error) {
		var raw pluggedConn
		d := dialer
		d.NetDialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			var err error
			raw, err = p.dial(ctx)
			return raw, err
		}
		conn, err := d.Dial(ctx)
		return conn, raw, false, err
	}
}
