package websocket_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport/websocket"
)

// The request that a server gets is the one that came, whatever it had and
// whatever was added on the way.
func TestRequestFromContext(t *testing.T) {
	long := strings.Repeat("x", 300)
	for name, edit := range map[string]func(*http.Server){
		"handed over": nil,
		"in the handler": func(server *http.Server) {
			server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return ctx }
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, websocket.Options{}, func(server *http.Server) {
					if edit != nil {
						edit(server)
					}
					mux := http.NewServeMux()
					handler := server.Handler
					mux.HandleFunc("/rooms/{room}", func(w http.ResponseWriter, r *http.Request) {
						r.Header["X-Middleware"] = []string{"", " as it is\t", long}
						r.Header["X-None"] = nil
						handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), middlewareKey{}, "value")))
					})
					server.Handler = mux
				})
				dialer := s.dialer()
				dialer.URL = "ws://lectern.test/rooms/blue?a=b"
				dialer.Header = http.Header{"Cookie": {"session=secret"}, "X-Two": {"1", "2"}}
				client, server := s.connect(t, dialer)
				for range 2 {
					r, ok := websocket.RequestFromContext(server.ctx)
					require.True(t, ok)
					require.Equal(t, "/rooms/blue", r.URL.Path)
					require.Equal(t, "b", r.FormValue("a"))
					require.Equal(t, "blue", r.PathValue("room"))
					require.Equal(t, "lectern.test", r.Host)
					require.Equal(t, []string{"1", "2"}, r.Header["X-Two"])
					require.Equal(t, []string{"", " as it is\t", long}, r.Header["X-Middleware"])
					require.Contains(t, r.Header, "X-None")
					cookie, err := r.Cookie("session")
					require.NoError(t, err)
					require.Equal(t, "secret", cookie.Value)
				}
				require.Equal(t, "value", server.ctx.Value(middlewareKey{}))
				require.NoError(t, server.ctx.Err())
				closeBoth(t, client, server)
			})
		})
	}
}

type middlewareKey struct{}

// indifferent is a service that reads no context.
type indifferent struct{ *service }

func (indifferent) ReadsContext() bool { return false }

func TestContextThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{}, nil)
		s.server.Handler = websocket.NewHandler(indifferent{s.service}, websocket.Options{})
		client, server := s.connect(t, s.dialer())
		_, ok := websocket.RequestFromContext(server.ctx)
		require.False(t, ok)
		require.Nil(t, server.ctx.Done())
		closeBoth(t, client, server)
	})
}
