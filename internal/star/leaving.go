package star

import (
	"fmt"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Leave ends a membership on purpose. When the master leaves, the channel ends.
func (c *Channel) Leave(now time.Time, a *Attachment, ref uint64) error {
	if err := c.Hear(a); err != nil {
		return err
	}
	m := a.member
	if m.role == wire.Slave {
		c.removeSlave(m, "left", wire.ErrLeft)
	} else {
		c.detach(m)
		c.end(wire.ErrMasterLeft)
	}
	c.sendFrame(a, &wire.Frame{Type: wire.Left, Ref: ref, Channel: c.name}) // before what its connection is told that has no seat any more
	c.emit(Effect{Kind: Vacate, To: a})
	return nil
}

// Lose tells the channel that the attachment's connection has ended without a leave.
// If the attachment is still current, the member is away from now on. For a master
// the timeout of rule 3 starts here.
func (c *Channel) Lose(now time.Time, a *Attachment) {
	if !a.current() {
		return
	}
	m := a.member
	c.detach(m)
	c.count(ConnectionsLost, m.role.String(), 1)
	if m.role == wire.Master {
		c.markAway(now, ConnectionLost, a)
		return
	}
	m.state = wire.StateAway
	m.deadline = c.leftAt(now).Add(c.limits.SlaveTimeout)
	c.away.add(m)
	c.touch(m, false)
	c.change(ConnectionLost, m, a, nil, "")
	c.tellMaster(m, "")
	c.Expire(now) // a timeout of zero is over at once
}

// Kick removes a slave in the name of the master. With ban, nobody of that name can
// join this channel again.
func (c *Channel) Kick(a *Attachment, ref uint64, to string, ban bool, reason string) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	if err := c.checkKick(to, ban); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	c.kickSlave(to, ban, reason)
	return nil
}

// HasSlave reports whether the channel has a slave of that name.
func (c *Channel) HasSlave(name string) bool { return c.slaves[name] != nil }

// checkKick returns why nobody of that name can be removed or banned, or nil.
func (c *Channel) checkKick(name string, ban bool) error {
	if name == c.master.name || c.slaves[name] == nil && !ban {
		return wire.ErrNoSuchSlave
	}
	if c.slaves[name] == nil && !wire.ValidName(name) {
		return wire.BadName("to", name) // nobody can join under that name
	}
	if _, ok := c.banned[name]; ban && !ok && len(c.banned) >= c.terms.maxSlaves(c.limits) {
		return wire.ErrChannelFull.With("as many names are banned as there may be slaves")
	}
	return nil
}

// kickSlave removes a slave against its will, and bans its name if ban is set. There
// may be no slave of that name, when only the name is banned.
func (c *Channel) kickSlave(name string, ban bool, reason string) {
	if ban {
		c.ban(name)
		c.recordName(recordBanned, name, true)
		if k := c.knockOf(name); k != nil {
			c.endKnock(k, wire.ErrBanned)
		}
	}
	m := c.slaves[name]
	if m == nil {
		return
	}
	at := m.attachment
	told, why := reason, wire.ErrKicked
	if told == "" {
		told = "kicked"
	}
	if ban {
		why = wire.ErrBanned
	}
	c.removeSlave(m, told, why)
	if at != nil {
		c.putOut(at, wire.ErrKicked.With(reason))
	}
}

func (c *Channel) ban(name string) {
	if c.banned == nil {
		c.banned = make(map[string]struct{})
	}
	c.banned[name] = struct{}{}
}

// Remove is Kick in the name of the service.
func (c *Channel) Remove(username string, ban bool, reason string) error {
	if c.life != open {
		return wire.ErrNoSuchChannel
	}
	if err := c.checkKick(username, ban); err != nil {
		return err
	}
	c.kickSlave(username, ban, reason)
	return nil
}

// Close ends the channel in the name of the service.
func (c *Channel) Close(reason string) { c.end(wire.ErrChannelClosed.With(reason)) }

