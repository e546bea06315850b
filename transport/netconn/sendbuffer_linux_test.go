package netconn

import (
	"context"
	"crypto/tls"
	"net"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
)

// The system's own word on what it holds at most for a peer that does not read.
// Linux doubles what it is asked for, to account for its own structures.
func TestSendBufferOfTheSystem(t *testing.T) {
	serverConfig, clientConfig := certificate()
	for _, c := range []struct {
		name, network string
		secure        bool
	}{{"H2 TCP", "tcp", false}, {"H2 TLS", "tcp", true}, {"H2 Unix", "unix", false}} {
		t.Run(c.name, func(t *testing.T) {
			address := "127.0.0.1:0"
			if c.network == "unix" {
				address = filepath.Join(t.TempDir(), "socket")
			}
			listener, err := net.Listen(c.network, address)
			require.NoError(t, err)
			dialer := Dialer{Network: c.network, Address: listener.Addr().String()}
			if c.secure {
				listener, dialer.TLSConfig = tls.NewListener(listener, serverConfig), clientConfig
			}
			ctx, cancel := context.WithCancel(t.Context())
			server, served := newHandOver(), make(chan error, 1)
			go func() { served <- Serve(ctx, listener, server, Options{}) }()
			client, err := dialer.Dial(ctx)
			require.NoError(t, err)
			conn := <-server.conns

			accepted, ok := ConnFromContext(conn.ctx)
			require.True(t, ok)
			if secure, ok := accepted.(*tls.Conn); ok {
				accepted = secure.NetConn()
			}
			raw, err := accepted.(syscall.Conn).SyscallConn()
			require.NoError(t, err)
			var size int
			require.NoError(t, raw.Control(func(fd uintptr) {
				size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
			}))
			require.NoError(t, err)
			require.Equal(t, 2*transport.DefaultSendBufferBytes, size)

			closed := make(chan error, 1)
			go func() { closed <- client.Close(goodbye) }()
			_, err = conn.Read()
			require.Error(t, err)
			require.NoError(t, conn.Close(goodbye))
			require.NoError(t, <-closed)
			close(server.done)
			cancel()
			require.NoError(t, <-served)
		})
	}
}
