package socketio

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/lectern-go/lectern/internal/request"
	"github.com/lectern-go/lectern/transport"
)

// DefaultHandshakeTimeout is how long the answer to a WebSocket handshake may take to be written
// where Options do not say otherwise.
const DefaultHandshakeTimeout = 10 * time.Second

// DefaultMaxDisconnection is how long a client that is lost can come back by Socket.IO's
// recovery, where Options do not say otherwise.
const DefaultMaxDisconnection = 2 * time.Minute

// Options are what a handler may be told. The zero value is good for pages that are served by
// the same host.
type Options struct {
	// Origins and Hosts are as in websocket.Options: the origins of the web pages that may
	// connect, which are none but the request's own where it is empty, and the hosts under
	// which pages may reach this server. Both hold for polled requests too, which get the
	// headers of CORS: with credentials where the origin is listed by its name.
	Origins []string
	Hosts   []string

	// EIO3 lets clients of Engine.IO 3 in, which are socket.io-client 1.x and 2.x. They cannot
	// recover by themselves: give them a session, see the package's documentation.
	EIO3 bool

	// MaxDisconnection is how long a client that is lost can come back by Socket.IO's own
	// recovery, or by its session, as long as the hub keeps the membership. Zero is
	// DefaultMaxDisconnection; negative means not at all.
	MaxDisconnection time.Duration

	// Context makes the context of a session that begins with a polled request, of which the
	// handler returns at once: routers may use what they have put into the request's own
	// context for another one then. What it returns must not end, and is for
	// Policy.Authorize. Nil: the context has the request alone (see [RequestFromContext]).
	// A session that begins with a WebSocket has the values of its request in any case.
	Context func(r *http.Request) context.Context

	// HandshakeTimeout bounds the writing of the answer to a WebSocket handshake. Zero is
	// DefaultHandshakeTimeout.
	HandshakeTimeout time.Duration

	// Conn sets up the connections. ProbeAfter is Socket.IO's pingInterval, and GiveUp its
	// pingTimeout, over WebSocket too; negative ProbeAfter pings, and gives nobody up.
	Conn transport.ConnOptions
}

// check panics with what makes no sense.
func (o Options) check() {
	if err := errors.Join(
		transport.CheckTime("socketio: Options.HandshakeTimeout", o.HandshakeTimeout),
		transport.CheckTime("socketio: Options.MaxDisconnection", o.MaxDisconnection),
		o.Conn.Check(),
	); err != nil {
		panic(err)
	}
}

// RequestFromContext returns the request that the session came of, where the context is one that
// a handler has passed to its server, as to a hub's Policy.Authorize. The request's body and
// context must not be used, and it must not be changed. It finds the request of a connection
// over any of Lectern's adapters for HTTP.
func RequestFromContext(ctx context.Context) (*http.Request, bool) { return request.FromContext(ctx) }
