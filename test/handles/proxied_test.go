package handles

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport/websocket"
)

// serveHTTP serves on a network in memory until the test ends.
func serveHTTP(t *testing.T, handler http.Handler) *memnet.Listener {
	listener := memnet.Listen()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		serving.Wait()
	})
	return listener
}

// terminating is a proxy that ends WebSocket itself, as aiohttp and the npm package ws do
// it: it offers the hub what the client has offered, and chooses the first of these
// towards the client, whatever the hub has chosen.
func terminating(hub *memnet.Listener) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		offered := gorilla.Subprotocols(r)
		dialer := gorilla.Dialer{NetDialContext: hub.DialContext, Subprotocols: offered}
		up, _, err := dialer.DialContext(context.Background(), "ws://lectern.test/ws", nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		upgrader := gorilla.Upgrader{}
		down, err := upgrader.Upgrade(w, r, http.Header{"Sec-Websocket-Protocol": offered[:1]})
		if err != nil {
			up.Close()
			return
		}
		var ways sync.WaitGroup
		for _, way := range [][2]*gorilla.Conn{{up, down}, {down, up}} {
			ways.Go(func() { passOn(way[0], way[1]) })
		}
		ways.Wait()
	})
}

// passOn copies messages, and how they end.
func passOn(from, to *gorilla.Conn) {
	defer to.Close()
	for {
		kind, data, err := from.ReadMessage()
		if err != nil {
			if closed, ok := err.(*gorilla.CloseError); ok && closed.Code != gorilla.CloseAbnormalClosure {
				_ = to.WriteControl(gorilla.CloseMessage, gorilla.FormatCloseMessage(closed.Code, closed.Text), time.Time{})
			}
			return
		}
		if to.WriteMessage(kind, data) != nil {
			return
		}
	}
}

// proxied plays with clients of a hub behind such a proxy. dials counts their connections.
func proxied(t *testing.T, play func(t *testing.T, hub *lectern.Hub, client func() *lectern.Client, dials *atomic.Int64)) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{})
		require.NoError(t, err)
		upstream := serveHTTP(t, websocket.NewHandler(hub, websocket.Options{}))
		proxy := serveHTTP(t, terminating(upstream))
		t.Cleanup(func() { require.NoError(t, hub.Close()) })
		var dials atomic.Int64
		play(t, hub, func() *lectern.Client {
			client := lectern.NewClient(websocket.Dialer{
				URL: "ws://lectern.test/ws",
				NetDialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
					dials.Add(1)
					return proxy.DialContext(ctx, network, address)
				},
			}, lectern.ClientOptions{})
			t.Cleanup(func() { require.NoError(t, client.Close()) })
			return client
		}, &dials)
	})
}

// Behind a proxy that passes the first message on and lets the client send it again, each
// call has its effect once.
func TestFirstMessageThatComesTwice(t *testing.T) {
	t.Run("create and join", func(t *testing.T) {
		proxied(t, func(t *testing.T, hub *lectern.Hub, client func() *lectern.Client, dials *atomic.Int64) {
			master, err := client().Create(stage.Within(t), "abc123", "alice")
			require.NoError(t, err)
			time.Sleep(time.Minute)
			require.NoError(t, master.Err())

			slave, err := client().Join(stage.Within(t), "abc123", "user_one")
			require.NoError(t, err)
			time.Sleep(time.Minute)
			require.NoError(t, slave.Err())
			require.EqualValues(t, 2, dials.Load())
			require.Len(t, master.Members(), 1)

			_, err = slave.Send(stage.Within(t), lectern.Text("here"))
			require.NoError(t, err)
			var events []lectern.Event
			for event, err := range master.Events(stage.Within(t)) {
				require.NoError(t, err)
				events = append(events, event)
				if _, ok := event.(lectern.Message); ok {
					break
				}
			}
			require.Len(t, events, 2, "it is told as online once")
			_, err = master.Send(stage.Within(t), "user_one", lectern.Text("there"))
			require.NoError(t, err)
			message, err := slave.Receive(stage.Within(t))
			require.NoError(t, err)
			require.Equal(t, "there", message.Text())
		})
	})
	t.Run("refused", func(t *testing.T) {
		proxied(t, func(t *testing.T, hub *lectern.Hub, client func() *lectern.Client, _ *atomic.Int64) {
			master, err := hub.Create(stage.Within(t), "abc123", "alice")
			require.NoError(t, err)
			_, err = client().Create(stage.Within(t), "abc123", "bob")
			require.ErrorIs(t, err, lectern.ErrChannelExists)
			_, err = client().Join(stage.Within(t), "abc123", "alice")
			require.ErrorIs(t, err, lectern.ErrNameTaken)
			time.Sleep(time.Minute)
			require.Empty(t, master.Members())
		})
	})
	t.Run("status", func(t *testing.T) {
		proxied(t, func(t *testing.T, _ *lectern.Hub, client func() *lectern.Client, _ *atomic.Int64) {
			status, err := client().Status(stage.Within(t), "abc123")
			require.NoError(t, err)
			require.False(t, status.Exists)
		})
	})
	t.Run("join, leave, join", func(t *testing.T) {
		proxied(t, func(t *testing.T, hub *lectern.Hub, client func() *lectern.Client, _ *atomic.Int64) {
			master, err := hub.Create(stage.Within(t), "abc123", "alice")
			require.NoError(t, err)
			one := client()
			slave, err := one.Join(stage.Within(t), "abc123", "user_one")
			require.NoError(t, err)
			require.NoError(t, slave.Leave())
			slave, err = one.Join(stage.Within(t), "abc123", "user_one")
			require.NoError(t, err)
			time.Sleep(time.Minute)
			require.NoError(t, slave.Err())
			require.Len(t, master.Members(), 1)
		})
	})
}
