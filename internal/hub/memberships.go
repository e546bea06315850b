package hub

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// seat is a membership of a session's connection, or becomes one, or was one: it is there before
// the membership is decided, and until its end is told.
type seat struct {
	delivery.Seat
	// secret is kept to repeat an answer. The rules keep only its hash.
	secret secret
	// entering is by what the seat is being entered, and nil once it is in. The session's lock
	// guards it.
	entering *entering
	// leaving is for what the seat is left once that is in, by a switch, or nil. The session's lock
	// guards it.
	leaving *entering
}

// entering is what a frame asks by which a seat is entered. It does not change, but for number,
// previous, replaced and settled, which the session's lock guards.
type entering struct {
	kind wire.Type
	ref  uint64
	// channel is the channel's name, and asked what the peer calls it.
	channel, asked   string
	username, expect string
	// number is the frame's, where it counts as malformed if the channel says so, or zero.
	number uint64
	// previous is what the connection leaves once it is in, or nil.
	previous *seat
	// replaced: another connection has taken the membership of that over.
	replaced bool
	// waits: the peer wants to wait for a channel that there is not.
	waits bool
	// settled is closed when it is decided whether the previous seat is left: until then, what comes
	// from the peer in it waits.
	settled chan struct{}
}

// entering is what the frame asks. asked is how the peer calls the channel.
func (s *session) entering(f *wire.Frame, asked string, previous *seat) *entering {
	e := enterings.Get().(*entering)
	*e = entering{
		kind: f.Type, ref: f.Ref, channel: f.Channel, asked: asked, username: f.Username, expect: f.Expect,
		number: s.countedFrame(), previous: previous, waits: f.Entering().Wait,
	}
	return e
}

// enterings is a pool of what most joins need for a moment alone: those that are in at once, and
// leave nothing. Nobody but the seat has it then.
var enterings = sync.Pool{New: func() any { return new(entering) }}

// reserveSeat adds a seat to the session before the membership is decided, so that a
// Release that follows the decision finds the seat. Where the session has a seat in the
// channel already, it returns that one and adds none. extra is how many seats beyond
// MaxChannelsPerConnection are allowed for a moment.
func (s *session) reserveSeat(channel string, seat *seat, extra int) (*seat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return nil, errEnding
	}
	if s.hub.closing.Load() {
		return nil, wire.ErrShuttingDown
	}
	if held := s.seats.get(channel); held != nil {
		return held, nil
	}
	if w, _ := s.hub.waits.find(s, channel); w != nil {
		return nil, wire.ErrForbidden.With("this connection waits in " + wire.Quote(channel) + ": leave it first")
	}
	if !s.hasRoom(extra) {
		return nil, s.hub.refusals.channelsOfConnection
	}
	s.seats.set(channel, seat)
	s.beginLeaving(seat.entering)
	return nil, nil
}

// hasRoom reports whether the connection may have one more seat. extra is as for reserveSeat. The lock is held.
func (s *session) hasRoom(extra int) bool {
	return s.seats.count()+s.hub.waits.number(s)-extra < s.hub.config.MaxChannelsPerConnection
}

// errEnding refuses what would enter a channel on a connection that is being closed.
var errEnding = wire.ErrShuttingDown.With("this connection is being closed: connect again")

// unreserveSeat removes a seat that has not become a membership. The time that the session
// may hold none goes on as if nothing had been asked for.
func (s *session) unreserveSeat(channel string, seat *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats.get(channel) == seat {
		s.seats.remove(channel)
		s.settle(seat.entering)
		s.settleIdle()
	}
}

// settleIdle is for a seat that was taken out without having become a membership. The lock is held.
func (s *session) settleIdle() {
	if s.seats.count() == 0 && !s.waits() && s.overdue {
		s.closeIdle()
		return
	}
	s.becomeIdle() // it may have waited meanwhile
}

// Enter makes a seat that was being entered, or has waited for that, a membership of the
// connection.
func (s *session) Enter(entered *delivery.Seat) {
	if !s.becomesIn(entered) {
		s.finishLate(entered)
	}
}

