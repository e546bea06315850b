package stage

import (
	"context"
	"net"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
)

// port is where the adapters that use sockets listen and dial.
type port struct {
	listener net.Listener
	dial     func(ctx context.Context) (pluggedConn, error)
}

// pluggedConn is a socket with a plug.
type pluggedConn interface {
	net.Conn
	Plug
}

// memnetPort is a port in memory.
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

// tcpPort is a TCP port of the operating system.
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

// Cut closes the connection with a reset.
func (c *tcpConn) Cut() {
	_ = c.SetLinger(0) // so that the peer gets a reset
	_ = c.TCPConn.Close()
}

// Silence drops what is read and written from now on.
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
