package hub

import (
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// create asks for permission and then for the channel (rules 1 and 7).
func (s *session) create(f *wire.Frame) error {
	username, err := s.authorize(OpCreate, f)
	if err != nil {
		return err
	}
	return s.enter(f.Channel, 0, func(a *seat) error {
		return s.createAs(a, f, username)
	}, func(*seat) error { return wire.ErrChannelExists })
}

// createAs finds or makes the place of a channel and lets it decide. A channel
// that has ended and is not forgotten yet makes room first.
func (s *session) createAs(a *seat, f *wire.Frame, username string) error {
	h := s.hub
	a.secret = newSecret()
	// What does not shorten the policy's timeout counts for nothing; compared in
	// milliseconds, because the number is the peer's and may be any.
	var asked time.Duration
	if f.MasterTimeout < wire.Milliseconds(h.config.MasterTimeout) {
		asked = time.Duration(f.MasterTimeout) * time.Millisecond
	}
	for {
		c, err := h.findOrAdd(f.Channel)
		if err != nil {
			return err
		}
		ended := false
		a.Init(&s.Line, c)
		c.Decide(func(rules *star.Channel, now time.Time) {
			if ended = rules.Ended(); !ended {
				err = rules.Create(now, &a.Attachment, f.Ref, username, a.secret.given(), asked)
			}
		})
		if !ended {
			if err == nil {
				h.config.Logger.Info("channel created", "channel", f.Channel, "master", username)
			}
			return err
		}
		h.remove(c)
	}
}

// join asks for permission, enters the channel, and where the user switches,
// leaves the other one only then (rule 2).
func (s *session) join(f *wire.Frame) error {
	var previous *seat
	extra := 0
	if f.From != "" {
		var err error
		if previous, err = s.held(f.From); err != nil {
			return err
		}
		if previous.Role() != wire.Slave {
			return wire.ErrForbidden.With("a master cannot switch away from its channel")
		}
		if f.From == f.Channel {
			return wire.ErrBadFrame.With("a switch to the channel that it leaves")
		}
		extra = 1
	}
	username, err := s.authorize(OpJoin, f)
	if err != nil {
		return err
	}
	c := s.hub.find(f.Channel)
	if c == nil {
		return wire.ErrNoSuchChannel
	}
	err = s.enter(f.Channel, extra, func(a *seat) (err error) {
		a.secret = newSecret()
		a.Init(&s.Line, c)
		c.Decide(func(rules *star.Channel, now time.Time) {
			err = rules.Join(now, &a.Attachment, f.Ref, username, f.Expect, a.secret.given())
		})
		return err
	}, func(a *seat) (err error) {
		if a.Role() != wire.Slave || a.Username() != username {
			return wire.ErrForbidden.With("this connection is in the channel under another name or role")
		}
		c.Decide(func(rules *star.Channel, now time.Time) {
			err = rules.Again(now, &a.Attachment, f.Ref, a.secret.given())
		})
		return err
	})
	if err != nil {
		return err
	}
	if previous != nil && s.leaveAs(previous, 0) == wire.ErrReplaced {
		// Another connection has taken the place over meanwhile, and stays there.
		_ = s.leave(f.Channel, 0)
		return wire.ErrReplaced
	}
	return nil
}

// resume takes a membership over onto this connection (rule 7).
func (s *session) resume(f *wire.Frame) error {
	if !wire.ValidName(f.Channel) || !wire.ValidName(f.Username) {
		return wire.ErrBadName
	}
	c := s.hub.find(f.Channel)
	if c == nil {
		return wire.ErrResumeFailed
	}
	take := func(a *seat) (err error) {
		a.Init(&s.Line, c)
		c.Decide(func(rules *star.Channel, now time.Time) {
			err = rules.Resume(now, &a.Attachment, f.Ref, f.Username, given(f.Secret), f.Last)
		})
		if err == nil {
			a.secret = knownSecret(f.Secret)
		}
		return err
	}
	return s.enter(f.Channel, 0, take, func(old *seat) error {
		if old.Username() != f.Username {
			return wire.ErrForbidden.With("this connection is in the channel under another name")
		}
		a := new(seat)
		if err := take(a); err != nil {
			return err
		}
		s.exchange(f.Channel, old, a)
		return nil
	})
}

// enter takes a seat for the channel and has a new membership decided on by
// fresh; where the connection holds the seat already, again decides.
func (s *session) enter(channel string, extra int, fresh, again func(*seat) error) error {
	a := new(seat)
	held, err := s.reserve(channel, a, extra)
	for err == nil && held != nil {
		if !held.Channel().Over(&held.Seat) {
			return again(held)
		}
		// That membership is over, and the word of it, which frees the seat, is on
		// its way.
		held.Channel().Flush()
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
