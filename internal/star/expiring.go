package star

import (
	"cmp"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what becomes of messages that are worth nothing any more (Message.End).
//
// In the log such a message gives its bytes back, and keeps its number and its place: there a
// member that is given the others is told, by a gap, that it is missing (feed). What waits on
// a connection already is dropped there, by whoever writes. And a request is over with its
// message: who asks is told by an awaiting with too_late, and a later answer is refused.

// expects notes that a message of the log expires at that time.
func (l *replayLog) expects(end time.Time) {
	if l.soonest.IsZero() || end.Before(l.soonest) {
		l.soonest = end
	}
}

// expire drops the messages that have expired by now, and reports whether there were any.
func (l *replayLog) expire(now time.Time) (dropped bool) {
	if l.soonest.IsZero() || now.Before(l.soonest) {
		return false
	}
	l.soonest = time.Time{}
	for i := range l.entries[l.head:] {
		e := &l.entries[l.head+i]
		switch {
		case e.packet == nil || !e.packet.Expires():
		case now.Before(e.packet.End()):
			l.expects(e.packet.End())
		default:
			l.bytes -= e.size
			if l.holds && e.seq > l.confirmed {
				l.unconfirmed.Bytes -= e.size
			}
			e.packet, e.size = nil, 0
			dropped = true
		}
	}
	return dropped
}

// expireMessages drops from the logs what has expired by now.
func (c *Channel) expireMessages(now time.Time) {
	down, up := c.down.expire(now), c.up.expire(now)
	if down || up {
		c.recordExpired(now)
	}
	if up {
		c.roomMade()
	}
}

// tellExpired tells a member that so many messages for it have expired, in this place of what
// it is fed, of which the newest has that number.
func (c *Channel) tellExpired(a *Attachment, missed, newest uint64) {
	if missed > 0 {
		frame := &wire.Frame{Type: wire.Gap, Channel: c.name, Seq: newest, Missed: missed}
		c.emit(Effect{Kind: SendReplay, To: a, Packet: wire.EncodedPacket(frame, a.Line.Form())})
		c.count(MessagesDropped, LabelExpired, int64(missed))
	}
}

// An ending is an open request whose message expires: the member that asks, and the request's
// number.
type ending struct {
	at  time.Time
	m   *member
	seq uint64
}

func (e ending) compare(other ending) int {
	return cmp.Or(e.at.Compare(other.at), cmp.Compare(e.m.number, other.m.number), cmp.Compare(e.seq, other.seq))
}

// valid reports whether the request is open.
func (e ending) valid(c *Channel) bool {
	if e.m == c.master {
		return c.request(e.seq) != nil
	}
	return c.slaves[e.m.name] == e.m && slices.Contains(e.m.openRequests, e.seq)
}

// endings are the open requests that end, the earliest first. Those that have been
// answered or withdrawn stay in it until they are first, or it has grown to the limit.
type endings struct {
	list  deadlines[ending]
	limit int
}

// awaitEnd has the member's open request end then, where it ends at all.
func (c *Channel) awaitEnd(m *member, seq uint64, end time.Time) {
	if end.IsZero() {
		return
	}
	l := &c.endings
	if len(l.list) >= l.limit {
		l.list = slices.DeleteFunc(l.list, func(e ending) bool { return !e.valid(c) })
		slices.SortFunc(l.list, ending.compare)
		l.limit = 2*len(l.list) + 16
	}
	l.list.push(ending{end, m, seq})
}

// first returns the open request that ends first, and whether there is one.
func (l *endings) first(c *Channel) (ending, bool) {
	for len(l.list) > 0 {
		if l.list[0].valid(c) {
			return l.list[0], true
		}
		l.list.pop()
	}
	return ending{}, false
}

// endRequests ends the requests whose time is over by then.
func (c *Channel) endRequests(until time.Time) {
	for e, ok := c.endings.first(c); ok && !until.Before(e.at); e, ok = c.endings.first(c) {
		c.endings.list.pop()
		// An answer that is still to be fed was given in time.
		told := &wire.Frame{Type: wire.Awaiting, Channel: c.name, Request: e.seq, HasMembers: true, Code: string(wire.ErrTooLate.Code)}
		if e.m.attachment != nil {
			told.Members = c.toBeFed(e.m.attachment, e.seq)
		}
		if e.m == c.master {
			c.closeRequest(c.request(e.seq))
		} else {
			e.m.openRequests = without(e.m.openRequests, e.seq)
		}
		c.step(recordClosed, e.m.number, e.seq)
		if e.m.attachment != nil {
			c.sendFrame(e.m.attachment, told)
		}
	}
}
