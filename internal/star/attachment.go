package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Attachment ties a member to the connection that it is on. A later attachment
// of the same member makes the earlier one stale. Everything that comes from a
// stale attachment is refused, and its Lose is ignored (rule 7).
//
// The caller makes an Attachment, sets its Line, and passes it to the transition
// that enters a channel: Create, Join or Resume.
type Attachment struct {
	// Line is what the rules may ask of the connection. It does not change.
	Line Line

	member *member
	// who is the member that the attachment has had first. It has the same name, role and number as
	// member, and they do not change, so they can be read without the caller's lock.
	who   *member
	epoch uint64
	// fed is the number of the newest message that was queued for the member while it was
	// catching up.
	fed uint64
	// catchingUp: of what the member has missed, the messages after fed are fed from the log
	// (catchup.go).
	catchingUp bool
	// newcomer: the client that has entered on this attachment becomes the holder of the
	// membership. heard: a frame of the member has come on it (holder.go).
	newcomer bool
	heard    bool
	// confirms: the member has confirmed on this attachment what has arrived
	// (confirming.go).
	confirms bool
	// switching: the member is about to leave for another channel (Switching).
	switching bool
	// Index is the caller's, for where it keeps the attachment. It is here because it takes
	// no memory here.
	Index int32
	// Hub is the hub at which the connection is, for records. Nil: nobody wants to know. The
	// caller sets it, as the Line.
	Hub *Hub
}

// Line is all that the rules must know about a connection. Its methods only read,
// and must not call the Channel.
type Line interface {
	// Connection is the connection's number, which no other one has. Those of a hub rise.
	Connection() uint64
	// Form is the form in which the peer speaks.
	Form() wire.Form
	// Full reports whether the connection's queue has no room at present for a
	// message with a payload of size bytes. accepted is everything that was
	// accepted for the attachment so far, whether it is in the queue already or not.
	Full(size int, accepted Load) bool
	// NoticeFull reports whether the queue has no room for an answer of size bytes.
	NoticeFull(size int) bool
	// Behind reports whether so much waits for a master that it is told no more single
	// changes of its slaves: so many notices, or more than half of what its queue has
	// room for. accepted and told are everything that was accepted for the attachment so
	// far, messages and changes of slaves, whether it is in the queue already or not.
	Behind(notices int, accepted, told Load) bool
	// Waiting is how much is in the queue and waits to be written.
	Waiting() (messages, bytes int)
	// Unwritten is how many messages of a master's attachment may not have been written.
	// accepted is everything that was accepted for it so far. Messages whose writing has
	// failed count.
	Unwritten(accepted Load) int
}

// become makes the attachment one of the member.
func (a *Attachment) become(m *member) {
	// One that stands for a member elsewhere is no other one.
	if a.who == nil || a.member == nil && (a.who.number != m.number || a.who.role != m.role) || a.who.number == 0 && m.number != 0 {
		a.who = m
	}
	a.member = m
}

// Role is the member's role. The attachment must have entered a channel. As Entered, IsOf and Username
// it can be asked without the caller's lock, once the attachment has entered.
func (a *Attachment) Role() wire.Role { return a.who.role }

// Entered reports whether the attachment has entered a channel, or has knocked at its door.
func (a *Attachment) Entered() bool { return a.who != nil }

// IsOf reports whether the attachment is of the member that the other one is of. Both must have
// entered a channel.
func (a *Attachment) IsOf(other *Attachment) bool {
	x, y := a.who, other.who
	return x == y || x.name == y.name && x.role == y.role && x.number == y.number && x.number != 0
}

// Username is the member's name. The attachment must have entered a channel.
func (a *Attachment) Username() string { return a.who.name }

// Epoch is the number of the attachment among those of its member. Each later one has a
// higher number. It is for an attachment that has entered a channel.
func (a *Attachment) Epoch() uint64 { return a.epoch }

// Holds reports whether the secret with that hash is the member's. It is false for an attachment of no member.
func (a *Attachment) Holds(hash Hash) bool { return a.member != nil && a.member.matches(hash) }

// ByHand reports whether the client has shown no instance. It is false for an attachment of no member.
func (a *Attachment) ByHand() bool {
	return a.member != nil && !a.newcomer && a.member.holder.instance == Hash{}
}

// current reports whether the attachment is the present one of its member.
func (a *Attachment) current() bool {
	return a.member != nil && a.member.attachment == a
}

// isAfter reports whether the connection of the attachment is known to have begun after the other one's: those of
// two hubs have no order.
func (a *Attachment) isAfter(other *Attachment) bool {
	sameHub := a.Hub == other.Hub || a.Hub != nil && other.Hub != nil && *a.Hub == *other.Hub
	return sameHub && a.Line.Connection() > other.Line.Connection()
}

// stale is nil while the attachment is current. Otherwise it is the error for
// everything that comes from it: a newer attachment has raised the epoch (rule 7),
// or the membership has ended, or has become another one by a hand-over.
func (a *Attachment) stale() error {
	switch {
	case a.current():
		return nil
	case a.member != nil && a.member.epoch > a.epoch:
		return wire.ErrReplaced
	case a.member != nil && a.member.extra().parted:
		return wire.ErrRoleChanged
	}
	return wire.ErrNotAMember
}

// MembershipEnded reports whether the membership of the attachment has ended, or has become
// another one. It is false where a newer attachment has taken the membership over.
func (c *Channel) MembershipEnded(a *Attachment) bool {
	err := a.stale()
	return err == wire.ErrNotAMember || err == wire.ErrRoleChanged
}

// Master is the present attachment of the channel's master, or nil.
func (c *Channel) Master() *Attachment {
	if c.life != open {
		return nil
	}
	return c.master.attachment
}

// attach puts the member on the attachment's connection, and raises the epoch.
// last is the number of the newest message that the member has, and known the one up to
// which it knows attributes. A slave that has much to catch up with is admitted to the audience
// afterwards (caughtUp).
func (c *Channel) attach(a *Attachment, m *member, e Entry, last, known uint64) {
	m.noReturn()
	m.epoch++
	m.attachment = a
	m.state = wire.StateOnline
	m.deadline = time.Time{}
	a.become(m)
	a.epoch, a.fed = m.epoch, last
	m.roster = e.Roster
	a.newcomer = e.Instance != Hash{} && e.Instance != m.holder.instance
	c.feedFrom(a, last, known, c.askAgain(a, last))
	if m.role == wire.Slave {
		c.connected++
		c.admit(a)
	} else {
		c.countAnew()
		c.rosterStale, c.listed = false, 0
	}
	c.touch(m, false)
}

// detach takes the present attachment away from the member, and returns it, or nil.
func (c *Channel) detach(m *member) *Attachment {
	a := m.attachment
	if a == nil {
		return nil
	}
	m.given = c.log(m.role).newest
	if a.catchingUp {
		m.given = m.floor(a)
	}
	cutOff := m.extra().cutOff != nil
	if !cutOff {
		m.clearFloor()
	}
	if m.role == wire.Slave {
		c.connected--
		if !a.catchingUp {
			c.emit(Effect{Kind: Dismiss, To: a})
		}
	} else {
		if !cutOff { // else nobody knows what was written
			c.confirmWritten()
		}
		c.roomMade()
	}
	if again := m.extra().asked; again != nil && !cutOff {
		again.left = nil // they are found anew
	}
	m.attachment = nil
	c.touch(m, false)
	return a
}
