package main

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	gorilla "github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/httpstream"
)

// A page that has made its own name lead to this computer is of the same origin as what
// is there, and is told from a page of the hub's host by its name alone.
func TestPagesOfOtherHosts(t *testing.T) {
	for _, c := range []struct {
		args         []string
		host, origin string
		status       int
	}{
		{nil, "rebound.test:8080", "http://rebound.test:8080", http.StatusForbidden},
		{nil, "localhost:8080", "http://localhost:8080", http.StatusSwitchingProtocols},
		{nil, "127.0.0.1:8080", "http://127.0.0.1:8080", http.StatusSwitchingProtocols},
		{nil, "class.test", "https://class.test", http.StatusForbidden},
		{nil, "hub.internal:8080", "", http.StatusSwitchingProtocols}, // no page
		{[]string{"-host", "class.test"}, "class.test", "https://class.test", http.StatusSwitchingProtocols},
		{[]string{"-host", "class.test"}, "rebound.test", "https://rebound.test", http.StatusForbidden},
		{[]string{"-origin", "https://class.test"}, "10.0.0.7:8080", "https://class.test", http.StatusSwitchingProtocols},
		{[]string{"-origin", "https://class.test"}, "hub.internal:8080", "https://class.test", http.StatusSwitchingProtocols},
		{[]string{"-origin", "https://class.test"}, "rebound.test", "https://rebound.test", http.StatusForbidden},
		{[]string{"-origin", "https://class.test", "-host", "hub.internal"}, "rebound.test", "https://class.test", http.StatusForbidden},
	} {
		hub := startHub(t, 2, append([]string{"-ws", "127.0.0.1:0", "-http"}, c.args...)...)
		header := http.Header{"Host": {c.host}}
		if c.origin != "" {
			header.Set("Origin", c.origin)
		}
		ws, answer, err := gorilla.DefaultDialer.DialContext(t.Context(), hub.at["ws"], header)
		if err == nil {
			require.NoError(t, ws.Close())
		}
		require.NotNil(t, answer, "%v", err)
		require.Equal(t, c.status, answer.StatusCode, "%+v", c)
		require.Equal(t, c.status == http.StatusSwitchingProtocols, opens(t, hub.at["http"], header), "%+v", c)
		require.NoError(t, hub.Process.Signal(syscall.SIGTERM))
		_, err = hub.ends()
		require.NoError(t, err)
	}
}

// opens reports whether a connection over plain HTTP is let in, and not forbidden.
func opens(t *testing.T, address string, header http.Header) bool {
	t.Helper()
	conn, err := httpstream.Dialer{URL: address, Header: header}.Dial(t.Context())
	if err == nil {
		require.NoError(t, conn.Close(transport.Reason{Code: transport.Left}))
		return true
	}
	var refused *httpstream.RefusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusForbidden, refused.StatusCode)
	return false
}

func TestHostsThatMakeNoSense(t *testing.T) {
	require.Contains(t, fails(t, "-ws", "127.0.0.1:0", "-host", "https://class.test"), "Options.Hosts")
	require.Contains(t, fails(t, "-ws", "127.0.0.1:0", "-origin", "https://*.class.test"), "Options.Origins")
}

func TestHealth(t *testing.T) {
	ending := make(chan struct{})
	ask := func() *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		health(ending).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		return w
	}
	require.Equal(t, http.StatusOK, ask().Code)
	close(ending)
	require.Equal(t, http.StatusServiceUnavailable, ask().Code)
}

// Whoever looks whether a port is open, and however often, leaves nothing to read in the
// log: health checks, scans, and handshakes of TLS that fail.
func TestHealthChecksAreNotWarnedOf(t *testing.T) {
	cert, key, _ := certificate(t)
	path := filepath.Join(t.TempDir(), "hub.sock")
	secure := startHub(t, 3, "-ws", "127.0.0.1:0", "-tcp", "127.0.0.1:0", "-unix", path, "-tls-cert", cert, "-tls-key", key)
	plain := startHub(t, 2, "-ws", "127.0.0.1:0", "-tcp", "127.0.0.1:0")
	at := func(p *process) string {
		_, address, _ := strings.Cut(p.at["ws"], "://")
		return strings.TrimSuffix(address, "/ws")
	}
	knock := func(network, address, says string) {
		c, err := net.Dial(network, address)
		require.NoError(t, err)
		_, _ = io.WriteString(c, says)
		if says != "" {
			require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
			_, _ = io.Copy(io.Discard, c) // until it is refused
		}
		require.NoError(t, c.Close())
	}
	for range 20 {
		for _, says := range []string{"", "GET / HTTP/1.0\r\n\r\n"} {
			knock("tcp", at(plain), says)
			knock("tcp", plain.at["tcp"], says)
			knock("tcp", at(secure), says)
			knock("tcp", secure.at["tcp"], says)
			knock("unix", path, says)
		}
		_, err := tls.Dial("tcp", at(secure), &tls.Config{}) // does not trust the certificate
		require.Error(t, err)
		answer, err := http.Get("http://" + at(plain) + "/healthz")
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, answer.StatusCode)
		require.NoError(t, answer.Body.Close())
	}
	http.DefaultClient.CloseIdleConnections()
	for _, hub := range []*process{secure, plain} {
		require.NoError(t, hub.Process.Signal(syscall.SIGTERM))
		log, err := hub.ends()
		require.NoError(t, err)
		require.NotContains(t, log, "WARN")
		require.NotContains(t, log, "handshake")
		require.Less(t, strings.Count(log, "\n"), 10, log)
	}
}

// Stock socket.io clients come to the same address, and their pages from the same origins.
func TestSocketIO(t *testing.T) {
	hub := startHub(t, 2, "-ws", "127.0.0.1:0", "-socketio", "-origin", "https://class.test")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for origin, status := range map[string]int{"": http.StatusOK, "https://class.test": http.StatusOK, "https://other.test": http.StatusForbidden} {
		for _, version := range []string{"3", "4"} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, hub.at["socketio"]+"?transport=polling&EIO="+version, nil)
			require.NoError(t, err)
			if origin != "" {
				request.Header.Set("Origin", origin)
			}
			answer, err := client.Do(request)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, status, answer.StatusCode, "%q, %s", origin, version)
		}
	}
	require.NoError(t, hub.Process.Signal(syscall.SIGTERM))
	_, err := hub.ends()
	require.NoError(t, err)
}
