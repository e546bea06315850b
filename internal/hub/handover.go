package hub

import (
	"context"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file hands the mastership of a channel to one of its slaves, for its master and for the
// service. The service is asked about the slave first, without a lock. Then all is decided again,
// and in the same step the sessions of the two have their new seats: whatever comes from their
// peers behind that is for these.

// maxMoves is how often a successor may come back on another connection while the service is asked
// about it.
const maxMoves = 3

// handOver handles the frame of a master.
func (s *session) handOver(f *wire.Frame) error {
	for {
		held, err := s.heldSeat(f.Channel)
		if err != nil {
			if f.Secret == "" {
				return err
			}
			return s.repeatHandOver(f)
		}
		if again, err := s.handOverFrom(held, f); !again {
			return err
		}
	}
}

// handOverFrom hands over from the seat. again: the channel has moved to this hub or from it, and all is to be looked at anew.
func (s *session) handOverFrom(held *seat, f *wire.Frame) (again bool, err error) {
	ctx, done := s.askContext()
	defer done()
	if held.Channel().Elsewhere() {
		return s.handOverElsewhere(ctx, held, f)
	}
	succession := succession{hub: s.hub, channel: held.Channel(), master: s, held: held, stay: f.Ban, ref: f.Ref}
	switch err := succession.to(ctx, f.To); err {
	case nil:
	case error(errNotHere):
		return true, nil
	default:
		s.decide(held, f, func(*star.Channel, time.Time, *star.Attachment) error { return err })
	}
	return false, nil
}

// handOverElsewhere is for a hand-over in a channel that another hub decides: it is a slave's, which is refused, or the
// master's hub is about to own the channel, or it is the master no more. again: that is known by now.
func (s *session) handOverElsewhere(ctx context.Context, held *seat, f *wire.Frame) (again bool, err error) {
	if held.Role() == wire.Master {
		return s.awaitMastership(ctx, held)
	}
	s.decide(held, f, func(rules *star.Channel, _ time.Time, a *star.Attachment) error { return notHandedOver(rules, a, f) })
	return false, nil
}

// awaitMastership waits until this hub owns the channel of the master's seat, or the seat is the master's no more.
func (s *session) awaitMastership(ctx context.Context, held *seat) (known bool, err error) {
	for {
		e := s.hub.clustered.edgeOf(ctx, held.Channel())
		if e == nil {
			break
		}
		e.mu.Lock()
		if of := e.of[&held.Seat]; e.over || of == nil || of.gone {
			e.mu.Unlock()
			break
		}
		moved := e.nextMove()
		e.mu.Unlock()
		select {
		case <-moved:
			continue
		case <-ctx.Done():
		}
		break
	}
	switch {
	case ctx.Err() != nil:
		return false, errElsewhere
	case !held.Channel().Elsewhere() || s.held(&held.Seat) == nil:
		return true, nil
	}
	// It is told its end behind what is on its way.
	if err := held.Channel().Flush(ctx); err != nil {
		return false, errElsewhere
	}
	if held.Channel().Elsewhere() && s.held(&held.Seat) != nil {
		return false, notAMember(held.Channel().Name())
	}
	return true, nil
}

// notHandedOver is why a hand-over is refused of which the service was not asked.
func notHandedOver(rules *star.Channel, a *star.Attachment, f *wire.Frame) error {
	if _, _, err := rules.Successor(a, f.To); err != nil {
		return err
	}
	return errNotHere
}

// SetMaster makes a slave the master in the name of the service.
func (c Channel) SetMaster(ctx context.Context, username string) error {
	succession := succession{hub: c.hub, channel: c.c}
	asking, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.hub.open, cancel)()
	if limit := c.hub.config.HandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		asking, cancel = context.WithTimeout(asking, limit)
		defer cancel()
	}
	var err error
	for {
		if c.hub.clustered != nil && c.c.Elsewhere() {
			if succession.channel, err = c.setMasterElsewhere(asking, username); succession.channel == nil {
				break
			}
			c.c = succession.channel
		}
		if err = succession.to(asking, username); err != errNotHere {
			break
		}
	}
	if err == errCannotSay && ctx.Err() != nil {
		return ctx.Err()
	}
	if why, ok := err.(*wire.Cause); ok {
		return why.Explain(&wire.Frame{Type: wire.HandOver, Channel: c.Name(), To: username, Username: username})
	}
	return err
}

// succession is one hand-over. master and held are the session and the seat of the master that
// asks for it, and nil where the service does.
type succession struct {
	hub     *Hub
	channel *delivery.Channel
	master  *session
	held    *seat
	stay    bool
	ref     uint64
	// byHand: the master's client has shown no instance.
	byHand bool
}

// errNotHere: another hub decides the channel by now.
var errNotHere = wire.ErrBusy.With("the channel is moving to another hub: try again")

