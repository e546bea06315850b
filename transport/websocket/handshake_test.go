package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/websocket"
)

var goodbye = transport.Reason{Code: transport.Left, Text: "goodbye"}

// Rows A1, A2 and A13.
func TestHandshakeRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		request string
		status  int
	}{
		{"A1 no upgrade", "GET /ws HTTP/1.1\r\nHost: lectern.test\r\n\r\n", http.StatusUpgradeRequired},
		{"A1 POST", strings.Replace(request(""), "GET", "POST", 1), http.StatusMethodNotAllowed},
		{"A1 HTTP/1.0", strings.Replace(request(""), "HTTP/1.1", "HTTP/1.0", 1), http.StatusBadRequest},
		{"A1 no Upgrade", request("Upgrade"), http.StatusUpgradeRequired},
		{"A1 other Upgrade", request("Upgrade", "Upgrade: h2c"), http.StatusUpgradeRequired},
		{"A1 no Connection", request("Connection"), http.StatusUpgradeRequired},
		{"A1 no key", request("Sec-WebSocket-Key"), http.StatusBadRequest},
		{"A1 short key", request("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ="), http.StatusBadRequest},
		{"A1 key not in base64", request("Sec-WebSocket-Key", "Sec-WebSocket-Key: ?!?!?!?!?!?!?!?!?!?!?!=="), http.StatusBadRequest},
		{"A2 version 8", request("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), http.StatusBadRequest},
		{"A2 versions 13, 8", request("Sec-WebSocket-Version", "Sec-WebSocket-Version: 13, 8"), http.StatusBadRequest},
		{"A2 version twice", request("", "Sec-WebSocket-Version: 13"), http.StatusBadRequest},
		{"A2 no version", request("Sec-WebSocket-Version"), http.StatusBadRequest},
		{"A7 foreign page", request("", "Origin: https://evil"), http.StatusForbidden},
		{"a body", request("", "Content-Length: 4") + "\x81\x80\x00\x00", http.StatusBadRequest},
		{"a body that follows", request("", "Content-Length: 4"), http.StatusBadRequest},
		{"a body that follows, and no upgrade", request("Upgrade", "Content-Length: 4"), http.StatusUpgradeRequired},
		{"A1 POST with a body that follows", strings.Replace(request("", "Content-Length: 4"), "GET", "POST", 1), http.StatusMethodNotAllowed},
		{"a body in chunks", request("", "Transfer-Encoding: chunked") + "0\r\n\r\n", http.StatusBadRequest},
		{"a body that is asked for", request("", "Content-Length: 4", "Expect: 100-continue"), http.StatusBadRequest},
		{"A13 start of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", http.StatusBadRequest},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, websocket.Options{}, nil)
				client := s.dialRaw(t)
				client.send([]byte(c.request))
				response := client.response()
				require.Equal(t, c.status, response.StatusCode)
				require.Equal(t, "13", response.Header.Get("Sec-Websocket-Version"))
				require.Empty(t, s.service.accepted)
			})
		})
	}
}

// HTTP/2 has no Upgrade.
func TestHandshakeOverHTTP2(t *testing.T) { // row A13
	server := httptest.NewUnstartedServer(websocket.NewHandler(newService(), websocket.Options{}))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, 2, response.ProtoMajor)
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
}

