package websocket_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

func TestDialBadURL(t *testing.T) {
	for url, want := range map[string]string{
		"":                          "ws:// or wss://",
		"host/ws":                   "ws:// or wss://",
		"https://host/ws":           `"https"`,
		"ws:///ws":                  "names no host",
		"ws://:80/ws":               "names no host",
		"wss://user:secret@host/ws": "must not hold a user",
		"ws://host/ws#secret":       "fragment",
		"ws://host/ws\n?secret":     "cannot be read",
		"ws://host/%zz?secret":      "cannot be read",
		"ws://[::1/ws?secret":       "cannot be read",
	} {
		_, err := websocket.Dialer{URL: url}.Dial(t.Context())
		require.ErrorContains(t, err, want, "%q", url)
		require.NotContains(t, err.Error(), "secret")
	}
}

// dialHandler dials a server that answers in the given way. Row A14: the query,
// in which a token may be, is in no error.
func dialHandler(t *testing.T, dialer websocket.Dialer, answer http.HandlerFunc) error {
	s := newSite(t, websocket.Options{}, func(server *http.Server) { server.Handler = answer })
	dialer.URL = "ws://lectern.test/ws?token=secret"
	dialer.NetDialContext = s.listener.DialContext
	conn, err := dialer.Dial(t.Context())
	if err == nil {
		conn.Close(goodbye)
	} else {
		require.Nil(t, conn)
		require.NotContains(t, err.Error(), "secret")
		require.Contains(t, err.Error(), "ws://lectern.test/ws")
	}
	return err
}

func TestDialRefused(t *testing.T) {
	handler := websocket.NewHandler(newService(), websocket.Options{})
	for _, c := range []struct {
		name   string
		dialer websocket.Dialer
		answer http.HandlerFunc
		status int
		text   string
	}{
		{"origin", websocket.Dialer{Header: http.Header{"Origin": {"https://evil"}}}, handler.ServeHTTP,
			403, `websocket: pages of this origin may not connect: it is not that of the host "lectern.test", which the request was sent to; a proxy has to pass the Host header on`},
		{"nothing there", websocket.Dialer{}, http.NotFound, 404, "404 page not found"},
		{"nothing said", websocket.Dialer{}, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, 401, ""},
		{"elsewhere", websocket.Dialer{}, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "ws://elsewhere/")
			w.WriteHeader(302)
		}, 302, ""},
		{"no WebSocket", websocket.Dialer{}, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\nthere") }, 200, "hello"},
		{"long and odd", websocket.Dialer{}, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(500)
			io.WriteString(w, strings.Repeat("x", 199)+"世")
		}, 500, strings.Repeat("x", 199)},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := dialHandler(t, c.dialer, c.answer)
				var refused *websocket.RefusedError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, websocket.RefusedError{StatusCode: c.status, Text: c.text}, *refused)
				require.NotErrorIs(t, err, net.ErrClosed)
				require.Contains(t, err.Error(), "refused with status")
			})
		})
	}
}

// switchProtocols answers a handshake by hand, with more lines in the header
// and more behind it.
func switchProtocols(accept, lines, behind string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
			"Sec-WebSocket-Accept: "+accept+"\r\n"+lines+"\r\n"+behind)
		io.Copy(io.Discard, c)
	}
}

func TestDialWrongHandshake(t *testing.T) {
	for _, c := range []struct{ name, accept, lines, want string }{
		{"accepts another key", "c29tZXRoaW5nIGVsc2U=", "", "does not prove"},
		{"C1 compresses", "", "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n", "extension"},
		{"speaks something else", "", "Sec-WebSocket-Protocol: chat\r\n", "subprotocol"},
		{"speaks two things", "", "Sec-WebSocket-Protocol: lectern.v1\r\nSec-WebSocket-Protocol: chat\r\n", "subprotocol"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := dialHandler(t, websocket.Dialer{}, func(w http.ResponseWriter, r *http.Request) {
					accept := c.accept
					if accept == "" {
						accept = acceptKey(r)
					}
					switchProtocols(accept, c.lines, "")(w, r)
				})
				var refused *websocket.RefusedError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, http.StatusSwitchingProtocols, refused.StatusCode)
				require.ErrorContains(t, err, c.want)
			})
		})
	}
}

// A server that chooses no subprotocol is taken as it is, and what it sends
// right behind its answer is not lost.
func TestDialWithFirstMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{}, func(server *http.Server) {
			server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switchProtocols(acceptKey(r), "", "\x81\x02{}")(w, r)
			})
		})
		conn, err := s.dialer().Dial(t.Context())
		require.NoError(t, err)
		got, err := conn.Read()
		require.NoError(t, err)
		require.Equal(t, "{}", string(got))
		require.NoError(t, conn.Close(goodbye))
	})
}

