package hub

import (
	"errors"
	"time"

	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what becomes of a channel that this hub has owned and owns no more.

// Leaving keeps which numbers messages have had: whoever takes the channel may ask at any time.
func (j *journal) Leaving() {
	j.mu.Lock()
	given := j.given
	j.mu.Unlock()
	j.hub.clustered.keepGiven(j.key, j.owner.Incarnation, given)
}

// Deposed makes this hub one that follows the channel.
func (j *journal) Deposed(c *delivery.Channel, seats []delivery.Left) {
	h := j.hub
	j.stop()
	j.announcer.Close()
	if h.clustered.hasLeft() {
		return // nobody is here, and the hub ends
	}
	lost := errors.Is(j.writer.Err(), inner.ErrLost)
	owner := j.owner
	var deposed *inner.Deposed
	if errors.As(j.writer.Err(), &deposed) {
		owner = ownerBy(deposed.Header)
	}
	at := j.writer.Shared()
	if j.failed { // some groups of that may be in the log, and nobody here was told of them
		at = j.begun
	}
	e := h.newEdge(c, j.key, owner, at)
	if !j.unborn {
		e.merging = inner.NewMerging(h.clustered.id, at, j.owner.Hub, j.owner.Epoch, j.owner.Incarnation)
	}
	var unborn []star.Effect
	e.mu.Lock()
	if !j.unborn {
		e.master = j.master
	}
	for _, left := range seats {
		switch {
		case left.Knock != 0:
			e.keepWaiting(left)
			continue
		case j.unborn:
			// Another hub has created the channel, and by its number this could be that one's master. Its peer comes back, and
			// asks again.
			unborn = append(unborn, star.Effect{Kind: star.Eject, To: &left.Attachment, End: wire.ErrShutdown})
			continue
		case left.Departed:
			e.tellDeparted(left)
			continue
		}
		held := delivery.OwnerOf(left.Seat).(*session).held(left.Seat)
		if held == nil { // its connection has ended, or is about to
			if left.Role() == wire.Slave {
				e.tellDeparted(left)
			}
			continue
		}
		s := e.add(held, member{left.Membership(), left.Epoch()}, "")
		// Where another hub has taken the channel for a while, the master is here all the same.
		if left.Unanswered {
			s.unanswered = time.Now()
		}
		s.admitted, s.lost = left.Admitted, left.Role() == wire.Master
	}
	if len(unborn) > 0 {
		c.Emit(unborn)
	}
	e.comeBack()
	if owner.Hub != h.clustered.id {
		e.knockAnew()
	}
	e.mu.Unlock()
	h.clustered.register(c, e)
	if lost {
		// The log may not come as far as the members here have been told, nor know what they have asked: they come back, and
		// say what they have, and ask what has become of the rest.
		e.lose(j.writer.Err())
		return
	}
	if err := e.follow(at); err != nil {
		e.lose(err)
		return
	}
	e.check() // what others have decided since was not heard, and it may be that nothing comes behind it
	h.clustered.look(e)
}

// tellDeparted has the owner be told of a slave that has left, or has lost its connection, while this hub did not know that it
// owns the channel no more. The lock is held.
func (e *edge) tellDeparted(left delivery.Left) {
	s := &edgeSeat{seat: &seat{}, member: member{left.Membership(), left.Epoch()}, id: e.hub.clustered.seats.Add(1), gone: true}
	c := &call{op: opLose, local: s, seat: seatName{id: s.id, membership: s.membership, epoch: s.epoch, connection: left.Connection()}}
	if e.asking.Call(c.pack()) == nil {
		e.keep(c)
	}
}

// held is the session's seat of that name of the delivery's, or nil where it has none.
func (s *session) held(of *delivery.Seat) *seat {
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := s.seats.get(of.Channel().Name()); held != nil && &held.Seat == of {
		return held
	}
	return nil
}
