package websocket

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// An origin is the source of a web page as browsers tell it, with the scheme
// and the host in lower case and the port always given.
type origin struct {
	scheme, host, port string
}

// parseOrigin accepts what a browser sends, scheme://host or scheme://host:port,
// and nothing beside it.
func parseOrigin(s string) (origin, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Hostname() == "" {
		return origin{}, false
	}
	if rest, ok := strings.CutPrefix(s, s[:len(u.Scheme)]+"://"); !ok || rest != u.Host {
		return origin{}, false // a user, a path, a query or an escaped host
	}
	return newOrigin(u.Scheme, u.Hostname(), u.Port()), true
}

func newOrigin(scheme, host, port string) origin {
	scheme = strings.ToLower(scheme)
	if port == "" {
		switch scheme {
		case "http":
			port = "80"
		case "https":
			port = "443"
		}
	}
	return origin{scheme, strings.ToLower(host), port}
}

// An originPolicy decides from where pages may connect.
type originPolicy struct {
	all    bool
	listed map[origin]bool // the request's own origin, where empty
}

func newOriginPolicy(entries []string) originPolicy {
	policy := originPolicy{listed: make(map[origin]bool, len(entries))}
	for _, entry := range entries {
		if entry == "*" {
			policy.all = true
			continue
		}
		o, ok := parseOrigin(entry)
		if !ok {
			panic(fmt.Sprintf("websocket: %q in Options.Origins is not an origin: scheme://host or scheme://host:port", entry))
		}
		policy.listed[o] = true
	}
	return policy
}

// allows reports whether the request may become a connection. One without an
// Origin does not come from a web page, and has no cookies of anybody else.
func (p originPolicy) allows(r *http.Request) bool {
	sent := r.Header.Values("Origin")
	if len(sent) == 0 || p.all {
		return true
	}
	if len(sent) > 1 {
		return false
	}
	from, ok := parseOrigin(sent[0])
	if !ok {
		return false
	}
	if len(p.listed) > 0 {
		return p.listed[from]
	}
	return sameOrigin(from, r)
}

// sameOrigin reports whether the request was sent to where it comes from. A
// request that came without TLS may have had it as far as a proxy, so either
// scheme may be its own; one that came with TLS is https.
func sameOrigin(from origin, r *http.Request) bool {
	if from.scheme != "https" && (from.scheme != "http" || r.TLS != nil) {
		return false
	}
	to, ok := parseOrigin(from.scheme + "://" + r.Host)
	return ok && from == to
}
