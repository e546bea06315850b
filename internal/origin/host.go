package origin

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// A host is a name, and a port or any port where that is empty.
type host struct{ name, port string }

// parseHosts reads the hosts that pages may name in their requests. A page whose own name
// has been made to lead to this server names that one, whatever it is: by its origin it
// cannot be told from a page of this server. No page can make an address lead elsewhere.
func parseHosts(owner string, entries []string) []host {
	hosts := make([]host, 0, len(entries))
	for _, entry := range entries {
		listed := parseHost(entry)
		why := hostNeverSent(listed.name)
		if listed.name == "" || strings.Contains(entry, "/") {
			why = "it is host or host:port, without a scheme or a path"
		} else if why == "" {
			why = origin{host: listed.name, port: listed.port}.neverSent()
		}
		if why != "" {
			panic(fmt.Sprintf("%s: %q in Options.Hosts is a host that no browser names: %s", owner, entry, why))
		}
		hosts = append(hosts, listed)
	}
	return hosts
}

// parseHost reads what a Host header may be, and an IPv6 address without brackets. The
// name is in lower case, and without the dot at the end that says that it is complete.
func parseHost(s string) host {
	name, port, err := net.SplitHostPort(s)
	if err != nil {
		name, port = s, ""
		if inner, ok := strings.CutPrefix(s, "["); ok {
			name, _ = strings.CutSuffix(inner, "]")
		}
	}
	return host{strings.TrimSuffix(canonicalHost(name), "."), port}
}

// refusesHost says why a page's request may not name the host, and is nil where it may.
func (p *Policy) refusesHost(named string) error {
	if len(p.hosts) == 0 {
		return nil
	}
	to := parseHost(named)
	if _, err := netip.ParseAddr(to.name); err == nil {
		return nil
	}
	for _, listed := range p.hosts {
		if listed.name == to.name && (listed.port == "" || listed.port == to.port || to.port == "" && isDefaultPort(listed.port)) {
			return nil
		}
	}
	return fmt.Errorf("%s: the request was sent to the host %s, under which pages may not reach this server", p.owner, quoted(named))
}

// isDefaultPort reports whether browsers leave the port out where the scheme is its own,
// which nobody knows behind a proxy.
func isDefaultPort(port string) bool { return port == "80" || port == "443" }
