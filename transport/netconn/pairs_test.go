package netconn

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/transporttest"
)

func suiteOptions(s transporttest.Settings) transport.ConnOptions {
	return transport.ConnOptions{MaxFrameBytes: s.MaxFrameBytes, ProbeAfter: s.ProbeAfter, GiveUp: s.GiveUp}
}

// certificate is memnet.TLS for a client that is not told an address: it expects the
// server's name.
var certificate = sync.OnceValues(func() (server, client *tls.Config) {
	server, client = memnet.TLS()
	client = client.Clone()
	client.ServerName = "lectern.test"
	return server, client
})

// memoryPair makes a pair over a connection in memory.
func memoryPair(_ testing.TB, s transporttest.Settings) transporttest.Pair {
	a, b := memnet.Pipe()
	return transporttest.Pair{A: New(a, suiteOptions(s)), B: New(b, suiteOptions(s)), Cut: a.Cut, Silence: a.Silence}
}

// memoryTLSPair makes a pair over TLS over a connection in memory.
func memoryTLSPair(_ testing.TB, s transporttest.Settings) transporttest.Pair {
	a, b := memoryTLSConns()
	raw := a.(*tls.Conn).NetConn().(*memnet.Conn)
	return transporttest.Pair{A: New(a, suiteOptions(s)), B: New(b, suiteOptions(s)), Cut: raw.Cut, Silence: raw.Silence}
}

// handOver is a transport.Server that hands its connections to a test.
type handOver struct {
	conns chan servedConn
	done  chan struct{} // closed when the test is over
}

type servedConn struct {
	transport.Conn
	ctx context.Context
}

func newHandOver() *handOver {
	return &handOver{conns: make(chan servedConn), done: make(chan struct{})}
}

func (h *handOver) Serve(ctx context.Context, conn transport.Conn) error {
	select {
	case h.conns <- servedConn{conn, ctx}:
		<-h.done
	case <-h.done:
	}
	return nil
}

// realPair makes a pair through the system, by Dialer and Serve, with a proxy in
// between that can cut and silence it.
func realPair(t testing.TB, network string, secure bool, s transporttest.Settings) transporttest.Pair {
	listen := func() net.Listener {
		address := "127.0.0.1:0"
		if network == "unix" {
			address = filepath.Join(t.TempDir(), "socket")
		}
		listener, err := net.Listen(network, address)
		require.NoError(t, err)
		return listener
	}
	listener := listen()
	dialer := Dialer{Network: network, Conn: suiteOptions(s)}
	proxy := startProxy(t, listen(), listener.Addr())
	dialer.Address = proxy.listener.Addr().String()
	if secure {
		serverConfig, clientConfig := certificate()
		listener, dialer.TLSConfig = tls.NewListener(listener, serverConfig), clientConfig
	}

	ctx, cancel := context.WithCancel(t.Context())
	server := newHandOver()
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, listener, server, Options{Conn: suiteOptions(s)}) }()
	t.Cleanup(func() {
		close(server.done)
		cancel()
		require.NoError(t, <-served)
	})
	a, err := dialer.Dial(ctx)
	require.NoError(t, err)
	return transporttest.Pair{A: a, B: (<-server.conns).Conn, Cut: proxy.cut, Silence: proxy.silence}
}

// proxy passes one connection on.
type proxy struct {
	listener net.Listener
	muted    atomic.Bool
	running  sync.WaitGroup
	ends     chan [2]net.Conn
}

// buffered is a socket of which the system's buffers can be set, in bytes.
type buffered interface {
	SetReadBuffer(int) error
	SetWriteBuffer(int) error
}

func startProxy(t testing.TB, listener net.Listener, to net.Addr) *proxy {
	p := &proxy{listener: listener, ends: make(chan [2]net.Conn, 1)}
	p.running.Go(func() {
		defer close(p.ends)
		near, err := listener.Accept()
		if err != nil {
			return
		}
		far, err := net.Dial(to.Network(), to.String())
		if err != nil {
			_ = near.Close()
			return
		}
		p.ends <- [2]net.Conn{near, far}
		for _, c := range []net.Conn{near, far} {
			// By default it takes megabytes until a Write is stuck.
			_ = c.(buffered).SetReadBuffer(64 << 10)
			_ = c.(buffered).SetWriteBuffer(64 << 10)
		}
		p.running.Go(func() { p.pass(near, far) })
		p.running.Go(func() { p.pass(far, near) })
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
		p.running.Wait()
	})
	return p
}

// pass copies from one connection to the other, or to nowhere once it is muted.
func (p *proxy) pass(from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if p.muted.Load() {
			n = 0
		}
		if _, failed := to.Write(buffer[:n]); failed != nil {
			// The end of that direction, of which the sender must learn.
			_ = from.Close()
			return
		}
		switch {
		case err == nil:
			continue
		case p.muted.Load():
		case err == io.EOF:
			_ = to.(halfCloser).CloseWrite()
		default:
			_ = to.Close()
		}
		return
	}
}

func (p *proxy) silence() { p.muted.Store(true) }

// cut resets both connections where the network knows resets.
func (p *proxy) cut() {
	ends, ok := <-p.ends
	if !ok {
		return
	}
	for _, c := range ends {
		if tcp, ok := c.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		_ = c.Close()
	}
}
