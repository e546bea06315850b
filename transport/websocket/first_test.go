package websocket_test

import (
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

// connectFirst dials the site with a first message, which goes along.
func (s *site) connectFirst(t testing.TB, d websocket.Dialer, message string) (client transport.Conn, server served) {
	t.Helper()
	client, sent, err := d.DialFirst(t.Context(), []byte(message))
	require.NoError(t, err)
	require.True(t, sent)
	return client, s.service.accept(t)
}

func TestFirstMessageGoesAlong(t *testing.T) {
	certificate()
	for _, c := range []struct {
		name   string
		secure bool
		edit   func(*http.Server)
	}{
		{"plain", false, nil},
		{"over TLS", true, nil},
		{"served by the request's goroutine", false, func(server *http.Server) {
			server.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { return ctx }
		}},
	} {
		for _, message := range []string{"", "\x02binary", `{"type":"join"}`, "{ not UTF-8: \xff", strings.Repeat("x", 2048)} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var wrap func(net.Listener) net.Listener
					if c.secure {
						wrap = overTLS
					}
					s := newSiteBehind(t, wrap, websocket.Options{}, c.edit)
					dialer := s.dialer()
					if c.secure {
						dialer.URL, dialer.TLSConfig = "wss://lectern.test/ws", certificate().client
					}
					client, server := s.connectFirst(t, dialer, message)
					got, err := server.Read()
					require.NoError(t, err)
					require.Equal(t, message, string(got))
					r, _ := websocket.RequestFromContext(server.ctx)
					require.Equal(t, []string{"lectern.v1.first"}, r.Header.Values("Sec-WebSocket-Protocol"), "the message is not kept")
					exchange(t, client, server)
					closeBoth(t, client, server)
				})
			})
		}
	}
}

// Where the message is not taken along, it is for the caller, and only there.
func TestFirstMessageStaysBehind(t *testing.T) {
	for _, c := range []struct {
		name    string
		message string
		edit    func(*websocket.Dialer, *http.Server)
		offered string
	}{
		{"too large", strings.Repeat("x", 2049), nil, "lectern.v1"},
		{"not wanted", "{}", func(d *websocket.Dialer, _ *http.Server) { d.PlainHandshake = true }, "lectern.v1"},
		{"a server that does not know of it", "{}", func(_ *websocket.Dialer, server *http.Server) {
			server.Handler = withoutFirst(server.Handler)
		}, "lectern.v1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dialer := websocket.Dialer{}
				s := newSite(t, websocket.Options{}, func(server *http.Server) {
					if c.edit != nil {
						c.edit(&dialer, server)
					}
				})
				plain := dialer.PlainHandshake
				dialer = s.dialer()
				dialer.PlainHandshake = plain
				client, sent, err := dialer.DialFirst(t.Context(), []byte(c.message))
				require.NoError(t, err)
				require.False(t, sent)
				server := s.service.accept(t)
				r, _ := websocket.RequestFromContext(server.ctx)
				require.Equal(t, c.offered, r.Header.Get("Sec-WebSocket-Protocol"))
				exchange(t, client, server) // of which the first is what is read first
				closeBoth(t, client, server)
			})
		})
	}
}

// withoutFirst is a server of before there were first messages.
func withoutFirst(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Sec-WebSocket-Protocol", "lectern.v1")
		next.ServeHTTP(w, r)
	})
}

// What a client offers decides, byte by byte.
func TestFirstMessageOffered(t *testing.T) {
	encoded := func(message string) string { return base64.RawURLEncoding.EncodeToString([]byte(message)) }
	const none = ""
	for _, c := range []struct {
		name    string
		offered string
		status  int
		chosen  string
		first   string
	}{
		{"in any order", "lectern.v1.first." + encoded("{}") + ",lectern.v1.first,lectern.v1", 101, "lectern.v1.first", "{}"},
		{"without the other", "lectern.v1.first, lectern.v1.first." + encoded("{}"), 101, "lectern.v1.first", "{}"},
		{"among others", "chat, lectern.v1.first, x, lectern.v1.first." + encoded("{}"), 101, "lectern.v1.first", "{}"},
		{"the first of two", "lectern.v1.first, lectern.v1.first." + encoded("{}") + ", lectern.v1.first." + encoded("[]"), 101, "lectern.v1.first", "{}"},
		{"in several lines", "lectern.v1\r\nSec-WebSocket-Protocol: lectern.v1.first\r\nSec-WebSocket-Protocol: lectern.v1.first." + encoded("{}"), 101, "lectern.v1.first", "{}"},
		{"no message", "lectern.v1, lectern.v1.first", 101, "lectern.v1", none},
		{"nothing but that", "lectern.v1.first", 101, none, none},
		{"a message that is not announced", "lectern.v1, lectern.v1.first." + encoded("{}"), 101, "lectern.v1", none},
		{"too large", "lectern.v1, lectern.v1.first, lectern.v1.first." + encoded(strings.Repeat("x", 2049)), 101, "lectern.v1", none},
		{"A10 not base64", "lectern.v1, lectern.v1.first, lectern.v1.first.!!!!", 400, none, none},
		{"A10 base64 of the other kind", "lectern.v1.first, lectern.v1.first.++//", 400, none, none},
		{"A10 padding", "lectern.v1.first, lectern.v1.first.e30=", 400, none, none},
		{"A10 bits that are left over", "lectern.v1.first, lectern.v1.first.e31", 400, none, none},
		{"A10 a length that cannot be", "lectern.v1.first, lectern.v1.first.e", 400, none, none},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, websocket.Options{}, nil)
				client := s.dialRaw(t)
				client.send([]byte(request("", "Sec-WebSocket-Protocol: "+c.offered)))
				response := client.response()
				require.Equal(t, c.status, response.StatusCode)
				require.Equal(t, c.chosen, response.Header.Get("Sec-WebSocket-Protocol"))
				if c.status != http.StatusSwitchingProtocols {
					require.Empty(t, s.service.accepted)
					return
				}
				server := s.service.accept(t)
				r, _ := websocket.RequestFromContext(server.ctx)
				require.NotContains(t, strings.Join(r.Header.Values("Sec-WebSocket-Protocol"), ", "), "lectern.v1.first.")
				client.send(frame(fin|opText, "{2}"))
				for _, want := range []string{c.first, "{2}"} {
					if want == none {
						continue
					}
					got, err := server.Read()
					require.NoError(t, err)
					require.Equal(t, want, string(got))
				}
				client.Close()
				server.Close(goodbye)
			})
		})
	}
}

// The limit to the size of messages is for the first one too.
func TestFirstMessageOverTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{Conn: transport.ConnOptions{MaxFrameBytes: 10}}, nil)
		client, server := s.connectFirst(t, s.dialer(), "eleven byte")
		_, err := server.Read()
		require.ErrorIs(t, err, transport.ErrMessageTooLarge)
		_, err = client.Read()
		var closed *transport.CloseError
		require.ErrorAs(t, err, &closed)
		require.Equal(t, transport.TooLarge, closed.Reason.Code)
		closeBoth(t, client, server)
	})
}
