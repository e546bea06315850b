package faults

import (
	"context"
	"errors"
	"net"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// Cutter is a connection that can be broken without a word, as those of
// transport/memory can.
type Cutter interface {
	transport.Conn
	Cut()
}

// Dialer leads through the network to where the dialer leads, whose connections
// must be Cutters.
func (n *Network) Dialer(dialer transport.Dialer) transport.Dialer { return messageDialer{n, dialer} }

type messageDialer struct {
	network *Network
	dialer  transport.Dialer
}

func (d messageDialer) Dial(ctx context.Context) (transport.Conn, error) {
	plan := d.network.next()
	for _, f := range plan {
		if f.Kind == Refuse {
			return nil, ErrRefused
		}
	}
	conn, err := d.dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	far, ok := conn.(Cutter)
	if !ok {
		_ = conn.Close(transport.Reason{Code: transport.ProtocolError})
		return nil, errors.New("faults: the connection cannot be cut")
	}
	return d.network.through(plan, far), nil
}

// Wrap returns a connection that leads through the network to the one given,
// which is the network's from then on, and does to it what the plan says.
func (n *Network) Wrap(far Cutter, plan Plan) transport.Conn { return n.through(plan, far) }

func (n *Network) through(plan Plan, far Cutter) transport.Conn {
	// The far end's own limits are the ones that count.
	mine, near := memory.Pipe(memory.Options{MaxFrameBytes: 1 << 30})
	lost := transport.Reason{Code: transport.ProtocolError, Text: "carried no longer"}
	l := n.newLink(plan)
	l.sever = func() { near.Cut(); far.Cut() }
	l.end = l.sever
	l.finish = func() { _, _ = near.Close(lost), far.Close(lost) }
	l.liveness = n.liveness
	n.carry(l, func() { l.messages(Up, near, far) }, func() { l.messages(Down, far, near) })
	return &conn{mine, l}
}

// messages carries one direction until it has ended.
func (l *link) messages(d Direction, from, to Cutter) {
	for {
		data, err := from.Read()
		if err != nil {
			var closed *transport.CloseError
			switch {
			case l.isSilent(d), errors.Is(err, net.ErrClosed): // or ended by the network itself
			case errors.As(err, &closed):
				_ = to.Close(closed.Reason)
			case errors.Is(err, transport.ErrMessageTooLarge):
				l.tooLarge.Store(true)
				_ = to.Close(transport.Reason{Code: transport.TooLarge})
			default:
				to.Cut()
			}
			return
		}
		var after Plan // what happens once the message is through
		for rest := len(data); ; {
			n, fault := l.step(d, rest)
			rest -= n
			if fault == nil {
				break
			}
			if rest == 0 {
				after = append(after, *fault)
			} else if !l.happen(*fault) {
				return
			}
		}
		if !l.isSilent(d) && (!l.holdUp(d) || to.Write(data) != nil) {
			return // the other direction finds out why
		}
		for _, fault := range after {
			if !l.happen(fault) {
				return
			}
		}
	}
}

// conn is the end of the side that has dialled.
type conn struct {
	*memory.Conn
	link *link
}

// Read tells the limit of the far end as the dialled end's own.
func (c *conn) Read() ([]byte, error) {
	data, err := c.Conn.Read()
	if err != nil && c.link.tooLarge.Load() {
		return nil, transport.ErrMessageTooLarge
	}
	return data, err
}

func (c *conn) Write(messages ...[]byte) error {
	for i, message := range messages {
		if may, err := c.link.mayWrite(len(message)); may < len(message) {
			_ = c.Conn.Write(messages[:i]...)
			return err
		}
	}
	return c.Conn.Write(messages...)
}
