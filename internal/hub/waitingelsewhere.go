package hub

import (
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is who waits at the door of a channel that another hub decides: it waits here too, for its session.
// What is known of the door goes with its owner: where another hub becomes that, those who wait knock anew, which their
// peers are not told.

// waitsBy has the session of the seat wait, where the output says that it does. It returns false where it may not
// (s.refused): then it is taken from the door. The lock is held.
func (e *edge) waitsBy(s *edgeSeat, o *output) bool {
	if s.member != (member{}) || s.join == nil || o.packet == nil {
		return true
	}
	f := o.packet.Frame()
	switch {
	case f == nil:
		return true
	case s.waits && f.Type == wire.Presence && f.Role == wire.Master:
		s.join.entry.Told = f.State
		return true
	case f.Type != wire.Waiting:
		return true
	}
	owner := delivery.OwnerOf(&s.seat.Seat).(*session)
	if s.waits {
		e.hub.waits.setRefAt(owner, &s.seat.Seat, f.Ref)
	} else if since, err := owner.waitElsewhere(s.seat, e.channel, s.join); err == nil {
		s.waits, s.join.entry.Since = true, since
	} else {
		s.refused = asRefusal(err, wire.ErrBusy)
		e.loseSeat(s)
		return false
	}
	s.join.entry.Told, s.join.entry.Knock = f.Master.State, o.number
	if f.Ref != 0 {
		s.join.frame.Ref, s.join.entry.Ref = f.Ref, f.Ref
	}
	return true
}

// loseSeat tells the owner that a seat is none any more. The lock is held.
func (e *edge) loseSeat(s *edgeSeat) {
	c := &call{op: opLose, local: s, seat: seatName{id: s.id, membership: s.membership, epoch: s.epoch, connection: s.seat.Connection()}}
	if s.gone = true; e.asking.Call(c.pack()) == nil {
		e.keep(c)
	}
}

// knockAnew has those who wait join again, since another hub owns the channel. The lock is held.
func (e *edge) knockAnew() {
	var before []*call
	for _, s := range e.seats {
		if !s.waits || s.gone {
			continue
		}
		c := *s.join
		c.seat.id = s.id
		if e.callOf(s, opCancel) != nil {
			// Its peer has given up, which is to be done behind that.
			e.called++
			c.number = e.called
			before = append(before, &c)
			s.join = &c
		} else if e.asking.Call(c.pack()) == nil {
			e.keep(&c)
			s.join = &c
		}
	}
	if len(before) > 0 {
		e.askAnew(before)
	}
}

// waitElsewhere notes that the session waits at the door, by the seat for which it has called.
func (s *session) waitElsewhere(waiting *seat, c *delivery.Channel, by *call) (since time.Time, err error) {
	s.mu.Lock()
	entering := waiting.entering
	s.mu.Unlock()
	if w, _ := s.hub.waits.find(s, c.Name()); w != nil {
		return w.entry.Since, nil
	}
	if entering == nil {
		return since, errEnding
	}
	w := s.newWait(waiting, by.entry)
	w.entry.Ref = by.frame.Ref
	return w.entry.Since, s.beginWait(w, c, nil)
}

// endWaitElsewhere takes a wait from the door, after its connection has ended.
func (s *session) endWaitElsewhere(w *wait, onPurpose bool) {
	_ = s.decideOr(w.seat, func(rules *star.Channel, now time.Time) {
		if a := &w.seat.Attachment; !rules.CancelKnock(a) && !rules.MembershipEnded(a) {
			rules.Lose(now, a) // it was let in meanwhile
		}
	}, "", func() *call {
		if onPurpose {
			return &call{op: opLeave}
		}
		return &call{op: opLose}
	})
}

// keepWaiting is for one who waits at the door of a channel that this hub has owned. The lock is held.
func (e *edge) keepWaiting(left delivery.Left) {
	w := e.hub.waits.at(delivery.OwnerOf(left.Seat).(*session), left.Seat)
	if w == nil {
		return // its connection has ended, or is about to
	}
	s := e.add(w.seat, member{}, w.entry.Secret.Text)
	frame := &wire.Frame{Type: wire.Join, Channel: w.channel, Ref: w.entry.Ref, Username: w.username, Expect: w.expect}
	s.waits, s.join = true, &call{op: opJoin, frame: frame, entry: w.entry, local: s}
	s.join.entry.Told, s.join.entry.Knock = left.State, left.Knock
}
