package hub

import (
	"errors"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// seat is a membership of this connection.
type seat struct {
	delivery.Seat
	// secret is kept to repeat an answer; the rules have its hash alone.
	secret secret
}

// reserve takes a seat for an membership that is about to be decided, so that a
// release that follows on the decision finds it. It returns the one that
// has the seat already, if any. extra is how many seats beyond the config's may
// be taken for a moment.
func (s *session) reserve(channel string, a *seat, extra int) (*seat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return nil, wire.ErrShuttingDown.With("the connection is being closed")
	}
	if s.hub.closing.Load() {
		return nil, wire.ErrShuttingDown
	}
	if held := s.seats.get(channel); held != nil {
		return held, nil
	}
	if s.seats.count()-extra >= s.hub.config.MaxChannelsPerConnection {
		return nil, wire.ErrTooManyChannels
	}
	s.seats.set(channel, a)
	s.hub.idlers.remove(s)
	return nil, nil
}

// exchange gives the place of one seat to another.
func (s *session) exchange(channel string, old, a *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats.get(channel) == old {
		s.seats.set(channel, a)
	}
}

// unseat gives a seat back, if it still has its place.
func (s *session) unseat(channel string, a *seat) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats.get(channel) == a {
		if s.seats.remove(channel); s.seats.count() == 0 {
			s.hub.idlers.add(s)
		}
	}
}

// held is the membership of a channel that this connection holds.
func (s *session) held(channel string) (*seat, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.seats.get(channel); a != nil {
		return a, nil
	}
	return nil, wire.ErrNotAMember
}

// hasSeats reports whether the connection holds or enters a membership, and so
// has sent its first frame.
func (s *session) hasSeats() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seats.count() > 0
}

// vacate gives up the memberships when the connection has ended: for good where
// the peer closed it with left, else until they are resumed.
func (s *session) vacate(err error) {
	s.mu.Lock()
	held := s.seats.all()
	s.seats = seats{}
	s.hub.idlers.remove(s)
	s.mu.Unlock()
	var closed *transport.CloseError
	onPurpose := errors.As(err, &closed) && closed.Reason.Code == transport.Left
	for _, a := range held {
		a.Channel().Decide(func(rules *star.Channel, now time.Time) {
			if !onPurpose || rules.Leave(now, &a.Attachment, 0) != nil {
				rules.Lose(now, &a.Attachment)
			}
		})
	}
}

// Release ends a membership of this connection: the peer is told, and where it
// holds no other one, the connection is closed after what was queued before.
func (s *session) Release(released *delivery.Seat, closed *wire.Packet, why *wire.Cause) {
	channel := released.Channel().Name()
	s.MakeRoom(closed)
	// All at once: a peer that has been told may want the seat again, and one
	// that has not been told yet must not hear that it is no member.
	s.mu.Lock()
	if a := s.seats.get(channel); a != nil && &a.Seat == released {
		s.seats.remove(channel)
	}
	full := !s.Notice(closed)
	if s.seats.count() == 0 || why.Code == wire.ErrReplaced.Code {
		s.ending = true
		s.Out().Close(closeReason(why))
	}
	s.mu.Unlock()
	if full {
		s.TooSlow()
	}
}

// endReplaced ends the connection though the word that its membership was taken
// over is still on its way: a peer that is not told would come back and take its
// place again.
func (s *session) endReplaced(channel string) {
	why := wire.ErrReplaced.With("a newer connection has the membership")
	s.mu.Lock()
	defer s.mu.Unlock()
	// At once, so that no answer to what the peer sends next comes between.
	s.seats.remove(channel)
	s.ending = true
	s.PushReplay(delivery.ClosedPacket(channel, why))
	s.Out().Close(closeReason(why))
}
