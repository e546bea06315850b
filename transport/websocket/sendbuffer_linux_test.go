package websocket_test

import (
	"context"
	"net"
	"net/http/httptest"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// The system's own word on what it holds at most for a peer that does not read.
// Linux doubles what it is asked for, to account for its own structures.
func TestSendBufferOfTheSystem(t *testing.T) {
	for _, c := range []struct {
		name, network string
		secure        bool
		asked, want   int
	}{
		{"H2 TCP", "tcp", false, 0, 2 * transport.DefaultSendBufferBytes},
		{"H2 TLS", "tcp", true, 0, 2 * transport.DefaultSendBufferBytes},
		{"H2 Unix", "unix", false, 0, 2 * transport.DefaultSendBufferBytes},
		{"H2 another size", "tcp", true, 20_000, 40_000},
	} {
		t.Run(c.name, func(t *testing.T) {
			address := "127.0.0.1:0"
			if c.network == "unix" {
				address = filepath.Join(t.TempDir(), "socket")
			}
			listener, err := net.Listen(c.network, address)
			require.NoError(t, err)
			accepted := make(chan net.Conn, 1)
			service := newService()
			server := httptest.NewUnstartedServer(websocket.NewHandler(service, websocket.Options{Conn: transport.ConnOptions{SendBufferBytes: c.asked}}))
			server.Listener.Close()
			server.Listener = tapped{listener, accepted}
			url := "ws://lectern.test/"
			if c.secure {
				url = "wss://lectern.test/"
				server.TLS = certificate().server.Clone()
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			defer close(service.done)
			client, err := websocket.Dialer{
				URL:       url,
				TLSConfig: certificate().client,
				NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
					return new(net.Dialer).DialContext(ctx, c.network, listener.Addr().String())
				},
			}.Dial(t.Context())
			require.NoError(t, err)
			conn := service.accept(t)

			raw, err := (<-accepted).(syscall.Conn).SyscallConn()
			require.NoError(t, err)
			var size int
			require.NoError(t, raw.Control(func(fd uintptr) {
				size, err = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF)
			}))
			require.NoError(t, err)
			require.Equal(t, c.want, size)
			closeBoth(t, client, conn)
		})
	}
}

// tapped hands out what it accepts to the test as well.
type tapped struct {
	net.Listener
	accepted chan net.Conn
}

func (l tapped) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.accepted <- c
	}
	return c, err
}
