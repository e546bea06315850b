package client

import (
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file asks the hub which members have not answered an inquiry yet, after answers
// may have been lost.

// verify asks the hub who has not answered the inquiry yet. The hub's answer comes after
// every answer of a member that the hub has sent before. The lock is held.
func (m *Membership) verify(q *inquiry) {
	q.stale, q.listed = false, make(map[string]uint64)
	m.verifyFrom(q, 0)
}

// verifyFrom asks for the page of them behind the membership with that number. A slave is asked for
// one member, whose number is not told. The lock is held.
func (m *Membership) verifyFrom(q *inquiry, after uint64) {
	q.verifying, q.refused = m.client.nextRef(), false
	frame := &wire.Frame{Type: wire.Awaiting, Ref: q.verifying, Channel: m.channel, Request: q.seq}
	if m.role == wire.Master {
		l := frame.NeedListing()
		l.After, l.Limit = after, wire.MaxPage
	}
	m.link.push(frame)
}

// verifyPause is how long after the first refusal the hub is asked again. The pause
// doubles with each refusal, because frames over the rate limit count in it too.
const verifyPause = time.Second

// verifyAgain asks the hub once more what it has refused to tell, of the inquiry and those that
// go with it, unless it is being asked already, or will be asked on the next connection.
func (m *Membership) verifyAgain(q *inquiry) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	for _, each := range q.all() {
		if m.inquiries[each.seq] == each && m.attached && each.verifying == 0 && each.refused {
			m.verify(each)
		}
	}
}

// verifyAll asks the hub about every open inquiry. The lock is held.
func (m *Membership) verifyAll() {
	for _, seq := range slices.Sorted(maps.Keys(m.inquiries)) {
		m.verify(m.inquiries[seq])
	}
}

// onVerified handles the hub's answer about who has not answered an inquiry yet, and
// reports whether the frame is such an answer. The lock is held.
func (m *Membership) onVerified(frame *wire.Frame) bool {
	for _, q := range m.inquiries {
		if q.verifying != frame.Ref {
			continue
		}
		q.verifying = 0
		if frame.Listing().More {
			m.verifyFrom(q, q.lists(frame))
			return true
		}
		if why := refusalIn(frame); why != nil && isTransient(why) {
			q.refused = true
			q.queue().refuse()
			return true
		}
		unknown := q.unknown
		q.unknown = false
		if why := refusalIn(frame); why != nil { // awaited does not change
			if unknown {
				q.queue().add(Answer{Err: m.client.public(why)})
				q.begins(m)
			}
			m.closeIfAnswered(q)
			return true
		}
		q.lists(frame)
		listed := q.listed
		q.listed = nil
		for _, name := range slices.Sorted(maps.Keys(q.awaited)) {
			if _, still := listed[name]; still {
				continue
			}
			given := Answer{From: name, Err: m.client.public(wire.ErrNoSuchSlave.With(name + " has left"))}
			switch {
			case q.gap:
				given = Answer{From: name, Lost: true}
			case !q.end.IsZero() && !time.Now().Before(q.end):
				given = m.tooLate(name) // nobody is awaited any more
			case m.role == wire.Slave:
				given = Answer{From: name, Lost: true}
			}
			q.resolve(given)
		}
		q.awaited = listed
		if unknown {
			q.begins(m)
		}
		m.closeIfAnswered(q)
		if q.stale && m.inquiries[q.seq] == q {
			m.verify(q)
		}
		return true
	}
	return false
}

// lists takes a page of those who have not answered, and returns the highest of their numbers. The lock is held.
func (q *inquiry) lists(frame *wire.Frame) (last uint64) {
	for _, member := range frame.Members {
		q.listed[member.Username] = member.Number
		last = max(last, member.Number)
	}
	return last
}
