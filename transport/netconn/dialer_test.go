package netconn

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
)

func TestDialAddresses(t *testing.T) {
	var network, address string
	dialer := Dialer{NetDialContext: func(_ context.Context, n, a string) (net.Conn, error) {
		network, address = n, a
		return nil, memnet.ErrRefused
	}, Address: "lectern.test:7000"}
	_, err := dialer.Dial(t.Context())
	require.ErrorIs(t, err, memnet.ErrRefused)
	require.Equal(t, "tcp lectern.test:7000", network+" "+address)
	dialer.Network = "unix"
	_, err = dialer.Dial(t.Context())
	require.Error(t, err)
	require.Equal(t, "unix", network)
}

// A place that does not answer now may answer later.
func TestDialNobody(t *testing.T) {
	_, err := Dialer{Network: "unix", Address: filepath.Join(t.TempDir(), "nobody")}.Dial(t.Context())
	require.Error(t, err)
	require.NotErrorIs(t, err, net.ErrClosed)
}

func TestDialWithinTheContext(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		listener := memnet.Listen()
		_, config := certificate()
		dialer := Dialer{NetDialContext: listener.DialContext, TLSConfig: config}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		_, err := dialer.Dial(ctx) // nobody does the handshake
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, net.ErrClosed)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

// The name that the certificate must have is that of the address, where the
// configuration names none, and the configuration stays the caller's.
func TestDialServerName(t *testing.T) {
	serverConfig, clientConfig := certificate()
	for _, c := range []struct {
		address, name string
		works         bool
	}{
		{"lectern.test:7000", "", true},
		{"127.0.0.1:7000", "", true},
		{"[fe80::1]:7000", "", true},
		{"[fe80::1%eth0]:7000", "", true}, // no certificate names a zone
		{"fe80::1%eth0", "", true},
		{"[fe80::2%eth0]:7000", "", false},
		{"elsewhere.test:7000", "", false},
		{"elsewhere.test:7000", "lectern.test", true},
		{"lectern.test", "", true},
	} {
		synctest.Test(t, func(t *testing.T) {
			listener := memnet.Listen()
			end := serving(t, tls.NewListener(listener, serverConfig), &echo{}, Options{})
			config := clientConfig.Clone()
			config.ServerName = c.name
			conn, err := Dialer{Address: c.address, NetDialContext: listener.DialContext, TLSConfig: config}.Dial(t.Context())
			require.Equal(t, c.works, err == nil, "%s: %v", c.address, err)
			require.Equal(t, c.name, config.ServerName)
			if conn != nil {
				requireEcho(t, conn)
				require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))
			}
			require.NoError(t, end())
		})
	}
}

// sized is a net.Conn whose send buffer can be set.
type sized struct {
	*memnet.Conn
	size int
}

func (s *sized) SetWriteBuffer(size int) error {
	s.size = size
	return nil
}

// tunnel is a net.Conn above another one that is no TLS.
type tunnel struct {
	net.Conn
	beneath net.Conn
}

func (t tunnel) NetConn() net.Conn { return t.beneath }

func TestSendBuffer(t *testing.T) {
	for asked, want := range map[int]int{0: transport.DefaultSendBufferBytes, -1: 0, 4096: 4096} {
		for name, above := range map[string]func(net.Conn) net.Conn{
			"plain":     func(c net.Conn) net.Conn { return c },
			"TLS":       func(c net.Conn) net.Conn { return tls.Client(c, &tls.Config{ServerName: "lectern.test"}) },
			"something": func(c net.Conn) net.Conn { return tunnel{c, tunnel{c, c}} },
		} {
			t.Run(fmt.Sprintf("H2 %s, %d", name, asked), func(t *testing.T) {
				near, _ := memnet.Pipe()
				beneath := &sized{Conn: near}
				New(above(beneath), transport.ConnOptions{SendBufferBytes: asked})
				require.Equal(t, want, beneath.size)
			})
		}
	}
}