// A client masks, and a server must not.
func TestDialToMaskingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{}, func(server *http.Server) {
			server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switchProtocols(acceptKey(r), "", string(frame(fin|opText, "{}")))(w, r)
			})
		})
		conn, err := s.dialer().Dial(t.Context())
		require.NoError(t, err)
		_, err = conn.Read()
		require.Error(t, err)
		conn.Close(goodbye)
	})
}

func TestDialHeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{Origins: []string{"https://good.com"}}, nil)
		dialer := s.dialer()
		dialer.Header = http.Header{"Host": {"other.test"}, "Cookie": {"session=1"}, "Origin": {"https://good.com"}}
		client, server := s.connect(t, dialer)
		r, _ := websocket.RequestFromContext(server.ctx)
		require.Equal(t, "other.test", r.Host)
		require.Equal(t, "session=1", r.Header.Get("Cookie"))
		require.Equal(t, "lectern.v1", r.Header.Get("Sec-Websocket-Protocol"))
		closeBoth(t, client, server)

		dialer.Header = http.Header{"Upgrade": {"h2c"}}
		_, err := dialer.Dial(t.Context())
		require.ErrorContains(t, err, "Upgrade")
	})
}

// The context bounds every step of dialling.
func TestDialContext(t *testing.T) {
	gone := errors.New("no longer wanted")
	for _, c := range []struct {
		name string
		url  string
		dial func(l *memnet.Listener) func(context.Context, string, string) (net.Conn, error)
	}{
		{"connecting", "ws://lectern.test", func(*memnet.Listener) func(context.Context, string, string) (net.Conn, error) {
			return func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		}},
		{"TLS", "wss://lectern.test", func(l *memnet.Listener) func(context.Context, string, string) (net.Conn, error) {
			return l.DialContext
		}},
		{"HTTP", "ws://lectern.test", func(l *memnet.Listener) func(context.Context, string, string) (net.Conn, error) {
			return l.DialContext
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := memnet.Listen()
				defer l.Close()
				dialer := websocket.Dialer{URL: c.url, NetDialContext: c.dial(l)}

				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				_, err := dialer.Dial(ctx)
				cancel()
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, time.Minute, time.Since(start))

				cancelled, stop := context.WithCancelCause(t.Context())
				time.AfterFunc(time.Second, func() { stop(gone) })
				_, err = dialer.Dial(cancelled)
				require.ErrorIs(t, err, gone)
				require.Equal(t, time.Minute+time.Second, time.Since(start))

				_, err = dialer.Dial(cancelled)
				require.ErrorIs(t, err, gone)
			})
		})
	}
}

// The context of Dial is not that of the connection.
func TestConnectionOutlivesDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}}, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		client, err := s.dialer().Dial(ctx)
		require.NoError(t, err)
		server := s.service.accept(t)
		cancel()
		time.Sleep(time.Hour)
		exchange(t, client, server)
		closeBoth(t, client, server)
	})
}

func TestDialUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		l.Close()
		_, err := websocket.Dialer{URL: "ws://lectern.test/ws", NetDialContext: l.DialContext}.Dial(t.Context())
		require.ErrorIs(t, err, memnet.ErrRefused)
		require.NotErrorIs(t, err, net.ErrClosed)
	})
}

func TestDialTLS(t *testing.T) {
	certificate()
	synctest.Test(t, func(t *testing.T) {
		s := newSiteBehind(t, overTLS, websocket.Options{}, nil)
		dialer := s.dialer()
		dialer.URL = "wss://lectern.test/ws"
		dialer.TLSConfig = certificate().client.Clone()
		dialer.TLSConfig.NextProtos = []string{"h2", "http/1.1"} // as where it is shared with an http.Transport
		client, server := s.connect(t, dialer)
		r, _ := websocket.RequestFromContext(server.ctx)
		require.Equal(t, "lectern.test", r.TLS.ServerName)
		exchange(t, client, server)
		closeBoth(t, client, server)

		dialer.URL = "wss://[fe80::1%25eth0]/ws" // no certificate names a zone
		client, server = s.connect(t, dialer)
		closeBoth(t, client, server)

		dialer.URL = "wss://other.test/ws"
		_, err := dialer.Dial(t.Context())
		require.ErrorAs(t, err, new(*tls.CertificateVerificationError))

		dialer.TLSConfig.ServerName = "lectern.test"
		client, server = s.connect(t, dialer)
		closeBoth(t, client, server)
	})
}