// to finds the slave of that name, asks the service about it, and hands over.
func (n *succession) to(ctx context.Context, name string) (err error) {
	other := n.hub.otherName(NameOfUser, name)
	for range maxMoves {
		if ctx.Err() != nil {
			return n.notSaid()
		}
		change := star.HandOver{To: name, Ref: n.ref}
		var before star.Grant
		err = n.decide(func(rules *star.Channel, _ time.Time) (err error) {
			if !rules.HasSlave(change.To) {
				change.To = other
			}
			change.From, before, err = rules.Successor(n.attachment(), change.To)
			n.byHand = n.held != nil && err == nil && n.held.ByHand()
			return err
		})
		if err != nil {
			return err
		}
		if n.channel.Flush(ctx) != nil { // who was just let in has a seat only then
			return n.notSaid()
		}
		if at, elsewhere := change.From.Line.(*remoteSeat); elsewhere {
			if err = n.toAnother(ctx, at, change, before); err != star.ErrMoved {
				n.noteRefused(err)
				if err == errCannotSay {
					err = n.notSaid()
				}
				return err
			}
			select { // its hub may not have heard yet of what this one knows
			case <-time.After(takeAgain):
			case <-ctx.Done():
			}
			continue
		}
		heir := delivery.OwnerOf(change.From.Line).(*session)
		if change.Grant, err = heir.authorizeMaster(ctx, n.channel.Name(), change.To, before); err != nil {
			n.noteRefused(err)
			if err == errCannotSay {
				err = n.notSaid()
			}
			return err
		}
		if err = n.change(heir, change); err != star.ErrMoved {
			return err
		}
	}
	return err
}

// noteRefused notes that the service has refused, or somebody else but the peer is why there is no hand-over.
func (n *succession) noteRefused(err error) {
	if n.master != nil && err != nil {
		n.master.serviceRefused = true // it is its reader that asks
	}
}

// notSaid is the error where the service has not said in time whether it allows the hand-over. The hub that
// takes the place of one that shuts down will ask.
func (n *succession) notSaid() error {
	if n.hub.closing.Load() {
		return wire.ErrShuttingDown
	}
	return errCannotSay
}

// attachment is that of the master, or nil where it is the service that asks.
func (n *succession) attachment() *star.Attachment {
	if n.held == nil {
		return nil
	}
	return &n.held.Attachment
}

// decide runs a transition of the channel.
func (n *succession) decide(transition func(*star.Channel, time.Time) error) (err error) {
	if n.master == nil {
		if !n.hub.acquire() {
			return shuttingDown
		}
		defer n.hub.goroutines.Done()
	}
	if !n.channel.Decide(func(rules *star.Channel, now time.Time) { err = transition(rules, now) }) {
		return errNotHere
	}
	return err
}

// change hands over, and gives the sessions of the two their seats. Where one of them has ended
// meanwhile, its member is away from then on.
func (n *succession) change(heir *session, change star.HandOver) error {
	master, stays := newSeat(heir, n.channel), (*seat)(nil)
	change.New = &master.Attachment
	if n.stay && n.master != nil {
		stays = newSeat(n.master, n.channel)
		change.Stays = &stays.Attachment
	}
	return n.decide(func(rules *star.Channel, now time.Time) error {
		if heir.leaves(n.channel.Name(), change.From) {
			return star.ErrSwitching
		}
		if stays != nil {
			change.StaysSecret = stays.secret.freshFor(n.hub.id, n.held.ByHand())
		}
		change.Secret = master.secret.freshFor(n.hub.id, change.From.ByHand())
		if err := rules.HandOver(now, n.attachment(), change); err != nil {
			return err
		}
		if !heir.succeedSeat(change.From, master) {
			rules.Lose(now, &master.Attachment)
		}
		if stays != nil && !n.master.succeedSeat(n.attachment(), stays) {
			rules.Lose(now, &stays.Attachment)
		}
		return nil
	})
}

// newSeat is a seat with a new secret on the session's connection.
func newSeat(s *session, c *delivery.Channel) *seat {
	made := &seat{secret: newSecret()}
	made.Init(&s.Line, c)
	return made
}

// succeedSeat puts the next seat of the peer in its channel in the place of the one that has the
// attachment, unless that was removed meanwhile. It reports whether it has. The channel's lock is
// held, so that nothing can be sent to the peer before.
func (s *session) succeedSeat(before *star.Attachment, next *seat) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	channel := next.Channel().Name()
	held := s.seats.get(channel)
	if held == nil || &held.Attachment != before {
		return false
	}
	s.seats.set(channel, next)
	return true
}

