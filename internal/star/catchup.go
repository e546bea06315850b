package star

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how a member that has resumed gets what it has missed. A few messages are
// queued at once. More are fed from the log, a part at a time, whenever what waits on the
// connection has been taken to be written: so the queue holds no whole replay. Until the
// member has caught up, new messages for it stay in the log too, and a slave is not in the
// audience.
//
// A slave that takes its messages more slowly than its master sends them does not catch
// up. What is no longer kept when its turn comes is told by a gap in its place.

const (
	// atOnce is the size in bytes, each message with entryOverhead, up to which a replay
	// is queued at once.
	atOnce = 4 << 10
	// feedMessages and feedBytes bound one part of a replay. One message may be larger.
	feedMessages = 64
	feedBytes    = 64 << 10
)

// log is the log of the messages to members of the role.
func (c *Channel) log(role wire.Role) *replayLog {
	if role == wire.Master {
		return &c.up
	}
	return &c.down
}

// missedBytes is the size of the kept messages for the member after number last, up to end,
// each with entryOverhead.
func (c *Channel) missedBytes(m *member, last, end uint64) (bytes int) {
	for e := range c.log(m.role).between(last, end) {
		if e.isFor(m) {
			bytes += e.size + entryOverhead
		}
	}
	return bytes
}

// feedFrom begins to feed a member: with the messages after number last, and the attributes
// after known. asked is the size of what it is given again that it was asked.
func (c *Channel) feedFrom(a *Attachment, last, known uint64, asked int) {
	m, log := a.member, c.log(a.member.role)
	a.fed = last
	bytes := asked + c.missedBytes(m, last, log.newest)
	if log.changes.last != nil {
		if x := log.changes.after(known); x != nil && x.seq <= last {
			a.fed = known
			m.needExtras().floor = last
		}
		if log.holds {
			// It is a master's, and those of many slaves may be much. A slave is not fed because
			// of attributes, nor is a master for which nothing is kept: it could miss messages by
			// that.
			bytes += log.changes.bytes(a.fed, log.newest)
		}
	}
	a.catchingUp = bytes > atOnce
}

// floor is the number up to which the member gets no messages on the attachment any more: it
// has them, or they are lost. It is above a.fed only while attributes are fed.
func (m *member) floor(a *Attachment) uint64 { return max(a.fed, m.extra().floor) }

// clearFloor is for the end of the feeding.
func (m *member) clearFloor() {
	if m.extras == nil {
		return
	}
	if m.extras.floor = 0; *m.extras == (extras{}) {
		m.extras = nil
	}
}

// raiseFloor raises the floor to the number.
func (c *Channel) raiseFloor(a *Attachment, number uint64) {
	switch m := a.member; {
	case number <= m.floor(a):
	case c.log(m.role).changes.after(a.fed) == nil:
		a.fed = number
	default:
		m.needExtras().floor = number
	}
}

// replay gives a member that has resumed what it has missed: at once, or by feeding it.
func (c *Channel) replay(a *Attachment) {
	if a.catchingUp {
		c.emit(Effect{Kind: AwaitDrain, To: a})
	} else {
		c.feed(a, math.MaxInt)
	}
}

// admit adds a slave to the audience, unless it is still catching up.
func (c *Channel) admit(a *Attachment) {
	if !a.catchingUp {
		c.emit(Effect{Kind: Admit, To: a})
	}
}

// isFor reports whether a message of the log is for the member, which reads that log.
func (e *entry) isFor(m *member) bool { return e.to == nil || e.to == m }

// feed queues the next messages for the member, tells a slave what of them it has missed, and
// any member what of them has expired. It reports whether that were all. The messages count against no limit of the
// queue: they are bounded by bytes, but for a single one that is larger.
func (c *Channel) feed(a *Attachment, bytes int) (all bool) {
	m, log := a.member, c.log(a.member.role)
	c.touch(m, false)
	if m.role == wire.Slave {
		missed, newest := c.missedBy(m, m.floor(a))
		c.tellMissed(a, missed, newest)
		c.raiseFloor(a, newest)
	}
	c.raiseFloor(a, log.lost)
	messages, size, ready := c.feedAsked(a, bytes)
	if !ready {
		return false
	}
	expired, newest := uint64(0), uint64(0) // in front of the next message
	defer func() { c.tellExpired(a, expired, newest) }()
	x := log.changes.after(a.fed)
	for e := range log.after(m.floor(a)) {
		if x != nil && x.seq < e.seq {
			c.tellExpired(a, expired, newest)
			expired = 0
		}
		if x = c.feedAttributes(a, x, e.seq, &size, bytes); x != nil && x.seq < e.seq {
			return false
		}
		if e.isFor(m) && e.packet == nil {
			expired, newest = expired+1, e.seq
		} else if e.isFor(m) {
			messages++
			if size += e.size + entryOverhead; messages > 1 && (messages > feedMessages || size > bytes) {
				return false
			}
			c.tellExpired(a, expired, newest)
			expired = 0
			c.giveReplay(a, &e)
		}
		a.fed = e.seq
	}
	c.tellExpired(a, expired, newest)
	expired = 0
	if x = c.feedAttributes(a, x, log.newest, &size, bytes); x != nil {
		return false
	}
	a.fed = log.newest
	m.clearFloor()
	return true
}

