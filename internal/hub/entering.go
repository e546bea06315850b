package hub

import (
	"cmp"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// create handles a create frame: it asks for permission, and then creates the channel
// (rules 1 and 7).
func (s *session) create(f *wire.Frame) error {
	if err := checkInstance(f); err != nil {
		return err
	}
	if err := s.checkAttributes(f); err != nil {
		return err
	}
	grant, terms, err := s.authorize(OpCreate, f)
	if err != nil {
		return err
	}
	return s.enter(f.Channel, 0, func(seat *seat) error {
		return s.createAs(seat, f, grant, terms)
	}, func(seat *seat) (err error) {
		if seat.Username() != f.Username {
			return wire.ErrChannelExists
		}
		seat.Channel().Decide(func(rules *star.Channel, _ time.Time) {
			err = rules.RepeatCreate(&seat.Attachment, entryOf(f, seat.known(s.hub.id), grant))
		})
		return err
	})
}

// createAs finds or adds the channel, and lets the rules decide. A channel that has
// ended and still has the name is removed first.
func (s *session) createAs(seat *seat, f *wire.Frame, grant star.Grant, terms *star.Terms) error {
	h := s.hub
	seat.secret = newSecret()
	longest := h.config.MasterTimeout
	if terms != nil && terms.HasMasterTimeout {
		longest = terms.MasterTimeout
	}
	// A timeout that is not shorter than the longest counts as none. They are compared
	// in milliseconds, because the peer's number may be too large for a time.Duration.
	var asked time.Duration
	if f.MasterTimeout < wire.Milliseconds(longest) {
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
				there := rules.Exists()
				entry := entryOf(f, seat.secret.fresh(s.hub.id, f), grant)
				entry.Terms, entry.Door = terms, f.Entering().Door
				if err = rules.Create(now, &seat.Attachment, entry, f.Username, asked); err == nil && !there {
					h.letWaitersIn(c, rules, now)
				}
			}
		})
		if !ended {
			if err == nil && seat.Epoch() == 1 { // else it was asked for again, or taken over
				s.logger().Info("channel created", "channel", f.Channel, "master", f.Username)
			}
			return err
		}
		c.Flush() // its end is told before the next one of the name
		h.removeChannel(c)
	}
}

// join handles a join frame: it asks for permission, and then enters the channel (rule
// 2). Where the user switches from another channel, it leaves that one only afterwards.
//
// asked is how the peer calls the channel. A join may be answered later (waiting.go).
func (s *session) join(f *wire.Frame, asked string) error {
	if err := checkInstance(f); err != nil {
		return err
	}
	if err := s.checkAttributes(f); err != nil {
		return err
	}
	var previous *seat
	var notHeld error
	extra := 0
	if f.From != "" {
		if previous, notHeld = s.heldSeat(f.From); notHeld != nil && f.Instance == "" {
			return notHeld
		}
		if previous != nil && previous.Role() != wire.Slave {
			return wire.ErrForbidden.With("from: a master cannot switch away from its channel " + wire.Quote(f.From))
		}
		if f.From == f.Channel {
			return wire.ErrBadFrame.With("from: it is the channel that is joined, and a switch leads to another one")
		}
		extra = 1
	}
	grant, _, err := s.authorize(OpJoin, f)
	if err != nil {
		return err
	}
	if previous != nil {
		if err := s.switching(previous, true); err == wire.ErrRoleChanged {
			return err
		}
		defer s.switching(previous, false)
	}
	if f.Entering().Wait && s.hub.asksForStatus() {
		if err := s.authorizeStatus(f); err != nil {
			return err
		}
	}
	for {
		if w, c := s.hub.waits.find(s, f.Channel); w != nil {
			if waits, err := s.waitsAgain(w, c, f); waits {
				return err
			}
		}
		c := s.hub.findChannel(f.Channel)
		if c != nil {
			err = s.joinChannel(c, f, asked, grant, previous, notHeld, extra)
		} else {
			err = cmp.Or(notHeld, error(wire.ErrNoSuchChannel))
		}
		if !f.Entering().Wait || err != wire.ErrNoSuchChannel {
			return err
		}
		w := s.newWait(f, asked, &seat{secret: newSecret()}, previous, star.Entry{})
		since := w.entry.Since
		w.entry = entryOf(f, w.seat.secret.fresh(s.hub.id, f), grant)
		w.entry.Since = since
		if err := s.waitForChannel(w); err != nil {
			return err
		}
		// A channel that comes from now on finds the wait. One that has come just before has not.
		if c = s.hub.findChannel(f.Channel); c == nil || !c.Exists() || !s.takeBack(w) {
			s.liftFrameLimit()
			return nil
		}
	}
}

