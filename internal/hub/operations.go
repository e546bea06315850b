package hub

import (
	"bytes"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// handle carries out one frame of the peer. An error is told to the peer, and
// nothing has happened then; wire.ErrReplaced ends the connection.
// limited: it came faster than it may, which a send is refused for.
func (s *session) handle(f *wire.Frame, limited bool) error {
	if f.Type != wire.Send {
		s.putOffNoLonger(true)
	}
	switch f.Type {
	case wire.Create:
		return s.create(f)
	case wire.Join:
		return s.join(f)
	case wire.Resume:
		return s.resume(f)
	case wire.Send:
		return s.send(f, limited)
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
		s.Say(wire.NewPacket(&wire.Frame{Type: wire.Pong, Ref: f.Ref}))
		return nil
	}
	return wire.ErrBadFrame.With("this frame is sent by hubs only")
}

func (s *session) send(f *wire.Frame, limited bool) error {
	a, err := s.held(f.Channel)
	if err != nil {
		return err
	}
	msg := star.Message{Ref: f.Ref, To: f.To, HasTo: f.HasTo, Asks: f.Asks, ReplyTo: f.Reply}
	if a.Role() == wire.Slave {
		switch s.slavePace.take(s.hub.config.SlaveMessageRate, time.Now()) {
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
		// The frame lies in the connection's buffer; the message outlives it.
		msg.Payload = f.Payload
		msg.Payload.Data = bytes.Clone(f.Payload.Data)
		if s.hub.config.Slow == delivery.SlowHold {
			s.putOffNoLonger(true)
			a.Hold(len(f.Payload.Data), s.waiting)
		}
	}
	channel := a.Channel()
	if s.putOff != channel {
		s.putOffNoLonger(true)
	}
	waits := channel.DecideFirst(func(rules *star.Channel, _ time.Time) { err = rules.Send(&a.Attachment, msg) })
	if s.putOff = nil; waits {
		s.putOff = channel
	}
	return err
}

func (s *session) leave(channel string, ref uint64) error {
	a, err := s.held(channel)
	if err != nil {
		return err
	}
	return s.leaveAs(a, ref)
}

func (s *session) leaveAs(a *seat, ref uint64) (err error) {
	a.Channel().Decide(func(rules *star.Channel, now time.Time) { err = rules.Leave(now, &a.Attachment, ref) })
	if err == nil {
		s.unseat(a.Channel().Name(), a)
	}
	return err
}

func (s *session) status(f *wire.Frame) error {
	if !wire.ValidName(f.Channel) {
		return wire.ErrBadName
	}
	answer := &wire.Frame{Type: wire.Status, Ref: f.Ref, Channel: f.Channel, HasExists: true}
	if c := s.hub.find(f.Channel); c != nil {
		c.Decide(func(rules *star.Channel, now time.Time) { answer = rules.Status(now, f.Ref) })
	}
	s.Say(wire.NewPacket(answer))
	return nil
}

// asMember runs a transition for the membership that the frame's sender holds.
func (s *session) asMember(f *wire.Frame, transition func(*star.Channel, time.Time, *star.Attachment) error) error {
	a, err := s.held(f.Channel)
	if err != nil {
		return err
	}
	a.Channel().Decide(func(rules *star.Channel, now time.Time) { err = transition(rules, now, &a.Attachment) })
	return err
}
