package lectern_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
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

// port is where the adapters of sockets listen and dial.
type port struct {
	listener net.Listener
	dial     func(ctx context.Context) (pluggedConn, error)
}

type pluggedConn interface {
	net.Conn
	Plug
}

func memnetPort() port {
	listener := memnet.Listen()
	return port{listener, func(ctx context.Context) (pluggedConn, error) {
		conn, err := listener.Dial(ctx)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}}
}

func tcpPort(t *testing.T) port {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return port{listener, func(ctx context.Context) (pluggedConn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
		if err != nil {
			return nil, err
		}
		return &tcpConn{TCPConn: conn.(*net.TCPConn)}, nil
	}}
}

// tcpConn is a TCP connection with a plug.
type tcpConn struct {
	*net.TCPConn
	silent atomic.Bool
}

func (c *tcpConn) Cut() {
	_ = c.SetLinger(0) // so that the peer gets a reset
	_ = c.TCPConn.Close()
}

func (c *tcpConn) Silence() { c.silent.Store(true) }

func (c *tcpConn) Read(p []byte) (int, error) {
	for {
		n, err := c.TCPConn.Read(p)
		if err != nil || !c.silent.Load() {
			return n, err
		}
	}
}

func (c *tcpConn) Write(p []byte) (int, error) {
	if c.silent.Load() {
		return len(p), nil
	}
	return c.TCPConn.Write(p)
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
		listener = tls.NewListener(listener, Certificate().server)
		dialer.TLSConfig = Certificate().client
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

type tlsConfigs struct{ server, client *tls.Config }

// Certificate makes one certificate for all tests. It is made outside of any
// bubble, and valid in a bubble's clock.
var Certificate = sync.OnceValue(func() tlsConfigs {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"lectern.test"},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA:         true,

		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tlsConfigs{
		// The default has a second key exchange, which takes much of a test's time.
		server: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}}, CurvePreferences: []tls.CurveID{tls.X25519}},
		client: &tls.Config{RootCAs: roots, CurvePreferences: []tls.CurveID{tls.X25519}},
	}
})
