package lectern

import (
	"bytes"
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// handle carries out one frame of the peer. An error is told to the peer, and
// nothing has happened then; ErrReplaced ends the connection.
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
		return s.asMember(f, func(now time.Time, c *Channel, a *attachment) error { return c.away(now, a, f.Ref) })
	case wire.Back:
		return s.asMember(f, func(now time.Time, c *Channel, a *attachment) error { return c.back(now, a, f.Ref) })
	case wire.Kick:
		return s.asMember(f, func(_ time.Time, c *Channel, a *attachment) error {
			return c.kick(a, f.Ref, f.To, f.Ban, f.Reason)
		})
	case wire.Members:
		return s.asMember(f, func(_ time.Time, c *Channel, a *attachment) error { return c.members(a, f.Ref) })
	case wire.Withdraw:
		return s.asMember(f, func(_ time.Time, c *Channel, a *attachment) error { return c.withdraw(a, f.Ref, f.Request) })
	case wire.Awaiting:
		return s.asMember(f, func(_ time.Time, c *Channel, a *attachment) error { return c.awaiting(a, f.Ref, f.Request) })
	case wire.Status:
		return s.status(f)
	case wire.Ping:
		s.say(newPacket(&wire.Frame{Type: wire.Pong, Ref: f.Ref}))
		return nil
	}
	return ErrBadFrame.with("this frame is sent by hubs only")
}

// create asks for permission and then for the channel (rules 1 and 7).
func (s *session) create(f *wire.Frame) error {
	username, err := s.authorize(OpCreate, f)
	if err != nil {
		return err
	}
	return s.enter(f.Channel, 0, func(a *attachment) error {
		return s.hub.create(a, f, username)
	}, func(*attachment) error { return ErrChannelExists })
}

// create finds or makes the place of a channel and lets it decide. A channel
// that has ended and is not forgotten yet makes room first.
func (h *Hub) create(a *attachment, f *wire.Frame, username string) error {
	// What does not shorten the policy's timeout counts for nothing; compared in
	// milliseconds, because the number is the peer's and may be any.
	var asked time.Duration
	if f.MasterTimeout < milliseconds(h.policy.MasterTimeout) {
		asked = time.Duration(f.MasterTimeout) * time.Millisecond
	}
	for {
		c, err := h.findOrAdd(f.Channel)
		if err != nil {
			return err
		}
		ended := false
		c.decide(func(now time.Time) {
			if ended = c.life == gone; !ended {
				err = c.create(now, a, f.Ref, username, asked)
			}
		})
		if !ended {
			if err == nil {
				h.policy.Logger.Info("channel created", "channel", c.name, "master", username)
			}
			return err
		}
		h.remove(c)
	}
}

// join asks for permission, enters the channel, and where the user switches,
// leaves the other one only then (rule 2).
func (s *session) join(f *wire.Frame) error {
	var previous *attachment
	extra := 0
	if f.From != "" {
		var err error
		if previous, err = s.seat(f.From); err != nil {
			return err
		}
		if previous.member.role != wire.Slave {
			return ErrForbidden.with("a master cannot switch away from its channel")
		}
		if f.From == f.Channel {
			return ErrBadFrame.with("a switch to the channel that it leaves")
		}
		extra = 1
	}
	username, err := s.authorize(OpJoin, f)
	if err != nil {
		return err
	}
	c := s.hub.find(f.Channel)
	if c == nil {
		return ErrNoSuchChannel
	}
	err = s.enter(f.Channel, extra, func(a *attachment) (err error) {
		c.decide(func(now time.Time) { err = c.join(now, a, f.Ref, username, f.Expect) })
		return err
	}, func(a *attachment) (err error) {
		if a.member.role != wire.Slave || a.member.name != username {
			return ErrForbidden.with("this connection is in the channel under another name or role")
		}
		c.decide(func(now time.Time) { err = c.again(now, a, f.Ref) })
		return err
	})
	if err != nil {
		return err
	}
	if previous != nil && s.leaveAs(previous, 0) == ErrReplaced {
		// Another connection has taken the place over meanwhile, and stays there.
		_ = s.leave(f.Channel, 0)
		return ErrReplaced
	}
	return nil
}

// resume takes a membership over onto this connection (rule 7).
func (s *session) resume(f *wire.Frame) error {
	if !ValidName(f.Channel) || !ValidName(f.Username) {
		return ErrBadName
	}
	c := s.hub.find(f.Channel)
	if c == nil {
		return ErrResumeFailed
	}
	take := func(a *attachment) (err error) {
		c.decide(func(now time.Time) { err = c.resume(now, a, f.Ref, f.Username, f.Secret, f.Last) })
		return err
	}
	return s.enter(f.Channel, 0, take, func(old *attachment) error {
		if old.member.name != f.Username {
			return ErrForbidden.with("this connection is in the channel under another name")
		}
		a := &attachment{session: s}
		if err := take(a); err != nil {
			return err
		}
		s.exchange(f.Channel, old, a)
		return nil
	})
}

