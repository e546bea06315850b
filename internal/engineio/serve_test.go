package engineio

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/origin"
	"github.com/lectern-go/lectern/transport"
)

func TestRequestsThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *Config) { c.Version3 = false })
		id, _ := s.poll(t)
		for _, c := range []struct {
			name, method, target string
			status               int
			says                 string
		}{
			{"no version", http.MethodGet, "/socket.io/?transport=polling", 400, `{"code":5,`},
			{"another version", http.MethodGet, address("", "polling", "abc"), 400, `{"code":5,`},
			{"version 3 where it is not let in", http.MethodGet, address("", "polling", "3"), 400, `{"code":5,`},
			{"no transport", http.MethodGet, "/socket.io/?EIO=4", 400, `{"code":0,`},
			{"another transport", http.MethodGet, address("", "abc", "4"), 400, `{"code":0,`},
			{"an id that is guessed", http.MethodGet, address("AAAAAAAAAAAAAAAAAAAA", "polling", "4"), 400, `{"code":1,`},
			{"a POST to an id that is guessed", http.MethodPost, address("AAAAAAAAAAAAAAAAAAAA", "polling", "4"), 400, `{"code":1,`},
			{"an id at another version", http.MethodGet, address(id, "polling", "3"), 400, `{"code":5,`},
			{"a POST that begins", http.MethodPost, address("", "polling", "4"), 400, `{"code":2,`},
			{"a PUT", http.MethodPut, address(id, "polling", "4"), 400, `{"code":3,`},
			{"a WebSocket that is none", http.MethodGet, address("", "websocket", "4"), 400, `{"code":3,`},
			{"the script", http.MethodGet, "/socket.io/socket.io.js", 404, "socket.io-client"},
		} {
			status, body := s.do(t, c.method, c.target, "")
			require.Equal(t, c.status, status, c.name)
			require.Contains(t, body, c.says, c.name)
		}
		require.Equal(t, http.StatusOK, s.post(t, id, "4still there"))
	})
}

// Pages of other origins get 403, whatever they ask for; listed ones get the headers of CORS,
// with credentials only where they are listed by name.
func TestOrigins(t *testing.T) {
	for _, c := range []struct {
		name        string
		origins     []string
		origin      string
		allowed     bool
		header      string
		credentials string
	}{
		{"its own", nil, "http://lectern.test", true, "", ""},
		{"foreign", nil, "https://evil.test", false, "", ""},
		{"null", nil, "null", false, "", ""},
		{"listed", []string{"https://page.test"}, "https://page.test", true, "https://page.test", "true"},
		{"not listed", []string{"https://page.test"}, "https://page.test.evil.test", false, "", ""},
		{"any", []string{"*"}, "https://page.test", true, "*", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(config *Config) { config.Origins = origin.NewPolicy("test", c.origins, nil) })
				id, _ := s.poll(t)
				send := func(method, target, body string, more ...string) *http.Response {
					request, err := http.NewRequestWithContext(t.Context(), method, "http://lectern.test"+target, http.NoBody)
					require.NoError(t, err)
					request.Header.Set("Origin", c.origin)
					for i := 0; i < len(more); i += 2 {
						request.Header.Set(more[i], more[i+1])
					}
					response, err := s.client.Do(request)
					require.NoError(t, err)
					_ = response.Body.Close()
					return response
				}
				for _, request := range []struct {
					method, target string
					ok             int
				}{
					{http.MethodGet, address("", "polling", "4"), 200},
					{http.MethodPost, address(id, "polling", "4"), 400}, // it is empty
					{http.MethodOptions, address(id, "polling", "4"), 204},
				} {
					response := send(request.method, request.target, "")
					want := http.StatusForbidden
					if c.allowed {
						want = request.ok
					}
					require.Equal(t, want, response.StatusCode, request.method)
					require.Equal(t, c.header, response.Header.Get("Access-Control-Allow-Origin"), request.method)
					require.Equal(t, c.credentials, response.Header.Get("Access-Control-Allow-Credentials"), request.method)
				}
				response := send(http.MethodGet, address("", "websocket", "4"), "", "Connection", "Upgrade", "Upgrade", "websocket",
					"Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
				if c.allowed {
					require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode)
				} else {
					require.Equal(t, http.StatusForbidden, response.StatusCode)
				}
			})
		})
	}
}

func TestServerThatTakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		s.endpoint.config.Accept = func(_ context.Context, session *Session, _ string) (Receiver, error) {
			_ = session.Close(transport.Reason{Code: transport.RateLimited})
			return nil, errClosed
		}
		status, _ := s.do(t, http.MethodGet, address("", "polling", "4"), "")
		require.Equal(t, http.StatusServiceUnavailable, status)
		hearEnd(s.dial(t, "", "4"))
		require.Zero(t, s.endpoint.Sessions())
	})
}
