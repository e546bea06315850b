package hub

import (
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how a member comes back by a resume: what it shows, and what the service says of it.

// resumeCall is the call of a resume by which the seat becomes a membership.
func (s *session) resumeCall(seat *seat, f *wire.Frame, grant star.Grant) *call {
	seat.secret = knownSecret(f.Secret)
	return s.returnCall(seat, opResume, f, grant)
}

// returnCall is the call of a frame by which the peer comes back in the seat.
func (s *session) returnCall(seat *seat, op op, f *wire.Frame, grant star.Grant) *call {
	if !seat.Entered() {
		seat.Stand(f.Username)
	}
	return s.entryCall(op, f, entryOf(f, given(f.Secret), grant))
}

// resumeAs is the transition of a resume.
func (s *session) resumeAs(seat *seat, f *wire.Frame, grant star.Grant, rules *star.Channel, now time.Time) error {
	var fresh secret
	entry := entryOf(f, given(f.Secret), grant)
	if rules.Promoted(entry, f.Username) {
		fresh = addFresh(&entry, s.hub.id, f)
	}
	err := rules.Resume(now, &seat.Attachment, entry, f.Username, f.Last, f.Seq)
	if seat.secret = fresh; err == nil && fresh == (secret{}) {
		seat.secret = knownSecret(f.Secret)
	}
	return s.hub.notHere(err, f)
}

// resumeAgain takes a membership over that this connection has in the seat held. That one may
// be released meanwhile, by an earlier decision, which also closes the connection. Then
// nothing else would tell the rules of the connection's end.
func (s *session) resumeAgain(held *seat, f *wire.Frame) error {
	if err := s.awaitEntered(held); err != nil {
		return err
	}
	next := new(seat)
	next.Init(&s.Line, held.Channel())
	grant, ok, err := s.authorizeResume(next, f, held, func(rules *star.Channel, err error) { s.answer(rules, held, f, err) })
	if !ok {
		return err
	}
	return s.decideOr(held, func(rules *star.Channel, now time.Time) {
		if err := s.resumeAs(next, f, grant, rules, now); err != nil {
			s.answer(rules, held, f, err)
			return
		}
		s.takeAgain(rules, now, held, next)
	}, f.Secret, func() *call {
		// It is the same as if the connection had been lost, and the peer had come back.
		return &call{op: opAgain, frame: s.entryCall(opResume, f, star.Entry{}).frame, entry: entryOf(f, given(f.Secret), grant), malformed: s.countedFrame()}
	})
}

// takeAgain puts next, which has resumed the membership, in the place of the seat that the connection has. The channel's lock
// is held.
func (s *session) takeAgain(rules *star.Channel, now time.Time, held, next *seat) {
	a := &held.Attachment
	if present, _ := s.seatIn(next.Channel().Name()); present != nil {
		a = &present.Attachment // it may have been made the master meanwhile
	}
	if !s.succeedSeat(a, next) {
		rules.Lose(now, &next.Attachment)
	}
}

// againHere is a resumeAgain that was called for, in a channel that has become this hub's. The channel's lock is held.
func (c *call) againHere(h *Hub, rules *star.Channel, now time.Time) {
	held, next, entry := c.local.seat, new(seat), c.entry
	s := delivery.OwnerOf(&held.Seat).(*session)
	next.Init(&s.Line, held.Channel())
	next.secret = knownSecret(c.frame.Secret)
	if rules.Promoted(entry, c.frame.Username) {
		next.secret = addFresh(&entry, h.id, c.frame)
	}
	if err := rules.Resume(now, &next.Attachment, entry, c.frame.Username, c.frame.Last, c.frame.Seq); err != nil {
		c.answer(rules, &held.Attachment, h.notHere(err, c.frame))
		return
	}
	s.takeAgain(rules, now, held, next)
}

// authorizeResume asks the service whether the member may come back, where it wants to be
// asked or the member needs it. The secret is checked before, so that nobody else can have
// the service asked. Where the service refuses the client that holds the membership, that
// is over. What the channel refuses is answered by refuse, with the channel's lock held: then
// ok is false, as it is where there is an error. held is the seat of this connection that has the membership, or nil.
func (s *session) authorizeResume(seat *seat, f *wire.Frame, held *seat, refuse func(*star.Channel, error)) (g star.Grant, ok bool, err error) {
	entry := entryOf(f, given(f.Secret), g)
	return s.authorizeReturn(seat, f, returning{
		may: func(rules *star.Channel, now time.Time, a *star.Attachment) (star.Grant, bool, error) {
			return rules.Resumable(now, a, entry, f.Username)
		},
		revoke: func(rules *star.Channel, a *star.Attachment, reason string) bool {
			return rules.Revoke(a, entry, f.Username, reason)
		},
		query: queryResumable, revocation: opRevoke,
		held:   held,
		refuse: func(rules *star.Channel, err error) { refuse(rules, s.hub.notHere(err, f)) },
	})
}

// returning is how a member comes back by a frame.
type returning struct {
	// may says what the rules say before the service is asked, as star.Channel.Resumable does, and
	// revoke ends the membership.
	may    func(*star.Channel, time.Time, *star.Attachment) (star.Grant, bool, error)
	revoke func(*star.Channel, *star.Attachment, string) bool
	// query and revocation are the same for a channel that another hub decides.
	query      query
	revocation op
	// held and refuse are as for authorizeResume.
	held   *seat
	refuse func(*star.Channel, error)
}

// authorizeReturn is authorizeResume for any frame by which a member comes back.
func (s *session) authorizeReturn(seat *seat, f *wire.Frame, r returning) (g star.Grant, ok bool, err error) {
	if s.hub.config.Authorize == nil {
		return g, true, nil
	}
	c, fresh, asked := seat.Channel(), false, false
	for !asked && !c.Decide(func(rules *star.Channel, now time.Time) {
		if g, fresh, err = r.may(rules, now, &seat.Attachment); err != nil {
			r.refuse(rules, err)
		}
	}) {
		var called error
		if g, fresh, asked, called = s.mayElsewhere(seat, f, r.query); called != nil {
			return star.Grant{}, false, called
		}
	}
	switch {
	case err != nil:
		return star.Grant{}, false, nil
	case !fresh && !slices.Contains(s.hub.config.Reauthorize, OpResume):
		return star.Grant{}, true, nil
	}
	g, refused, err := s.reauthorize(OpResume, f, f.Username, g)
	if !refused {
		return g, err == nil, err
	}
	why, at := asRefusal(err, wire.ErrUnauthorized), seat
	if r.held != nil {
		at = r.held
	}
	return star.Grant{}, false, s.decideOr(at, func(rules *star.Channel, _ time.Time) {
		if r.revoke(rules, &seat.Attachment, why.Text) && r.held == nil {
			rules.Answer(&seat.Attachment, delivery.ClosedPacket(f.Channel, wire.ErrRevoked.With(why.Text)), nil, 0)
		}
		r.refuse(rules, err)
	}, "", func() *call {
		revoke := s.entryCall(r.revocation, f, entryOf(f, given(f.Secret), star.Grant{}))
		revoke.refusal = why
		return revoke
	})
}
