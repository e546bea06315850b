package slow

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/netconn"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A slowLink is a connection whose bytes take their time in both directions.
type slowLink struct {
	net.Conn
	perByte time.Duration
}

// linkPiece is how many bytes cross a slowLink at once.
const linkPiece = 500

func (s slowLink) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p[:min(len(p), linkPiece)])
	time.Sleep(time.Duration(n) * s.perByte)
	return n, err
}

func (s slowLink) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		piece := p[n:min(len(p), n+linkPiece)]
		time.Sleep(time.Duration(len(piece)) * s.perByte)
		var written int
		written, err = s.Conn.Write(piece)
		n += written
	}
	return n, err
}

// recordPace is the pace below which a record of TLS takes longer to cross a link than a
// message may take to arrive.
const recordPace = 16 << 10 / 10

// overSlowLinks runs a test in a bubble for each network, with a hub and a dialer of
// connections that cross slow links, which are counted.
func overSlowLinks(t *testing.T, policy lectern.Policy, bytesPerSecond int, test func(t *testing.T, hub *lectern.Hub, dialer transport.Dialer, dials *int)) {
	serverTLS, clientTLS := memnet.TLS()
	run := func(name string, serve func(hub *lectern.Hub, listener net.Listener) func(), dialer func(dial func(ctx context.Context, network, address string) (net.Conn, error)) transport.Dialer) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub, err := lectern.NewHub(policy)
				require.NoError(t, err)
				listener := memnet.Listen()
				stop := serve(hub, listener)
				dials := 0
				d := dialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
					dials++
					c, err := listener.Dial(ctx)
					if err != nil {
						return nil, err
					}
					return slowLink{c, time.Second / time.Duration(bytesPerSecond)}, nil
				})
				test(t, hub, d, &dials)
				require.NoError(t, hub.Shutdown(t.Context()))
				stop()
			})
		})
	}
	overNetconn := func(wrap func(net.Listener) net.Listener) func(hub *lectern.Hub, listener net.Listener) func() {
		return func(hub *lectern.Hub, listener net.Listener) func() {
			ctx, cancel := context.WithCancel(context.Background())
			var serving sync.WaitGroup
			serving.Go(func() { _ = netconn.Serve(ctx, wrap(listener), hub, netconn.Options{}) })
			return func() { cancel(); serving.Wait() }
		}
	}
	type dial = func(ctx context.Context, network, address string) (net.Conn, error)
	run("netconn", overNetconn(func(l net.Listener) net.Listener { return l }), func(d dial) transport.Dialer {
		return netconn.Dialer{Address: "lectern.test:1", NetDialContext: d}
	})
	if bytesPerSecond < transport.MinBytesPerSecond || bytesPerSecond > recordPace {
		run("netconn over TLS", overNetconn(func(l net.Listener) net.Listener { return tls.NewListener(l, serverTLS) }), func(d dial) transport.Dialer {
			return netconn.Dialer{Address: "lectern.test:1", NetDialContext: d, TLSConfig: clientTLS}
		})
	}
	run("websocket", func(hub *lectern.Hub, listener net.Listener) func() {
		server := &http.Server{Handler: websocket.NewHandler(hub, websocket.Options{})}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(listener) })
		return func() { _ = server.Close(); serving.Wait() }
	}, func(d dial) transport.Dialer {
		return websocket.Dialer{URL: "ws://lectern.test/ws", NetDialContext: d}
	})
}

// A slave on a slow link that takes what it is sent is not closed, however large the
// bursts are.
func TestSlaveThatReadsSlowly(t *testing.T) {
	for name, bytesPerSecond := range map[string]int{"45 KB/s": 45_000, "5 KB/s": 5000, "1.2 KB/s": 1200} {
		t.Run(name, func(t *testing.T) {
			policy := lectern.Policy{SlaveMessageRate: lectern.RateLimit{PerSecond: -1}}
			overSlowLinks(t, policy, bytesPerSecond, func(t *testing.T, hub *lectern.Hub, dialer transport.Dialer, dials *int) {
				master, err := hub.Create(t.Context(), "class", "teacher")
				require.NoError(t, err)
				client := lectern.NewClient(dialer, lectern.ClientOptions{})
				slave, err := client.Join(t.Context(), "class", "ada")
				require.NoError(t, err)
				for range 2 {
					const count, size = 90, 10_000 // 900 KB
					for i := range count {
						message := make([]byte, size)
						message[0] = byte(i)
						_, err := master.Broadcast(t.Context(), lectern.Bytes(message))
						require.NoError(t, err)
					}
					for i := range count {
						message, err := slave.Receive(t.Context())
						require.NoError(t, err)
						require.Equal(t, byte(i), message.Bytes()[0])
					}
				}
				require.Equal(t, 1, *dials, "it has stayed connected")
				require.NoError(t, client.Close())
				require.NoError(t, master.Close())
			})
		})
	}
}

// A message that takes its time to cross a slow link arrives, and what is behind it too.
func TestSlaveThatSendsSlowly(t *testing.T) {
	for name, bytesPerSecond := range map[string]int{"5 KB/s": 5000, "1.2 KB/s": 1200} {
		t.Run(name, func(t *testing.T) {
			overSlowLinks(t, lectern.Policy{}, bytesPerSecond, func(t *testing.T, hub *lectern.Hub, dialer transport.Dialer, dials *int) {
				master, err := hub.Create(t.Context(), "class", "teacher")
				require.NoError(t, err)
				client := lectern.NewClient(dialer, lectern.ClientOptions{})
				slave, err := client.Join(t.Context(), "class", "ada")
				require.NoError(t, err)
				for range 2 {
					_, err := slave.Send(t.Context(), lectern.Bytes(make([]byte, 60_000)))
					require.NoError(t, err)
					_, err = slave.Send(t.Context(), lectern.Text("behind it"))
					require.NoError(t, err)
				}
				require.Equal(t, 1, *dials, "it has stayed connected")
				require.NoError(t, client.Close())
				require.NoError(t, master.Close())
			})
		})
	}
}

// A message that is too large for the link is given up in the end, and what is behind it
// arrives.
func TestSlaveThatSendsTooSlowly(t *testing.T) {
	overSlowLinks(t, lectern.Policy{}, 700, func(t *testing.T, hub *lectern.Hub, dialer transport.Dialer, dials *int) {
		master, err := hub.Create(t.Context(), "class", "teacher")
		require.NoError(t, err)
		client := lectern.NewClient(dialer, lectern.ClientOptions{})
		slave, err := client.Join(t.Context(), "class", "ada")
		require.NoError(t, err)
		failed, behind := make(chan error, 1), make(chan error, 1)
		go func() {
			_, err := slave.Send(t.Context(), lectern.Bytes(make([]byte, 60_000)))
			failed <- err
		}()
		synctest.Wait()
		go func() {
			_, err := slave.Send(t.Context(), lectern.Text("behind it"))
			behind <- err
		}()
		err = <-failed
		require.ErrorIs(t, err, lectern.ErrSendUnknown)
		require.ErrorContains(t, err, "60000 bytes")
		require.NoError(t, <-behind)
		require.Equal(t, 4, *dials)
		for event, err := range master.Events(t.Context()) {
			require.NoError(t, err)
			if message, ok := event.(lectern.Message); ok {
				require.Equal(t, "behind it", message.Text())
				break
			}
		}
		require.NoError(t, client.Close())
		require.NoError(t, master.Close())
	})
}
