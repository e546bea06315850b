package stage

import (
	"context"
	"net"
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
		return &memnet.Socket{TCPConn: conn.(*net.TCPConn)}, nil
	}}
}