// authorizeMaster asks the service whether the session's peer, a slave of that name, may be the
// master. ctx is of the one who wants it; the service gets the values of the peer's connection.
func (s *session) authorizeMaster(ctx context.Context, channel, username string, before star.Grant) (star.Grant, error) {
	if s.hub.config.Authorize == nil {
		return star.Grant{}, nil
	}
	request := AuthRequest{Operation: OpMaster, Channel: channel, Username: username, Data: before.Data}
	who, err := s.askWith(withValuesOf{ctx, s.values()}, request)
	g, _, err := s.judgementOf(who, err, OpMaster, channel, username)
	return g, err
}

// withValuesOf is a context with the values of another one.
type withValuesOf struct {
	context.Context
	values context.Context
}

func (c withValuesOf) Value(key any) any { return c.values.Value(key) }

// values is the context of the connection, for its values.
func (s *session) values() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ctx
}

// repeatHandOver answers a hand-over that a former master repeats, since it did not get the
// answer. It has no seat in the channel here.
func (s *session) repeatHandOver(f *wire.Frame) error {
	if err := checkInstance(f); err != nil {
		return err
	}
	c, err := s.find(f.Channel)
	if err != nil {
		return err
	}
	if c == nil {
		return notAMember(f.Channel)
	}
	repeat := func(seat *seat, grant star.Grant, rules *star.Channel, now time.Time) error {
		entry := entryOf(f, given(f.Secret), grant)
		entry.Fresh = seat.secret.fresh(s.hub.id, f)
		next := newSecret()
		err := rules.RepeatHandOver(now, &seat.Attachment, entry, next.fresh(s.hub.id, f), f.Username, f.To, f.Ban)
		if err == nil && f.Ban && seat.Role() == wire.Master {
			seat.secret = next // it has become that again
		}
		return notThere(err, f)
	}
	if !f.Ban {
		// It does not stay, and is only told that it has handed over.
		probe := newSeat(s, c)
		if c.Decide(func(rules *star.Channel, now time.Time) {
			if err := repeat(probe, star.Grant{}, rules, now); err != nil {
				s.answer(rules, probe, f, err)
				return
			}
			rules.Answer(&probe.Attachment, wire.NewPacket(&wire.Frame{Type: wire.Ack, Ref: f.Ref}), nil, 0)
		}) {
			return nil
		}
		return s.hasHandedOver(c, f)
	}
	err = s.enter(s.entering(f, f.Channel, nil), 0, func(reserved *seat) (in bool, err error) {
		reserved.secret = newSecret()
		reserved.Init(&s.Line, c)
		grant, ok, err := s.authorizeStaying(reserved, f)
		if ok {
			fresh := reserved.secret.fresh(s.hub.id, f)
			err = s.decideOr(reserved, func(rules *star.Channel, now time.Time) {
				in = nil == rules.Enter(&reserved.Attachment, func() error { return repeat(reserved, grant, rules, now) })
			}, fresh.Text, func() *call {
				again := s.returnCall(reserved, opHandedOver, f, grant)
				again.entry.Fresh, again.next = fresh, newSecret()
				return again
			})
		}
		return in, err
	}, func(*seat) error { return notAMember(f.Channel) })
	if err == error(errGone) {
		return s.repeatHandOver(f)
	}
	return err
}

// hasHandedOver asks the hub that decides the channel for a former master that has not stayed.
func (s *session) hasHandedOver(c *delivery.Channel, f *wire.Frame) error {
	probe := newSeat(s, c)
	probe.Stand(f.Username)
	call := s.entryCall(opQuery, f, entryOf(f, given(f.Secret), star.Grant{}))
	call.query = queryHandedOver
	q, asked, err := s.query(probe, call)
	s.hub.clustered.release(probe)
	switch {
	case err != nil:
		return err
	case !asked:
		return s.repeatHandOver(f)
	case q.err != nil && asRefusal(q.err, wire.ErrBadFrame).Code == wire.ErrNotAMember.Code:
		return notAMember(f.Channel)
	case q.err != nil:
		return q.err
	}
	s.PushAndFlush(wire.NewPacket(&wire.Frame{Type: wire.Ack, Ref: f.Ref}))
	return nil
}

// authorizeStaying asks the service whether a former master may come back by the hand-over that it
// repeats, as authorizeResume does.
func (s *session) authorizeStaying(reserved *seat, f *wire.Frame) (star.Grant, bool, error) {
	entry := entryOf(f, given(f.Secret), star.Grant{})
	return s.authorizeReturn(reserved, f, returning{
		may: func(rules *star.Channel, now time.Time, a *star.Attachment) (star.Grant, bool, error) {
			return rules.StayedOn(now, a, entry, f.Username, f.To)
		},
		revoke: func(rules *star.Channel, a *star.Attachment, reason string) bool {
			return rules.RevokeStayed(a, entry, f.Username, f.To, reason)
		},
		query: queryStayed, revocation: opRevokeStayed,
		refuse: func(rules *star.Channel, err error) { s.refuseSeat(rules, reserved, notThere(err, f)) },
	})
}
