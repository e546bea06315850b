package star

import (
	"cmp"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what becomes of numbers that the log of a channel has lost (Record), which members may have seen: an engine can lose the
// end of what it has, by a failure beyond what it is made for. No message has such a number any more. Those that are known to
// have been given keep their places, as those of messages that have expired: who has not got them is told so there. Of
// others it is known by the members that come back and have come further. How much is lost then nobody can say: numbers go on well above.

const (
	// maxAhead is how far a member may be ahead. It bounds what one that does not tell the truth can do.
	maxAhead = 1 << 20
	// aheadMargin is how many numbers are passed over above what the first one has got who comes back: others may have got more.
	aheadMargin = 1 << 10
	// passedPlaces is how many places are kept of the numbers that were given, the newest ones.
	passedPlaces = 256
)

// passed are the numbers between two, which no message of the log has: whoever has got one of them has got what the log has lost.
type passed struct{ from, to uint64 }

func (p passed) has(number uint64) bool { return p.from < number && number < p.to }

// NumberAnew has messages have numbers well above those that there are, because it is not known whether the log has lost its end: of
// those in between members may have seen some.
func (c *Channel) NumberAnew() {
	if c.life != open {
		return
	}
	c.down.passed = passed{c.down.newest, c.down.newest + aheadMargin}
	c.up.passed = passed{c.up.newest, c.up.newest + aheadMargin}
	c.pass(c.down.passed.to, c.up.passed.to, 0)
}

// NumberFrom has messages have numbers above these from now on, to slaves and to the master: those up to them were given to
// messages that the log has lost, and members may have seen them.
func (c *Channel) NumberFrom(down, up uint64) {
	if down > c.down.newest || up > c.up.newest {
		c.pass(down, up, passedPlaces)
		c.endRequestsOf(c.master)
	}
}

// pass has no message have the numbers up to these that comes later. Of those that are passed over, so many of the newest keep
// their places.
func (c *Channel) pass(down, up, places uint64) {
	down, up = max(down, c.down.newest), max(up, c.up.newest)
	if down == c.down.newest && up == c.up.newest {
		return
	}
	c.down.pass(down, places)
	c.up.pass(up, places)
	c.step(recordPassed, down, up, places)
}

func (l *replayLog) pass(number, places uint64) {
	if number > l.newest+places {
		l.skipTo(number - places)
	}
	for l.newest < number {
		l.add(entry{})
	}
}

// mayBeAhead reports whether a member that says that it has come so far, of what is now at the newest, is let in: there is a log, which
// may have lost its end.
func (c *Channel) mayBeAhead(number, newest uint64) bool {
	return c.recorder != nil && isLittleAhead(number, newest)
}

func isLittleAhead(number, newest uint64) bool {
	return number <= newest || number-newest <= maxAhead && number < wire.MaxNumber/2
}

// comeUp has the channel come up to a member that is ahead by its epoch or by its last message, which is one of the log's. What it
// misses of the messages that had these numbers since, it is told as one.
func (c *Channel) comeUp(m *member, l *replayLog, epoch, last uint64) {
	m.epoch = max(m.epoch, epoch)
	if last <= l.newest && !l.passed.has(last) {
		return
	}
	misses := uint64(0)
	switch {
	case last > l.newest && l == &c.up:
		c.pass(0, last+aheadMargin, 1)
	case last > l.newest:
		// What a slave says must not push messages out that are kept for others: so no place is kept.
		c.pass(last+aheadMargin, 0, 0)
		misses = l.newest
	case l == &c.down:
		misses = l.passed.to
	}
	switch {
	case l == &c.up:
	case m.role == wire.Slave:
		m.lostPrivate = max(m.lostPrivate, misses)
	default: // it does not know that it is the master
		m.extras.handed.slave.lostPrivate = max(m.extras.handed.slave.lostPrivate, misses)
	}
	c.touch(m, true)
	c.endRequestsOf(m)
}

// endRequestsOf ends the open requests of the member, and those that await it: an answer may be in what the log has lost, so that
// nobody would give another one. Of the master, that are all. Who has asked is told that something is missing, and asks what has become of
// its requests; where it is not here it does so when it is back.
func (c *Channel) endRequestsOf(m *member) {
	var told []*member
	for _, slave := range c.slaves {
		if len(slave.openRequests) > 0 && (m == c.master || m == slave) {
			told = append(told, slave)
		}
	}
	slices.SortFunc(told, func(a, b *member) int { return cmp.Compare(a.number, b.number) })
	for _, slave := range told {
		for _, seq := range slave.openRequests {
			c.step(recordClosed, slave.number, seq)
		}
		slave.openRequests = nil
	}
	before := len(told)
	for _, q := range slices.Clone(c.requests) {
		switch {
		case m == c.master:
			c.closeRequest(q)
			c.step(recordClosed, 0, q.seq)
		case q.awaits(m):
			c.markAnswered(q, m)
			c.step(recordUnanswered, m.number, q.seq)
		default:
			continue
		}
		told = append(told[:before], c.master)
	}
	for _, of := range told {
		if of.attachment != nil && (of != m || of == c.master) {
			c.sendFrame(of.attachment, &wire.Frame{Type: wire.Gap, Channel: c.name, Missed: 1})
		}
	}
}

// MasterAhead reports whether the master cannot have got so far, also where the log has lost its end.
func (c *Channel) MasterAhead(last, known uint64) bool {
	return c.life == open && !isLittleAhead(max(last, known), c.up.newest)
}
