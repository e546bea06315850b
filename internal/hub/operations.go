package hub

import (
	"bytes"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// dispatch does what one frame of the peer asks for. What a channel has to say of it is told by
// effects. An error is for what was refused without one: nothing has happened, and the caller
// tells the peer. limited: the frame is over the rate limit, for which a send is refused. now
// is when the frame was read.
func (s *session) dispatch(f *wire.Frame, limited bool, now time.Time) error {
	if f.Type != wire.Send {
		s.deliverDeferred(true)
	}
	if f.Type == wire.HandOver && f.Secret != "" {
		if _, err := s.heldSeat(f.Channel); err != nil {
			f.Epoch, f.HasSeen = 0, false // it is repeated, and this was said of a membership that is not here
		}
	}
	if f.HasSeen || f.Epoch != 0 && f.Type != wire.Resume {
		if ok, err := s.show(f, now); !ok {
			return err
		}
	}
	asked := f.Channel // the service may make another name of it
	switch f.Type {
	case wire.Create, wire.Join, wire.Status:
		if err := s.hub.checkNames(f); err != nil {
			s.serviceRefused = true
			return err
		}
	}
	switch f.Type {
	case wire.Create:
		return s.create(f)
	case wire.Join:
		return s.join(f, asked)
	case wire.Resume:
		return s.resume(f)
	case wire.Send:
		return s.send(f, limited, now)
	case wire.Set:
		return s.set(f, limited, now)
	case wire.Leave:
		return s.leave(f)
	case wire.Away:
		return s.asMember(f, func(rules *star.Channel, now time.Time, a *star.Attachment) error { return rules.Away(now, a, f.Ref) })
	case wire.Back:
		return s.asMember(f, func(rules *star.Channel, now time.Time, a *star.Attachment) error { return rules.Back(now, a, f.Ref) })
	case wire.Kick:
		return s.aboutSlave(f, func(rules *star.Channel, a *star.Attachment) error {
			return rules.Kick(a, f.Ref, f.To, f.Ban, f.Reason)
		})
	case wire.Mute:
		return s.aboutSlave(f, func(rules *star.Channel, a *star.Attachment) error {
			return rules.Mute(a, f.Ref, f.To, f.HasTo, f.Muted)
		})
	case wire.SetDoor:
		return s.asMember(f, func(rules *star.Channel, now time.Time, a *star.Attachment) error {
			return rules.SetDoor(now, a, f.Ref, f.Entering().Door)
		})
	case wire.Admit:
		return s.asMember(f, func(rules *star.Channel, now time.Time, a *star.Attachment) error {
			return rules.Admit(now, a, f.Ref, f.Number)
		})
	case wire.Deny:
		return s.asMember(f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
			return rules.Deny(a, f.Ref, f.Number, f.Reason)
		})
	case wire.HandOver:
		return s.handOver(f)
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
	case wire.Refresh:
		return s.refresh(f)
	case wire.Status:
		return s.status(f)
	case wire.Ping:
		return s.ping(f)
	}
	return wire.ErrBadFrame.With("type: " + f.Type.String() + " is sent by hubs alone")
}

// send handles a message. Its delivery may be deferred: then s.deferred is the channel.
func (s *session) send(f *wire.Frame, limited bool, now time.Time) error {
	seat, err := s.heldSeat(f.Channel)
	if err != nil {
		return err
	}
	msg, err := messageOf(f, now)
	if err != nil {
		return err
	}
	tooFastWhy := s.hub.refusals.frames
	if seat.Role() == wire.Slave {
		switch s.slavePace.take(s.hub.config.SlaveMessageRate, now) {
		case muchTooFast:
			return errFlood
		case tooFast:
			limited, tooFastWhy = true, s.hub.refusals.slaveMessages
		}
	}
	// A message that is refused is known by its content too, when it is sent again.
	switch {
	case limited:
		msg.Refusal = tooFastWhy
	case len(f.Payload.Data) > s.hub.config.MaxMessageBytes:
		msg.Refusal = s.hub.refusals.tooLarge
	default:
		// The payload is in the connection's read buffer, and the message is kept longer.
		msg.Payload.Data = bytes.Clone(f.Payload.Data)
		if s.hub.config.AuthorizeMessage != nil {
			if err := s.judge(seat, &msg); err != nil {
				return err
			}
		}
		if s.hub.config.Slow == delivery.SlowHold {
			s.deliverDeferred(true)
			seat.Hold(len(f.Payload.Data), s.waitContext)
		}
	}
	channel := seat.Channel()
	if s.deferred != channel {
		s.deliverDeferred(true)
	}
	waits := channel.DecideDeferred(func(rules *star.Channel, now time.Time) {
		if msg.Refusal == nil && msg.IsOver(now) { // it was held up
			msg.Refusal = wire.ErrTooLate
		}
		if err := rules.Send(&seat.Attachment, msg); err != nil {
			s.answer(rules, seat, f, err)
		}
	})
	if s.deferred = nil; waits {
		s.deferred = channel
	}
	return nil
}