// becomesIn is Enter. It returns false where the connection has ended, or the seat has come by a hand-over.
func (s *session) becomesIn(entered *delivery.Seat) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.hub.waits.take(s, entered)
	if w != nil {
		s.seats.set(w.channel, w.seat)
	}
	in := s.seats.get(entered.Channel().Name())
	if in == nil || &in.Seat != entered || in.entering == nil {
		return false
	}
	s.overdue = false
	s.hub.idlers.remove(s)
	if e := in.entering; e.previous == nil {
		if in.entering = nil; w == nil {
			*e = entering{} // no string is kept
			enterings.Put(e)
		}
		return true
	}
	previous := s.present(in.entering.previous)
	in.entering.previous = previous
	if previous.leaving == nil {
		s.beginLeaving(in.entering) // it has waited
	}
	// Not here: another channel may be told at the same time to leave this one.
	s.hub.goroutines.Add(1)
	go s.leavePrevious(in, previous)
	return true
}

// Refuse tells the peer why a seat that was being entered, or has waited for that, is none.
func (s *session) Refuse(refused *delivery.Seat, why *wire.Cause) {
	if w := s.takeWait(func() *wait { return s.hub.waits.take(s, refused) }); w != nil {
		s.endWaiting(w, why)
		return
	}
	var e *entering
	s.mu.Lock()
	if held := s.seats.get(refused.Channel().Name()); held != nil && &held.Seat == refused {
		e = held.entering
	}
	s.mu.Unlock()
	if e != nil {
		s.refuseEntering(e, e.ref, why) // while the seat is there: what the peer asks for behind it waits for that
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e == nil || !s.removeSeat(refused) {
		s.hub.forgetLate(refused) // the connection has ended
		return
	}
	s.settle(e)
	s.settleIdle()
}

// refuseEntering answers the frame, or a later one with that ref that asks the same.
func (s *session) refuseEntering(e *entering, ref uint64, why *wire.Cause) {
	if e.waits && why.Code == wire.ErrNoSuchChannel.Code {
		// There was one for a moment, of another hub. Who waits for the next one asks anew.
		why = errGone
	}
	frame := &wire.Frame{Type: e.kind, Ref: ref, Channel: e.channel, Username: e.username, Expect: e.expect}
	s.refuse(frame, e.asked, why)
	s.strike(why, e.number)
}

// Vacate frees the seat of a membership that the peer has left.
func (s *session) Vacate(vacated *delivery.Seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.removeSeat(vacated) {
		s.becomeIdle() // a session without seats is
	}
}

// removeSeat removes the seat, unless it was removed or replaced before, and reports whether it
// has. The lock is held.
func (s *session) removeSeat(removed *delivery.Seat) bool {
	channel := removed.Channel().Name()
	held := s.seats.get(channel)
	if held == nil || &held.Seat != removed {
		return false
	}
	s.seats.remove(channel)
	return true
}

// heldSeat returns the seat that this connection has in the channel.
func (s *session) heldSeat(channel string) (*seat, error) {
	seat, settled := s.seatIn(channel)
	if seat == nil {
		seat, settled = s.seatIn(s.hub.otherName(NameOfChannel, channel))
	}
	if settled != nil {
		if err := s.await(settled); err != nil {
			return nil, err
		}
		return s.heldSeat(channel)
	}
	if seat != nil && s.hub.clustered != nil {
		var err error
		if seat, err = s.settledIn(seat); err != nil {
			return nil, err
		}
	}
	if seat != nil && !seat.Entered() {
		_ = s.flush(seat.Channel()) // it was refused, and the peer is told that first
		seat = nil
	}
	if seat == nil {
		return nil, notAMember(channel)
	}
	return seat, nil
}

// flush waits until what the channel has decided was told. The error is for a peer that asks for
// more meanwhile. The reader calls it.
func (s *session) flush(c *delivery.Channel) error {
	ctx, done := s.waitContext()
	defer done()
	if s.hub.flushAll(ctx, c) != nil {
		return errEnding
	}
	return nil
}

// await waits until the channel is closed. The reader calls it.
func (s *session) await(closed <-chan struct{}) error {
	ctx, done := s.waitContext()
	defer done()
	select {
	case <-closed:
		return nil
	case <-ctx.Done():
		return errEnding
	}
}

// seatIn returns the seat that this connection has in the channel of that name, or nil, and, where
// it is about to be left, what is closed when that is decided.
func (s *session) seatIn(channel string) (held *seat, settled <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held = s.seats.get(channel); held != nil && held.leaving != nil {
		settled = held.leaving.settled
	}
	return held, settled
}

// presentIn is the seat that the connection has in the channel of that name, or nil, and whether it is in there.
func (s *session) presentIn(channel string) (held *seat, in bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held = s.seats.get(channel)
	return held, held != nil && held.entering == nil && held.Entered()
}

// isIn reports whether the connection holds a membership.
func (s *session) isIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for seat := range s.seats.each {
		if seat.entering == nil {
			return true
		}
	}
	return false
}