func TestHandshakeAccepted(t *testing.T) {
	for _, c := range []struct {
		name        string
		request     string
		subprotocol []string
	}{
		{"subprotocol not offered", request(""), nil},
		{"subprotocol offered", request("", "Sec-WebSocket-Protocol: lectern.v1"), []string{"lectern.v1"}},
		{"subprotocol among others", request("", "Sec-WebSocket-Protocol: chat, lectern.v1, x"), []string{"lectern.v1"}},
		{"A10 other subprotocols", request("", "Sec-WebSocket-Protocol: chat, lectern.v2"), nil},
		{"C1 compression offered", request("", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"), nil},
		{"own origin", request("", "Origin: http://lectern.test"), nil},
		{"a body of nothing", request("", "Content-Length: 0"), nil},
		{"A13 absolute address", strings.Replace(request(""), "/ws", "http://lectern.test/ws", 1), nil},
		{"tokens in lists", request("Connection", "Connection: keep-alive, UPGRADE"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, websocket.Options{}, nil)
				client := s.dialRaw(t)
				client.send([]byte(c.request))
				response := client.response()
				require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
				require.Equal(t, sampleDone, response.Header.Get("Sec-Websocket-Accept"))
				require.Equal(t, c.subprotocol, response.Header.Values("Sec-Websocket-Protocol")[:len(c.subprotocol):len(c.subprotocol)])
				require.Len(t, response.Header.Values("Sec-Websocket-Protocol"), len(c.subprotocol))
				require.Empty(t, response.Header.Values("Sec-Websocket-Extensions"))
				server := s.service.accept(t)
				client.send(frame(fin|opText, "{}"))
				got, err := server.Read()
				require.NoError(t, err)
				require.Equal(t, "{}", string(got))
				client.Close()
				server.Close(goodbye)
			})
		})
	}
}

// What comes before the answer is not a message of anybody's.
func TestDataBehindTheRequest(t *testing.T) {
	t.Run("A12 frame behind the request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newSite(t, websocket.Options{}, nil)
			client := s.dialRaw(t)
			client.send(append([]byte(request("")), frame(fin|opText, "{}")...))
			_, err := client.reader.ReadByte()
			require.Error(t, err)
			synctest.Wait()
			require.Empty(t, s.service.accepted)
		})
	})
}

// Nothing of a request is in what it is answered by, whatever is in it.
func TestAnswersQuoteNothing(t *testing.T) {
	for name, sent := range map[string]string{
		"A10 CR in a subprotocol":   request("", "Sec-WebSocket-Protocol: lectern.v1\r, evil"),
		"A10 NUL in a subprotocol":  request("", "Sec-WebSocket-Protocol: evil\x00, lectern.v1"),
		"A10 odd subprotocols":      request("", "Sec-WebSocket-Protocol: evil\x7f\xff, lectern.v1"),
		"A10 line end in the query": strings.Replace(request("", "Origin: https://evil"), "/ws", "/ws?token=evil%0d%0aevil:%00", 1),
		"A10 odd origin":            request("", "Origin: https://evil\xff"),
		"A10 odd version":           request("Sec-WebSocket-Version", "Sec-WebSocket-Version: evil"),
		"A14 token in the query":    strings.Replace(request("Upgrade"), "/ws", "/ws?token=evil", 1),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var logged bytes.Buffer
				s := newSite(t, websocket.Options{}, func(server *http.Server) { server.ErrorLog = log.New(&logged, "", 0) })
				client := s.dialRaw(t)
				client.send([]byte(sent))
				require.NoError(t, client.CloseWrite())
				answer, err := io.ReadAll(client)
				require.NoError(t, err)
				require.Contains(t, string(answer), "HTTP/1.1 ")
				require.NotContains(t, string(answer), "evil")
				require.NotContains(t, logged.String(), "evil")
			})
		})
	}
}

// Neither the deadlines of the http.Server nor those of a middleware are the
// connection's.
func TestConnectionOutlivesTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{Conn: transport.ConnOptions{ProbeAfter: -1}}, func(server *http.Server) {
			server.ReadTimeout = 5 * time.Second
			server.WriteTimeout = 5 * time.Second
			inner := server.Handler
			server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
				defer cancel()
				inner.ServeHTTP(w, r.WithContext(ctx))
			})
		})
		client, server := s.connect(t, s.dialer())
		time.Sleep(time.Hour)
		require.NoError(t, server.ctx.Err())
		exchange(t, client, server)
		closeBoth(t, client, server)
	})
}

// exchange sends a message each way.
func exchange(t testing.TB, a, b transport.Conn) {
	t.Helper()
	for _, way := range [][2]transport.Conn{{a, b}, {b, a}} {
		require.NoError(t, way[0].Write([]byte(`{"hello":"there"}`)))
		got, err := way[1].Read()
		require.NoError(t, err)
		require.Equal(t, `{"hello":"there"}`, string(got))
	}
}

