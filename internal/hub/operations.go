package hub

import (
	"bytes"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// dispatch does what one frame of the peer asks for. Where it returns an error, nothing
// has happened; the caller tells the peer the error, and wire.ErrReplaced ends the
// connection. limited: the frame is over the rate limit, for which a send is refused. now
// is when the frame was read.
func (s *session) dispatch(f *wire.Frame, limited bool, now time.Time) error {
	if f.Type != wire.Send {
		s.deliverDeferred(true)
	}
	switch f.Type {
	case wire.Create:
		return s.create(f)
	case wire.Join:
		return s.join(f)
	case wire.Resume:
		return s.resume(f)
	case wire.Send:
		return s.send(f, limited, now)
	case wire.Leave:
		return s.leave(f.Channel, f.Ref)
	case wire.Away:
		return s.asMember(f, func(rules *star.Channel, now time.Time, a *star.Attachment) error { return rules.Away(now, a, f.Ref) })
	case wire.Back:
		return s.asMember(f, func(rules *star.Channel, now time.Time, a *star.Attachment) error { return rules.Back(now, a, f.Ref) })
	case wire.Kick:
		return s.asMember(f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
			return rules.Kick(a, f.Ref, f.To, f.Ban, f.Reason)
		})
	case wire.Members:
		return s.asMember(f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error { return rules.Members(a, f.Ref) })
	case wire.Withdraw:
		return s.asMember(f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
			return rules.Withdraw(a, f.Ref, f.Request)
		})
	case wire.Awaiting:
		return s.asMember(f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
			return rules.Awaiting(a, f.Ref, f.Request)
		})
	case wire.Status:
		return s.status(f)
	case wire.Ping:
		s.PushAndFlush(wire.NewPacket(&wire.Frame{Type: wire.Pong, Ref: f.Ref}))
		return nil
	}
	return wire.ErrBadFrame.With("this frame is sent by hubs only")
}

// send handles a message. Its delivery may be deferred: then s.deferred is the channel.
func (s *session) send(f *wire.Frame, limited bool, now time.Time) error {
	seat, err := s.heldSeat(f.Channel)
	if err != nil {
		return err
	}
	msg := star.Message{Ref: f.Ref, To: f.To, HasTo: f.HasTo, Asks: f.Asks, ReplyTo: f.Reply}
	if seat.Role() == wire.Slave {
		switch s.slavePace.take(s.hub.config.SlaveMessageRate, now) {
		case muchTooFast:
			return errFlood
		case tooFast:
			limited = true
		}
	}
	switch {
	case limited:
		msg.Refusal = wire.ErrRateLimited
	case len(f.Payload.Data) > s.hub.config.MaxMessageBytes:
		msg.Refusal = wire.ErrTooLarge
	default:
		// The payload is in the connection's read buffer, and the message is kept longer.
		msg.Payload = f.Payload
		msg.Payload.Data = bytes.Clone(f.Payload.Data)
		if s.hub.config.Slow == delivery.SlowHold {
			s.deliverDeferred(true)
			seat.Hold(len(f.Payload.Data), s.waitContext)
		}
	}
	channel := seat.Channel()
	if s.deferred != channel {
		s.deliverDeferred(true)
	}
	waits := channel.DecideDeferred(func(rules *star.Channel, _ time.Time) { err = rules.Send(&seat.Attachment, msg) })
	if s.deferred = nil; waits {
		s.deferred = channel
	}
	return err
}

// leave ends the membership that this connection has in the channel.
func (s *session) leave(channel string, ref uint64) error {
	seat, err := s.heldSeat(channel)
	if err != nil {
		return err
	}
	return s.leaveAs(seat, ref)
}

// leaveAs ends the membership of the seat.
func (s *session) leaveAs(seat *seat, ref uint64) (err error) {
	seat.Channel().Decide(func(rules *star.Channel, now time.Time) { err = rules.Leave(now, &seat.Attachment, ref) })
	if err == nil {
		s.freeSeat(seat.Channel().Name(), seat)
	}
	return err
}

// status tells the peer whether a channel exists, and the state of its master.
func (s *session) status(f *wire.Frame) error {
	if !wire.ValidName(f.Channel) {
		return wire.ErrBadName
	}
	answer := &wire.Frame{Type: wire.Status, Ref: f.Ref, Channel: f.Channel, HasExists: true}
	if c := s.hub.findChannel(f.Channel); c != nil {
		c.Decide(func(rules *star.Channel, now time.Time) { answer = rules.Status(now, f.Ref) })
	}
	s.PushAndFlush(wire.NewPacket(answer))
	return nil
}

// asMember runs a transition for the membership that this connection has in the frame's
// channel.
func (s *session) asMember(f *wire.Frame, transition func(*star.Channel, time.Time, *star.Attachment) error) error {
	seat, err := s.heldSeat(f.Channel)
	if err != nil {
		return err
	}
	seat.Channel().Decide(func(rules *star.Channel, now time.Time) { err = transition(rules, now, &seat.Attachment) })
	return err
}
