package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Away sets the state of the master to away, because the master asks for it. The
// master stays connected.
func (c *Channel) Away(now time.Time, a *Attachment, ref uint64) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	if c.master.state != wire.StateAway {
		c.markAway(now, DeclaredAway, a)
	}
	return nil
}

// markAway sets the state of the master to away and starts its timeout, unless the
// master is away already. how is what has happened to it, which was on the attachment.
func (c *Channel) markAway(now time.Time, how ChangeKind, a *Attachment) {
	already := c.master.state == wire.StateAway
	if !already {
		c.master.state = wire.StateAway
		c.master.deadline = c.leftAt(now).Add(c.timeout)
		c.touch(c.master, false)
	}
	c.change(how, c.master, a, nil, "")
	if already {
		return
	}
	// Where the timeout is zero, slaves are told of the end, which follows at once.
	if c.timeout > 0 {
		c.tellMasterState(now)
	}
	c.Expire(now) // a timeout of zero is over at once
}

// Back sets the state of the master to online again, because the master asks for it.
func (c *Channel) Back(now time.Time, a *Attachment, ref uint64) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	if c.master.state == wire.StateAway {
		c.master.state = wire.StateOnline
		c.master.deadline = time.Time{}
		c.touch(c.master, false)
		c.change(DeclaredBack, c.master, a, nil, "")
		c.tellMasterState(now)
	}
	return nil
}

// Status is the frame that tells whether the channel exists, and the state of its
// master (rule 4). Anybody may ask for it.
func (c *Channel) Status(now time.Time, ref uint64) *wire.Frame {
	frame := &wire.Frame{Type: wire.Status, Ref: ref, Channel: c.name, Exists: c.life == open, HasExists: true}
	if frame.Exists {
		frame.Master = wire.Member{Username: c.master.name, State: c.master.state}
		frame.Timeout, frame.HasTimeout = c.timeLeft(now)
	}
	return frame
}

// mustBeMaster is nil for the current attachment of the master, else the refusal.
func (c *Channel) mustBeMaster(a *Attachment) error {
	if err := c.Hear(a); err != nil {
		return err
	}
	if a.member.role != wire.Master {
		return wire.ErrForbidden
	}
	return nil
}
