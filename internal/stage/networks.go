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
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// The tests of the rules are written once and run over every network here.

// Network is one way to reach a hub.
type Network struct {
	name string
	// start has the hub served until the test ends.
	start    func(t *testing.T, hub *lectern.Hub) World
	realTime bool
}

// World is a hub that is being served. It makes a connection and the plug to pull it
// by. Where first is not nil and can go along, it is sent.
type World func(ctx context.Context, first []byte) (conn transport.Conn, plug Plug, sent bool, err error)

// Plug is what can happen to a connection: Cut breaks it, both ends are told;
// Silence lets it go dead, nobody is told.
type Plug interface {
	Cut()
	Silence()
}

// InMemory are the networks that work in a bubble, in virtual time.
var InMemory = []Network{
	{"memory", overMemory, false},
	{"websocket", func(t *testing.T, hub *lectern.Hub) World { return overWebSocket(t, hub, memnetPort()) }, false},
	{"netconn", func(t *testing.T, hub *lectern.Hub) World { return overNetconn(t, hub, memnetPort(), false) }, false},
	{"netconn over TLS", func(t *testing.T, hub *lectern.Hub) World { return overNetconn(t, hub, memnetPort(), true) }, false},
}

// OnLoopback are the networks of the system, in real time.
var OnLoopback = []Network{
	{"websocket on loopback", func(t *testing.T, hub *lectern.Hub) World { return overWebSocket(t, hub, tcpPort(t)) }, true},
	{"TCP on loopback", func(t *testing.T, hub *lectern.Hub) World { return overNetconn(t, hub, tcpPort(t), false) }, true},
}

func overMemory(t *testing.T, hub *lectern.Hub) World {
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

func overWebSocket(t *testing.T, hub *lectern.Hub, p port) World {
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

func overNetconn(t *testing.T, hub *lectern.Hub, p port, secure bool) World {
	listener := p.listener
	dialer := netconn.Dialer{Address: "lectern.test:1"}
	if secure {
		listener = tls.NewListener(listener, certificate().server)
		dialer.TLSConfig = certificate().client
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