func closeBoth(t testing.TB, a, b transport.Conn) {
	t.Helper()
	closed := make(chan error)
	go func() { closed <- a.Close(goodbye) }()
	require.NoError(t, b.Close(goodbye))
	require.NoError(t, <-closed)
}

func TestContext(t *testing.T) {
	type key struct{}
	cause := errors.New("the service stops")
	for _, deadline := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			base, stop := context.WithCancelCause(context.WithValue(context.Background(), key{}, "from the base"))
			s := newSite(t, websocket.Options{}, func(server *http.Server) {
				server.BaseContext = func(net.Listener) context.Context { return base }
				if inner := server.Handler; deadline {
					server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
						defer cancel()
						inner.ServeHTTP(w, r.WithContext(ctx))
					})
				}
			})
			dialer := s.dialer()
			dialer.URL += "?room=7"
			dialer.Header = http.Header{"Authorization": {"Bearer x"}}
			client, server := s.connect(t, dialer)

			r, ok := websocket.RequestFromContext(server.ctx)
			require.True(t, ok)
			require.Equal(t, "7", r.URL.Query().Get("room"))
			require.Equal(t, "Bearer x", r.Header.Get("Authorization"))
			require.Equal(t, "lectern.test", r.Host)
			require.Equal(t, "from the base", server.ctx.Value(key{}))

			require.NoError(t, server.ctx.Err())
			stop(cause)
			<-server.ctx.Done()
			require.Equal(t, cause, context.Cause(server.ctx))
			closeBoth(t, client, server)
		})
	}
	_, ok := websocket.RequestFromContext(t.Context())
	require.False(t, ok)
}

type serverFunc func(context.Context, transport.Conn) error

func (f serverFunc) Serve(ctx context.Context, conn transport.Conn) error { return f(ctx, conn) }

// An acceptFunc is an Acceptor that does not get to its Receiver.
type acceptFunc func() error

func (acceptFunc) Serve(context.Context, transport.Conn) error { panic("served") }

func (f acceptFunc) Accept(context.Context, transport.Conn) (transport.Receiver, error) {
	return nil, f()
}

// A server that breaks its contract, by panicking or returning too early, does
// not leave its peer in the dark.
func TestServerThatDoesNotClose(t *testing.T) {
	for name, server := range map[string]transport.Server{
		"panics":          serverFunc(func(context.Context, transport.Conn) error { panic("a bug") }),
		"returns":         serverFunc(func(context.Context, transport.Conn) error { return nil }),
		"panics at Start": acceptFunc(func() error { panic("a bug") }),
		"does not start":  acceptFunc(func() error { return errors.New("not today") }),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, websocket.Options{}, func(site *http.Server) {
					site.Handler = websocket.NewHandler(server, websocket.Options{})
				})
				client, err := s.dialer().Dial(t.Context())
				require.NoError(t, err)
				_, err = client.Read()
				requireClosed(t, err, 1011, "")
				require.NoError(t, client.Close(goodbye))
			})
		})
	}
}

func requireClosed(t testing.TB, err error, code transport.CloseCode, text string) {
	t.Helper()
	var closed *transport.CloseError
	require.ErrorAs(t, err, &closed)
	require.Equal(t, transport.Reason{Code: code, Text: text}, closed.Reason)
}

type unwrapper struct{ w http.ResponseWriter }

func (u unwrapper) Header() http.Header         { return u.w.Header() }
func (u unwrapper) Write(p []byte) (int, error) { return u.w.Write(p) }
func (u unwrapper) WriteHeader(status int)      { u.w.WriteHeader(status) }
func (u unwrapper) Unwrap() http.ResponseWriter { return u.w }

