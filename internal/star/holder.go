package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is who holds a membership (rule 7). An instance is one running client: it makes
// a random id when it begins, and shows it with each frame by which it enters a channel.
// The resume secret shows that a client may hold the membership. The instance tells which
// of the clients that have the secret it is, such as a page and its duplicate: they have
// the same secret, but not the same messages under the same refs.
//
// An instance takes a membership over by a resume, and holds it from its first frame in the
// membership on: only then is it known that it has stored its ticket. Until then the former
// one can return, and so can a third with the same ticket.

// Entry is what a client shows with a frame by which it enters a channel.
type Entry struct {
	// Ref is the frame's. Those of one instance rise.
	Ref uint64
	// Instance is the hash of the client's id, and zero where it has shown none.
	Instance Hash
	// Epoch is, at a resume, the one that the client's ticket has.
	Epoch uint64
	// Secret is at a resume the one that the client shows, and at a create or join a new
	// one.
	Secret Secret
	// Grant is what the service has said of the client.
	Grant Grant
}

// holder is the instance that holds a membership. The zero holder: clients that show no
// instance.
type holder struct {
	instance Hash
	// ref is the ref by which the instance has entered last.
	ref uint64
}

// entering is what is not decided yet about a member.
type entering struct {
	// newcomer has taken the membership over without sending a frame in it. It is zero where
	// there is none. It stays when the holder has returned, to tell late frames.
	newcomer holder
	// secret was given by the answer to a repeated create or join, and the one before it
	// works until a frame of the member comes. The zero Hash: there is none.
	secret Hash
	// repeatable: the create or join of the holder can be repeated, since no frame of it
	// has come in the membership. It could be since the time at.
	repeatable bool
	at         time.Time
}

// matches reports whether the secret is the member's.
func (m *member) matches(secret Hash) bool {
	pending := m.entering != nil && m.entering.secret != Hash{} && m.entering.secret.matches(secret)
	return m.hash.matches(secret) || pending
}

// enteredBy returns the ref by which the instance, which is not zero, has entered last as
// the holder or the newcomer of the membership.
func (m *member) enteredBy(instance Hash) (ref uint64, entered bool) {
	switch {
	case m.holder.instance == instance:
		return m.holder.ref, true
	case m.entering != nil && m.entering.newcomer.instance == instance:
		return m.entering.newcomer.ref, true
	}
	return 0, false
}

// onSameConnection reports whether the member is on the connection of the attachment.
func (m *member) onSameConnection(a *Attachment) bool {
	return m.attachment != nil && m.attachment.Line.Connection() == a.Line.Connection()
}

// isLate reports whether the entry is one that another entry of the same instance has
// overtaken: a connection that was given up can be read after the one that followed it.
func (m *member) isLate(a *Attachment, e Entry) bool {
	if (e.Instance == Hash{}) || m.onSameConnection(a) {
		return false
	}
	ref, entered := m.enteredBy(e.Instance)
	return entered && e.Ref <= ref
}

// repeats reports whether the entry repeats the create or join that has made the
// membership, because the client did not get the answer.
func (c *Channel) repeats(now time.Time, m *member, a *Attachment, e Entry) bool {
	if (e.Instance == Hash{}) || m.holder.instance != e.Instance || m.entering == nil || !m.entering.repeatable || m.isLate(a, e) {
		return false
	}
	return c.limits.HandshakeTimeout == 0 || now.Sub(m.entering.at) < c.limits.HandshakeTimeout
}

// mayResume returns why the client must not take the membership over, or nil. The secret
// was right.
func (m *member) mayResume(a *Attachment, e Entry) error {
	switch {
	case e.Epoch > m.epoch:
		return wire.ErrResumeFailed.With("epoch: the hub has not come so far")
	case m.isLate(a, e):
		return wire.ErrReplaced.With("the client has entered on another connection since")
	case m.holder.instance == Hash{} || m.holder.instance == e.Instance:
		return nil
	case e.Instance == Hash{}:
		return wire.ErrResumeFailed.With("instance: this membership is resumed with an instance, and the epoch of its ticket")
	case e.Epoch < m.since:
		return wire.ErrReplaced.With("another client has taken the membership over since the ticket was made")
	}
	return nil
}

// enter notes that a new member was made by the entry.
func (m *member) enter(now time.Time, e Entry) {
	m.hash = e.Secret.Hash
	m.holder = holder{e.Instance, e.Ref}
	m.since = 1
	if (e.Instance != Hash{}) {
		m.entering = &entering{repeatable: true, at: now}
	}
}

// enterAgain notes that the holder has repeated its entry, and is given a new secret.
func (m *member) enterAgain(e Entry) {
	m.holder.ref = e.Ref
	if (m.entering.secret != Hash{}) {
		m.hash = m.entering.secret
	}
	m.entering.secret = e.Secret.Hash
}

// takeOver notes that the membership was resumed by the entry, which mayResume.
func (c *Channel) takeOver(m *member, e Entry) {
	m.hash = e.Secret.Hash
	switch {
	case e.Instance == Hash{}:
		if e.Ref != 0 && e.Ref <= m.answers.highest {
			// This is another client than before: the refs of the same client would go
			// on rising.
			c.forgetClient(m)
		}
		return
	case e.Instance == m.holder.instance:
		m.holder.ref = e.Ref
		if m.entering != nil {
			m.entering.secret, m.entering.repeatable = Hash{}, false
		}
		return
	}
	m.entering = &entering{newcomer: holder{e.Instance, e.Ref}}
}

// Hear notes that a frame of the member has come. It refuses one from a stale attachment.
// By the first frame of its attachment, a newcomer becomes the holder of the membership.
func (c *Channel) Hear(a *Attachment) error {
	if err := a.stale(); err != nil {
		return err
	}
	if !a.heard {
		c.hearFirst(a)
	}
	return nil
}

func (c *Channel) hearFirst(a *Attachment) {
	m := a.member
	a.heard = true
	if m.entering == nil {
		return
	}
	if (m.entering.secret != Hash{}) {
		m.hash = m.entering.secret
	}
	*m.entering = entering{newcomer: m.entering.newcomer}
	if a.newcomer {
		m.holder, m.since = m.entering.newcomer, a.epoch
		c.forgetClient(m)
	}
	if a.newcomer || m.entering.newcomer == (holder{}) {
		m.entering = nil
	}
}

// forgetClient forgets what was between the hub and the client that held the membership
// before. A send of the new client must not be taken for an earlier send that has the same
// ref. And the new client does not wait for answers to the requests of the earlier one.
func (c *Channel) forgetClient(m *member) {
	m.answers = answers{limit: m.answers.limit}
	c.closeRequests(m)
}
