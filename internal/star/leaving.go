package star

import (
	"fmt"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Leave ends a membership on purpose. With the master the channel ends.
func (c *Channel) Leave(now time.Time, a *Attachment, ref uint64) error {
	if err := a.stale(); err != nil {
		return err
	}
	m := a.member
	if m.role == wire.Slave {
		c.drop(m, "left", "left")
	} else {
		c.detach(m)
		c.end(wire.ErrMasterLeft)
	}
	c.tell(a, &wire.Frame{Type: wire.Left, Ref: ref, Channel: c.name})
	return nil
}

// Lose is told that an attachment's connection has ended without a leave. The
// member is away from now on, unless it has a newer attachment (rule 3 starts to
// count here).
func (c *Channel) Lose(now time.Time, a *Attachment) {
	if !a.current() {
		return
	}
	m := a.member
	c.detach(m)
	c.note("member lost its connection", m)
	c.count(Lost, m.role.String(), 1)
	if m.role == wire.Master {
		c.becomeAway(now)
		return
	}
	m.state = wire.StateAway
	m.deadline = now.Add(c.limits.SlaveTimeout)
	c.waiting.add(m)
	c.tellMaster(c.slaveFrame(m, ""))
	c.Expire(now)
}

// Kick removes a slave, and with ban keeps its name out for the channel's life.
func (c *Channel) Kick(a *Attachment, ref uint64, to string, ban bool, reason string) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	if err := c.mayRemove(to, ban); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	c.remove(to, ban, reason)
	return nil
}

// mayRemove is why nobody of that name can be removed or banned, or nil.
func (c *Channel) mayRemove(name string, ban bool) error {
	if name == c.master.name || c.slaves[name] == nil && !ban {
		return wire.ErrNoSuchSlave
	}
	if _, ok := c.banned[name]; ban && !ok && len(c.banned) >= c.limits.MaxSlaves {
		return wire.ErrChannelFull.With("no more names can be banned")
	}
	return nil
}

// remove takes a slave out against its will, and with ban keeps its name out.
func (c *Channel) remove(name string, ban bool, reason string) {
	if ban {
		if c.banned == nil {
			c.banned = make(map[string]struct{})
		}
		c.banned[name] = struct{}{}
	}
	m := c.slaves[name]
	if m == nil {
		return
	}
	at := m.at
	told := reason
	if told == "" {
		told = "kicked"
	}
	c.drop(m, told, "kicked")
	if at != nil {
		c.emit(Effect{Kind: Release, To: at, End: wire.ErrKicked.With(reason)})
	}
}

// Remove removes a slave in the name of the service, as Kick does in the name of
// the master.
func (c *Channel) Remove(username string, ban bool, reason string) error {
	if c.life != open {
		return wire.ErrNoSuchChannel
	}
	if err := c.mayRemove(username, ban); err != nil {
		return err
	}
	c.remove(username, ban, reason)
	return nil
}

// Close ends the channel in the name of the service.
func (c *Channel) Close(reason string) { c.end(wire.ErrChannelClosed.With(reason)) }

// End ends the channel with the hub, where that has let everybody go and nobody
// is left to be told.
func (c *Channel) End() { c.end(wire.ErrShutdown) }

// Expire carries out what is due: slaves whose time is over leave, and with the
// master's time the channel ends (rule 3). It is called before
// every transition, so that a tie is decided by the stored times, never by which
// goroutine came first.
//
// After Stop, nobody's time runs out.
func (c *Channel) Expire(now time.Time) {
	if c.life != open || c.stopped {
		return
	}
	for m := c.waiting.first; m != nil && !now.Before(m.deadline); m = c.waiting.first {
		c.drop(m, "timeout", "timeout")
	}
	if c.master.state == wire.StateAway && !now.Before(c.master.deadline) {
		c.end(wire.ErrMasterDown.With(fmt.Sprintf("the master was away for %v", c.timeout)))
	}
}

// Due is when Expire has something to do next, if ever.
func (c *Channel) Due() (time.Time, bool) {
	var due time.Time
	if c.life != open || c.stopped {
		return due, false
	}
	if c.waiting.first != nil {
		due = c.waiting.first.deadline
	}
	if d := c.master.deadline; c.master.state == wire.StateAway && (due.IsZero() || d.Before(due)) {
		due = d
	}
	return due, !due.IsZero()
}

// end closes the channel: everybody is told why, and let go (rule 3).
func (c *Channel) end(why *wire.Cause) {
	if c.life != open {
		return
	}
	c.life = gone
	slaves := int64(len(c.slaves))
	c.count(Leaves, string(why.Code), slaves)
	c.count(Slaves, "", -slaves)
	c.count(ChannelsOpen, "", -1)
	c.emit(Effect{Kind: ReleaseAll, End: why})
	if master := c.detach(c.master); master != nil {
		c.emit(Effect{Kind: Release, To: master, End: why})
	}
	for _, m := range c.slaves {
		m.at = nil
	}
	c.connected = 0
	c.slaves, c.banned, c.questions = nil, nil, nil
	c.waiting = awayList{}
	c.down, c.up = replayLog{}, replayLog{}
	c.emit(Effect{Kind: Forget, End: why, Since: c.master.deadline})
}

// drop takes a slave out of the channel and tells the master the reason. label
// is the reason for the metrics.
func (c *Channel) drop(m *member, reason, label string) {
	if c.detach(m) == nil {
		c.waiting.remove(m)
	}
	delete(c.slaves, m.name)
	c.silence(m)
	m.state = wire.StateLeft
	c.note("slave left", m)
	c.count(Leaves, label, 1)
	c.count(Slaves, "", -1)
	c.tellMaster(c.slaveFrame(m, reason))
}
