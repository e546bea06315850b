package hub

import (
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// create handles a create frame: it asks for permission, and then creates the channel
// (rules 1 and 7).
func (s *session) create(f *wire.Frame) error {
	username, err := s.authorize(OpCreate, f)
	if err != nil {
		return err
	}
	return s.enter(f.Channel, 0, func(seat *seat) error {
		return s.createAs(seat, f, username)
	}, func(*seat) error { return wire.ErrChannelExists })
}

// createAs finds or adds the channel, and lets the rules decide. A channel that has
// ended and still has the name is removed first.
func (s *session) createAs(seat *seat, f *wire.Frame, username string) error {
	h := s.hub
	seat.secret = newSecret()
	// A timeout that is not shorter than the config's counts as none. They are compared
	// in milliseconds, because the peer's number may be too large for a time.Duration.
	var asked time.Duration
	if f.MasterTimeout < wire.Milliseconds(h.config.MasterTimeout) {
		asked = time.Duration(f.MasterTimeout) * time.Millisecond
	}
	for {
		c, err := h.findOrAddChannel(f.Channel)
		if err != nil {
			return err
		}
		ended := false
		seat.Init(&s.Line, c)
		c.Decide(func(rules *star.Channel, now time.Time) {
			if ended = rules.Ended(); !ended {
				err = rules.Create(now, &seat.Attachment, f.Ref, username, seat.secret.given(), asked)
			}
		})
		if !ended {
			if err == nil {
				s.logger().Info("channel created", "channel", f.Channel, "master", username)
			}
			return err
		}
		h.removeChannel(c)
	}
}

// join handles a join frame: it asks for permission, and then enters the channel (rule
// 2). Where the user switches from another channel, it leaves that one only afterwards.
func (s *session) join(f *wire.Frame) error {
	var previous *seat
	extra := 0
	if f.From != "" {
		var err error
		if previous, err = s.heldSeat(f.From); err != nil {
			return err
		}
		if previous.Role() != wire.Slave {
			return wire.ErrForbidden.With("from: a master cannot switch away from its channel " + wire.Quote(f.From))
		}
		if f.From == f.Channel {
			return wire.ErrBadFrame.With("from: it is the channel that is joined, and a switch leads to another one")
		}
		extra = 1
	}
	username, err := s.authorize(OpJoin, f)
	if err != nil {
		return err
	}
	c := s.hub.findChannel(f.Channel)
	if c == nil {
		return wire.ErrNoSuchChannel
	}
	err = s.enter(f.Channel, extra, func(seat *seat) (err error) {
		seat.secret = newSecret()
		seat.Init(&s.Line, c)
		c.Decide(func(rules *star.Channel, now time.Time) {
			err = rules.Join(now, &seat.Attachment, f.Ref, username, f.Expect, seat.secret.given())
		})
		return err
	}, func(seat *seat) (err error) {
		if seat.Role() != wire.Slave || seat.Username() != username {
			return wire.ErrForbidden.With("this connection is in " + wire.Quote(f.Channel) + " under another name or role: leave it first")
		}
		c.Decide(func(rules *star.Channel, now time.Time) {
			err = rules.RepeatJoin(now, &seat.Attachment, f.Ref, seat.secret.given())
		})
		return err
	})
	if err != nil {
		return err
	}
	if previous != nil && s.leaveAs(previous, 0) == wire.ErrReplaced {
		// Another connection has taken the previous membership over meanwhile, and keeps
		// it. So the user has not switched.
		_ = s.leave(f.Channel, 0)
		return wire.ErrReplaced
	}
	return nil
}

// resume handles a resume frame: it takes a membership over onto this connection (rule
// 7).
func (s *session) resume(f *wire.Frame) error {
	c := s.hub.findChannel(f.Channel)
	if c == nil {
		return wire.ErrResumeFailed
	}
	take := func(seat *seat) (err error) {
		seat.Init(&s.Line, c)
		c.Decide(func(rules *star.Channel, now time.Time) {
			err = rules.Resume(now, &seat.Attachment, f.Ref, f.Username, given(f.Secret), f.Last)
		})
		if err == nil {
			seat.secret = knownSecret(f.Secret)
		}
		return err
	}
	return s.enter(f.Channel, 0, take, func(old *seat) error {
		if old.Username() != f.Username {
			return wire.ErrForbidden.With("this connection is in " + wire.Quote(f.Channel) + " under another name: leave it first")
		}
		replacement := new(seat)
		if err := take(replacement); err != nil {
			return err
		}
		s.replaceSeat(f.Channel, old, replacement)
		return nil
	})
}

// enter reserves a seat for the channel and calls fresh with it, which decides whether
// there is a new membership. Where the connection is a member of the channel already, it
// calls again instead, with the seat that the connection holds. extra is as for
// reserveSeat.
func (s *session) enter(channel string, extra int, fresh, again func(*seat) error) error {
	reserved := new(seat)
	held, err := s.reserveSeat(channel, reserved, extra)
	for err == nil && held != nil {
		if !held.Channel().MembershipEnded(&held.Seat) {
			return again(held)
		}
		// That membership has ended, but its Release effect, which frees the seat, is
		// still in flight.
		held.Channel().Flush()
		held, err = s.reserveSeat(channel, reserved, extra)
	}
	if err != nil {
		return err
	}
	if err := fresh(reserved); err != nil {
		s.freeSeat(channel, reserved)
		return err
	}
	s.endHandshake()
	return nil
}
