package lectern

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// member is a master or a slave of a channel, from its create or join to its
// end, over any number of connections.
type member struct {
	name   string
	role   wire.Role
	secret secret
	state  wire.State
	// deadline is when a member that is away is given up.
	deadline time.Time
	// epoch counts the attachments. at is the present one, or nil.
	epoch uint64
	at    *attachment
	// answers are those to its latest sends, to recognise one sent again.
	answers answers
	// asks are the numbers of a slave's requests that the master has not
	// answered.
	asks []uint64
	// start is the number of the newest message before a slave joined: nothing
	// up to it was for this slave.
	start uint64
	// lostPrivate is the number of the newest message for this slave alone that
	// is no longer kept.
	lostPrivate uint64
	// Place in the awayList.
	previous, next *member
}

// attachment ties a member to the connection that it is on. A later attachment
// of the same member makes it stale, and whatever comes from a stale one is
// refused (rule 7).
type attachment struct {
	session *session
	channel *Channel
	member  *member
	epoch   uint64
	// upcoming is a master's.
	upcoming *upcoming
	// place is the attachment's index in the audience; the delivery's.
	place int
}

// upcoming is what has been accepted for a master on an attachment and was not
// queued yet.
type upcoming struct{ messages, bytes atomic.Int64 }

// Gap makes an attachment an outbox.Stream: its messages may be dropped where
// the policy says so.
func (a *attachment) Gap(missed uint64) []byte {
	return wire.Append(nil, a.session.form, &wire.Frame{Type: wire.Gap, Channel: a.channel.name, Missed: missed})
}

// current reports whether the attachment is its member's present one.
func (a *attachment) current() bool {
	return a.member != nil && a.member.at == a
}

// stale is why nothing may come from the attachment any more: a newer one has
// raised the epoch (rule 7), or the membership has ended. Nil while it may.
func (a *attachment) stale() error {
	switch {
	case a.current():
		return nil
	case a.member != nil && a.member.epoch > a.epoch:
		return ErrReplaced
	}
	return ErrNotAMember
}

// ended reports whether the attachment's membership is over, and not merely
// taken over by a newer attachment.
func (c *Channel) ended(a *attachment) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return a.stale() == ErrNotAMember
}

// message is a send on its way: what the sender gave, copied from its frame.
type message struct {
	ref     uint64 // zero: no answer is wanted
	to      string
	hasTo   bool
	asks    bool
	replyTo uint64 // the number of the request that this answers, or zero
	payload wire.Payload
	// refusal is set where the message is refused for a reason that is not the
	// channel's, so that its ref is remembered with that answer.
	refusal *Error
}

// attach puts the member on a connection, at a new epoch.
func (c *Channel) attach(a *attachment, m *member) {
	m.epoch++
	m.at = a
	m.state = wire.StateOnline
	m.deadline = time.Time{}
	a.channel, a.member, a.epoch = c, m, m.epoch
	if m.role == wire.Slave {
		c.connected++
		c.emit(effect{kind: admit, to: a})
	} else {
		a.upcoming = new(upcoming)
	}
}

// detach takes the member's connection away from it.
func (c *Channel) detach(m *member) *attachment {
	a := m.at
	m.at = nil
	if a != nil && m.role == wire.Slave {
		c.connected--
		c.emit(effect{kind: dismiss, to: a})
	}
	return a
}

// roster lists by their names the slaves that are wanted, or all of them.
func (c *Channel) roster(wanted func(*member) bool) []wire.Member {
	members := make([]wire.Member, 0, len(c.slaves))
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		if m := c.slaves[name]; wanted == nil || wanted(m) {
			members = append(members, wire.Member{Username: name, State: m.state})
		}
	}
	return members
}