// Expire does what is due: messages whose time is over are dropped, and requests end with
// theirs; what was granted until then has expired, slaves whose deadline has passed leave, and
// when the master's deadline has passed the channel ends (rule 3). A request that ends at the
// same instant as something else ends before it. The caller calls it before
// every transition. So a tie is decided by the stored deadlines, and never by which
// goroutine came first.
//
// After Stop, no deadline expires.
func (c *Channel) Expire(now time.Time) {
	c.settle()
	if c.life != open || c.isStopped() {
		return
	}
	c.expireMessages(now)
	c.expireDoor(now)
	c.tellCount(now)
	for {
		e, ok := c.expiries.first(c)
		if !ok || now.Before(e.at) {
			break
		}
		c.endRequests(e.at)
		c.expiries.list().pop()
		c.masterExpired = c.masterExpired || e.m == c.master
		if c.expire(now, e.m); c.life != open {
			return
		}
	}
	for m := c.away.first; m != nil && !now.Before(m.deadline); m = c.away.first {
		c.endRequests(m.deadline)
		c.removeSlave(m, "timeout", errTimeout)
	}
	down := c.master.state == wire.StateAway && !now.Before(c.master.deadline)
	if down {
		now = c.master.deadline
	}
	c.endRequests(now)
	if down {
		c.end(wire.ErrMasterDown.With(fmt.Sprintf("the master was away for %v", c.timeout)))
	}
}

// Due is the earliest deadline, at which Expire must be called next, and whether
// there is one. For messages that expire it need not be called: each transition drops them
// first.
func (c *Channel) Due() (time.Time, bool) {
	var due time.Time
	if c.life != open || c.isStopped() {
		return due, false
	}
	if c.away.first != nil {
		due = c.away.first.deadline
	}
	if e, ok := c.expiries.first(c); ok && (due.IsZero() || e.at.Before(due)) {
		due = e.at
	}
	if e, ok := c.endings.first(c); ok && (due.IsZero() || e.at.Before(due)) {
		due = e.at
	}
	if c.door != nil && !c.door.due.IsZero() && (due.IsZero() || c.door.due.Before(due)) {
		due = c.door.due
	}
	if at, ok := c.countDue(); ok && (due.IsZero() || at.Before(due)) {
		due = at
	}
	if d := c.master.deadline; c.master.state == wire.StateAway && (due.IsZero() || d.Before(due)) {
		due = d
	}
	return due, !due.IsZero()
}

// end ends the channel: all members that are attached are told why, and their
// memberships end (rule 3). A master that leaves was detached before: it gets the answer
// to its leave.
func (c *Channel) end(why *wire.Cause) {
	if c.life != open {
		return
	}
	c.recordEnded(why)
	c.life = ended
	c.count(Leaves, string(why.Code), int64(len(c.slaves)))
	c.countOut()
	c.clearDoor(why)
	c.door = nil
	c.emit(Effect{Kind: ReleaseAll, End: why})
	c.releaseCatchingUp(why)
	if master := c.detach(c.master); master != nil {
		c.emit(Effect{Kind: Release, To: master, End: why})
	}
	for _, m := range c.slaves {
		m.attachment = nil
	}
	c.connected, c.slavesBytes = 0, 0
	c.slaves, c.numbers, c.banned, c.requests, c.givenOver, c.voice = nil, nil, nil, nil, nil, voice{}
	c.away, c.expiries, c.endings = awayList{}, nil, endings{}
	c.down, c.up = replayLog{}, replayLog{}
	c.emit(Effect{Kind: Forget, End: why, Since: c.master.deadline, Number: c.nextChange()})
}

// takeOut takes a slave out of the channel, and returns the attachment that it has had, or nil.
func (c *Channel) takeOut(m *member) *Attachment {
	at := c.detach(m)
	if at == nil {
		c.away.remove(m)
	}
	c.deleteSlave(m)
	c.dropAttributes(m)
	c.stopAwaiting(m)
	m.state = wire.StateLeft
	c.step(recordGone, m.number)
	return at
}

// errTimeout is why a slave has left that was away for too long. Nobody is there to be told.
var errTimeout = &wire.Cause{Code: "timeout"}

// removeSlave takes a slave out of the channel and tells the master the reason. The code of
// why is in the log, and the label of the metric Leaves; there who was banned was kicked.
func (c *Channel) removeSlave(m *member, reason string, why *wire.Cause) {
	awaited := c.counted() && c.isAwaited(m)
	at := c.takeOut(m)
	c.change(SlaveLeft, m, at, why, reason)
	if why == wire.ErrBanned {
		why = wire.ErrKicked
	}
	c.count(Leaves, string(why.Code), 1)
	c.count(Slaves, "", -1)
	c.tellMaster(m, reason)
	if master := c.master.attachment; awaited && master != nil {
		c.tellNotice(master, c.slaveFrame(m, reason)) // it gives no answer any more
	}
}