func TestMiddleware(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{}, func(server *http.Server) {
			inner := server.Handler
			mux := http.NewServeMux()
			mux.HandleFunc("GET /ws", func(w http.ResponseWriter, r *http.Request) {
				inner.ServeHTTP(unwrapper{w}, r)
			})
			server.Handler = mux
		})
		client, server := s.connect(t, s.dialer())
		exchange(t, client, server)
		closeBoth(t, client, server)
	})
}

// What middleware sets is in the answer, but for what is the handshake's own.
func TestHeaderOfTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, websocket.Options{}, func(server *http.Server) {
			inner := server.Handler
			server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.SetCookie(w, &http.Cookie{Name: "session", Value: "one"})
				http.SetCookie(w, &http.Cookie{Name: "theme", Value: "dark"})
				h := w.Header()
				h.Set("X-Request-Id", "a\r\nX-Evil: 1")
				h.Set("Strict-Transport-Security", "max-age=1")
				h.Set("Content-Security-Policy", "default-src 'none'")
				h["x-lower"] = []string{"kept"}
				h["X-Evil\r\nX-Evil"] = []string{"1"}
				h[""] = []string{"1"}
				for _, name := range []string{
					"Connection", "Upgrade", "Keep-Alive", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding", "Trailer",
					"Sec-Websocket-Accept", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions", "Sec-Websocket-Version", "Trailer:X-Later",
					"sec-websocket-accept", "content-length",
				} {
					h[name] = []string{"evil"}
				}
				inner.ServeHTTP(w, r)
			})
		})
		client := s.dialRaw(t)
		client.send([]byte(request("", "Sec-WebSocket-Protocol: lectern.v1")))
		response := client.response()
		require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
		require.Equal(t, http.Header{
			"Connection":                {"Upgrade"},
			"Upgrade":                   {"websocket"},
			"Sec-Websocket-Accept":      {sampleDone},
			"Sec-Websocket-Protocol":    {"lectern.v1"},
			"Set-Cookie":                {"session=one", "theme=dark"},
			"X-Request-Id":              {"a  X-Evil: 1"},
			"Strict-Transport-Security": {"max-age=1"},
			"Content-Security-Policy":   {"default-src 'none'"},
			"X-Lower":                   {"kept"},
		}, response.Header)
		server := s.service.accept(t)
		client.send(frame(fin|opText, "{}"))
		got, err := server.Read()
		require.NoError(t, err)
		require.Equal(t, "{}", string(got))
		client.Close()
		server.Close(goodbye)

		// With a first message, whose answer waits for what follows, too.
		first, sent, err := s.dialer().DialFirst(t.Context(), []byte("{}"))
		require.NoError(t, err)
		require.True(t, sent)
		closeBoth(t, first, s.service.accept(t))
	})
}

// A response that cannot be hijacked is answered like any other failure.
func TestNoHijacker(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	r.Header.Set("Connection", "upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Version", "13")
	r.Header.Set("Sec-WebSocket-Key", sampleKey)
	w := httptest.NewRecorder()
	websocket.NewHandler(newService(), websocket.Options{}).ServeHTTP(w, r)
	require.Equal(t, http.StatusInternalServerError, w.Code)
}

type limited struct {
	*service
	limit int
}

func (l limited) MaxFrameBytes() int { return l.limit }

func TestFrameLimit(t *testing.T) {
	for _, c := range []struct {
		name          string
		asked, server int
		want          int
	}{
		{"option", 10, 20, 10},
		{"server", 0, 20, 20},
		{"default", 0, 0, transport.DefaultMaxFrameBytes},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, websocket.Options{}, func(server *http.Server) {})
				s.server.Handler = websocket.NewHandler(limited{s.service, c.server}, websocket.Options{Conn: transport.ConnOptions{MaxFrameBytes: c.asked}})
				client, server := s.connect(t, s.dialer())
				go client.Write(make([]byte, c.want), make([]byte, c.want+1))
				got, err := server.Read()
				require.NoError(t, err)
				require.Len(t, got, c.want)
				_, err = server.Read()
				require.ErrorIs(t, err, transport.ErrMessageTooLarge)
				closeBoth(t, client, server)
			})
		})
	}
}
