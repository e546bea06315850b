package hub

import (
	"cmp"
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
	return s.enter(s.entering(f, f.Channel, nil), 0, func(seat *seat) (in bool, err error) {
		return s.createAs(seat, f, grant, terms)
	}, func(held *seat) error {
		if held.Username() != f.Username {
			return wire.ErrChannelExists
		}
		entry := entryOf(f, held.known(s.hub.id), grant)
		return s.decideOr(held, func(rules *star.Channel, _ time.Time) {
			if err := rules.RepeatCreate(&held.Attachment, entry); err != nil {
				s.answer(rules, held, f, err)
			}
		}, "", func() *call {
			again := s.frameCall(f, nil)
			again.entry = entry // another hub refuses it without
			return again
		})
	})
}

// createAs finds or adds the channel, and lets the rules decide. A channel that has
// ended and still has the name is removed first.
func (s *session) createAs(seat *seat, f *wire.Frame, grant star.Grant, terms *star.Terms) (in bool, err error) {
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
		c, err := s.findOrAddChannel(f.Channel)
		if err != nil {
			return false, err
		}
		ended, there := false, false
		seat.Init(&s.Line, c)
		create := func(rules *star.Channel, now time.Time) {
			if ended = rules.Ended(); ended {
				return
			}
			there = rules.Exists()
			entry := entryOf(f, seat.secret.fresh(s.hub.id, f), grant)
			entry.Terms, entry.Door = terms, f.Entering().Door
			in = nil == rules.Enter(&seat.Attachment, func() error {
				return rules.Create(now, &seat.Attachment, entry, f.Username, asked)
			})
			switch {
			case there:
			case in:
				h.letWaitersIn(c, rules, now)
			default:
				rules.Abandon()
			}
		}
		if !c.Decide(create) {
			if again, err := s.createElsewhere(seat, f, grant, create); !again {
				return in, err
			}
			continue
		}
		if !ended {
			if !there && !in {
				h.forgetChannel(c) // nobody has the name
			}
			return in, nil
		}
		if err := s.flush(c); err != nil { // its end is told before the next one of the name
			return false, err
		}
		h.forgetChannel(c)
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
		// It is not to become the master of the channel that it leaves. From when the seat is
		// reserved on, that is known by the seat (session.leads).
		if ok, err := s.beginSwitch(previous, f); !ok {
			return err
		}
		defer s.switched(previous)
	}
	if f.Entering().Wait && s.hub.asksForStatus() {
		if err := s.authorizeStatus(f); err != nil {
			return err
		}
	}
	for {
		if w, c := s.hub.waits.find(s, f.Channel); w != nil {
			if waits, err := s.waitsAgain(w, c, f); waits || err != nil {
				return err
			}
			continue // it is in by now, or refused, or at the door
		}
		c, err := s.find(f.Channel)
		if err != nil {
			return err
		}
		if c != nil {
			if err = s.joinChannel(c, f, asked, grant, previous, notHeld, extra); err == error(errGone) {
				continue
			}
		} else {
			err = cmp.Or(notHeld, error(wire.ErrNoSuchChannel))
		}
		if !f.Entering().Wait || err != wire.ErrNoSuchChannel {
			return err
		}
		waiting := &seat{secret: newSecret(), entering: s.entering(f, asked, previous)}
		w := s.newWait(waiting, entryOf(f, waiting.secret.fresh(s.hub.id, f), grant))
		switch err := s.waitForChannel(w); {
		case err == error(s.hub.refusals.channelsOfConnection) && s.flushEnded(w.extra()):
			continue
		case err != nil:
			return err
		}
		// A channel that comes from now on finds the wait. One that has come just before has not.
		c = s.hub.findChannel(f.Channel)
		if s.hub.clustered != nil && (c == nil || !c.Exists() && !c.Elsewhere()) {
			s.hub.clustered.await(f.Channel)
			c, _ = s.find(f.Channel) // where that is not known, it is looked for later
		}
		if c == nil || !c.Exists() && !c.Elsewhere() || !s.takeBack(w) {
			s.liftFrameLimit()
			return nil
		}
	}
}

