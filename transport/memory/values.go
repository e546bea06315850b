package memory

import (
	"context"

	"github.com/lectern-go/lectern/transport"
)

// WithValues returns a dialer that dials as the given one does, a [Listener] or a hub, with
// the values of ctx, for the server's authorization to read. A lectern.Client dials with no
// values of its own: its connections are for all that it enters, and are made again when
// they are lost. The end of ctx ends nothing.
func WithValues(ctx context.Context, dialer transport.Dialer) transport.Dialer {
	return valued{dialer, context.WithoutCancel(ctx)}
}

type valued struct {
	dialer transport.Dialer
	values context.Context
}

// Unwrap is the dialer that dials.
func (d valued) Unwrap() transport.Dialer { return d.dialer }

func (d valued) Dial(ctx context.Context) (transport.Conn, error) {
	return d.dialer.Dial(valuedContext{ctx, d.values})
}

// valuedContext ends as one context does, and has the values of another one besides.
type valuedContext struct {
	context.Context
	values context.Context
}

func (c valuedContext) Value(key any) any {
	if value := c.values.Value(key); value != nil {
		return value
	}
	return c.Context.Value(key)
}