// hasSeats reports whether the connection holds a membership or is about to enter one.
// If it does, it has sent its first frame.
func (s *session) hasSeats() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seats.count() > 0
}

// endMemberships is called when the connection has ended with err. Where the peer closed
// it with left, the memberships end. Otherwise the members are away, and can resume. It
// returns the seats that were memberships.
func (s *session) endMemberships(err error) []*seat {
	s.mu.Lock()
	held := s.seats.all()
	waiting := s.hub.waits.takeAll(s)
	switches := s.switches(waiting)
	overtaken := overtakenOf(switches)
	if cl := s.hub.clustered; cl != nil {
		for in, previous := range switches {
			if slices.Contains(held, in) { // or it waits, perhaps for a channel that there is not
				cl.lateSwitches.add(in, previous)
				delete(switches, in)
			}
		}
	}
	s.seats = seats{}
	s.hub.idlers.remove(s)
	s.mu.Unlock()
	// Of one that was refused, the word may be on its way.
	held = slices.DeleteFunc(held, func(refused *seat) bool { return !refused.Entered() })
	var closed *transport.CloseError
	onPurpose := errors.As(err, &closed) && closed.Reason.Code == transport.Left
	members := append(slices.Clip(held), s.endWaits(waiting, onPurpose)...)
	for in, previous := range switches {
		if slices.Contains(members, in) && s.hub.isDecided(in) {
			s.finishSwitch(in, previous)
		}
	}
	for _, seat := range members {
		leaves := onPurpose || overtaken[seat]
		_ = s.decideOr(seat, func(rules *star.Channel, now time.Time) {
			if !leaves || rules.Leave(now, &seat.Attachment, 0) != nil {
				rules.Lose(now, &seat.Attachment)
			}
		}, "", func() *call {
			if leaves {
				return &call{op: opLeave}
			}
			return &call{op: opLose}
		})
	}
	return held
}

// Release frees the seat of a membership that has ended, and tells the peer. Where the
// connection holds no other membership and waits for none, or was replaced, it is closed after
// what was queued before. Release makes the session a delivery.Owner.
func (s *session) Release(released *delivery.Seat, closed *wire.Packet, why *wire.Cause) {
	if why.Code == wire.ErrReplaced.Code {
		s.refuseReplaced(released, why)
	}
	s.MakeRoom(closed)
	// The seat is removed and the frame queued under one lock. A peer that has been told
	// may enter the channel again. A peer that has not been told yet must not get the
	// answer that it is not a member.
	s.mu.Lock()
	s.noteReplaced(released, why)
	s.removeSeat(released)
	full := !s.PushNotice(closed)
	if s.seats.count() == 0 && !s.waits() || why.Code == wire.ErrReplaced.Code {
		s.ending = true
		s.Out().Close(closeReason(why))
	}
	s.mu.Unlock()
	if full {
		s.CloseSlow()
	}
}

// refuseReplaced answers the frame of a seat that is being entered, where another connection has taken the membership over
// before this one was told that it has it: another hub had said so, and its word has not come. Else the peer would
// not know what has become of its frame.
func (s *session) refuseReplaced(replaced *delivery.Seat, why *wire.Cause) {
	s.mu.Lock()
	held := s.seats.get(replaced.Channel().Name())
	if held == nil || &held.Seat != replaced || held.entering == nil {
		s.mu.Unlock()
		return
	}
	e := held.entering
	s.settle(e)
	s.mu.Unlock()
	s.refuseEntering(e, e.ref, why)
}

// Eject frees the seat of a master whose grant has expired, and closes the connection, so
// that the client comes back with a fresh token.
func (s *session) Eject(ejected *delivery.Seat, why *wire.Cause) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeSeat(ejected)
	s.ending = true
	s.Out().Close(closeReason(why))
}
