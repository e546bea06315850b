package star

import (
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what is told of the door: to who waits there, and to the master. As with the
// changes of its slaves (roster.go), a master that does not read fast enough is told no single
// knocks, but once all that waited for it has been taken, those that there are by then and those
// that are over. Of these there are at most as many as can wait at a door.

// tellWaiting tells one who joins that it waits for the master to let it in.
func (c *Channel) tellWaiting(now time.Time, k *knock) {
	frame := &wire.Frame{
		Type: wire.Waiting, Ref: k.e.Ref, Channel: c.name, Master: wire.Member{Username: c.master.name, State: c.master.state},
	}
	frame.NeedEntering().For = wire.ForDoor
	frame.Timeout, frame.HasTimeout = c.timeLeft(now)
	c.emit(Effect{Kind: SendOne, To: k.a, Packet: wire.NewPacket(frame), Number: k.number}) // for another hub, which has to know it
}

// tellDoor tells those who wait the state of the master.
func (c *Channel) tellDoor(packet *wire.Packet) {
	for _, k := range c.atDoor() {
		c.emit(Effect{Kind: SendOne, To: k.a, Packet: packet})
	}
}

// tellKnock tells the master that somebody waits, or does not any more.
func (c *Channel) tellKnock(k *knock, on bool) {
	d, master := c.door, c.master.attachment
	if master == nil || !on && !k.told {
		if c.master.extra().cutOff != nil && !on && k.told {
			d.over = append(d.over, k) // it is told when it returns
		}
		return
	}
	if d.stale || master.catchingUp || c.masterBehind() {
		if !on {
			d.over = append(d.over, k)
		}
		if !d.stale && !master.catchingUp {
			c.emit(Effect{Kind: AwaitDrain, To: master})
		}
		d.stale = true // it is told when it has caught up
		return
	}
	k.told = on
	packet := wire.EncodedPacket(c.knockFrame(k, on), master.Line.Form())
	c.told.Messages++
	c.told.Bytes += len(packet.Bytes(master.Line.Form()))
	c.emit(Effect{Kind: SendPresence, To: master, Packet: packet})
}

func (c *Channel) knockFrame(k *knock, on bool) *wire.Frame {
	frame := &wire.Frame{Type: wire.Knock, Channel: c.name, Username: k.m.name, Number: k.number, Muted: on}
	if on {
		frame.SetAttributes(k.attributes())
	}
	return frame
}

// attributes are those with which it would enter, or nil.
func (k *knock) attributes() *wire.Attributes {
	return wire.Attributes(slices.Concat(k.e.Attributes, k.e.Grant.Attributes)).Sorted()
}

// doorStale: the master has not been told of all that has changed at the door.
func (c *Channel) doorStale() bool { return c.door != nil && c.door.stale }

// drainedDoor is Drained for a master that was not told of all that has changed at the door.
func (c *Channel) drainedDoor(a *Attachment) {
	if c.masterBehind() {
		c.emit(Effect{Kind: AwaitDrain, To: a})
		return
	}
	d := c.door
	tell := func(k *knock, on bool) {
		c.emit(Effect{Kind: SendReplay, To: a, Packet: wire.EncodedPacket(c.knockFrame(k, on), a.Line.Form())})
		k.told = on
	}
	for _, k := range d.over {
		tell(k, false)
	}
	for _, k := range d.waiting {
		if !k.told {
			tell(k, true)
		}
	}
	d.stale, d.over = false, nil
}

// listDoor adds what the door is like to an answer that tells a master of its channel, and who
// waits there. The master knows of nobody else then.
func (c *Channel) listDoor(answer *wire.Frame) {
	d := c.door
	if d == nil {
		return
	}
	d.stale, d.over = false, nil
	if len(d.waiting) == 0 {
		return
	}
	knocks := make(wire.Knocks, 0, len(d.waiting))
	for _, k := range d.waiting {
		k.told = true
		knocks = append(knocks, wire.Knocking{Number: k.number, Username: k.m.name, Attributes: k.attributes()})
	}
	answer.NeedEntering().Knocks = &knocks
}

// doorBytes is about the size of the list of who waits at the door, and not less.
func (c *Channel) doorBytes() (bytes int) {
	if c.door == nil {
		return 0
	}
	for _, k := range c.door.waiting {
		bytes += len(k.m.name) + listEntryOverhead
		for _, x := range slices.Concat(k.e.Attributes, k.e.Grant.Attributes) {
			bytes += len(x.Key) + 2*len(x.Value.Data) + listEntryOverhead
		}
	}
	return bytes
}

// knocks counts those who have ever waited at the door.
func (c *Channel) knocks() uint64 {
	if c.door == nil {
		return 0
	}
	return c.door.knocks
}

// restoreDoor makes the door what it was. Nobody waits there.
func (c *Channel) restoreDoor(mode wire.Door, knocks uint64) {
	if mode > wire.DoorOpen || knocks > 0 {
		c.door = &door{mode: max(mode, wire.DoorOpen), knocks: knocks}
	}
}

// door reads what the door is like.
func (i *Import) door(d *piecesIn) error {
	mode, knocks := wire.Door(d.byte()), d.number()
	if c := i.r.c; c.door != nil || mode < wire.DoorOpen || mode > wire.DoorLocked {
		return fmt.Errorf("channel %s has a door that is none, or two", wire.Quote(c.name))
	}
	i.r.c.restoreDoor(mode, knocks)
	return nil
}
