package client

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the hand-over of a mastership. By it a membership ends, of the old master and of the
// slave that is the master then, and another one begins on the same connection: the hub tells it by
// a created or a joined that answers nothing. Until a frame shows the epoch in that, the hub refuses
// what comes from before.

// HandOver makes the slave of that name the master. Where this master stays, it returns the
// membership that it has as a slave from then on.
func (m *Membership) HandOver(ctx context.Context, to string, stay bool) (*Membership, error) {
	if !wire.Sendable(to) {
		return nil, m.client.public(wire.ErrNoSuchSlave.Explain(&wire.Frame{Channel: m.channel, To: to}))
	}
	frame := wire.Frame{Type: wire.HandOver, To: to, HasTo: true, Ban: stay}
	if _, err := m.do(ctx, &request{frame: frame, settle: m.settleHandOver}); err != nil || !stay {
		return nil, err
	}
	return m.Next(), nil
}

// settleHandOver ends the membership of a master that has handed over and does not stay. The lock is
// held.
func (m *Membership) settleHandOver(r *request, answer wire.Frame) wire.Frame {
	if answer.Type == wire.Ack && !r.frame.Ban {
		m.end(handedTo(r.frame.To))
	}
	return answer
}

// handedTo is the end of a membership by a hand-over to the user of that name.
func handedTo(name string) *wire.Cause {
	return wire.ErrHandedOver.With(wire.Quote(name) + " is the master now")
}

// Next is the membership that this one has become by a hand-over, or nil.
func (m *Membership) Next() *Membership {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return m.next
}

// PromotionOf is the event by which a slave's user was told that it is the master, or the zero one.
func PromotionOf[E any](m *Membership) (event E) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	event, _ = m.promotion.(E)
	return event
}

// HandleOf is a handle of the membership, or nil where there is none.
func HandleOf[H any](m *Membership, handle func(*Membership) H) *H {
	if m == nil {
		return nil
	}
	h := handle(m)
	return &h
}

// InboxOf is the inbox of a membership, which has events of that type.
func InboxOf[E any](m *Membership) *Inbox[E] { return m.inbox.(*Inbox[E]) }

// anew is an empty inbox for the membership that follows.
func (b *Inbox[E]) anew() inbox { return NewInbox(b.bound, 0, b.build) }

// promoted adds that the slave is the master from now on, by the next membership, and returns the
// event.
func (b *Inbox[E]) promoted(next *Membership) any {
	event := b.build.Promoted(next)
	b.addEvent(event)
	return event
}

// onRoleChanged handles a created or joined that answers nothing: this member has another role from
// now on. The lock is held.
func (m *Membership) onRoleChanged(l *link, frame *wire.Frame) {
	role, now := wire.Slave, frame.Master.Username
	if frame.Type == wire.Created {
		role, now = wire.Master, frame.Username
	}
	if role == m.role {
		return
	}
	var asked *request
	if i := slices.IndexFunc(m.pending, func(r *request) bool {
		return r.frame.Type == wire.HandOver && (m.repeating == 0 || m.repeating == r.frame.Ref)
	}); i >= 0 && role == wire.Slave {
		asked = m.pending[i]
		m.remove(asked)
	}
	next := newMembership(m.client, role, m.channel, m.inbox.anew())
	next.token, next.ownToken, next.announced, next.shows = m.token, m.ownToken, true, true
	next.owned, m.owned = m.owned, false
	next.had, next.hadOther = m.hadOther, max(m.had, m.last)
	// Where the caller has given up, the one who was the master leaves, and so does what nobody wants.
	next.leaving = m.unwanted || role == wire.Slave && (asked == nil || asked.abandoned)
	if next.entry, m.entry = m.entry, nil; next.entry != nil {
		next.entry.member = next
	}
	m.next = next
	m.failBefore(l)
	ref := m.enteredBy
	// What its user reads without the lock is there before anybody can have the handle.
	m.client.enter(next, frame, l)
	next.enteredBy = ref
	if role == wire.Master {
		m.promotion = m.inbox.promoted(next)
	}
	if asked != nil {
		asked.answered <- wire.Frame{Type: wire.Ack, Ref: asked.frame.Ref}
	}
	m.end(handedTo(now))
	if next.leaving {
		next.leave()
	}
}

// hasHad reports whether the client got what has that number when it was the master before, though the hub
// was not told in time that it had arrived, and the one in between has not said so either.
func (m *Membership) hasHad(seq uint64) bool { return seq != 0 && seq <= m.had }

// failBefore ends what was not answered before the role has changed: the hub has refused it, or will.
// What was written on an earlier connection too it may have carried out there. The lock is held.
func (m *Membership) failBefore(l *link) {
	for _, r := range slices.Clone(m.pending) {
		why := m.client.public(wire.ErrRoleChanged.Explain(&r.frame))
		if r.written && (r.retransmitted || m.link != l) {
			why = fmt.Errorf("%w: %w", m.client.options.ErrSendUnknown, why)
		}
		m.fail(r, why)
		r.enters.finish()
	}
}

// repeatsFirst reports whether the request, which was written and has no answer, is repeated on the
// next connection before the membership is resumed: where the hub has carried it out, there is
// nothing to resume.
func (r *request) repeatsFirst() bool {
	return r.written && (r.frame.Type == wire.Join || r.frame.Type == wire.HandOver)
}

// showMaster has a hand-over that is written once more show whose it was: the connection may have
// no membership of the channel. Who stays comes back by it, and shows a token as with a resume.
func (m *Membership) showMaster(r *request) {
	r.frame.Username, r.frame.Secret, r.frame.Instance = m.username, m.secret, m.client.instance
	if r.frame.Ban {
		r.frame.Token = m.token
	}
}

// masterIs notes that the master of this slave has another name than before: what was asked of the
// one before, and what is known of its attributes, is the new one's. What it has asked is over. The lock is held.
func (m *Membership) masterIs(name string) {
	before := m.master.Username
	if before == name || before == "" {
		return
	}
	m.endAnew()
	if known := m.others[before]; known != nil {
		delete(m.others, before)
		m.others[name] = known
	}
	m.inbox.rename(before, name)
	m.questions.removeFrom(before, math.MaxUint64) // what that one asks is over, and who answers it is told so
	rename := func(q *inquiry) {
		if q.of == before {
			q.of = name
		}
		if number, awaited := q.awaited[before]; awaited {
			delete(q.awaited, before)
			q.awaited[name] = number
		}
	}
	for _, q := range m.inquiries {
		rename(q)
	}
	for _, r := range m.pending {
		if r.asks != nil {
			rename(r.asks)
		}
	}
}

// rename notes that the attributes of a member are another one's from now on.
func (b *Inbox[E]) rename(before, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.changes.rename(before, name)
}

func (c *changes[E]) rename(before, name string) {
	if c == nil || c.members[before] == nil {
		return
	}
	states := c.members[before]
	delete(c.members, before)
	c.members[name] = states
	for _, state := range states {
		for _, waiting := range []*change[E]{state.deletion, state.value} {
			if waiting != nil {
				waiting.of.from = name
			}
		}
	}
}