// enter takes a seat for the channel and has a new attachment decided on by
// fresh; where the connection holds the seat already, again decides.
func (s *session) enter(channel string, extra int, fresh, again func(*attachment) error) error {
	a := &attachment{session: s}
	held, err := s.reserve(channel, a, extra)
	for err == nil && held != nil {
		if !held.channel.ended(held) {
			return again(held)
		}
		// That membership is over, and the word of it, which frees the seat, is on
		// its way.
		held.channel.flush()
		held, err = s.reserve(channel, a, extra)
	}
	if err != nil {
		return err
	}
	if err := fresh(a); err != nil {
		s.unseat(channel, a)
		return err
	}
	s.admit()
	return nil
}

func (s *session) send(f *wire.Frame, limited bool) error {
	a, err := s.seat(f.Channel)
	if err != nil {
		return err
	}
	msg := message{ref: f.Ref, to: f.To, hasTo: f.HasTo, asks: f.Asks, replyTo: f.Reply}
	if a.member.role == wire.Slave {
		switch s.slavePace.take(s.hub.policy.SlaveRate, time.Now()) {
		case muchTooFast:
			return errFlood
		case tooFast:
			limited = true
		}
	}
	switch {
	case limited:
		msg.refusal = ErrRateLimited
	case len(f.Payload.Data) > s.hub.policy.MaxMessage:
		msg.refusal = ErrTooLarge
	default:
		// The frame lies in the connection's buffer; the message outlives it.
		msg.payload = f.Payload
		msg.payload.Data = bytes.Clone(f.Payload.Data)
		if s.hub.policy.Slow == SlowHold {
			s.putOffNoLonger(true)
			s.hold(a, len(f.Payload.Data))
		}
	}
	if s.putOff != a.channel {
		s.putOffNoLonger(true)
	}
	waits := a.channel.decideFirst(func(time.Time) {
		if s.hub.closing.Load() && msg.refusal == nil {
			msg.refusal = ErrShuttingDown
		}
		err = a.channel.send(a, msg)
	})
	if s.putOff = nil; waits {
		s.putOff = a.channel
	}
	return err
}

func (s *session) leave(channel string, ref uint64) error {
	a, err := s.seat(channel)
	if err != nil {
		return err
	}
	return s.leaveAs(a, ref)
}

func (s *session) leaveAs(a *attachment, ref uint64) (err error) {
	a.channel.decide(func(now time.Time) { err = a.channel.leave(now, a, ref) })
	if err == nil {
		s.unseat(a.channel.name, a)
	}
	return err
}

func (s *session) status(f *wire.Frame) error {
	if !ValidName(f.Channel) {
		return ErrBadName
	}
	answer := &wire.Frame{Type: wire.Status, Ref: f.Ref, Channel: f.Channel, HasExists: true}
	if c := s.hub.find(f.Channel); c != nil {
		c.decide(func(now time.Time) { answer = c.status(now, f.Ref) })
	}
	s.say(newPacket(answer))
	return nil
}

// asMember runs a transition for the membership that the frame's sender holds.
func (s *session) asMember(f *wire.Frame, transition func(time.Time, *Channel, *attachment) error) error {
	a, err := s.seat(f.Channel)
	if err != nil {
		return err
	}
	a.channel.decide(func(now time.Time) { err = transition(now, a.channel, a) })
	return err
}

// authorize checks the names and asks the service. It returns the username that
// the service gives.
func (s *session) authorize(op Operation, f *wire.Frame) (string, error) {
	if !ValidName(f.Channel) || !ValidName(f.Username) {
		return "", ErrBadName
	}
	if s.hub.policy.Authorize == nil {
		return f.Username, nil
	}
	ctx, done := s.waiting()
	defer done()
	if limit := s.hub.policy.HandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	identity, err := s.ask(ctx, Request{Operation: op, Channel: f.Channel, Username: f.Username, Token: f.Token})
	if err != nil {
		s.hub.policy.Logger.Warn("refused by Authorize", "operation", string(op), "channel", f.Channel, "username", f.Username)
		return "", asRefusal(err, ErrUnauthorized)
	}
	if identity.Username == "" {
		return f.Username, nil
	}
	if !ValidName(identity.Username) {
		return "", ErrUnauthorized
	}
	return identity.Username, nil
}

// ask calls the service's Authorize. One that panics has refused, and costs
// nobody else anything.
func (s *session) ask(ctx context.Context, request Request) (identity Identity, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			s.hub.policy.Logger.Error("Authorize panicked", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = ErrUnauthorized
		}
	}()
	return s.hub.policy.Authorize(ctx, request)
}
