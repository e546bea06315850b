package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what a hub of a cluster wants to know of a channel that it decides, beside what it
// records.

// MasterSecrets are the hashes of the secrets by which the master can come back. The second one is
// zero where there is one alone.
func (c *Channel) MasterSecrets() (hash, pending Hash) {
	if c.life != open {
		return Hash{}, Hash{}
	}
	return c.master.hash, c.master.extra().secret
}

// MasterName is the name of the channel's master, or empty.
func (c *Channel) MasterName() string {
	if c.life != open {
		return ""
	}
	return c.master.name
}

// Newest are the numbers of the newest message to slaves, and of the newest to the master.
func (c *Channel) Newest() (down, up uint64) { return c.down.newest, c.up.newest }

// Size is about how many bytes Parts would write, found without doing it.
func (c *Channel) Size() int {
	return len(c.slaves)*slavePiece + c.up.bytes + c.down.bytes + c.slavesBytes
}

// slavePiece is about how many bytes a slave is in a part: one with a short name, a grant of nothing and few answers.
const slavePiece = 100

// Creates reports whether the record is the first of a channel.
func (r Record) Creates() bool { return r.kind() == recordCreated }

// Ends reports whether the record is the end of the channel: no record follows it.
func (r Record) Ends() bool { return r.kind() == recordEnded }

// Attached yields the attachments of all members that are on a connection, with the numbers of
// their memberships, the master's first, which is zero, and the others in no order.
func (c *Channel) Attached(yield func(a *Attachment, number uint64) bool) {
	if c.life != open || c.master.attachment != nil && !yield(c.master.attachment, 0) {
		return
	}
	for _, m := range c.slaves {
		if m.attachment != nil && !yield(m.attachment, m.number) {
			return
		}
	}
}

// Depose ends that anything is decided by these rules, where another hub decides the channel from now on: the attachments
// are those of no member then. They keep their names, roles, numbers and epochs. What comes from one of them would
// otherwise be taken for a member's by whatever rules decide the channel next.
func (c *Channel) Depose(now time.Time) {
	c.Stop(now)
	for a := range c.Attached {
		a.member = nil
	}
}

// Membership is the number of the membership of the attachment, which must have entered a channel: zero is
// the master's.
func (a *Attachment) Membership() uint64 { return a.who.number }

// IsMaster reports whether the attachment is the present one of the master.
func (c *Channel) IsMaster(a *Attachment) bool { return a.current() && a.member.role == wire.Master }

// Stand makes the attachment that of a slave of that name in a channel that another hub decides. It is no
// member of any rules here.
func (a *Attachment) Stand(username string) {
	a.who = &member{name: username, role: wire.Slave}
}

// Numbered gives the attachment that stands for a slave the number of its membership, and its epoch.
func (a *Attachment) Numbered(membership, epoch uint64) {
	if a.who.number = membership; a.epoch != epoch { // of one that was here before it is, and may be read meanwhile
		a.epoch = epoch
	}
}

// SetSubject makes the effect one about a member of that name.
func (e *Effect) SetSubject(name string) { e.Of = &member{name: name} }

// Eject has the connection of the attachment closed, for what why says. It need not be a member's.
func (c *Channel) Eject(a *Attachment, why *wire.Cause) {
	c.emit(Effect{Kind: Eject, To: a, End: why})
}

// Membership is the number of the membership of the user, which is zero for the master, and the epoch of
// its latest attachment. The user must be a member.
func (c *Channel) Membership(username string) (number, epoch uint64) {
	m := c.master
	if c.life == open && username != m.name {
		m = c.slaves[username]
	}
	if m == nil {
		return 0, 0
	}
	return m.number, m.epoch
}

// MayRepeat reports whether the create may be the one that has made the channel, sent again: its sender is the
// client that has, and nothing was heard of it since. For how long that can be repeated is not looked at.
func (c *Channel) MayRepeat(e Entry) bool {
	return c.life == open && e.Instance != Hash{} && c.master.holder.instance == e.Instance && c.master.repeatable != 0
}

// Knows reports whether the attachment is a member's, or waits at the door.
func (c *Channel) Knows(a *Attachment) bool { return a.current() || c.knockOn(a) != nil }

// AtDoor yields the attachments of those who wait at the door, in their order, with their numbers there.
func (c *Channel) AtDoor(yield func(a *Attachment, number uint64) bool) {
	for _, k := range c.atDoor() {
		if !yield(k.a, k.number) {
			return
		}
	}
}

// MasterState is the state of the master of a channel that is there.
func (c *Channel) MasterState() wire.State { return c.master.state }
