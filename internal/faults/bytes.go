package faults

import (
	"context"
	"errors"
	"io"
	"net"

	"github.com/lectern-go/lectern/internal/memnet"
)

// NetDial is what leads through the network to where dial leads. It has the
// shape that the dialers of netconn and websocket take.
func (n *Network) NetDial(dial func(ctx context.Context) (*memnet.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		plan := n.next()
		for _, f := range plan {
			if f.Kind == Refuse {
				return nil, ErrRefused
			}
		}
		far, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		mine, near := memnet.Pipe()
		l := n.newLink(plan)
		l.sever = func() { near.Cut(); far.Cut() }
		l.finish = func() { _, _ = near.Close(), far.Close() }
		l.end = l.finish
		n.carry(l, func() { l.bytes(Up, near, far) }, func() { l.bytes(Down, far, near) })
		return &netConn{mine, l}, nil
	}
}

// bytes carries one direction until it has ended.
func (l *link) bytes(d Direction, from, to *memnet.Conn) {
	buffer := make([]byte, 4<<10)
	for {
		size, err := from.Read(buffer)
		if err != nil {
			l.ended(d, err, to)
			return
		}
		for rest := buffer[:size]; ; {
			n, fault := l.step(d, len(rest))
			if n > 0 && !l.isSilent(d) {
				if !l.holdUp(d) {
					return
				}
				if _, err := to.Write(rest[:n]); err != nil {
					// Nobody will read it, which the sender is told by a reset,
					// if anything reaches it.
					if !l.isSilent(1 - d) {
						from.Cut()
						return
					}
				}
			}
			rest = rest[n:]
			if fault == nil {
				break
			}
			if !l.happen(*fault) {
				return
			}
		}
	}
}

// ended passes the end of a direction on.
func (l *link) ended(d Direction, err error, to *memnet.Conn) {
	switch {
	case l.isSilent(d), errors.Is(err, net.ErrClosed): // or ended by the network itself
	case errors.Is(err, io.EOF):
		_ = to.CloseWrite()
	default:
		to.Cut()
	}
}

// netConn is the end of the side that has dialled.
type netConn struct {
	*memnet.Conn
	link *link
}

func (c *netConn) Write(p []byte) (int, error) {
	may, refused := c.link.mayWrite(len(p))
	n, err := c.Conn.Write(p[:may])
	if err == nil {
		err = refused
	}
	return n, err
}