// joinChannel joins a channel that there is, or waits at its door.
func (s *session) joinChannel(c *delivery.Channel, f *wire.Frame, asked string, grant star.Grant, previous *seat, notHeld error, extra int) error {
	err := s.enter(f.Channel, extra, func(seat *seat) (err error) {
		seat.secret = newSecret()
		seat.Init(&s.Line, c)
		c.Decide(func(rules *star.Channel, now time.Time) {
			entry := entryOf(f, seat.secret.fresh(s.hub.id, f), grant)
			if notHeld != nil && !rules.Repeated(now, &seat.Attachment, entry, f.Username) {
				// It is not a switch that is repeated because its answer was lost, after
				// which the former membership is over.
				err = notHeld
				return
			}
			if rules.JoinsAsMaster(now, &seat.Attachment, entry, f.Username) {
				defer func(master secret) { seat.secret = master }(addFresh(&entry, s.hub.id, f))
			}
			if err = rules.Join(now, &seat.Attachment, entry, f.Username, f.Expect); err == star.ErrKnock {
				err = s.knock(s.newWait(f, asked, seat, previous, entry), c, rules, now)
			}
		})
		return err
	}, func(seat *seat) (err error) {
		if seat.Role() != wire.Slave || seat.Username() != f.Username {
			return wire.ErrForbidden.With("this connection is in " + wire.Quote(f.Channel) + " under another name or role: leave it first")
		}
		c.Decide(func(rules *star.Channel, now time.Time) {
			err = rules.RepeatJoin(now, &seat.Attachment, entryOf(f, seat.known(s.hub.id), grant))
		})
		return err
	})
	if err == errWaits {
		s.liftFrameLimit()
		return nil
	}
	if err != nil || previous == nil {
		return err
	}
	c.Flush() // the joined is queued before the left, which another channel sends
	if s.leaveAs(previous, 0) == wire.ErrReplaced {
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
	if err := checkInstance(f); err != nil {
		return err
	}
	c := s.hub.findChannel(f.Channel)
	if c == nil {
		return wire.ErrResumeFailed
	}
	grant, err := s.authorizeResume(c, f)
	if err != nil {
		return err
	}
	take := func(seat *seat) (err error) {
		seat.Init(&s.Line, c)
		var fresh secret
		c.Decide(func(rules *star.Channel, now time.Time) {
			entry := entryOf(f, given(f.Secret), grant)
			if rules.Promoted(entry, f.Username) {
				fresh = addFresh(&entry, s.hub.id, f)
			}
			err = rules.Resume(now, &seat.Attachment, entry, f.Username, f.Last, f.Seq)
		})
		if seat.secret = fresh; err == nil && fresh == (secret{}) {
			seat.secret = knownSecret(f.Secret)
		}
		return err
	}
	return s.enter(f.Channel, 0, take, func(old *seat) error {
		if old.Username() != f.Username {
			return wire.ErrForbidden.With("this connection is in " + wire.Quote(f.Channel) + " under another name: leave it first")
		}
		return s.takeAgain(f.Channel, old, take)
	})
}

// takeAgain takes a membership over that this connection has in the seat old. That one may
// be released meanwhile, by an earlier decision, which also closes the connection. Then
// nothing else would tell the rules of the connection's end.
func (s *session) takeAgain(channel string, old *seat, take func(*seat) error) error {
	replacement := new(seat)
	if err := take(replacement); err != nil {
		return err
	}
	if !s.replaceSeat(channel, old, replacement) {
		replacement.Channel().Decide(func(rules *star.Channel, now time.Time) { rules.Lose(now, &replacement.Attachment) })
	}
	return nil
}

// addFresh gives the entry a new secret of a master, and returns it.
func addFresh(entry *star.Entry, id ID, f *wire.Frame) secret {
	fresh := newSecret()
	entry.Fresh = fresh.fresh(id, f)
	return fresh
}

// authorizeResume asks the service whether the member may come back, where it wants to be
// asked or the member needs it. The secret is checked before, so that nobody else can have
// the service asked. Where the service refuses the client that holds the membership, that
// is over.
func (s *session) authorizeResume(c *delivery.Channel, f *wire.Frame) (g star.Grant, err error) {
	if s.hub.config.Authorize == nil {
		return g, nil
	}
	entry := entryOf(f, given(f.Secret), g)
	return s.authorizeReturn(c, f, func(rules *star.Channel, now time.Time, a *star.Attachment) (star.Grant, bool, error) {
		return rules.Resumable(now, a, entry, f.Username)
	}, func(rules *star.Channel, a *star.Attachment, reason string) bool {
		return rules.Revoke(a, entry, f.Username, reason)
	})
}

// authorizeReturn is authorizeResume for a frame by which a member comes back. may says what the rules
// say before the service is asked, as star.Channel.Resumable does, and revoke ends the membership.
func (s *session) authorizeReturn(
	c *delivery.Channel, f *wire.Frame,
	may func(*star.Channel, time.Time, *star.Attachment) (star.Grant, bool, error),
	revoke func(*star.Channel, *star.Attachment, string) bool,
) (g star.Grant, err error) {
	probe, fresh := new(seat), false
	probe.Init(&s.Line, c)
	c.Decide(func(rules *star.Channel, now time.Time) { g, fresh, err = may(rules, now, &probe.Attachment) })
	if err != nil || !fresh && !slices.Contains(s.hub.config.Reauthorize, OpResume) {
		return star.Grant{}, err
	}
	g, refused, err := s.reauthorize(OpResume, f, f.Username, g)
	if refused {
		ended := false
		why := asRefusal(err, wire.ErrUnauthorized)
		held := s.seatIn(f.Channel)
		c.Decide(func(rules *star.Channel, _ time.Time) { ended = revoke(rules, &probe.Attachment, why.Text) })
		if ended {
			// Where this connection had the membership, it is told as anybody is, and before the
			// answer.
			c.Flush()
		}
		if ended && (held == nil || held.Channel() != c) {
			s.PushAndFlush(delivery.ClosedPacket(f.Channel, wire.ErrRevoked.With(why.Text)))
		}
	}
	return g, err
}

// maxInstanceBytes bounds the id of an instance.
const maxInstanceBytes = 64

// checkInstance refuses a frame whose instance cannot be used.
func checkInstance(f *wire.Frame) error {
	switch {
	case f.Instance == "":
		return nil
	case len(f.Instance) > maxInstanceBytes:
		return wire.ErrBadFrame.With("instance: it has more than 64 bytes")
	case f.Ref == 0:
		return wire.ErrBadFrame.With("ref: with an instance there must be one, which rises")
	}
	return nil
}

// entryOf is what the frame's sender shows, and what the service has said of it.
func entryOf(f *wire.Frame, secret star.Secret, grant star.Grant) star.Entry {
	entry := star.Entry{Ref: f.Ref, Epoch: f.Epoch, Secret: secret, Grant: grant, Attributes: attributesOf(f.Attributes())}
	if f.Instance != "" {
		entry.Instance = star.HashOf(f.Instance)
	}
	return entry
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
		if err != errWaits {
			s.unreserveSeat(channel, reserved)
		}
		return err
	}
	s.holdSeat()
	s.endHandshake()
	return nil
}
