package star

import "github.com/lectern-go/lectern/internal/wire"

// This file is what is known of the messages that have arrived at the master. What was
// accepted for the master and is not known to have arrived is kept, so that it can be
// replayed (replayLog.holds). Where no more can be kept, a slave's message is refused
// with busy.
//
// A connection of the master that has confirmed once is believed its confirmations alone.
// Before that, what was written on it counts: a master that does not confirm, such as a
// person by hand, can lose what the network had of the latest messages when its
// connection ended. Not so where the client has shown an instance and nothing was heard of
// it on the connection: it is one that comes back by itself, and will tell what has arrived.
// The connection may be lost before it could, with all that was written on it.
//
// Of what another hub has accepted for a connection that the master is still on, whoever takes the channel
// over does not know whether it was written there, until something later was (Channel.inherited).

// Confirm notes that the member has got everything up to the number seen. It reports
// whether that is news, or the first that is heard on the attachment. It is part of another
// frame of the member, and comes before that frame's own transition.
func (c *Channel) Confirm(a *Attachment, seen uint64) (news bool, err error) {
	news = !a.heard
	if err := c.Hear(a); err != nil {
		return false, err
	}
	if seen > c.log(a.member.role).newest {
		return false, errSeenTooHigh
	}
	if a.member.role == wire.Slave {
		return news, nil // what a slave has got is kept for others all the same
	}
	if !a.confirms {
		a.confirms = true
		c.touch(a.member, false)
	}
	return c.confirm(seen) || news, nil
}

var errSeenTooHigh = wire.ErrBadFrame.With("seen: there is no message of that number yet")

// confirm notes that the master has got everything up to the number, and reports whether
// that is news.
func (c *Channel) confirm(number uint64) bool {
	news := c.up.confirm(number)
	if news {
		c.step(recordConfirmed, number)
		c.roomMade()
	}
	return news
}

// hold notes that the master does not have what is above the number, whatever was confirmed.
func (c *Channel) hold(number uint64) {
	before := c.up.confirmed
	if c.up.hold(number); c.up.confirmed != before {
		c.step(recordHeld, number)
	}
}

// confirmWritten is confirm for what was written on the master's connection, where that
// counts.
func (c *Channel) confirmWritten() {
	a := c.master.attachment
	if a == nil || a.confirms || a.willConfirm() {
		return
	}
	given := c.up.newest
	if a.catchingUp {
		given = a.member.floor(a)
	}
	// Of the messages up to given, the last ones are those that may not have been written. One
	// frame may tell of many that have expired, so these stand for none of them.
	written := c.up.index(given)
	for unwritten := a.Line.Unwritten(c.accepted); unwritten > 0 && written > c.up.head; written-- {
		if c.up.entries[written-1].packet != nil {
			unwritten--
		}
	}
	if written > c.up.head && c.up.entries[written-1].seq > c.inherited {
		c.confirm(c.up.entries[written-1].seq)
	}
}

// willConfirm reports whether nothing was heard on the master's attachment of a client that
// has shown an instance.
func (a *Attachment) willConfirm() bool {
	return !a.heard && (a.newcomer || a.member.holder.instance != Hash{})
}

// logFull reports whether a slave's message of that size would have to push another one
// out of the log that is not known to have arrived.
func (c *Channel) logFull(size int) bool {
	bound := c.up.bound
	if c.master.attachment != nil {
		// Beside what is kept for replay, as much can be unconfirmed as may wait for the
		// master: it must not be refused what its connection could take.
		bound.Messages += c.limits.Outbox.Messages
		bound.Bytes += c.limits.Outbox.Bytes
		// What is inherited may stay unconfirmed until something was accepted behind it.
		inherited := c.inheritedLoad()
		bound.Messages += inherited.Messages
		bound.Bytes += inherited.Bytes
	}
	if c.up.room(size, bound) {
		return false
	}
	c.confirmWritten()
	return !c.up.room(size, bound)
}

// inheritedLoad is what is inherited and not confirmed, where it would not be confirmed by the master. The
// bytes are with entryOverhead.
func (c *Channel) inheritedLoad() (load Load) {
	if a := c.master.attachment; c.inherited <= c.up.confirmed || a.confirms || a.willConfirm() {
		return Load{}
	}
	for e := range c.up.between(c.up.confirmed, c.inherited) {
		load.Messages++
		load.Bytes += e.size + entryOverhead
	}
	return load
}

// countAnew is for a new attachment of the master, for which nothing was accepted yet.
func (c *Channel) countAnew() { c.accepted, c.told, c.inherited = Load{}, Load{}, 0 }
