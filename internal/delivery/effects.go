package delivery

import (
	"context"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// execute executes one effect. The lock is not held.
//
// An effect for the master does not wait for the batch of earlier messages to all
// slaves. That is allowed because there is no order between two different members.
func (c *Channel) execute(e *star.Effect) {
	if e.Kind.ChangesAudience() || e.To != nil && e.To.Entered() && e.To.Role() == wire.Slave && e.Kind != star.Changed {
		c.fanOutBatch()
	}
	switch e.Kind {
	case star.SendOne:
		c.queueOne(e.Packet, seatOf(e.To))
	case star.SendReplay:
		seat := seatOf(e.To)
		seat.pushReplay(e.Packet)
		c.needsFlush(seat.line)
	case star.SendPresence:
		seat := seatOf(e.To)
		seat.pushPresence(e.Packet)
		c.needsFlush(seat.line)
	case star.AwaitDrain:
		seatOf(e.To).awaitDrain()
	case star.RoomMade:
		c.roomMade()
	case star.SendAll:
		c.queueAll(e.Packet)
	case star.Tell, star.TellAll, star.Untell:
		c.tellAttribute(e)
	case star.Admit:
		c.fanout.admit(seatOf(e.To))
	case star.Dismiss:
		c.fanout.dismiss(seatOf(e.To))
	case star.Release:
		seat := seatOf(e.To)
		seat.line.owner.Release(seat, ClosedPacket(c.name, e.End), e.End)
		c.needsFlush(seat.line)
	case star.Enter:
		seat := seatOf(e.To)
		seat.line.owner.Enter(seat)
	case star.Refuse:
		seat := seatOf(e.To)
		seat.line.owner.Refuse(seat, e.End)
	case star.Answer:
		seat := seatOf(e.To)
		seat.line.owner.Answer(seat, e.Packet, e.End, e.Number)
		c.needsFlush(seat.line)
	case star.Vacate:
		seat := seatOf(e.To)
		seat.line.owner.Vacate(seat)
	case star.Discard:
		seatOf(e.To).discard()
	case star.Eject:
		seat := seatOf(e.To)
		seat.line.owner.Eject(seat, e.End)
	case star.ReleaseAll:
		packet := ClosedPacket(c.name, e.End)
		var writers writerCount
		for _, r := range c.fanout.audience {
			r.line.owner.Release(r.Seat, packet, e.End)
			writers.count(r.out.Flush())
		}
		c.fanout.audience = nil
	case star.Forget:
		c.tell(e)
		c.config.Forget(c)
		if e.End.Code == wire.ErrMasterDown.Code {
			c.config.Observer.Observe(star.ClosingSeconds, time.Since(e.Since).Seconds())
		}
		if e.End.Code == wire.ErrShutdown.Code {
			c.log("channel stopped with the hub", "channel", c.name) // it may go on elsewhere
			return
		}
		c.log("channel closed", "channel", c.name, "code", string(e.End.Code), "reason", e.End.Text)
	case star.Changed:
		c.tell(e)
		c.logChange(e)
	}
}

// ClosedPacket is the frame that tells a member that its membership has ended, and
// why.
func ClosedPacket(channel string, end *wire.Cause) *wire.Packet {
	return wire.NewPacket(&wire.Frame{Type: wire.Closed, Channel: channel, Code: string(end.Code), Reason: end.Text})
}

// changeTexts are what the log says of a change. Of one that has none it says nothing, or
// something elsewhere.
var changeTexts = [...]string{
	star.Created: "channel created", star.SlaveJoined: "slave joined", star.ConnectionLost: "member lost its connection", star.GrantExpired: "master expired",
	star.Resumed: "member resumed", star.TakenOver: "member taken over", star.SlaveLeft: "slave left", star.Knocked: "user knocked",
	star.HandedOver: "mastership handed over",
}

// logChange logs a change of a member, with the connection that it was on.
func (c *Channel) logChange(e *star.Effect) {
	text := changeTexts[e.What]
	if text == "" || !c.logs() {
		return
	}
	who := "member"
	if e.What == star.Created {
		who = "master"
	}
	attributes := []any{"channel", c.name, who, e.Subject()}
	if e.End != nil {
		attributes = append(attributes, "reason", string(e.End.Code))
	}
	if e.To != nil {
		if seat, here := e.To.Line.(*Seat); here {
			attributes = append(attributes, seat.line.LogAttributes()...)
		}
	}
	c.log(text, attributes...)
}

// logs reports whether there is a log for changes.
func (c *Channel) logs() bool { return c.config.Logger.Enabled(context.Background(), slog.LevelInfo) }

// log writes a line to the log. It first sends what was decided before, so that no
// member waits for the log. Without a log that is not needed: then all that goes to
// one member goes into one write, such as the joins of many slaves to their master.
// That makes a join a tenth cheaper.
func (c *Channel) log(text string, attributes ...any) {
	if !c.logs() {
		return
	}
	c.fanOutBatch()
	c.flushLines()
	c.config.Logger.Info(text, attributes...)
}