// feedAttributes queues the attributes from x on, up to the number end, and returns the next
// one. To a master it queues them as long as size is not above bytes, which each one alone is not.
func (c *Channel) feedAttributes(a *Attachment, x *attribute, end uint64, size *int, bytes int) *attribute {
	for ; x != nil && x.seq <= end; x = x.next {
		if a.member.role == wire.Master && x.owner.told == 0 {
			continue // it is told with the list in which the slave is
		}
		if a.member.role == wire.Master {
			if *size += x.size() + entryOverhead; *size > bytes {
				return x
			}
		}
		c.tellOne(a, x)
		a.fed = x.seq
	}
	return x
}

// giveReplay queues a message of the log for the member.
func (c *Channel) giveReplay(a *Attachment, e *entry) {
	if a.member.role == wire.Master {
		c.accepted.Messages++
		c.accepted.Bytes += e.size
	}
	c.emit(Effect{Kind: SendReplay, To: a, Packet: e.packet})
}

// caughtUp ends the catching up: from now on, messages are queued for the member as they
// are accepted.
func (c *Channel) caughtUp(a *Attachment) {
	a.catchingUp = false
	if a.member.role == wire.Slave {
		c.admit(a)
	} else if c.rosterStale || c.doorStale() {
		c.emit(Effect{Kind: AwaitDrain, To: a})
	}
}

// endCatchUp is for a slave whose channel ends before it has caught up: it gets one more
// part, and is told that it has missed the rest.
func (c *Channel) endCatchUp(a *Attachment) {
	if waiting, _ := a.Line.Waiting(); waiting == 0 && c.feed(a, feedBytes) {
		return
	}
	floor := a.member.floor(a)
	missed, newest := c.missedBy(a.member, floor)
	for e := range c.down.after(floor) {
		if e.isFor(a.member) {
			missed, newest = missed+1, e.seq
		}
	}
	c.tellMissed(a, missed, newest)
}

// tellMissed tells a slave how many messages for it are not replayed, where there are any, and
// the number of the newest, so that it is not told again when it comes back once more.
func (c *Channel) tellMissed(a *Attachment, missed, newest uint64) {
	if missed > 0 {
		c.sendFrame(a, &wire.Frame{Type: wire.Gap, Channel: c.name, Seq: newest, Missed: missed})
		c.count(MessagesDropped, LabelReplay, int64(missed))
	}
}

// behind are the slaves that have not caught up, in the order in which they have joined.
func (c *Channel) behind() (behind []*member) {
	for _, m := range c.slaves {
		if m.attachment != nil && m.attachment.catchingUp {
			behind = append(behind, m)
		}
	}
	slices.SortFunc(behind, func(a, b *member) int { return cmp.Compare(a.number, b.number) })
	return behind
}

// releaseCatchingUp tells the slaves that have not caught up that their channel has ended.
// They are not in the audience.
func (c *Channel) releaseCatchingUp(why *wire.Cause) {
	for _, m := range c.behind() {
		c.endCatchUp(m.attachment)
		c.emit(Effect{Kind: Release, To: m.attachment, End: why})
	}
}

// Drained is called after the AwaitDrain of the attachment a, when nothing waits on its
// connection. It feeds the member the next part of what it has missed, or tells the master
// the list of its slaves in place of the changes that were not told.
func (c *Channel) Drained(a *Attachment) {
	switch {
	case a.stale() != nil || c.life != open:
	case a.catchingUp:
		c.confirmWritten()
		if c.feed(a, feedBytes) {
			c.caughtUp(a)
		} else {
			c.emit(Effect{Kind: AwaitDrain, To: a})
		}
	case a.member.role == wire.Master && c.rosterStale:
		c.drainedRoster(a)
	case a.member.role == wire.Master && c.doorStale():
		c.drainedDoor(a)
	}
}

// Replayed bytes that a member has been given before come back at this pace, so that
// nobody can have the same messages sent again and again.
const (
	// againTime is the time after which as many bytes come back as the log keeps, or as
	// againLeast.
	againTime  = 5 * time.Second
	againLeast = 1 << 20
	// againBurst is how many times as many may be used at once.
	againBurst = 4
)

// checkAgain refuses to have a member come back, in whichever way, to which too much was
// sent again lately.
func (c *Channel) checkAgain(now time.Time, m *member) error {
	if m.extra().repaid-now.UnixMilli() >= (againBurst * againTime).Milliseconds() {
		return wire.ErrRateLimited.With("too much was sent to this member again and again: wait for some seconds")
	}
	return nil
}

// countAgain counts what a resume sends: the messages that the member was given before, what it
// is asked again, and the answer's own bytes: of the list of a master's slaves and of
// attributes.
func (c *Channel) countAgain(now time.Time, m *member, last uint64, answer int) {
	log := c.log(m.role)
	bytes := answer + c.askedBytes(m) + c.missedBytes(m, last, m.given) + log.changes.bytes(m.attachment.fed, m.given)
	c.payAgain(now, m, log, bytes)
}

// payAgain counts so many bytes of the log that are sent to the member again.
func (c *Channel) payAgain(now time.Time, m *member, log *replayLog, bytes int) {
	if bytes == 0 {
		return
	}
	again := float64(bytes) / float64(max(log.bound.Bytes, againLeast, log.changes.bytes(0, log.newest)))
	extras := m.needExtras()
	extras.repaid = max(extras.repaid, now.UnixMilli()) + int64(again*float64(againTime.Milliseconds()))
}
