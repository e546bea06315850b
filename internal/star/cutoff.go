package star

import (
	"cmp"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what becomes of members at a hub that is not heard any more, and of those who were at
// another hub than whoever takes their channel over. They are away, as after a loss, but their
// connections may live: then they come back without a resume, and go on where they were. Their peers
// have noticed nothing, so they have the secret, the epoch and the holder that they had.
//
// So the epoch is that of one connection of the peer: an attachment by which a member has returned
// has that of the one before it. A resume raises it, and then nobody returns any more.

// HubLost is for a hub that is not heard any more: all members whose connections are there lose them,
// as by Lose, the master first, and then the slaves in the order in which they have joined. They may
// come back by Return.
func (c *Channel) HubLost(now time.Time, hub Hub) {
	for _, a := range c.attachedAt(hub) {
		if a.current() { // the loss of another one may have ended the channel
			a.member.keepCutOff(a)
			c.Lose(now, a)
		}
	}
}

// attachedAt are the attachments at the hub, that of the master first.
func (c *Channel) attachedAt(hub Hub) (there []*Attachment) {
	if c.life != open {
		return nil
	}
	is := func(m *member) bool {
		return m.attachment != nil && m.attachment.Hub != nil && *m.attachment.Hub == hub
	}
	for _, m := range c.slaves {
		if is(m) {
			there = append(there, m.attachment)
		}
	}
	slices.SortFunc(there, func(a, b *Attachment) int { return cmp.Compare(a.member.number, b.member.number) })
	if is(c.master) {
		there = slices.Insert(there, 0, c.master.attachment)
	}
	return there
}

// keepCutOff keeps how the attachment is, which the member is about to lose. What is fed to the member
// stays as it is with it (detach).
func (m *member) keepCutOff(a *Attachment) {
	e := m.needExtras()
	e.cutOff = &Attachment{
		Line: noLine{}, member: m, epoch: a.epoch, catchingUp: a.catchingUp,
		newcomer: a.newcomer, heard: a.heard, confirms: a.confirms, switching: a.switching, Hub: a.Hub,
	}
	if a.catchingUp {
		e.cutOff.fed = a.fed
	}
	e.declared = m.role == wire.Master && m.state == wire.StateAway
}

// noReturn is for a member that has come back otherwise: it does not return any more.
func (m *member) noReturn() {
	if m.extras == nil || m.extras.cutOff == nil {
		return
	}
	m.extras.cutOff, m.extras.declared = nil, false
	if again := m.extras.asked; again != nil {
		again.left = nil
	}
	m.clearFloor()
}

// Return brings a member back, on the attachment a, whose hub was lost though its connection lives: the
// one with that number, which is zero for the master, and on the attachment with that epoch. It is
// given what it has missed since, and what it was told of others is told as it is now. A member that is
// on an attachment with that epoch stays there (Find), which is no error.
//
// The error is ErrReplaced where the member has come back on a later attachment since, and ErrNotAMember
// where there is no such membership any more, or its connection was not lost with a hub. A master whose
// grant has expired is unauthorized.
func (c *Channel) Return(now time.Time, a *Attachment, number, epoch uint64) error {
	if c.life != open {
		return wire.ErrNotAMember
	}
	m := c.numbered(number)
	switch {
	case m == nil || epoch > m.epoch:
		return wire.ErrNotAMember
	case epoch < m.epoch:
		return wire.ErrReplaced.With("the membership was taken over by a newer connection")
	case m.attachment != nil:
		return nil
	case m.extra().cutOff == nil:
		return wire.ErrNotAMember
	case m.expired(now):
		return errGrantExpired
	}
	if m.role == wire.Master {
		c.returnMaster(now, a)
	} else {
		c.returnSlave(now, a, m)
	}
	return nil
}

// Has reports whether there is a membership of that number, which is zero for the master.
func (c *Channel) Has(number uint64) bool { return c.life == open && c.numbered(number) != nil }

// LeaveCutOff is Leave for a slave whose hub was lost though its connection lives, and whose leave comes late: the one with that
// number, and with that epoch on its last attachment. What its peer is told goes to a. The error is as of Return, and nil
// where the slave has not been lost, or is back: then it leaves by Leave, and nothing is done.
func (c *Channel) LeaveCutOff(a *Attachment, number, epoch uint64) (left bool, err error) {
	m := c.numbered(number)
	switch {
	case c.life != open || number == 0 || m == nil || epoch > m.epoch:
		return false, wire.ErrNotAMember
	case epoch < m.epoch:
		return false, wire.ErrReplaced.With("the membership was taken over by a newer connection")
	case m.attachment != nil:
		return false, nil
	}
	c.removeSlave(m, "left", wire.ErrLeft)
	c.sendFrame(a, &wire.Frame{Type: wire.Left, Channel: c.name})
	c.emit(Effect{Kind: Vacate, To: a})
	return true, nil
}

// reconnect puts a member that was cut off on the attachment, as it was on the one before.
func (c *Channel) reconnect(a *Attachment, m *member) {
	was := m.extras.cutOff
	a.become(m)
	m.attachment = a
	if a.epoch != m.epoch { // of one that was here before it is, and may be read meanwhile
		a.epoch = m.epoch
	}
	a.newcomer, a.heard, a.confirms, a.switching = was.newcomer, was.heard, was.confirms, was.switching
	if !m.extras.declared {
		m.state, m.deadline = wire.StateOnline, time.Time{}
	}
	m.extras.cutOff, m.extras.declared = nil, false
	if a.catchingUp, a.fed = was.catchingUp, was.fed; !a.catchingUp {
		c.feedFrom(a, m.given, m.given, 0)
	}
	if *m.extras == (extras{}) {
		m.extras = nil
	}
	c.touch(m, false)
}

// returnMaster brings the master back. It has heard of no change of its slaves, and gets the list of
// them, in front of what those have sent of whom it has not heard.
func (c *Channel) returnMaster(now time.Time, a *Attachment) {
	m := c.master
	declared := m.extras.declared
	c.showHidden()
	c.countAnew()
	c.inherited = max(m.given, m.extra().floor) // whether it was written is not known
	c.reconnect(a, m)
	c.change(Resumed, m, a, nil, "")
	c.listOn(a)
	if !declared {
		c.tellMasterState(now)
	}
	if d := c.door; d != nil && len(d.over)+len(d.waiting) > 0 {
		d.stale = true
		if !a.catchingUp {
			c.emit(Effect{Kind: AwaitDrain, To: a})
		}
	}
	c.replay(a)
}

// returnSlave brings a slave back. It may have missed what it is told of its master and of the voice.
func (c *Channel) returnSlave(now time.Time, a *Attachment, m *member) {
	c.away.remove(m)
	c.connected++
	c.reconnect(a, m)
	c.admit(a)
	c.change(Resumed, m, a, nil, "")
	c.sendFrame(a, c.masterFrame(now))
	c.sendFrame(a, c.mutedFrame(c.voice.muted(m.name)))
	c.tellMaster(m, "")
	c.replay(a)
}
