package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// The frames by which a channel tells its members what has been decided, and
// the effects that carry them.

func (c *Channel) createdFrame(ref uint64, secret Secret) wire.Frame {
	return wire.Frame{
		Type: wire.Created, Ref: ref, Channel: c.name, Username: c.master.name, Secret: secret.Text,
		Epoch: c.master.epoch, MasterTimeout: wire.Milliseconds(c.timeout), HasMasterTimeout: true,
	}
}

func (c *Channel) joinedFrame(m *member, ref uint64, secret Secret) wire.Frame {
	return wire.Frame{
		Type: wire.Joined, Ref: ref, Channel: c.name, Username: m.name, Secret: secret.Text,
		Master:        wire.Member{Username: c.master.name, State: c.master.state},
		MasterTimeout: wire.Milliseconds(c.timeout), HasMasterTimeout: true,
	}
}

func (c *Channel) messageFrame(from string, seq uint64, msg Message) *wire.Frame {
	frame := &wire.Frame{
		Type: wire.Message, Channel: c.name, From: from, Seq: seq,
		Reply: msg.ReplyTo, Payload: msg.Payload,
	}
	if msg.Asks {
		frame.Request = seq
	}
	return frame
}

// masterFrame tells the slaves how their master is.
func (c *Channel) masterFrame(now time.Time) *wire.Frame {
	frame := &wire.Frame{
		Type: wire.Presence, Channel: c.name, Username: c.master.name, Role: wire.Master, State: c.master.state,
	}
	frame.Timeout, frame.HasTimeout = c.timeLeft(now)
	return frame
}

// slaveFrame tells the master how one of its slaves is.
func (c *Channel) slaveFrame(m *member, reason string) *wire.Frame {
	return &wire.Frame{
		Type: wire.Presence, Channel: c.name, Username: m.name, Role: wire.Slave, State: m.state, Reason: reason,
	}
}

// timeLeft is how long a master that is away still has.
func (c *Channel) timeLeft(now time.Time) (uint64, bool) {
	if c.master.state != wire.StateAway {
		return 0, false
	}
	return wire.Milliseconds(c.master.deadline.Sub(now)), true
}

// tell sends a frame to one member.
func (c *Channel) tell(a *Attachment, frame *wire.Frame) {
	c.emit(Effect{Kind: SendOne, To: a, Packet: wire.EncodedPacket(frame, a.Line.Form())})
}

// tellList answers a member with a list, unless it has not taken what it was sent
// before and the list would be too much beside that.
func (c *Channel) tellList(a *Attachment, frame *wire.Frame) error {
	size := 0
	for _, m := range frame.Members {
		size += len(m.Username) + listEntryOverhead
	}
	if a.Line.NoticeFull(size) {
		return wire.ErrBusy.With("too much waits for you already")
	}
	// It is not encoded under the lock.
	c.emit(Effect{Kind: SendOne, To: a, Packet: wire.NewPacket(frame)})
	return nil
}

// listEntryOverhead is what an entry of a list costs beyond its name, in the less
// compact form.
const listEntryOverhead = 40

// tellAll sends a frame to every slave that is connected.
func (c *Channel) tellAll(frame *wire.Frame) {
	c.emit(Effect{Kind: SendAll, Packet: wire.NewPacket(frame)})
}

// tellMaster sends a frame to the master, if it is connected. One that comes
// back later gets the roster instead.
func (c *Channel) tellMaster(frame *wire.Frame) {
	if c.master.at != nil {
		c.tell(c.master.at, frame)
	}
}

// acknowledge answers an operation that has no answer of its own.
func (c *Channel) acknowledge(a *Attachment, ref uint64) {
	if ref != 0 {
		c.tell(a, &wire.Frame{Type: wire.Ack, Ref: ref})
	}
}
