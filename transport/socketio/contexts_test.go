package socketio

import (
	"context"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/request"
)

type valueKey struct{}

// The service finds the request that has begun a session, and by Options.Context what else it
// wants of it.
func TestAuthorizeHasTheRequest(t *testing.T) {
	for _, way := range ways {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []string
				hub := newHub(t, lectern.Policy{Authorize: func(ctx context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
					from, ok := RequestFromContext(ctx)
					require.True(t, ok)
					value, _ := ctx.Value(valueKey{}).(string)
					asked = append(asked, from.URL.Query().Get("class")+" "+r.Token+" "+value)
					return lectern.Identity{Username: r.Username}, nil
				}})
				defer func() { require.NoError(t, hub.Close()) }()
				s := newSite(t, hub, Options{Context: func(r *http.Request) context.Context {
					return context.WithValue(request.Kept(r), valueKey{}, "value")
				}})
				c := s.dial(t, way, "4", "&class=7b")
				c.connect(`{"channel":"abc123","username":"alice","role":"master","token":"t"}`)
				c.hearEvent("created")
				want := "7b t "
				if way == "polling" {
					want += "value"
				}
				require.Equal(t, []string{want}, asked)
			})
		})
	}
}

// An http.Server with contexts of its own serves each WebSocket in its request's goroutine.
func TestServerWithContexts(t *testing.T) {
	hub := newHub(t, lectern.Policy{})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := &http.Server{
		Handler: NewHandler(hub, Options{}), ReadHeaderTimeout: 5 * time.Second,
		ConnContext: func(ctx context.Context, _ net.Conn) context.Context { return ctx },
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	defer func() {
		require.NoError(t, hub.Close())
		_ = server.Close()
		<-served
	}()
	s := siteAt(t, listener.Addr().String())
	c := s.dial(t, "websocket", "4", "")
	c.connect(`{"channel":"abc123","username":"alice","role":"master"}`)
	c.hearEvent("created")
	other := s.dial(t, "polling", "4", "")
	other.connect(`{"channel":"abc123","username":"bob"}`)
	other.hearEvent("joined")
	c.hearEvent("presence")
	other.upgrade()
	other.say(`20["message","over WebSocket"]`)
	other.hear(`30[{"ok":true,"seq":1}]`)
	require.Equal(t, "over WebSocket", c.hearEvent("message")[0])
}

// A message to many is translated once.
func TestMessagesAreTranslatedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hub := newFakeHub()
		a := newAdapter(hub, Options{})
		c := &conn{adapter: a, session: &sink{}}
		message := canonicalBinary(t, `{"type":"message","channel":"c","from":"alice","seq":7,"text":"hi"}`)
		first := c.translation(message)
		require.Same(t, first, c.translation(message))
		require.NotSame(t, first, c.translation(append([]byte(nil), message...)), "another one, as far as is known")
		private := canonicalBinary(t, `{"type":"message","channel":"c","from":"alice","seq":8,"private":true,"text":"hi"}`)
		require.NotSame(t, c.translation(private), c.translation(private))
		a.shares = false
		require.NotSame(t, c.translation(message), c.translation(message))
	})
}
