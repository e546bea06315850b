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
	// one. Fresh is a new one where a Resume (Promoted) or a Join (JoinsAsMaster) needs it, and for
	// RepeatHandOver.
	Secret Secret
	Fresh  Secret
	// Grant is what the service has said of the client.
	Grant Grant
	// Terms are what it has said of a channel that is created, or nil.
	Terms *Terms
	// Roster is how the client wants to be told of its slaves where it is the master (pages.go).
	Roster wire.Roster
	// Attributes are those with which it enters, at a create or join. They must not change any
	// more.
	Attributes wire.Attributes
	// Door is what a create makes the channel's door. Zero: it is open.
	Door wire.Door
	// Since is from when on the user has waited for the channel, at a join. The zero time: it has not.
	Since time.Time
	// Told is for one who has waited at the door when another hub has decided the channel: it was told so, with
	// that state of the master, and has the number Knock there. Zero: it has not.
	Told  wire.State
	Knock uint64
	// Again: it comes from another hub, which may have asked a former owner of the channel for the same, and has not heard
	// what became of it.
	Again bool
}

// holder is the instance that holds a membership. The zero holder: clients that show no
// instance.
type holder struct {
	instance Hash
	// ref is the ref by which the instance has entered last.
	ref uint64
}

// matches reports whether the secret is the member's.
func (m *member) matches(secret Hash) bool {
	pending := m.extra().secret
	return m.hash.matches(secret) || pending != Hash{} && pending.matches(secret)
}

// enteredBy returns the ref by which the instance, which is not zero, has entered last as
// the holder or the newcomer of the membership.
func (m *member) enteredBy(instance Hash) (ref uint64, entered bool) {
	if m.holder.instance == instance {
		return m.holder.ref, true
	}
	newcomer := m.extra().newcomer
	return newcomer.ref, newcomer.instance == instance
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
	return entered && (e.Ref < ref || e.Ref == ref && !e.Again)
}

// wasLeftBy reports whether the entry is of the instance that holds the membership, which is on no connection: one that
// enters anew has left, and that was not heard here. So it can be where several hubs have the channel (Record).
func (c *Channel) wasLeftBy(m *member, a *Attachment, e Entry) bool {
	return c.recorder != nil && e.Instance != Hash{} && m.attachment == nil && m.holder.instance == e.Instance && !m.isLate(a, e)
}

// repeats reports whether the entry repeats the create or join that has made the
// membership, because the client did not get the answer.
func (c *Channel) repeats(now time.Time, m *member, a *Attachment, e Entry) bool {
	if e.Again && m.matches(e.Secret.Hash) && !m.isLate(a, e) {
		return true // nobody else was given that
	}
	if (e.Instance == Hash{}) || m.holder.instance != e.Instance || m.isLate(a, e) {
		return false
	}
	return c.isRepeatable(now, m)
}

// isRepeatable reports whether nothing was heard of the member since its create or join, which is not
// long ago, as far as is known.
func (c *Channel) isRepeatable(now time.Time, m *member) bool {
	return m.repeatable == repeatableNow || m.repeatable != 0 && (c.limits.HandshakeTimeout == 0 || now.UnixNano()-m.repeatable < int64(c.limits.HandshakeTimeout))
}

// ErrAhead refuses a resume of a client that shows the member's secret and has come further
// than the channel: by its epoch, or by the number of its last message.
var ErrAhead = wire.ErrResumeFailed.With("epoch or last: the hub has not come so far")

// mayResume returns why the client must not take the membership over, or nil. The secret
// was right.
func (c *Channel) mayResume(m *member, a *Attachment, e Entry) error {
	switch {
	case e.Epoch > m.epoch && !c.mayBeAhead(e.Epoch, m.epoch):
		return ErrAhead
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
		m.repeatable = now.UnixNano()
	}
}

// enterAgain notes that the holder has repeated its entry, and is given a new secret.
func (m *member) enterAgain(e Entry) {
	m.holder.ref = e.Ref
	if e.Again && m.matches(e.Secret.Hash) {
		return
	}
	m.keepSecret()
	m.needExtras().secret = e.Secret.Hash
}

// keepSecret makes the secret that was given last the member's only one.
func (m *member) keepSecret() {
	if pending := m.extra().secret; pending != (Hash{}) {
		m.hash, m.extras.secret = pending, Hash{}
	}
}

// takeOver notes that the membership was resumed by the entry, which mayResume.
func (c *Channel) takeOver(m *member, e Entry) {
	if m.hash != e.Secret.Hash || (m.extra().secret != Hash{}) {
		c.touch(m, true)
	}
	m.hash = e.Secret.Hash
	if m.extras != nil {
		m.extras.secret = Hash{}
	}
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
	default:
		m.needExtras().newcomer = holder{e.Instance, e.Ref}
		c.touch(m, true)
	}
	m.repeatable = 0
}

// Hear notes that a frame of the member has come. It refuses one from a stale attachment, and
// one of a member that may not know what it has become (unshown.go).
// By the first frame of its attachment, a newcomer becomes the holder of the membership.
func (c *Channel) Hear(a *Attachment) error {
	if err := a.stale(); err != nil {
		return err
	}
	if !a.heard {
		if a.member.unshown() {
			return wire.ErrRoleChanged
		}
		c.hearFirst(a)
	}
	return nil
}

func (c *Channel) hearFirst(a *Attachment) {
	m := a.member
	a.heard = true
	m.repeatable = 0
	c.touch(m, a.newcomer || m.extra().secret != Hash{})
	m.keepSecret()
	if a.newcomer {
		m.holder, m.since = m.extras.newcomer, a.epoch
		m.extras.newcomer = holder{}
		c.forgetClient(m)
	}
	if m.extra() == (extras{}) {
		m.extras = nil
	}
}

// forgetClient forgets what was between the hub and the client that held the membership
// before. A send of the new client must not be taken for an earlier send that has the same
// ref. And the new client does not wait for answers to the requests of the earlier one.
func (c *Channel) forgetClient(m *member) {
	m.answers = answers{limit: m.answers.limit}
	c.closeRequests(m)
	c.step(recordForgotten, m.number)
}
