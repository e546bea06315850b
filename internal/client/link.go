package client

import (
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// link is one connection of a client. The client's lock guards the fields from first on.
type link struct {
	conn transport.Conn
	out  *outbox.Queue
	// began is when it was dialled. failures is how many connections in a row had failed
	// before.
	began    time.Time
	failures int
	// place is to which of several places it leads, or negative where that is not known.
	place int

	// first is the call that was sent with the handshake, until it is answered, or nil.
	first *firstSent
	// unstored are memberships that were entered here, and whose tickets the user has not
	// stored yet (storeTickets).
	unstored []*Membership
	// dropped are the entries for which the connection is being closed (dropLink).
	dropped []*entry
	// leaves are the entries that are over with the answer to the frame with that ref
	// (leaveUnanswered).
	leaves map[uint64]*entry
	// shutdown: the hub has told that it shuts down, and closes its connections within the
	// spread.
	shutdown bool
	spread   time.Duration
	// worked: a membership was taken up here. Where the hub shuts down then, in order, the
	// connection has not failed: a hub may be replaced several times in a row.
	worked bool
	// later: this side has closed it, to try what was refused there later (tryLater).
	later bool
	// handedOn: another goroutine makes the next connection, see moving.go.
	handedOn bool
}

// push queues a frame for the connection, if there is one. The lock is held.
func (l *link) push(frame *wire.Frame) {
	if l == nil {
		return
	}
	if err := l.out.Push(wire.Append(nil, wire.Binary, frame)); err == outbox.ErrFull {
		// What was not answered is retransmitted on the next connection. A connection
		// that is closing already (ErrClosed) is left to its reader. The reader may still
		// have to read why: a membership that was taken over must not be resumed.
		l.out.Abort(transport.Reason{Code: transport.Slow})
	}
	l.out.Start()
}

// tryLater closes the connection after a transient refusal, to try the same on the next one.
// The lock is held.
func (l *link) tryLater() {
	l.later = true
	l.out.Close(transport.Reason{Code: transport.Idle, Text: "trying again later"})
}

// forget removes a connection that has ended from those that there are. The lock is held.
func (c *Client) forget(l *link) {
	c.links = slices.DeleteFunc(c.links, func(other *link) bool { return other == l })
	if c.link == l {
		c.link = nil
	}
	l.unstored = nil
}

// uses reports whether something is on the connection, or waits for an answer there. The lock
// is held.
func (c *Client) uses(l *link) bool {
	if len(l.leaves)+len(l.dropped)+len(l.unstored) > 0 {
		return true
	}
	for _, m := range c.memberships {
		if m.link == l || m.asked == l {
			return true
		}
	}
	return slices.ContainsFunc(c.calls, func(k *call) bool { return k.link == l })
}

// endOn ends the memberships that are nowhere but on the connection, but for a slave of a connection that
// has ended with handed_over: it was the master, was not told, and is lost. The lock is held.
func (c *Client) endOn(l *link, why *wire.Cause) {
	for _, m := range c.memberships {
		if m.isLostWith(l) && (m.role == wire.Master || why.Code != wire.ErrHandedOver.Code) {
			m.end(why)
		}
	}
}

// without are the places whose hubs have said that they do not have a membership. Where it is
// not known which one has, each connection counts as another one.
type without map[int]struct{}

// add adds the place of the connection, and returns how many there are.
func (w *without) add(l *link) int {
	if *w == nil {
		*w = make(without)
	}
	place := l.place
	if place < 0 {
		place = -1 - len(*w)
	}
	(*w)[place] = struct{}{}
	return len(*w)
}
