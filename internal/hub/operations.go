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
	case wire.HandOver:
		return s.handOver(f)
	case wire.Refresh:
		return s.refresh(f)
	case wire.Status:
		return s.status(f)
	case wire.Ping:
		return s.ping(f)
	}
	if transition := s.hub.transitionOf(f); transition != nil {
		return s.asMember(f, transition)
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
	switch full := s.hub.clustered.noRoom(seat.Channel().Name()); {
	case limited:
		msg.Refusal = tooFastWhy
	case len(f.Payload.Data) > s.hub.config.MaxMessageBytes:
		msg.Refusal = s.hub.refusals.tooLarge
	case full != nil:
		msg.Refusal = full
	default:
		// The payload is in the connection's read buffer, and the message is kept longer.
		msg.Payload.Data = bytes.Clone(f.Payload.Data)
		if s.hub.config.AuthorizeMessage != nil {
			if err := s.judge(seat, f, &msg); err != nil {
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
	for {
		waits, decided := channel.DecideDeferred(func(rules *star.Channel, now time.Time) {
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
		if decided {
			return nil
		}
		if called, err := s.call(seat, "", s.frameCall(f, msg.Refusal)); called || err != nil {
			return err
		}
	}
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
	s.decide(seat, f, s.hub.transitionOf(f))
	return nil
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
	c, err := s.find(f.Channel)
	if err != nil {
		return err
	}
	if c != nil && !c.Decide(func(rules *star.Channel, now time.Time) { answer = rules.Status(now, f.Ref) }) {
		if answer, err = s.statusElsewhere(c, f); err != nil {
			return err
		}
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
	username, before, ok, err := s.granted(held, f)
	if !ok || err != nil {
		return err
	}
	grant, _, err := s.reauthorize(OpRefresh, f, username, before)
	if err != nil {
		return err
	}
	return s.decideOr(held, func(rules *star.Channel, _ time.Time) {
		if err := rules.Refresh(&held.Attachment, f.Ref, grant); err != nil {
			s.answer(rules, held, f, err)
		}
	}, "", func() *call {
		c := s.frameCall(f, nil)
		c.entry.Grant = grant
		return c
	})
}

// granted is what the service has granted the member of the seat. Where it is none, ok is false, and that
// is answered.
func (s *session) granted(held *seat, f *wire.Frame) (username string, g star.Grant, ok bool, err error) {
	for {
		decided := held.Channel().Decide(func(rules *star.Channel, _ time.Time) {
			if username, g, err = rules.Granted(&held.Attachment); err != nil {
				s.answer(rules, held, f, err)
			}
		})
		if decided {
			return username, g, err == nil, nil
		}
		c := s.frameCall(f, nil)
		c.query = queryGranted
		if q, asked, err := s.query(held, c); asked || err != nil {
			if err == nil {
				err = q.err
			}
			return q.username, q.grant, err == nil, err
		}
	}
}

// show notes the epoch that the frame shows, and what its sender has got, and reports whether the
// rest of the frame counts. A ping that brings news does not count against the rate: there are no
// more of them than memberships that were entered, and messages to the sender.
func (s *session) show(f *wire.Frame, now time.Time) (ok bool, err error) {
	held, err := s.heldSeat(f.Channel)
	if err != nil {
		return false, err
	}
	if held.Channel().Elsewhere() {
		return true, nil // the call of the frame has it
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
		heard, decided := false, false
		err = s.decideOr(held, func(rules *star.Channel, _ time.Time) {
			decided = true
			err := rules.Hear(&held.Attachment)
			if heard = err == nil; !heard {
				s.answer(rules, held, f, err)
			}
		}, "", func() *call { return s.frameCall(f, nil) })
		if err != nil || !decided || !heard || f.Ref == 0 {
			return err
		}
	}
	s.PushAndFlush(wire.NewPacket(&wire.Frame{Type: wire.Pong, Ref: f.Ref}))
	return nil
}

// asMember runs a transition for the membership that this connection has in the frame's
// channel.
func (s *session) asMember(f *wire.Frame, transition transition) error {
	held, err := s.heldSeat(f.Channel)
	if err != nil {
		return err
	}
	s.decide(held, f, transition)
	return nil
}
