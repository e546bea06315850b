package websocket_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport/websocket"
)

// Rows A7 and A8.
func TestOrigin(t *testing.T) {
	const host = "good.com"
	listed := []string{"https://good.com", "http://other.org:8080", "https://[2001:db8::1]", "https://xn--bcher-kva.example"}
	for _, c := range []struct {
		name    string
		origins []string
		host    string // of the request; good.com, where empty
		tls     bool
		origin  []string
		allowed bool
	}{
		{"no origin", nil, "", false, nil, true},
		{"no origin, with a list", listed, "", false, nil, true},

		{"same", nil, "", true, []string{"https://good.com"}, true},
		{"same, behind a proxy", nil, "", false, []string{"https://good.com"}, true},
		{"same, without TLS", nil, "", false, []string{"http://good.com"}, true},
		{"same, empty list", []string{}, "", true, []string{"https://good.com"}, true},
		{"same with default port", nil, "good.com:443", true, []string{"https://good.com"}, true},
		{"same with its port", nil, "good.com:8443", true, []string{"https://good.com:8443"}, true},
		{"A8 same but for case", nil, "Good.com", true, []string{"HTTPS://gOOd.COM:443"}, true},
		{"A8 same address", nil, "[::1]:8080", false, []string{"http://[::1]:8080"}, true},
		{"A7 other host", nil, "", true, []string{"https://evil"}, false},
		{"A7 other host, empty list", []string{}, "", true, []string{"https://evil"}, false},
		{"without TLS for TLS", nil, "", true, []string{"http://good.com"}, false},
		{"A8 other port", nil, "", true, []string{"https://good.com:8443"}, false},
		{"A8 port of the other scheme", nil, "good.com:443", false, []string{"http://good.com"}, false},
		{"other scheme", nil, "", true, []string{"chrome-extension://good.com"}, false},
		{"A8 null", nil, "", true, []string{"null"}, false},
		{"empty", nil, "", true, []string{""}, false},
		{"A8 suffix", nil, "", true, []string{"https://good.com.evil.com"}, false},
		{"A8 prefix", nil, "", true, []string{"https://evilgood.com"}, false},
		{"A8 user", nil, "", true, []string{"https://good.com@evil.com"}, false},
		{"A8 user at the right host", nil, "", true, []string{"https://evil.com@good.com"}, false},
		{"A8 dot", nil, "", true, []string{"https://good.com."}, false},
		{"path", nil, "", true, []string{"https://good.com/"}, false},
		{"query", nil, "", true, []string{"https://good.com?a"}, false},
		{"fragment", nil, "", true, []string{"https://good.com#a"}, false},
		{"A8 escape", nil, "", true, []string{"https://good%2ecom"}, false},
		{"space", nil, "", true, []string{"https://good.com evil.com"}, false},
		{"no slashes", nil, "", true, []string{"https:good.com"}, false},
		{"host alone", nil, "", true, []string{"good.com"}, false},
		{"A8 two origins", nil, "", true, []string{"https://good.com", "https://evil.com"}, false},
		{"A8 two equal origins", nil, "", true, []string{"https://good.com", "https://good.com"}, false},

		{"listed", listed, "api.com", true, []string{"https://good.com"}, true},
		{"listed with default port", listed, "api.com", true, []string{"https://good.com:443"}, true},
		{"A8 listed but for case", listed, "api.com", true, []string{"HTTPS://GOOD.com"}, true},
		{"listed with its port", listed, "api.com", true, []string{"http://other.org:8080"}, true},
		{"A8 listed address", listed, "api.com", true, []string{"https://[2001:db8::1]"}, true},
		{"A8 listed in Punycode", listed, "api.com", true, []string{"https://xn--bcher-kva.example"}, true},
		{"A8 listed, and not in Punycode", listed, "api.com", true, []string{"https://bücher.example"}, false},
		{"same, but not listed", listed, "api.com", true, []string{"https://api.com"}, false},
		{"A8 listed with another scheme", listed, "api.com", true, []string{"http://good.com"}, false},
		{"A8 listed with another port", listed, "api.com", true, []string{"http://other.org"}, false},
		{"A8 null is not listed", listed, "api.com", true, []string{"null"}, false},
		{"A8 user of a listed one", listed, "api.com", true, []string{"https://good.com@evil.com"}, false},
		{"A8 subdomain of a listed one", listed, "api.com", true, []string{"https://sub.good.com"}, false},
		{"A8 two, one of them listed", listed, "api.com", true, []string{"https://good.com", "https://evil.com"}, false},

		{"every origin", []string{"*"}, "", true, []string{"https://evil"}, true},
		{"every origin, null too", []string{"*"}, "", true, []string{"null"}, true},
		{"every origin beside one", []string{"https://good.com", "*"}, "", true, []string{"https://evil"}, true},
		{"listed address in another spelling", []string{"https://[2001:DB8:0::1]"}, "api.com", true, []string{"https://[2001:db8::1]"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/ws", nil)
			r.Host = host
			if c.host != "" {
				r.Host = c.host
			}
			if c.tls {
				r.TLS = &tls.ConnectionState{}
			}
			r.Header["Cookie"] = []string{"session=secret"}
			if c.origin != nil {
				r.Header["Origin"] = c.origin
			}
			w := httptest.NewRecorder()
			websocket.NewHandler(newService(), websocket.Options{Origins: c.origins}).ServeHTTP(w, r)
			if c.allowed {
				// Nothing else about the request is right.
				require.Equal(t, http.StatusUpgradeRequired, w.Code)
			} else {
				require.Equal(t, http.StatusForbidden, w.Code)
			}
		})
	}
}

