// Package routers holds the WebSocket handler against routers that use what they put into a
// request's context again, for the next request, as soon as the handler has returned.
package routers

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// A router serves ws at /rooms/{room}/ws and page at /rooms/{room}/page.
type router struct {
	name string
	make func(ws, page http.Handler) http.Handler
	// room is the room in the path, as the router tells it by what is in the context. It
	// is empty where the context has nothing of the router.
	room func(ctx context.Context) string
}

// routerKey is for what the routers do not put into the request's context by themselves.
type routerKey struct{}

var routers = []router{
	{"chi", func(ws, page http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Method(http.MethodGet, "/rooms/{room}/ws", ws)
		r.Method(http.MethodGet, "/rooms/{room}/page", page)
		return r
	}, func(ctx context.Context) string { return chi.URLParamFromCtx(ctx, "room") }},

	{"gin", func(ws, page http.Handler) http.Handler {
		gin.SetMode(gin.ReleaseMode)
		r := gin.New()
		r.Use(func(c *gin.Context) {
			c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), routerKey{}, c))
		})
		r.GET("/rooms/:room/ws", gin.WrapH(ws))
		r.GET("/rooms/:room/page", gin.WrapH(page))
		return r
	}, func(ctx context.Context) string {
		if c, ok := ctx.Value(routerKey{}).(*gin.Context); ok {
			return c.Param("room")
		}
		return ""
	}},

	{"echo", func(ws, page http.Handler) http.Handler {
		e := echo.New()
		e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
			return func(c *echo.Context) error {
				c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), routerKey{}, c)))
				return next(c)
			}
		})
		e.GET("/rooms/:room/ws", echo.WrapHandler(ws))
		e.GET("/rooms/:room/page", echo.WrapHandler(page))
		return e
	}, func(ctx context.Context) string {
		if c, ok := ctx.Value(routerKey{}).(*echo.Context); ok {
			return c.Param("room")
		}
		return ""
	}},
}

// asked is what a call of Authorize has found.
type asked struct {
	channel   string
	byRouter  string // the room, as the router tells it
	byRequest string // the room, in the path of the request
}

// A service admits nobody but to the room in the path.
type service struct {
	room func(context.Context) string

	mu    sync.Mutex
	calls []asked
}

func (s *service) authorize(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	request, ok := websocket.RequestFromContext(ctx)
	if !ok {
		return lectern.Identity{}, lectern.ErrUnauthorized
	}
	a := asked{channel: r.Channel, byRouter: s.room(ctx), byRequest: strings.Split(request.URL.Path, "/")[2]}
	s.mu.Lock()
	s.calls = append(s.calls, a)
	s.mu.Unlock()
	return lectern.Identity{AsAsked: true}, nil
}

// pausing lets others' requests come between the handshake and what follows.
type pausing struct {
	websocket websocket.Dialer
	pause     func()
}

func (d pausing) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.websocket.Dial(ctx)
	d.pause()
	return conn, err
}

// Each of 400 connections, among many other requests, is asked for with the room in its own
// path, and with none of anybody's router in later calls.
func TestRoutersUnderLoad(t *testing.T) {
	for _, r := range routers {
		t.Run(r.name, func(t *testing.T) {
			const connections, together, pages = 400, 16, 4
			service := &service{room: r.room}
			hub, err := lectern.NewHub(lectern.Policy{Authorize: service.authorize})
			require.NoError(t, err)
			page := http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				fmt.Fprint(w, r.room(request.Context()))
			})
			server := httptest.NewServer(r.make(websocket.NewHandler(hub, websocket.Options{}), page))
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			t.Cleanup(func() {
				cancel()
				require.NoError(t, hub.Close())
				server.Close()
			})

			browse := func() {
				for range pages {
					response, err := server.Client().Get(server.URL + "/rooms/theirs/page")
					if err != nil {
						t.Error(err)
						return
					}
					body, _ := io.ReadAll(response.Body)
					response.Body.Close()
					if string(body) != "theirs" {
						t.Errorf("the page has %q", body)
					}
				}
			}
			enter := func(i int) {
				room := fmt.Sprint("room", i)
				dialer := websocket.Dialer{URL: strings.Replace(server.URL, "http", "ws", 1) + "/rooms/" + room + "/ws"}
				var client *lectern.Client
				if i%2 == 0 {
					client = lectern.NewClient(dialer, lectern.ClientOptions{}) // the create goes along with the handshake
				} else {
					client = lectern.NewClient(pausing{dialer, browse}, lectern.ClientOptions{})
				}
				defer client.Close()
				if _, err := client.Create(ctx, room, "alice"); err != nil {
					t.Error(err)
					return
				}
				browse()
				if _, err := client.Create(ctx, room+" later", "alice"); err != nil {
					t.Error(err)
				}
			}
			var workers sync.WaitGroup
			for worker := range together {
				workers.Go(func() {
					for i := worker; i < connections; i += together {
						enter(i)
					}
				})
			}
			workers.Wait()

			strangers, leftovers := 0, 0
			require.Len(t, service.calls, 2*connections)
			for _, a := range service.calls {
				room, later := strings.CutSuffix(a.channel, " later")
				require.Equal(t, room, a.byRequest)
				switch {
				case !later && a.byRouter != room:
					strangers++
				case later && a.byRouter != "":
					leftovers++
				}
			}
			assert.Zero(t, strangers, "of %d connections have been asked for with another room", connections)
			assert.Zero(t, leftovers, "of %d later calls have had something of a router", connections)
		})
	}
}
