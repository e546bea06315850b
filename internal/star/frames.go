package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file has the frames by which a channel tells its members what was decided,
// and the helpers that emit them as effects.

func (c *Channel) createdFrame(e Entry) wire.Frame {
	frame := wire.Frame{
		Type: wire.Created, Ref: e.Ref, Channel: c.name, Username: c.master.name, Secret: e.Secret.Text,
		Epoch: c.master.epoch, Asks: c.master.isAskedAgain(), MasterTimeout: wire.Milliseconds(c.timeout), HasMasterTimeout: true,
		Muted: c.voice.all,
	}
	if mode := c.doorMode(); mode != wire.DoorOpen {
		frame.NeedEntering().Door = mode
	}
	if c.up.holds && e.Instance != (Hash{}) {
		// It is the library's client, or one that does as that. A master that confirms so often leaves its slaves half of the log.
		frame.ConfirmMessages = min(uint64(max(c.up.bound.Messages/2, 1)), wire.MaxNumber)
		frame.ConfirmBytes = min(uint64(max(c.up.bound.Bytes/2, 1)), wire.MaxNumber)
	}
	return frame
}

func (c *Channel) joinedFrame(a *Attachment, e Entry) wire.Frame {
	return wire.Frame{
		Type: wire.Joined, Ref: e.Ref, Channel: c.name, Username: a.member.name, Secret: e.Secret.Text, Epoch: a.epoch,
		Asks: a.member.isAskedAgain(), Master: wire.Member{Username: c.master.name, State: c.master.state},
		MasterTimeout: wire.Milliseconds(c.timeout), HasMasterTimeout: true,
		Muted: c.voice.muted(a.member.name),
	}
}

// messageFrame is a message. It is a value, because it would be allocated otherwise: the packet
// has a copy.
func messageFrame(channel, from string, seq uint64, msg *Message) wire.Frame {
	frame := wire.Frame{
		Type: wire.Message, Channel: channel, From: from, Seq: seq,
		Reply: msg.ReplyTo, Payload: msg.Payload,
	}
	if msg.Asks {
		frame.Request = seq
	}
	if msg.Topic != "" {
		frame.SetTopic(msg.Topic)
	}
	if msg.Expires > 0 {
		frame.SetExpires(wire.Milliseconds(msg.Expires))
	}
	return frame
}

// newPacket is the packet of a message, which expires at the end, or never where that is zero.
func newPacket(frame *wire.Frame, end time.Time) *wire.Packet {
	if end.IsZero() {
		return wire.NewPacket(frame)
	}
	return wire.NewExpiringPacket(frame, end)
}

// masterFrame tells slaves the state of their master.
func (c *Channel) masterFrame(now time.Time) *wire.Frame {
	frame := &wire.Frame{
		Type: wire.Presence, Channel: c.name, Username: c.master.name, Role: wire.Master, State: c.master.state,
	}
	frame.Timeout, frame.HasTimeout = c.timeLeft(now)
	return frame
}

// timeLeft is how many milliseconds an away master still has, and whether the master
// is away.
func (c *Channel) timeLeft(now time.Time) (uint64, bool) {
	if c.master.state != wire.StateAway {
		return 0, false
	}
	return wire.Milliseconds(c.master.deadline.Sub(now)), true
}

// sendFrame sends a frame to one member.
func (c *Channel) sendFrame(a *Attachment, frame *wire.Frame) {
	c.emit(Effect{Kind: SendOne, To: a, Packet: wire.EncodedPacket(frame, a.Line.Form())})
}

// sendFrameToSlaves sends a frame, which is no message, to every slave that has a connection. Those
// that have not caught up are not in the audience, and get it at once all the same: it is so now.
func (c *Channel) sendFrameToSlaves(frame *wire.Frame) { c.sendToSlaves(wire.NewPacket(frame)) }

func (c *Channel) sendToSlaves(packet *wire.Packet) {
	c.emit(Effect{Kind: SendAll, Packet: packet})
	for _, m := range c.behind() {
		c.emit(Effect{Kind: SendOne, To: m.attachment, Packet: packet})
	}
}

// tellMasterState tells every slave that has a connection the state of the master, and those who
// wait at the door.
func (c *Channel) tellMasterState(now time.Time) {
	packet := wire.NewPacket(c.masterFrame(now))
	c.recordPresence()
	c.sendToSlaves(packet)
	c.tellDoor(packet)
}

// acknowledge answers an operation whose only answer is an ack. A ref of zero wants
// no answer.
func (c *Channel) acknowledge(a *Attachment, ref uint64) {
	if ref != 0 {
		c.sendFrame(a, &wire.Frame{Type: wire.Ack, Ref: ref})
	}
}
