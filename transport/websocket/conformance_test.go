package websocket_test

import (
	"context"
	"net"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/transporttest"
	"github.com/lectern-go/lectern/transport/websocket"
)

func TestConformanceInMemory(t *testing.T) {
	transporttest.TestConnInBubble(t, func(t testing.TB, s transporttest.Settings) transporttest.Pair {
		return pairInMemory(t, nil, s)
	})
}

func TestConformanceInMemoryTLS(t *testing.T) {
	certificate()
	transporttest.TestConnInBubble(t, func(t testing.TB, s transporttest.Settings) transporttest.Pair {
		return pairInMemory(t, overTLS, s)
	})
}

func TestConformanceLoopback(t *testing.T) {
	t.Parallel()
	transporttest.TestConn(t, func(t testing.TB, s transporttest.Settings) transporttest.Pair {
		return pairOnLoopback(t, false, s)
	})
}

func TestConformanceLoopbackTLS(t *testing.T) {
	t.Parallel()
	transporttest.TestConn(t, func(t testing.TB, s transporttest.Settings) transporttest.Pair {
		return pairOnLoopback(t, true, s)
	})
}

func handlerOptions(s transporttest.Settings) websocket.Options {
	return websocket.Options{Conn: connOptions(s)}
}

func connOptions(s transporttest.Settings) transport.ConnOptions {
	return transport.ConnOptions{MaxFrameBytes: s.MaxFrameBytes, ProbeAfter: s.ProbeAfter, GiveUp: s.GiveUp}
}

func pairInMemory(t testing.TB, wrap func(net.Listener) net.Listener, s transporttest.Settings) transporttest.Pair {
	site := newSiteBehind(t, wrap, handlerOptions(s), nil)
	var raw *memnet.Conn
	dialer := websocket.Dialer{
		URL: "ws://lectern.test/ws",
		NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var err error
			raw, err = site.listener.Dial(ctx)
			return raw, err
		},
		Conn: connOptions(s),
	}
	if wrap != nil {
		dialer.URL = "wss://lectern.test/ws"
		dialer.TLSConfig = certificate().client
	}
	client, server := site.connect(t, dialer)
	return transporttest.Pair{A: client, B: server.Conn, Cut: raw.Cut, Silence: raw.Silence}
}

func pairOnLoopback(t testing.TB, secure bool, s transporttest.Settings) transporttest.Pair {
	service := newService()
	server := httptest.NewUnstartedServer(websocket.NewHandler(service, handlerOptions(s)))
	scheme := "ws://"
	if secure {
		scheme = "wss://"
		server.TLS = certificate().server.Clone()
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		close(service.done)
		server.Close()
	})
	var raw *memnet.Socket
	dialer := websocket.Dialer{
		URL:       scheme + server.Listener.Addr().String(),
		TLSConfig: certificate().client,
		NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			raw = &memnet.Socket{TCPConn: c.(*net.TCPConn)}
			// By default it takes megabytes until a Write is stuck.
			_ = raw.SetReadBuffer(64 << 10)
			_ = raw.SetWriteBuffer(64 << 10)
			return raw, nil
		},
		Conn: connOptions(s),
	}
	client, err := dialer.Dial(t.Context())
	require.NoError(t, err)
	return transporttest.Pair{A: client, B: service.accept(t).Conn, Cut: raw.Cut, Silence: raw.Silence}
}
