package lectern

import (
	"math"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// The frames by which a channel tells its members what has been decided, and
// the effects that carry them. All are called with the channel's lock held.

func (c *Channel) createdFrame(ref uint64) wire.Frame {
	return wire.Frame{
		Type: wire.Created, Ref: ref, Channel: c.name, Username: c.master.name, Secret: c.master.secret.text(),
		Epoch: c.master.epoch, MasterTimeout: milliseconds(c.timeout), HasMasterTimeout: true,
	}
}

func (c *Channel) joinedFrame(m *member, ref uint64) wire.Frame {
	return wire.Frame{
		Type: wire.Joined, Ref: ref, Channel: c.name, Username: m.name, Secret: m.secret.text(),
		Master:        wire.Member{Username: c.master.name, State: c.master.state},
		MasterTimeout: milliseconds(c.timeout), HasMasterTimeout: true,
	}
}

func (c *Channel) messageFrame(from string, seq uint64, msg message) *wire.Frame {
	frame := &wire.Frame{
		Type: wire.Message, Channel: c.name, From: from, Seq: seq,
		Reply: msg.replyTo, Payload: msg.payload,
	}
	if msg.asks {
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
	return milliseconds(c.master.deadline.Sub(now)), true
}

// milliseconds rounds up, so that nobody is told that a time ends before it does.
func milliseconds(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return uint64((d-1)/time.Millisecond) + 1 // which does not overflow
}

// fromMilliseconds is the time that a peer tells, which may be any number.
func fromMilliseconds(ms uint64) time.Duration {
	return time.Duration(min(ms, math.MaxInt64/uint64(time.Millisecond))) * time.Millisecond
}

// tell sends a frame to one member.
func (c *Channel) tell(a *attachment, frame *wire.Frame) {
	c.emit(effect{kind: sendOne, to: a, packet: encodedPacket(frame, a.session.form)})
}

// tellList answers a member with a list, unless it has not taken what it was sent
// before and the list would be too much beside that.
func (c *Channel) tellList(a *attachment, frame *wire.Frame) error {
	size := 0
	for _, m := range frame.Members {
		size += len(m.Username) + listEntryOverhead
	}
	if a.session.out.NoticeFull(size) {
		return ErrBusy.with("too much waits for you already")
	}
	// It is not encoded under the lock.
	c.emit(effect{kind: sendOne, to: a, packet: newPacket(frame)})
	return nil
}

// listEntryOverhead is what an entry of a list costs beyond its name, in the less
// compact form.
const listEntryOverhead = 40

// tellAll sends a frame to every slave that is connected.
func (c *Channel) tellAll(frame *wire.Frame) {
	c.emit(effect{kind: sendAll, packet: newPacket(frame)})
}

// tellMaster sends a frame to the master, if it is connected. One that comes
// back later gets the roster instead.
func (c *Channel) tellMaster(frame *wire.Frame) {
	if c.master.at != nil {
		c.tell(c.master.at, frame)
	}
}

// acknowledge answers an operation that has no answer of its own.
func (c *Channel) acknowledge(a *attachment, ref uint64) {
	if ref != 0 {
		c.tell(a, &wire.Frame{Type: wire.Ack, Ref: ref})
	}
}

// count has the Observer told.
func (c *Channel) count(metric Metric, label string, delta int64) {
	if c.policy.observed && delta != 0 {
		c.emit(effect{kind: tally, metric: metric, text: label, delta: delta})
	}
}

// note has the log told of a change of a member.
func (c *Channel) note(text string, m *member) {
	c.emit(effect{kind: note, text: text, member: m.name})
}
