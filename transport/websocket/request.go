package websocket

import (
	"context"
	"net/http"

	"github.com/lectern-go/lectern/internal/request"
)

// RequestFromContext returns the request that the connection came of, where the
// context is one that a handler of this package has passed to its server, or what
// has come of it by [transport.ReturnContext]. The request's body and context must
// not be used, and it must not be changed. The values of its path stay, those that
// a router has set by SetPathValue too. A first message that has come along is not
// in its header any more.
//
// It finds the request of a connection over any of Lectern's adapters for HTTP.
func RequestFromContext(ctx context.Context) (*http.Request, bool) { return request.FromContext(ctx) }