// An entry that can never match anything is a mistake that would be hard to find.
func TestOriginsMustBeOrigins(t *testing.T) {
	for _, entry := range []string{
		"", "good.com", "good.com:443", "https://good.com/", "https://user@good.com", "null", "https://", "//good.com",
		"https://*", "https://*.good.com", "http://*:8080", "*.good.com", "https://sub.*.com", "**",
		"https://bücher.example", "https://good.com:0", "https://good.com:065", "https://good.com:99999",
		"wss://good.com", "ws://good.com:8080", "https://127.1", "https://1.2.3.256", "https://good..com", "https://.good.com",
		"https://[fe80::1%25eth0]", "https://good.com,evil.com", "https://good!.com",
	} {
		require.Panics(t, func() {
			websocket.NewHandler(newService(), websocket.Options{Origins: []string{entry}})
		}, "%q", entry)
	}
	for _, entry := range []string{
		"*", "https://Good.com", "https://good.com.", "http://127.0.0.1:8080", "https://[::1]:8443", "https://my_host", "chrome-extension://abcdef",
		"https://good.com:65535", "https://1password.com", "https://xn--bcher-kva.example",
	} {
		require.NotPanics(t, func() {
			websocket.NewHandler(newService(), websocket.Options{Origins: []string{entry}})
		}, "%q", entry)
	}
}

func TestHostsMustBeHosts(t *testing.T) {
	for _, entry := range []string{"", "https://good.com", "good.com/ws", "*", "*.good.com", "good.com:x", "good.com:0", "bücher.example", "user@good.com", ":8080", "127.1"} {
		require.Panics(t, func() {
			websocket.NewHandler(newService(), websocket.Options{Hosts: []string{entry}})
		}, "%q", entry)
	}
}

// A page may name its own server's host and no other: what a name leads to is decided by
// whoever owns it.
func TestHosts(t *testing.T) {
	listed := []string{"Good.com", "localhost:8080", "tls.org:443", "[2001:db8::1]"}
	for _, c := range []struct {
		name    string
		hosts   []string
		host    string
		origins []string
		origin  string
		allowed bool
	}{
		{"rebound, and no hosts", nil, "evil.com:8080", nil, "http://evil.com:8080", true},
		{"rebound", listed, "evil.com:8080", nil, "http://evil.com:8080", false},
		{"rebound, and every origin", listed, "evil.com", []string{"*"}, "http://evil.com", false},
		{"rebound suffix", listed, "evil.good.com", nil, "http://evil.good.com", false},
		{"rebound, looks like an address", listed, "127.0.0.1.evil.com", nil, "http://127.0.0.1.evil.com", false},
		{"own", listed, "good.com", nil, "https://good.com", true},
		{"own, any port", listed, "GOOD.com:8443", nil, "https://good.com:8443", true},
		{"own with its dot", listed, "good.com.", nil, "https://good.com.", true},
		{"own with its port", listed, "localhost:8080", nil, "http://localhost:8080", true},
		{"own with another port", listed, "localhost:9090", nil, "http://localhost:9090", false},
		{"own with the default port", listed, "tls.org", nil, "https://tls.org", true},
		{"an address", listed, "192.0.2.1:8080", nil, "http://192.0.2.1:8080", true},
		{"an IPv6 address", listed, "[::1]:8080", nil, "http://[::1]:8080", true},
		{"an address of another origin", listed, "192.0.2.1:8080", nil, "http://evil.com", false},
		{"own of another origin", listed, "good.com", nil, "https://evil.com", false},
		{"no page", listed, "evil.com", nil, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/ws", nil)
			r.Host = c.host
			if c.origin != "" {
				r.Header.Set("Origin", c.origin)
			}
			w := httptest.NewRecorder()
			websocket.NewHandler(newService(), websocket.Options{Hosts: c.hosts, Origins: c.origins}).ServeHTTP(w, r)
			want := http.StatusForbidden
			if c.allowed {
				want = http.StatusUpgradeRequired // nothing else about the request is right
			}
			require.Equal(t, want, w.Code, w.Body.String())
		})
	}
}

// Who is refused learns what the origin was held against, and nothing else of the request.
func TestRefusedOriginIsExplained(t *testing.T) {
	for _, c := range []struct {
		name    string
		options websocket.Options
		host    string
		origin  []string
		says    string
	}{
		{"another host", websocket.Options{}, "10.0.0.7:8080", []string{"https://class.example"}, `"10.0.0.7:8080"`},
		{"not listed", websocket.Options{Origins: []string{"https://good.com"}}, "good.com", []string{"https://class.example"}, "lists"},
		{"several", websocket.Options{}, "good.com", []string{"https://good.com", "https://class.example"}, "several"},
		{"host not listed", websocket.Options{Hosts: []string{"good.com"}}, "hub.internal:8080", []string{"https://class.example"}, `"hub.internal:8080"`},
		{"odd host", websocket.Options{}, "<b>\xff\n" + strings.Repeat("x", 5000), []string{"https://class.example"}, `"<b>\xff\n`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/ws", nil)
			r.Host = c.host
			r.Header["Origin"] = c.origin
			w := httptest.NewRecorder()
			websocket.NewHandler(newService(), c.options).ServeHTTP(w, r)
			require.Equal(t, http.StatusForbidden, w.Code)
			require.Contains(t, w.Body.String(), c.says)
			require.NotContains(t, w.Body.String(), "class.example")
			require.Less(t, w.Body.Len(), 1000)
			require.Equal(t, "text/plain; charset=utf-8", w.Header().Get("Content-Type"))
		})
	}
}
