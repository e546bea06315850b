package stage

import (
	"context"
	"sync/atomic"

	"github.com/lectern-go/lectern/transport"
)

// Dials counts the connections that clients have made, and those that they did not get.
type Dials struct {
	Made, Refused atomic.Int64
}

// By returns the dialer, counted. It keeps the dialer's power to send a first message along.
func (d *Dials) By(dialer transport.Dialer) transport.Dialer {
	counted := countedDialer{dialer, d}
	if first, ok := dialer.(transport.FirstDialer); ok {
		return countedFirstDialer{counted, first}
	}
	return counted
}

func (d *Dials) count(ctx context.Context, err error) {
	if err == nil {
		d.Made.Add(1)
	} else if ctx.Err() == nil { // or the caller has given up
		d.Refused.Add(1)
	}
}

type countedDialer struct {
	transport.Dialer
	dials *Dials
}

func (d countedDialer) Dial(ctx context.Context) (transport.Conn, error) {
	conn, err := d.Dialer.Dial(ctx)
	d.dials.count(ctx, err)
	return conn, err
}

type countedFirstDialer struct {
	countedDialer
	first transport.FirstDialer
}

func (d countedFirstDialer) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	conn, sent, err := d.first.DialFirst(ctx, message)
	d.dials.count(ctx, err)
	return conn, sent, err
}
