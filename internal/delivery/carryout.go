package delivery

import (
	"context"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// carryOut does what one effect says. The lock is not held. What is for the
// master does not wait for the messages to all that were decided before: no two
// members have an order between them.
func (c *Channel) carryOut(e *star.Effect) {
	if e.Kind.ChangesAudience() || e.To != nil && e.To.Role() == wire.Slave {
		c.endRun()
	}
	switch e.Kind {
	case star.SendOne:
		c.pass(e.Packet, seatOf(e.To))
	case star.SendReplay:
		line := seatOf(e.To).line
		line.PushReplay(e.Packet)
		c.touch(line)
	case star.SendAll:
		c.passAll(e.Packet)
	case star.Admit:
		c.fanout.admit(seatOf(e.To))
	case star.Dismiss:
		c.fanout.dismiss(seatOf(e.To))
	case star.Release:
		seat := seatOf(e.To)
		seat.line.owner.Release(seat, ClosedPacket(c.name, e.End), e.End)
		c.touch(seat.line)
	case star.ReleaseAll:
		packet := ClosedPacket(c.name, e.End)
		var writers writers
		for _, r := range c.fanout.audience {
			r.line.owner.Release(r.Seat, packet, e.End)
			writers.count(r.out.Flush())
		}
		c.fanout.audience = nil
	case star.Forget:
		c.config.Forget(c)
		if e.End.Code == wire.ErrMasterDown.Code {
			c.config.Observer.Observe(star.ClosingTime, time.Since(e.Since).Seconds())
		}
		c.log("channel closed", "channel", c.name, "code", string(e.End.Code), "reason", e.End.Text)
	case star.Note:
		c.log(e.Text, "channel", c.name, "member", e.Member)
	}
}

// ClosedPacket tells a member that its membership has ended, and why.
func ClosedPacket(channel string, end *wire.Cause) *wire.Packet {
	return wire.NewPacket(&wire.Frame{Type: wire.Closed, Channel: channel, Code: string(end.Code), Reason: end.Text})
}

// log tells the log, for which nobody waits who was to be told before. Without a log
// what goes to one member goes into one write, as the joins of many to their
// master: that takes a tenth off a join.
func (c *Channel) log(text string, attributes ...any) {
	if !c.config.Logger.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	c.endRun()
	c.flushTouched()
	c.config.Logger.Info(text, attributes...)
}