// joinChannel joins a channel that there is, or waits at its door. Where the channel has just ended,
// and the peer wants to wait for the next one, it returns wire.ErrNoSuchChannel.
func (s *session) joinChannel(c *delivery.Channel, f *wire.Frame, asked string, grant star.Grant, previous *seat, notHeld error, extra int) error {
	return s.enter(s.entering(f, asked, previous), extra, func(seat *seat) (in bool, err error) {
		seat.secret = newSecret()
		seat.Init(&s.Line, c)
		join := join{session: s, seat: seat, channel: c, frame: f, grant: grant, notHeld: notHeld}
		for !c.Decide(func(rules *star.Channel, now time.Time) {
			err = rules.Enter(&seat.Attachment, func() error { return join.decide(rules, now) })
		}) {
			if called, err := join.elsewhere(); called || err != nil {
				return false, err
			}
		}
		switch {
		case join.gone:
			return false, wire.ErrNoSuchChannel
		case err == star.ErrWaits:
			s.liftFrameLimit()
		}
		return err == nil, nil
	}, func(held *seat) error {
		if held.Role() != wire.Slave || held.Username() != f.Username {
			return wire.ErrForbidden.With("this connection is in " + wire.Quote(f.Channel) + " under another name or role: leave it first")
		}
		return s.repeatJoin(held, f, grant)
	})
}

// repeatJoin answers a join of a channel that the connection is in.
func (s *session) repeatJoin(held *seat, f *wire.Frame, grant star.Grant) error {
	secret := held.secret.freshFor(s.hub.id, f.Instance == "")
	return s.decideOr(held, func(rules *star.Channel, now time.Time) {
		if err := s.hub.repeatsJoin(rules, now, &held.Attachment, entryOf(f, held.known(s.hub.id), grant)); err != nil {
			s.answer(rules, held, f, err)
		}
	}, secret.Text, func() *call { return s.entryCall(opRepeatJoin, f, entryOf(f, secret, grant)) })
}

// repeatsJoin is RepeatJoin. In a cluster the membership may be over where the channel is decided, which the hub of its connection
// has not heard: then who joins again is to try once more.
func (h *Hub) repeatsJoin(rules *star.Channel, now time.Time, a *star.Attachment, entry star.Entry) error {
	err := rules.RepeatJoin(now, a, entry)
	if err == error(wire.ErrNotAMember) && h.clustered != nil {
		return errEnds
	}
	return err
}

// elsewhere has the hub that decides the channel do the join, and reports whether that is another one.
func (j *join) elsewhere() (called bool, err error) {
	s, f := j.session, j.frame
	entry := entryOf(f, j.seat.secret.fresh(s.hub.id, f), j.grant)
	c := s.entryCall(opJoin, f, entry)
	if j.notHeld != nil {
		c.notHeld = asRefusal(j.notHeld, wire.ErrNotAMember)
	}
	j.seat.Stand(f.Username)
	return s.call(j.seat, entry.Secret.Text, c)
}

// join is a join of a channel that there is.
type join struct {
	session *session
	seat    *seat
	channel *delivery.Channel
	frame   *wire.Frame
	grant   star.Grant
	// notHeld is why there is no seat to switch from, or nil.
	notHeld error
	// gone: the channel has ended, and the peer waits for the next one.
	gone bool
}

// decide is the transition of a join.
func (j *join) decide(rules *star.Channel, now time.Time) error {
	a, f, id := &j.seat.Attachment, j.frame, j.session.hub.id
	entry := entryOf(f, j.seat.secret.fresh(id, f), j.grant)
	if j.notHeld != nil && !rules.Repeated(now, a, entry, f.Username) {
		// It is not a switch that is repeated because its answer was lost, after
		// which the former membership is over.
		return j.notHeld
	}
	if rules.JoinsAsMaster(now, a, entry, f.Username) {
		defer func(master secret) { j.seat.secret = master }(addFresh(&entry, id, f))
	}
	err := rules.Join(now, a, entry, f.Username, f.Expect)
	switch {
	case err == star.ErrKnock:
		return j.session.knock(j.session.newWait(j.seat, entry), j.channel, rules, now)
	case err == error(wire.ErrNoSuchChannel) && f.Entering().Wait:
		j.gone = true
		return star.ErrWaits
	}
	return err
}

