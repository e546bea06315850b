package star

import (
	"errors"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how a peer is told whether it has entered, and why a frame of it was refused. Both
// are effects, as all is that a channel tells: so they come in the order of the decisions, and no
// sooner than what they rest on.

// ErrWaits is for a transition that leaves it open whether somebody enters (Enter).
var ErrWaits = errors.New("star: it waits to enter")

// Enter decides by a transition whether the attachment becomes a membership of its connection. Where
// the transition returns nil, what it emits comes behind an Enter. Where it returns ErrWaits, one
// of the two comes later. Otherwise it must have emitted nothing, and a Refuse says why.
func (c *Channel) Enter(a *Attachment, transition func() error) error {
	before := len(c.effects)
	c.emit(Effect{Kind: Enter, To: a})
	err := transition()
	if err == nil {
		return nil
	}
	c.effects = append(c.effects[:before], c.effects[before+1:]...)
	if err != ErrWaits {
		c.Refuse(a, err)
	}
	return err
}

// Refuse refuses the attachment, which was entering.
func (c *Channel) Refuse(a *Attachment, err error) {
	c.emit(Effect{Kind: Refuse, To: a, End: refusal(err)})
}

// Answer answers a frame that came on the connection of the attachment, which need not be a
// member's. why is why the frame is refused, or nil, and number the frame's among those of the
// connection.
func (c *Channel) Answer(a *Attachment, packet *wire.Packet, why *wire.Cause, number uint64) {
	c.emit(Effect{Kind: Answer, To: a, Packet: packet, End: why, Number: number})
}

// refusal is a refusal of a transition as the cause that it is.
func refusal(err error) *wire.Cause {
	var why *wire.Cause
	if !errors.As(err, &why) {
		return wire.ErrBadFrame
	}
	return why
}
