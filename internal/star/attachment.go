package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Attachment ties a member to the connection that it is on. A later attachment
// of the same member makes it stale, and whatever comes from a stale one is
// refused (rule 7).
//
// Whoever has accepted the connection makes it, with its Line, and gives it to the
// transition that enters a channel.
type Attachment struct {
	// Line is what the rules may ask of the connection. It does not change.
	Line Line

	member *member
	epoch  uint64
}

// Line is all that the rules must know of a connection. Its methods only look, and
// must not call the channel.
type Line interface {
	// Connection is the connection's number, which no other one has.
	Connection() uint64
	// Form is the form in which the peer speaks.
	Form() wire.Form
	// Full reports whether a message with a payload of size bytes would be too
	// much for the member at present, behind what waits. accepted is all that
	// was accepted for the attachment so far, whether it waits already or not.
	Full(size int, accepted Load) bool
	// NoticeFull reports whether an answer of size bytes would be too much.
	NoticeFull(size int) bool
	// Waiting is how much waits to be written on the connection.
	Waiting() (messages, bytes int)
}

// Role is the member's role. It is for an attachment that has entered a channel.
func (a *Attachment) Role() wire.Role { return a.member.role }

// Username is the member's name. It is for an attachment that has entered a
// channel.
func (a *Attachment) Username() string { return a.member.name }

// current reports whether the attachment is its member's present one.
func (a *Attachment) current() bool {
	return a.member != nil && a.member.at == a
}

// stale is why nothing may come from the attachment any more: a newer one has
// raised the epoch (rule 7), or the membership has ended. Nil while it may.
func (a *Attachment) stale() error {
	switch {
	case a.current():
		return nil
	case a.member != nil && a.member.epoch > a.epoch:
		return wire.ErrReplaced
	}
	return wire.ErrNotAMember
}

// Over reports whether the attachment's membership has ended, and was not merely
// taken over by a newer attachment.
func (c *Channel) Over(a *Attachment) bool { return a.stale() == wire.ErrNotAMember }

// Master is the attachment of the channel's master, or nil where it has none.
func (c *Channel) Master() *Attachment {
	if c.life != open {
		return nil
	}
	return c.master.at
}

// attach puts the member on a connection, at a new epoch.
func (c *Channel) attach(a *Attachment, m *member) {
	m.epoch++
	m.at = a
	m.state = wire.StateOnline
	m.deadline = time.Time{}
	a.member, a.epoch = m, m.epoch
	if m.role == wire.Slave {
		c.connected++
		c.emit(Effect{Kind: Admit, To: a})
	} else {
		c.accepted = Load{}
	}
}

// detach takes the member's connection away from it.
func (c *Channel) detach(m *member) *Attachment {
	a := m.at
	m.at = nil
	if a != nil && m.role == wire.Slave {
		c.connected--
		c.emit(Effect{Kind: Dismiss, To: a})
	}
	return a
}
