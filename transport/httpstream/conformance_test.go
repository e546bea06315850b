package httpstream_test

import (
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
	"github.com/lectern-go/lectern/transport/transporttest"
)

// A connection outlives those of TCP beneath it, so there is no Cut here; what becomes of one
// whose connections are cut is tested in cut_test.go.

func TestConformanceInMemory(t *testing.T) { inMemory(t, way{}) }

func TestConformanceInMemoryTLS(t *testing.T) { inMemory(t, way{secure: true}) }

func TestConformanceInMemoryHTTP2(t *testing.T) { inMemory(t, way{secure: true, http2: true}) }

func TestConformanceInMemoryPolls(t *testing.T) { inMemory(t, way{polls: true}) }

func inMemory(t *testing.T, w way) {
	memnet.TLS()
	transporttest.TestConnInBubble(t, func(t testing.TB, s transporttest.Settings) transporttest.Pair {
		site := newSite(t, w, httpstream.Options{Conn: connOptions(s)})
		link := site.link()
		client, server := site.connect(t, link.dialer(t, w, connOptions(s)))
		return transporttest.Pair{A: client, B: server.Conn, Silence: link.silence}
	})
}

func TestConformanceLoopback(t *testing.T) { onLoopback(t, way{}) }

func onLoopback(t *testing.T, w way) {
	t.Parallel()
	transporttest.TestConn(t, func(t testing.TB, s transporttest.Settings) transporttest.Pair {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		service := newService()
		serve(t, w, listener, httpstream.NewHandler(service, httpstream.Options{Conn: connOptions(s)}))
		t.Cleanup(func() { close(service.done) })
		l := &link{dial: func(ctx context.Context) (plugged, error) {
			c, err := new(net.Dialer).DialContext(ctx, "tcp", listener.Addr().String())
			if err != nil {
				return nil, err
			}
			conn := &memnet.Socket{TCPConn: c.(*net.TCPConn)}
			// By default it takes megabytes until a Write is stuck.
			_ = conn.SetReadBuffer(64 << 10)
			_ = conn.SetWriteBuffer(64 << 10)
			return conn, nil
		}}
		client, err := l.dialer(t, w, connOptions(s)).Dial(t.Context())
		require.NoError(t, err)
		return transporttest.Pair{A: client, B: service.accept(t).Conn, Silence: l.silence}
	})
}

func connOptions(s transporttest.Settings) transport.ConnOptions {
	return transport.ConnOptions{MaxFrameBytes: s.MaxFrameBytes, ProbeAfter: s.ProbeAfter, GiveUp: s.GiveUp}
}
