package websocket_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A poolingRouter does what chi does, and gin and echo where their contexts are put into
// the request's: what it puts there is the next request's once the handler has returned.
// It serves /rooms/{room}/ws by ws, and is a page everywhere else.
type poolingRouter struct {
	ws       http.Handler
	returned chan struct{} // gets one for each return of ws

	mu   sync.Mutex
	free []*params
}

type params struct{ room string }

type paramsKey struct{}

func newPoolingRouter(ws http.Handler) *poolingRouter {
	return &poolingRouter{ws: ws, returned: make(chan struct{}, 16)}
}

func (p *poolingRouter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	own := p.take()
	defer p.put(own)
	own.room = strings.Split(r.URL.Path, "/")[2]
	r = r.WithContext(context.WithValue(r.Context(), paramsKey{}, own))
	r.SetPathValue("room", own.room)
	if !strings.HasSuffix(r.URL.Path, "/ws") {
		return
	}
	p.ws.ServeHTTP(w, r)
	r.URL.Path = "/used/again"
	r.SetPathValue("room", "used again")
	r.Header.Set("X-Room", "used again")
	p.returned <- struct{}{}
}

func (p *poolingRouter) take() *params {
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := len(p.free) - 1; last >= 0 {
		taken := p.free[last]
		p.free = p.free[:last]
		return taken
	}
	return new(params)
}

func (p *poolingRouter) put(own *params) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, own)
}

// A roomSite is a hub behind a poolingRouter.
type roomSite struct {
	hub    *lectern.Hub
	router *poolingRouter
	server *http.Server
	dialer websocket.Dialer
	calls  chan call
}

// A call is what Authorize was asked, and what it has found.
type call struct {
	channel  string
	byRouter string // the room, empty where there is nothing of the router
	request  *http.Request
}

// inMemory is a network for bubbles.
func inMemory() (net.Listener, func(context.Context, string, string) (net.Conn, error)) {
	l := memnet.Listen()
	return l, l.DialContext
}

func onLoopback() (net.Listener, func(context.Context, string, string) (net.Conn, error)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return l, func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
	}
}

