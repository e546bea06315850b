package websocket_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
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
		{"no pattern", []string{"https://*"}, "", true, []string{"https://evil"}, false},
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
	for _, entry := range []string{"", "good.com", "good.com:443", "https://good.com/", "https://user@good.com", "null", "https://", "//good.com"} {
		require.Panics(t, func() {
			websocket.NewHandler(newService(), websocket.Options{Origins: []string{entry}})
		}, "%q", entry)
	}
}
