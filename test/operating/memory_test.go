package operating

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// held is how many bytes are in use, on the heap and as stacks.
func held() int {
	runtime.GC()
	runtime.GC() // what is in a sync.Pool survives the first
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc + m.StackInuse)
}

// What a connection takes beside its queue and its frame is what doc.go says under
// "Bounds": the session, buffers and goroutines; for TLS more; and with Authorize the
// headers of the request. The other end of each is in this process too, and counts.
func TestConnectionsTakeWhatIsSaid(t *testing.T) {
	everybody := func(context.Context, lectern.AuthRequest) (lectern.Identity, error) {
		return lectern.Identity{AsAsked: true}, nil
	}
	for _, test := range []struct {
		what   string
		policy lectern.Policy
		secure bool
		header int // bytes
		most   int
	}{
		{"plain", lectern.Policy{}, false, 0, 32 << 10},
		{"with TLS", lectern.Policy{}, true, 0, 64 << 10},
		{"with Authorize", lectern.Policy{Authorize: everybody}, false, 0, 32 << 10},
		{"with Authorize and headers", lectern.Policy{Authorize: everybody}, false, 12 << 10, 32<<10 + 3*12<<10},
		{"with headers that nobody reads", lectern.Policy{}, false, 12 << 10, 32 << 10},
	} {
		t.Run(test.what, func(t *testing.T) {
			hub, err := lectern.NewHub(test.policy)
			require.NoError(t, err)
			defer hub.Close()
			serverConfig, clientConfig := memnet.TLS()
			network := memnet.Listen()
			listener := net.Listener(network)
			dialer := websocket.Dialer{URL: "ws://127.0.0.1/ws", NetDialContext: network.DialContext}
			if test.secure {
				listener = tls.NewListener(listener, serverConfig)
				dialer.URL, dialer.TLSConfig = "wss://127.0.0.1/ws", clientConfig
			}
			if test.header > 0 {
				dialer.Header = http.Header{}
				for i := range test.header / 1024 {
					dialer.Header.Set(fmt.Sprint("X-Some-Header-", i), strings.Repeat("x", 1000))
				}
			}
			server := &http.Server{Handler: websocket.NewHandler(hub, websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}})}
			served := make(chan error)
			go func() { served <- server.Serve(listener) }()
			defer func() {
				require.NoError(t, server.Close())
				require.ErrorIs(t, <-served, http.ErrServerClosed)
			}()
			_, err = hub.Create(stage.Within(t), "abc123", "alice")
			require.NoError(t, err)

			const count = 200
			before := held()
			conns := make([]transport.Conn, count)
			for i := range conns {
				conns[i], err = dialer.Dial(stage.Within(t))
				require.NoError(t, err)
				require.NoError(t, conns[i].Write(fmt.Appendf(nil, `{"type":"join","channel":"abc123","username":"user_%d"}`, i)))
				answer, err := conns[i].Read()
				require.NoError(t, err)
				require.Contains(t, string(answer), `"joined"`)
			}
			each := (held() - before) / count
			t.Log(each)
			require.Less(t, each, test.most)
			for _, conn := range conns {
				require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))
			}
		})
	}
}

// Who waits takes what is said under "Bounds", and nothing any more once it has gone: for channels that there are not, on one
// connection, and at one door, with a master that knows of all of them.
func TestWhoWaitsTakesWhatIsSaid(t *testing.T) {
	stage.OneHub(t, "it bounds the memory of one hub, and not that of a log in the process")
	noRate := lectern.RateLimit{PerSecond: -1}
	policy := lectern.Policy{MaxChannelsPerConnection: -1, MembershipRate: noRate, FrameRate: noRate, MaxHandshakeBytes: -1}
	stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
		const attribute = 4000
		with := `,"attributes":{"k":{"text":"` + strings.Repeat("x", attribute) + `"}}}`
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		raw := s.Raw()
		before := held()
		const many = 2000
		for i := range many {
			raw.Send(fmt.Sprintf(`{"type":"join","ref":%d,"channel":"c%d","username":"bob","wait":true`, i+1, i) + with)
			raw.Expect(fmt.Sprintf(`{"type":"waiting","ref":%d,"channel":"c%d","for":"master"}`, i+1, i))
		}
		each := (held() - before) / many
		t.Log("for a channel:", each)
		require.Less(t, each, attribute+1<<10)
		raw.Plug.Cut()
		synctest.Wait()
		require.Less(t, held()-before, 1<<20, "it has gone")

		doors := make([]*stage.Raw, 256)
		for i := range doors {
			doors[i] = s.Raw()
		}
		before = held()
		for i, door := range doors {
			door.Send(fmt.Sprintf(`{"type":"join","ref":1,"channel":"abc123","username":"n%d"`, i) + with)
			door.Expect(`{"type":"waiting","ref":1,"channel":"abc123","master":{"username":"alice","state":"online"},"for":"door"}`)
		}
		synctest.Wait()
		each = (held() - before) / len(doors)
		t.Log("at a door:", each)
		require.Less(t, each, 5*attribute, "the attributes twice, in the hub and in the master's client, and the connection's buffers")
		require.Len(t, master.Knocks(), len(doors))
	})
}
