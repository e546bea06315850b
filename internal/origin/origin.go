// Package origin decides from where web pages may reach a handler: by the origin that a
// browser tells of a page, and by the host under which the page has reached the server.
// The adapters over HTTP share it.
package origin

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
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
	return origin{scheme, canonicalHost(host), port}
}

// canonicalHost is the host as browsers write it: in lower case, and an IPv6 address in
// its short form.
func canonicalHost(host string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		return address.String()
	}
	return strings.ToLower(host)
}

// A Policy decides from where pages may connect. It does not change, and is for any
// goroutine.
type Policy struct {
	owner  string // the package that its errors begin with
	all    bool
	listed map[origin]bool // the request's own origin, where empty
	hosts  []host          // any, where empty
}

// NewPolicy returns the policy that the options Origins and Hosts of the owner mean, a
// package's name. It panics where an entry is one that no browser ever sends.
func NewPolicy(owner string, origins, hosts []string) *Policy {
	policy := &Policy{owner: owner, listed: make(map[origin]bool, len(origins)), hosts: parseHosts(owner, hosts)}
	for _, entry := range origins {
		if entry == "*" {
			policy.all = true
			continue
		}
		o, ok := parseOrigin(entry)
		if !ok {
			panic(fmt.Sprintf("%s: %q in Options.Origins is not an origin: scheme://host or scheme://host:port", owner, entry))
		}
		if why := o.neverSent(); why != "" {
			panic(fmt.Sprintf("%s: %q in Options.Origins is an origin that no browser sends: %s", owner, entry, why))
		}
		policy.listed[o] = true
	}
	return policy
}

// neverSent says why no browser ever sends the origin, and is empty where one may.
func (o origin) neverSent() string {
	if o.scheme == "ws" || o.scheme == "wss" {
		return "the scheme is the page's, http or https"
	}
	if why := hostNeverSent(o.host); why != "" {
		return why
	}
	if n, err := strconv.ParseUint(o.port, 10, 16); o.port != "" && (err != nil || n == 0 || o.port[0] == '0') {
		return "the port is a number from 1 to 65535"
	}
	return ""
}

// hostNeverSent says why no browser ever names the host, which is in lower case, and is
// empty where one may.
func hostNeverSent(host string) string {
	if address, err := netip.ParseAddr(host); err == nil {
		if address.Zone() != "" {
			return "an address has no zone"
		}
		return ""
	}
	for _, c := range []byte(host) {
		switch {
		case c == '*':
			return "each host is listed by itself, without a pattern"
		case c >= 0x80:
			return "an international name is written in Punycode, xn--"
		case c != '-' && c != '.' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z'):
			return fmt.Sprintf("a host has no %q in its name", c)
		}
	}
	labels := strings.Split(strings.TrimSuffix(host, "."), ".")
	for _, label := range labels {
		if label == "" {
			return "a part of the name is empty"
		}
	}
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		return "an IPv4 address has four numbers"
	}
	return ""
}

// Refuses says why the request may not become a connection, and is nil where it may. One
// without an Origin does not come from a web page, and has no cookies of anybody else.
func (p *Policy) Refuses(r *http.Request) error {
	sent := r.Header.Values("Origin")
	if len(sent) == 0 {
		return nil
	}
	if err := p.refusesHost(r.Host); err != nil {
		return err
	}
	if p.all {
		return nil
	}
	if len(sent) > 1 {
		return p.refused("there are several of them")
	}
	from, ok := parseOrigin(sent[0])
	switch {
	case len(p.listed) > 0 && !(ok && p.listed[from]):
		return p.refused("it is none of those that the server lists")
	case len(p.listed) == 0 && !(ok && sameOrigin(from, r)):
		return p.refused("it is not that of the host " + quoted(r.Host) + ", which the request was sent to; a proxy has to pass the Host header on")
	}
	return nil
}

func (p *Policy) refused(why string) error {
	return fmt.Errorf("%s: pages of this origin may not connect: %s", p.owner, why)
}

// quoted is a part of a request for the eyes of people, and not too much of it.
func quoted(s string) string {
	const most = 256
	if len(s) > most {
		return strconv.QuoteToASCII(s[:most]) + "…"
	}
	return strconv.QuoteToASCII(s)
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
