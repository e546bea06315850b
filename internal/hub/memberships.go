package hub

import (
	"errors"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// seat is a membership of a session's connection.
type seat struct {
	delivery.Seat
	// secret is kept to repeat an answer. The rules keep only its hash.
	secret secret
}

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
	if s.seats.count()+s.hub.waits.number(s)-extra >= s.hub.config.MaxChannelsPerConnection {
		return nil, s.hub.refusals.channelsOfConnection
	}
	s.seats.set(channel, seat)
	return nil, nil
}

// errEnding refuses what would enter a channel on a connection that is being closed.
var errEnding = wire.ErrShuttingDown.With("this connection is being closed: connect again")

// replaceSeat puts another seat in the place of old, unless old was removed meanwhile. It
// reports whether it has.
func (s *session) replaceSeat(channel string, old, replacement *seat) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats.get(channel) != old {
		return false
	}
	s.seats.set(channel, replacement)
	return true
}

// unreserveSeat removes a seat that has not become a membership. The time that the session
// may hold none goes on as if nothing had been asked for.
func (s *session) unreserveSeat(channel string, seat *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats.get(channel) != seat {
		return
	}
	s.seats.remove(channel)
	if s.seats.count() == 0 && !s.waits() && s.overdue {
		s.closeIdle()
		return
	}
	s.becomeIdle() // it may have waited meanwhile
}

// holdSeat notes that a reserved seat has become a membership: the session is not idle.
func (s *session) holdSeat() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.overdue = false
	if s.seats.count() > 0 {
		s.hub.idlers.remove(s)
	}
}

// freeSeat removes the seat of a membership that has ended, unless it was removed or
// replaced meanwhile. A session without seats is idle.
func (s *session) freeSeat(channel string, seat *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats.get(channel) == seat {
		s.seats.remove(channel)
		s.becomeIdle()
	}
}

// heldSeat returns the seat that this connection has in the channel.
func (s *session) heldSeat(channel string) (*seat, error) {
	seat := s.seatIn(channel)
	if seat == nil {
		seat = s.seatIn(s.hub.otherName(NameOfChannel, channel))
	}
	if seat == nil {
		return nil, notAMember(channel)
	}
	return seat, nil
}

// seatIn returns the seat that this connection has in the channel of that name, or nil.
func (s *session) seatIn(channel string) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seats.get(channel)
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
// returns the seats that there were.
func (s *session) endMemberships(err error) []*seat {
	s.mu.Lock()
	held := s.seats.all()
	s.seats = seats{}
	waiting := s.hub.waits.takeAll(s)
	s.hub.idlers.remove(s)
	s.mu.Unlock()
	var closed *transport.CloseError
	onPurpose := errors.As(err, &closed) && closed.Reason.Code == transport.Left
	for _, seat := range held {
		seat.Channel().Decide(func(rules *star.Channel, now time.Time) {
			if !onPurpose || rules.Leave(now, &seat.Attachment, 0) != nil {
				rules.Lose(now, &seat.Attachment)
			}
		})
	}
	s.endWaits(waiting, onPurpose)
	return held
}

// Release frees the seat of a membership that has ended, and tells the peer. Where the
// connection holds no other membership and waits for none, or was replaced, it is closed after
// what was queued before. Release makes the session a delivery.Owner.
func (s *session) Release(released *delivery.Seat, closed *wire.Packet, why *wire.Cause) {
	channel := released.Channel().Name()
	s.MakeRoom(closed)
	// The seat is removed and the frame queued under one lock. A peer that has been told
	// may enter the channel again. A peer that has not been told yet must not get the
	// answer that it is not a member.
	s.mu.Lock()
	if seat := s.seats.get(channel); seat != nil && seat.isOf(released, why) {
		s.seats.remove(channel)
	}
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

// isOf reports whether the seat is the released one, or is of the same membership, which has
// ended: a resume on the same connection may have taken it over, and not have replaced the
// seat yet. One that was taken over by another connection has not ended.
func (s *seat) isOf(released *delivery.Seat, why *wire.Cause) bool {
	return &s.Seat == released || why.Code != wire.ErrReplaced.Code && s.Channel() == released.Channel()
}

// Eject frees the seat of a master whose grant has expired, and closes the connection, so
// that the client comes back with a fresh token.
func (s *session) Eject(ejected *delivery.Seat, why *wire.Cause) {
	channel := ejected.Channel().Name()
	s.mu.Lock()
	defer s.mu.Unlock()
	if seat := s.seats.get(channel); seat != nil && &seat.Seat == ejected {
		s.seats.remove(channel)
	}
	s.ending = true
	s.Out().Close(closeReason(why))
}

// endReplaced ends a connection whose membership was taken over, before the Release
// effect has arrived. It tells the peer why: a peer that is not told would come back and
// take the membership over again.
func (s *session) endReplaced(channel string) {
	why := wire.ErrReplaced.With("a newer connection has the membership")
	s.mu.Lock()
	defer s.mu.Unlock()
	// All under one lock, so that no answer to a later frame of the peer comes between.
	s.seats.remove(channel)
	s.ending = true
	s.PushReplay(delivery.ClosedPacket(channel, why))
	s.Out().Close(closeReason(why))
}