// newRoomSite serves until the test ends. Authorize refuses the token "no". Wrap may be
// nil.
func newRoomSite(t testing.TB, network func() (net.Listener, func(context.Context, string, string) (net.Conn, error)),
	wrap func(*lectern.Hub) transport.Server) *roomSite {
	s := &roomSite{calls: make(chan call, 16)}
	var err error
	s.hub, err = lectern.NewHub(lectern.Policy{Authorize: s.authorize})
	require.NoError(t, err)
	var server transport.Server = s.hub
	if wrap != nil {
		server = wrap(s.hub)
	}
	s.router = newPoolingRouter(websocket.NewHandler(server, websocket.Options{}))
	listener, dial := network()
	s.dialer = websocket.Dialer{URL: "ws://lectern.test/rooms/mine/ws", Header: http.Header{"X-Room": {"mine"}}, NetDialContext: dial}
	s.server = &http.Server{Handler: s.router, ReadHeaderTimeout: 5 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	var serving sync.WaitGroup
	serving.Go(func() { s.server.Serve(listener) })
	t.Cleanup(func() {
		s.hub.Close()
		s.server.Close()
		serving.Wait()
	})
	return s
}

func (s *roomSite) authorize(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	c := call{channel: r.Channel}
	if own, ok := ctx.Value(paramsKey{}).(*params); ok {
		c.byRouter = own.room
	}
	c.request, _ = websocket.RequestFromContext(ctx)
	s.calls <- c
	if r.Token == "no" {
		return lectern.Identity{}, lectern.ErrUnauthorized
	}
	return lectern.Identity{AsAsked: true}, nil
}

// browse has 64 requests answered.
func (s *roomSite) browse(t testing.TB) {
	t.Helper()
	c, err := s.dialer.NetDialContext(t.Context(), "", "")
	require.NoError(t, err)
	defer c.Close()
	answers := bufio.NewReader(c)
	for range 64 {
		_, err := io.WriteString(c, "GET /rooms/theirs/page HTTP/1.1\r\nHost: lectern.test\r\n\r\n")
		require.NoError(t, err)
		response, err := http.ReadResponse(answers, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.NoError(t, response.Body.Close())
	}
}

// expect reads until there is the answer to a create, and holds it against code, which is
// empty where it is not refused.
func expect(t testing.TB, conn transport.Conn, code string) {
	t.Helper()
	message, err := conn.Read()
	require.NoError(t, err)
	var answer struct{ Type, Code string }
	require.NoError(t, json.Unmarshal(message, &answer), "%s", message)
	want := "created"
	if code != "" {
		want = "error"
	}
	require.Equal(t, want, answer.Type, "%s", message)
	require.Equal(t, code, answer.Code)
}

func create(channel, token string) []byte {
	return []byte(`{"type":"create","ref":1,"channel":"` + channel + `","username":"alice","token":"` + token + `"}`)
}

// What a router uses again is not read by Authorize: in the first call everything is the
// request's own, and in later ones nothing is there but what was kept.
func TestAuthorizeBehindARouterThatPools(t *testing.T) {
	play := func(t *testing.T, s *roomSite, first bool) {
		var conn transport.Conn
		if first {
			var sent bool
			var err error
			conn, sent, err = s.dialer.DialFirst(t.Context(), create("mine", ""))
			require.NoError(t, err)
			require.True(t, sent)
			s.browse(t)
		} else {
			var err error
			conn, err = s.dialer.Dial(t.Context())
			require.NoError(t, err)
			s.browse(t)
			require.NoError(t, conn.Write(create("mine", "")))
		}
		expect(t, conn, "")
		c := <-s.calls
		require.Equal(t, "mine", c.channel)
		require.Equal(t, "mine", c.byRouter)
		<-s.router.returned
		s.browse(t)
		require.NoError(t, conn.Write(create("more", "")))
		expect(t, conn, "")
		later := <-s.calls
		require.Equal(t, "more", later.channel)
		require.Empty(t, later.byRouter)
		for _, r := range []*http.Request{c.request, later.request} {
			require.Equal(t, "/rooms/mine/ws", r.URL.Path)
			require.Equal(t, "mine", r.PathValue("room"))
			require.Equal(t, "mine", r.Header.Get("X-Room"))
			require.Nil(t, r.Context().Value(paramsKey{}))
			require.Nil(t, r.Context().Value(http.ServerContextKey))
		}
		require.NoError(t, conn.Close(goodbye))
	}
	for name, first := range map[string]bool{"apart from the handshake": false, "along with the handshake": true} {
		t.Run("in memory, "+name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, newRoomSite(t, inMemory, nil), first) })
		})
		t.Run("on loopback, "+name, func(t *testing.T) { play(t, newRoomSite(t, onLoopback, nil), first) })
	}
}

// The handler stays while there is no membership, however the connection ends then.
func TestHandlerStaysUntilAMembership(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(t *testing.T, s *roomSite, conn transport.Conn)
		lost bool // the client is told nothing
	}{
		{"no membership in time", func(*testing.T, *roomSite, transport.Conn) { time.Sleep(10 * time.Second) }, false},
		{"left", func(t *testing.T, _ *roomSite, conn transport.Conn) { require.NoError(t, conn.Close(goodbye)) }, true},
		{"the hub closes", func(t *testing.T, s *roomSite, _ transport.Conn) { require.NoError(t, s.hub.Close()) }, false},
		{"the hub shuts down", func(t *testing.T, s *roomSite, _ transport.Conn) {
			require.NoError(t, s.hub.Shutdown(t.Context()))
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRoomSite(t, inMemory, nil)
				conn, err := s.dialer.Dial(t.Context())
				require.NoError(t, err)
				for range 2 {
					require.NoError(t, conn.Write(create("mine", "no")))
					expect(t, conn, "unauthorized")
					require.Equal(t, "mine", (<-s.calls).byRouter)
					s.browse(t)
					synctest.Wait()
					require.Empty(t, s.router.returned)
				}
				ended := make(chan error, 1)
				go func() {
					for {
						if _, err := conn.Read(); err != nil {
							conn.Close(goodbye)
							ended <- err
							return
						}
					}
				}()
				c.end(t, s, conn)
				<-s.router.returned
				var closed *transport.CloseError
				require.Equal(t, !c.lost, errors.As(<-ended, &closed))
				conn.Close(goodbye)
			})
		})
	}
}

