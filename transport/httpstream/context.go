package httpstream

import (
	"context"
	"net/http"
	"sync"

	"github.com/lectern-go/lectern/internal/request"
)

// RequestFromContext returns the open that the connection has come of, where the
// context is one that a handler of this package has passed to its server, or what
// has come of it by [transport.ReturnContext]. The request's body and context must
// not be used, and it must not be changed. The values of its path stay, those that
// a router has set by SetPathValue too. The same is found by websocket.RequestFromContext,
// so that an Authorize need not know by which of them a member has come.
func RequestFromContext(ctx context.Context) (*http.Request, bool) { return request.FromContext(ctx) }

// lentValues are a connection's context: a transport.LentContext. It has the open's request, and
// while the server handles what a request has brought, the values of that request's context: each
// has passed the same router and middleware. Those that a router uses again for its next request
// are not read once the handler has returned.
type lentValues struct {
	context.Context // has the request

	mu   sync.RWMutex
	from interface{ Value(any) any } // the request's that is being handled; nil where none is
}

// Value is called by the server. It holds the lock while it looks into somebody else's context,
// whose handler has to wait for that.
func (v *lentValues) Value(key any) any {
	v.mu.RLock()
	defer v.mu.RUnlock()
	if v.from != nil {
		if value := v.from.Value(key); value != nil {
			return value
		}
	}
	return v.Context.Value(key)
}

// Return is that of transport.LentContext.
func (v *lentValues) Return() context.Context { return v.Context }

// lend lends the values of a request's context to the server, which handles what that has
// brought.
func (c *conn) lend(ctx context.Context) {
	if c.values != nil {
		c.values.set(ctx)
	}
}

// takeBack is called before the request's handler returns.
func (c *conn) takeBack() {
	if c.values != nil {
		c.values.set(nil)
	}
}

func (v *lentValues) set(from interface{ Value(any) any }) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.from = from
}