// messageOf is the message of a send that has come at that time, with the frame's own payload,
// or why there is none.
func messageOf(f *wire.Frame, now time.Time) (star.Message, error) {
	msg := star.Message{Ref: f.Ref, To: f.To, HasTo: f.HasTo, Asks: f.Asks, ReplyTo: f.Reply, Topic: f.Topic(), Payload: f.Payload}
	if left := f.Expires(); left > 0 {
		msg.Expires = wire.FromMilliseconds(left)
		msg.End = now.Add(msg.Expires)
	}
	if msg.Topic != "" {
		if problem := wire.ShortNameProblem(msg.Topic); problem != "" {
			return msg, wire.ErrBadFrame.With("topic: " + problem)
		}
	}
	return msg, nil
}

// leave ends the membership that this connection has in the channel, or what it waits for there.
func (s *session) leave(f *wire.Frame) error {
	channel, ref := f.Channel, f.Ref
	if s.hub.waits.number(s) > 0 && (s.leaveWait(channel, ref) || s.leaveWait(s.hub.otherName(NameOfChannel, channel), ref)) {
		return nil
	}
	seat, err := s.heldSeat(channel)
	if err != nil {
		return err
	}
	s.decide(seat, f, func(rules *star.Channel, now time.Time, a *star.Attachment) error { return rules.Leave(now, a, ref) })
	return nil
}

// leaveAs ends the membership of the seat, which the peer has asked for before.
func (s *session) leaveAs(seat *seat, ref uint64) (err error) {
	seat.Channel().Decide(func(rules *star.Channel, now time.Time) { err = rules.Leave(now, &seat.Attachment, ref) })
	return err
}

// status tells the peer whether a channel exists, and the state of its master, if the
// service lets it ask.
func (s *session) status(f *wire.Frame) error {
	if s.hub.asksForStatus() {
		if err := s.authorizeStatus(f); err != nil {
			return err
		}
	}
	answer := &wire.Frame{Type: wire.Status, Ref: f.Ref, Channel: f.Channel, HasExists: true}
	if c := s.hub.findChannel(f.Channel); c != nil {
		c.Decide(func(rules *star.Channel, now time.Time) { answer = rules.Status(now, f.Ref) })
	}
	s.PushAndFlush(wire.NewPacket(answer))
	return nil
}

// refresh shows the service a new token of a member. Where it is refused, what was granted
// before stays.
func (s *session) refresh(f *wire.Frame) error {
	if s.hub.config.Authorize == nil {
		return s.asMember(f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
			return rules.Refresh(a, f.Ref, star.Grant{})
		})
	}
	held, err := s.heldSeat(f.Channel)
	if err != nil {
		return err
	}
	var username string
	var before star.Grant
	ok := s.decide(held, f, func(rules *star.Channel, _ time.Time, a *star.Attachment) (err error) {
		username, before, err = rules.Granted(a)
		return err
	})
	if !ok {
		return nil
	}
	grant, _, err := s.reauthorize(OpRefresh, f, username, before)
	if err != nil {
		return err
	}
	s.decide(held, f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
		return rules.Refresh(a, f.Ref, grant)
	})
	return nil
}

// show notes the epoch that the frame shows, and what its sender has got, and reports whether the
// rest of the frame counts. A ping that brings news does not count against the rate: there are no
// more of them than memberships that were entered, and messages to the sender.
func (s *session) show(f *wire.Frame, now time.Time) (ok bool, err error) {
	held, err := s.heldSeat(f.Channel)
	if err != nil {
		return false, err
	}
	news := false
	ok = s.decide(held, f, func(rules *star.Channel, _ time.Time, a *star.Attachment) (err error) {
		if f.Epoch != 0 {
			err = rules.Show(a, f.Epoch)
		}
		if err == nil && f.HasSeen {
			news, err = rules.Confirm(a, f.Seen)
		}
		return err
	})
	if news && f.Type == wire.Ping {
		s.pace.giveBack(s.hub.config.FrameRate, now)
	}
	return ok, nil
}

// ping answers a ping. One that names a channel is from a member, and wants an answer only
// where it has a ref. The answer says that the connection lives, and waits for no channel.
func (s *session) ping(f *wire.Frame) error {
	if f.Channel != "" {
		held, err := s.heldSeat(f.Channel)
		if err != nil {
			return err
		}
		ok := s.decide(held, f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error { return rules.Hear(a) })
		if !ok || f.Ref == 0 {
			return nil
		}
	}
	s.PushAndFlush(wire.NewPacket(&wire.Frame{Type: wire.Pong, Ref: f.Ref}))
	return nil
}

// aboutSlave is asMember for a frame about the slave in its To, which it may call by a name of which
// the service makes another one.
func (s *session) aboutSlave(f *wire.Frame, transition func(*star.Channel, *star.Attachment) error) error {
	other := s.hub.otherName(NameOfUser, f.To)
	return s.asMember(f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
		if !rules.HasSlave(f.To) {
			f.To = other
		}
		return transition(rules, a)
	})
}

// asMember runs a transition for the membership that this connection has in the frame's
// channel.
func (s *session) asMember(f *wire.Frame, transition func(*star.Channel, time.Time, *star.Attachment) error) error {
	held, err := s.heldSeat(f.Channel)
	if err != nil {
		return err
	}
	s.decide(held, f, transition)
	return nil
}
