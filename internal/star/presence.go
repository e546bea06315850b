package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Away is the master's word that it is not there, though it is connected.
func (c *Channel) Away(now time.Time, a *Attachment, ref uint64) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	c.becomeAway(now)
	return nil
}

// becomeAway starts the master's time, unless it is running already.
func (c *Channel) becomeAway(now time.Time) {
	if c.master.state == wire.StateAway {
		return
	}
	c.master.state = wire.StateAway
	c.master.deadline = now.Add(c.timeout)
	if c.timeout > 0 {
		c.tellAll(c.masterFrame(now))
	}
	c.Expire(now)
}

// Back is the master's word that it is there again.
func (c *Channel) Back(now time.Time, a *Attachment, ref uint64) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	if c.master.state == wire.StateAway {
		c.master.state = wire.StateOnline
		c.master.deadline = time.Time{}
		c.tellAll(c.masterFrame(now))
	}
	return nil
}

// Members answers the master with its slaves.
func (c *Channel) Members(a *Attachment, ref uint64) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	return c.tellList(a, &wire.Frame{Type: wire.Members, Ref: ref, Channel: c.name, Members: c.roster(nil), HasMembers: true})
}

// Status tells anybody whether the channel exists and how its master is (rule 4).
func (c *Channel) Status(now time.Time, ref uint64) *wire.Frame {
	frame := &wire.Frame{Type: wire.Status, Ref: ref, Channel: c.name, Exists: c.life == open, HasExists: true}
	if frame.Exists {
		frame.Master = wire.Member{Username: c.master.name, State: c.master.state}
		frame.Timeout, frame.HasTimeout = c.timeLeft(now)
	}
	return frame
}

func (c *Channel) mustBeMaster(a *Attachment) error {
	if err := a.stale(); err != nil {
		return err
	}
	if a.member.role != wire.Master {
		return wire.ErrForbidden.With("only the master may do that")
	}
	return nil
}
