package star

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is a channel that another hub decides: its members are on connections that are
// elsewhere, and who takes the channel over says by which way each of them is reached then.

// Hub is the id of a hub, which means nothing here.
type Hub [16]byte

// elsewhere is the attachment of a member whose connection is at that hub. The rules ask nothing
// of it as long as another one decides.
func elsewhere(hub Hub) *Attachment {
	a := &Attachment{Line: noLine{}}
	if hub != (Hub{}) {
		a.Hub = &hub
	}
	return a
}

// noLine is the line of a connection that is elsewhere.
type noLine struct{}

func (noLine) Connection() uint64             { return 0 }
func (noLine) Form() wire.Form                { return wire.Binary }
func (noLine) Full(int, Load) bool            { return false }
func (noLine) NoticeFull(int) bool            { return false }
func (noLine) Behind(int, Load, Load) bool    { return false }
func (noLine) Waiting() (messages, bytes int) { return 0, 0 }
func (noLine) Unwritten(accepted Load) int    { return accepted.Messages }

// TakeOver makes a channel to which records were applied one that decides. attached is called for
// each member that is on a connection, at that hub, the master first and the slaves in the order
// in which they have joined, and returns as for Restore, whose effects it has. A master who is on no connection
// then can come back by Return, and slaves are told that it is away where they were not. The line of an attachment counts
// what is accepted for it from here on.
// All times that are in no record begin anew: of who is away, of what can be repeated, and of what was
// sent too often.
func (c *Channel) TakeOver(now time.Time, attached func(role wire.Role, username string, hub Hub) *Attachment) {
	if c.numbers = nil; c.life != open {
		return
	}
	r := restoration{c: c, master: c.master.snapshot()}
	wasAway := c.master.state == wire.StateAway
	c.master.beginAnew(now)
	if c.master.attachment = nil; !r.master.Attached {
		c.master.state = wire.StateAway // also where the last record was cut off from those behind it
	}
	if c.master.deadline = (time.Time{}); c.master.state == wire.StateAway {
		c.master.deadline = now.Add(c.timeout)
	}
	for _, m := range slices.SortedFunc(maps.Values(c.slaves), func(a, b *member) int { return cmp.Compare(a.number, b.number) }) {
		m.beginAnew(now)
		if m.attachment != nil {
			r.attached = append(r.attached, m.snapshot())
			m.attachment = nil
		}
	}
	for m := c.away.first; m != nil; m = m.next {
		m.state, m.deadline = wire.StateAway, now.Add(c.limits.SlaveTimeout)
	}
	c.connected = 0
	c.countAnew()
	r.reattach(now, func(m *member, s *MemberSnapshot) *Attachment {
		a := attached(m.role, m.name, s.Hub)
		if a == nil {
			// What a slave was given when it last came back, if it has, was in an answer of who has decided before: it is not
			// known whether its hub has got that. A master came back where the channel was decided.
			if m.role == wire.Master {
				m.keepCutOff(s.attachment())
			}
			c.touch(m, false)
		}
		return a
	})
	// Slaves are told what nobody has decided before. Where the timeout is zero the end follows at once.
	if c.master.state == wire.StateAway && !wasAway && c.timeout > 0 {
		c.tellMasterState(now)
	}
	if a := c.master.attachment; a != nil {
		if c.inherited = c.up.newest; a.catchingUp {
			c.inherited = c.master.floor(a)
		}
	}
}

// beginAnew has the times of a member begin that are in no record.
func (m *member) beginAnew(now time.Time) {
	again := func(m *member) {
		if m.repeatable != 0 {
			m.repeatable = now.UnixNano()
		}
	}
	again(m)
	if h := m.extra().handed; h != nil && h.slave != nil {
		again(h.slave)
	}
}
