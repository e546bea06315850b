package websocket

import (
	"errors"
	"net/http"
	"time"

	"github.com/lectern-go/lectern/internal/origin"
	"github.com/lectern-go/lectern/internal/websocket"
	"github.com/lectern-go/lectern/transport"
)

// DefaultHandshakeTimeout is how long the answer to a handshake may take to be
// written where Options do not say otherwise.
const DefaultHandshakeTimeout = 10 * time.Second

// Options are what a handler may be told. The zero value is good for pages that
// are served by the same host.
type Options struct {
	// Origins are the origins of the web pages that may connect, each in the
	// form scheme://host or scheme://host:port, as a browser sends it: the host
	// of an international name in Punycode. Scheme, host and port have to be
	// equal; case makes no difference, and the default port may be left out.
	//
	// Empty means the origin that the request was sent to, and no other. Where
	// TLS ends at a proxy before this server, that origin's scheme is not known
	// and may be either http or https. "*" allows every origin: use it only
	// where nothing that browsers send by themselves, such as a cookie, tells
	// who somebody is.
	//
	// A request without an Origin header does not come from a web page and is
	// accepted; everything else gets 403 Forbidden, and a line that says what it
	// was held against. An entry that no browser ever sends is a mistake, such as
	// one with a pattern in it: each origin is listed by itself.
	Origins []string

	// Hosts are the hosts under which web pages may reach this server, each in the form
	// host, for any port, or host:port, without a scheme. Empty means every host. Where
	// Origins are empty or "*", a server that browsers can reach should have them: else a
	// page of anybody's can have its own name lead to this server's address (DNS
	// rebinding), and is of the same origin then. Behind a proxy the host is that in
	// the Host header that the proxy sends.
	//
	// Addresses need not be listed, since no page can make one lead elsewhere;
	// "localhost" has to be. A request without an Origin header is accepted here too;
	// everything else gets 403 Forbidden.
	Hosts []string

	// HandshakeTimeout bounds the writing of the answer to a handshake. Zero is
	// DefaultHandshakeTimeout. The reading of the request is over before the
	// handler runs: what bounds it is http.Server.ReadHeaderTimeout.
	HandshakeTimeout time.Duration

	// Conn sets up the connections.
	Conn transport.ConnOptions
}

type handler struct {
	server   transport.Server
	origins  *origin.Policy
	upgrader *websocket.Upgrader
}

// NewHandler returns a handler that makes each WebSocket request a connection
// and has it served by server. It works with any router and middleware that
// leave http.Hijacker reachable, be it through Unwrap; where one does not, each handshake is
// answered with 500, and the server's log says so (transport.FaultLogger). It panics where
// options.Origins or Hosts has an entry that no browser ever sends, or a time in the options
// makes no sense.
//
// The context that the server gets has the values of the request's, and the
// request itself (see [RequestFromContext]), unless the server is a
// transport.ContextReader that reads none; and it ends when the http.Server's
// base context ends. The end of the connection does not end it, and a deadline
// that some middleware has set is not passed on: that is meant for an answer, not
// for a connection.
//
// Where the server reads contexts, as a hub with a Policy.Authorize does, the handler
// returns once the connection's first membership stands, or the connection has ended:
// routers such as chi, gin and echo give what they have put into the context to
// another request then. Until then every value is the request's own. After it the
// context has the request alone, which is a copy with the values of its path. Any other
// server gives the values back by [transport.ReturnContext]; without that, the handler
// stays for as long as the connection.
//
// Where the server reads none, the handler returns as soon as the connection is there.
// And where the http.Server has a BaseContext or a ConnContext, or the request is of
// none, it returns when the connection has ended, and the values are there until
// then. Otherwise the connection is served in other goroutines, and outlives the
// handler. So middleware must take the return for no end, and where it cancels a
// context of its own as the handler returns, that does not end the connection,
// nor the context that the server has. What middleware counts or bounds as a request
// under way, it does until the handler returns; an *http.Server does not. Whoever has to know when
// all connections have ended knows it from the server that they are given to: a
// hub's Close and Shutdown wait for them. A panic of the server is logged and ends
// the connection.
//
// What the server's Serve returns is dropped: a server that wants it logged has
// it before.
//
// Two things are left to the http.Server. It must have a ReadHeaderTimeout,
// because nothing else ends a client that never completes its request, and
// should have the other settings that the package's documentation names. And its
// Shutdown and Close know nothing of these connections: end them through what
// serves them.
//
// What middleware has put into the response's header, such as a cookie, goes along with
// the answer, the 101 as well as a refusal; not what it would put there as that is
// written.
//
// A request that is no WebSocket handshake of version 13 over HTTP/1.1 is
// answered with a status from 400 on and a line that says why. A client that
// sends more before it has the answer is disconnected; its first message can be a
// part of the request, see the package's documentation.
func NewHandler(server transport.Server, options Options) http.Handler {
	if err := errors.Join(transport.CheckTime("websocket: Options.HandshakeTimeout", options.HandshakeTimeout), options.Conn.Check()); err != nil {
		panic(err)
	}
	timeout := options.HandshakeTimeout
	if timeout <= 0 {
		timeout = DefaultHandshakeTimeout
	}
	return &handler{
		server:  server,
		origins: origin.NewPolicy("websocket", options.Origins, options.Hosts),
		upgrader: websocket.NewUpgrader(websocket.Config{
			Conn:             options.Conn.WithDefaults(server),
			HandshakeTimeout: timeout,
			Subprotocols:     []string{FirstSubprotocol, Subprotocol},
			First:            FirstSubprotocol,
			ReadsContext:     transport.ReadsContext(server),
		}),
	}
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := h.origins.Refuses(r); err != nil {
		websocket.Refuse(w, r, http.StatusForbidden, err)
		return
	}
	h.upgrader.Serve(w, r, h.server)
}