// The http.Server's end is not that of its connections, and of their handlers.
func TestHandlerStaysWhenTheServerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRoomSite(t, inMemory, nil)
		conn, err := s.dialer.Dial(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		require.NoError(t, s.server.Shutdown(t.Context()))
		require.NoError(t, s.server.Close())
		synctest.Wait()
		require.Empty(t, s.router.returned)
		require.NoError(t, conn.Write(create("mine", "")))
		expect(t, conn, "")
		require.Equal(t, "mine", (<-s.calls).byRouter)
		<-s.router.returned
		require.NoError(t, conn.Close(goodbye))
	})
}

// Where somebody between the handler and the hub wraps the context, it is not given
// back, and good for as long as the connection lasts.
func TestContextThatIsWrapped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRoomSite(t, inMemory, func(hub *lectern.Hub) transport.Server { return wrappingServer{hub} })
		conn, err := s.dialer.Dial(t.Context())
		require.NoError(t, err)
		for _, channel := range []string{"mine", "more"} {
			s.browse(t)
			require.NoError(t, conn.Write(create(channel, "")))
			expect(t, conn, "")
			require.Equal(t, "mine", (<-s.calls).byRouter)
		}
		require.Empty(t, s.router.returned)
		require.NoError(t, conn.Close(goodbye))
		<-s.router.returned
	})
}

type wrappingServer struct{ hub *lectern.Hub }

func (s wrappingServer) Serve(ctx context.Context, conn transport.Conn) error {
	return s.hub.Serve(context.WithValue(ctx, middlewareKey{}, "value"), conn)
}

// A server that is no hub has the values until it returns them, or until its end.
func TestServerReturnsTheContext(t *testing.T) {
	for name, early := range map[string]bool{"early": true, "at the end": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var router *poolingRouter
				s := newSite(t, websocket.Options{}, func(server *http.Server) {
					router = newPoolingRouter(server.Handler)
					server.Handler = router
				})
				dialer := s.dialer()
				dialer.URL = "ws://lectern.test/rooms/mine/ws"
				client, server := s.connect(t, dialer)
				synctest.Wait()
				require.Empty(t, router.returned)
				require.Equal(t, &params{"mine"}, server.ctx.Value(paramsKey{}))
				if early {
					lasting := transport.ReturnContext(server.ctx)
					<-router.returned
					require.Equal(t, lasting, transport.ReturnContext(server.ctx))
					require.Equal(t, lasting, transport.ReturnContext(lasting))
					require.NoError(t, server.ctx.Err())
					require.NoError(t, lasting.Err())
					require.Nil(t, lasting.Value(paramsKey{}))
					r, ok := websocket.RequestFromContext(lasting)
					require.True(t, ok)
					require.Equal(t, "mine", r.PathValue("room"))
				}
				exchange(t, client, server)
				closeBoth(t, client, server)
				if !early {
					synctest.Wait()
					require.Empty(t, router.returned, "Serve has not returned")
				}
			})
		})
	}
}

// Where nobody authorizes, the handler returns at once, also where it cannot know.
func TestHandlerReturnsAtOnce(t *testing.T) {
	for name, wrap := range map[string]func(*lectern.Hub) transport.Server{
		"a hub":                       func(hub *lectern.Hub) transport.Server { return hub },
		"what says nothing of itself": func(hub *lectern.Hub) transport.Server { return struct{ transport.Server }{hub} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hub, err := lectern.NewHub(lectern.Policy{})
				require.NoError(t, err)
				defer hub.Close()
				var router *poolingRouter
				s := newSite(t, websocket.Options{}, func(server *http.Server) {
					router = newPoolingRouter(websocket.NewHandler(wrap(hub), websocket.Options{}))
					server.Handler = router
				})
				dialer := s.dialer()
				dialer.URL = "ws://lectern.test/rooms/mine/ws"
				conn, err := dialer.Dial(t.Context())
				require.NoError(t, err)
				<-router.returned
				require.NoError(t, conn.Write(create("mine", "")))
				expect(t, conn, "")
				require.NoError(t, conn.Close(goodbye))
			})
		})
	}
}