// resume handles a resume frame: it takes a membership over onto this connection (rule
// 7).
func (s *session) resume(f *wire.Frame) error {
	if err := checkInstance(f); err != nil {
		return err
	}
	c, err := s.find(f.Channel)
	if err != nil {
		return err
	}
	if c == nil {
		return s.hub.notHere(wire.ErrResumeFailed, f)
	}
	err = s.enter(s.entering(f, f.Channel, nil), 0, func(seat *seat) (in bool, err error) {
		seat.Init(&s.Line, c)
		grant, ok, err := s.authorizeResume(seat, f, nil, func(rules *star.Channel, err error) { s.refuseSeat(rules, seat, err) })
		resume := func(rules *star.Channel, now time.Time) {
			in = nil == rules.Enter(&seat.Attachment, func() error { return s.resumeAs(seat, f, grant, rules, now) })
		}
		if ok && !s.resumeElsewhere(seat, f, resume) {
			err = s.decideOr(seat, resume, f.Secret, func() *call { return s.resumeCall(seat, f, grant) })
		}
		return in, err
	}, func(held *seat) error {
		if held.Username() != f.Username {
			return wire.ErrForbidden.With("this connection is in " + wire.Quote(f.Channel) + " under another name: leave it first")
		}
		return s.resumeAgain(held, f)
	})
	if err == error(errGone) {
		return s.resume(f)
	}
	return err
}

// refuseSeat has the channel refuse a seat that is being entered, for what the service has said, or
// the channel. The channel's lock is held.
func (s *session) refuseSeat(rules *star.Channel, refused *seat, err error) {
	s.mu.Lock()
	refused.entering.number = s.countedFrame()
	s.mu.Unlock()
	rules.Refuse(&refused.Attachment, err)
}

// addFresh gives the entry a new secret of a master, and returns it.
func addFresh(entry *star.Entry, id ID, f *wire.Frame) secret {
	fresh := newSecret()
	entry.Fresh = fresh.fresh(id, f)
	return fresh
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
	entry := star.Entry{Ref: f.Ref, Epoch: f.Epoch, Secret: secret, Grant: grant, Attributes: attributesOf(f.Attributes()), Roster: f.Listing().Roster}
	if f.Instance != "" {
		entry.Instance = star.HashOf(f.Instance)
	}
	return entry
}

// enter reserves a seat for the channel and calls fresh with it, which has the channel decide
// whether there is a new membership, and tells what is known of that: it is in, or the channel
// tells what has become of it, or there is an error, for what was refused without the channel.
// Where the connection is a member of the channel already, enter calls again instead, with the
// seat that the connection holds. extra is as for reserveSeat.
func (s *session) enter(e *entering, extra int, fresh func(*seat) (in bool, err error), again func(*seat) error) error {
	reserved := &seat{entering: e}
	held, err := s.reserveSeat(e.channel, reserved, extra)
	for err == nil && held != nil {
		if _, settled := s.seatIn(e.channel); settled != nil {
			err = s.await(settled)
		} else if held.Channel().Elsewhere() {
			// What was asked for before is decided first: the membership may be over by that.
			if err = s.flush(held.Channel()); err == nil {
				switch now, in := s.presentIn(e.channel); {
				case now != held || !held.Channel().Elsewhere():
				case in:
					return again(held)
				default:
					err = errEnding // what it has asked for was not committed, for which its connection is closed
				}
			}
		} else if !held.Channel().MembershipEnded(&held.Seat) {
			return again(held)
		} else {
			// That membership has ended, but the effect that frees the seat is still in flight.
			if err = s.flush(held.Channel()); err == nil && s.held(&held.Seat) != nil && held.Channel().MembershipEnded(&held.Seat) {
				err = errEnding // its end was not committed before another hub had the channel for a while: the connection is closed
			}
		}
		if err == nil {
			held, err = s.reserveSeat(e.channel, reserved, extra)
		}
	}
	if err == error(s.hub.refusals.channelsOfConnection) && s.flushEnded(extra) {
		return s.enter(e, extra, fresh, again)
	}
	if err != nil {
		return err
	}
	in, err := fresh(reserved)
	if err != nil {
		s.unreserveSeat(e.channel, reserved)
		return err
	}
	switch {
	case in:
		s.endHandshake()
	case reserved.Channel().Elsewhere():
		s.liftFrameLimit() // it may be in at any time
	}
	return nil
}

// flushEnded waits until the seats of memberships that have ended, or are about to be left, are free,
// and reports whether there were any, or there is room by now. extra is as for reserveSeat.
func (s *session) flushEnded(extra int) (any bool) {
	any = s.awaitSwitches()
	s.mu.Lock()
	held := s.seats.all()
	s.mu.Unlock()
	for _, seat := range held {
		c := seat.Channel()
		if (c.Elsewhere() || c.MembershipEnded(&seat.Seat)) && s.flush(c) == nil {
			any = any || s.held(&seat.Seat) == nil // else its end was not committed, for which the connection is closed
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return any || s.hasRoom(extra)
}
