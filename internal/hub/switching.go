package hub

import (
	"context"
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the end of a switch: a join that leaves another channel once the user is in. Until then
// the user is not made the master of what it leaves, and what comes for that channel behind the join
// waits.

// beginLeaving notes that the previous seat of a switch is about to be left. The lock is held.
func (s *session) beginLeaving(e *entering) {
	if e.previous != nil {
		e.settled = make(chan struct{})
		e.previous.leaving = e
	}
}

// settle notes that the previous seat of a switch was left, or is not left for now. The lock is
// held.
func (s *session) settle(e *entering) {
	if e.previous != nil && e.previous.leaving == e {
		e.previous.leaving = nil
		close(e.settled)
	}
}

// leaves reports whether the session is about to leave the seat in the channel that has the attachment
// for another channel, or waits to.
func (s *session) leaves(channel string, from *star.Attachment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.seats.get(channel)
	return held != nil && &held.Attachment == from && held.leaving != nil || s.hub.waits.leads(s, from)
}

// leaves reports whether the seat of the attachment is left for this one.
func (e *entering) leaves(from *star.Attachment) bool {
	return e.previous != nil && &e.previous.Attachment == from
}

// leavePrevious ends a switch: the connection leaves the former channel.
func (s *session) leavePrevious(in, previous *seat) {
	defer s.hub.goroutines.Done()
	// The joined is queued before the left, which another channel sends.
	_ = in.Channel().Flush(context.Background()) // the hub waits for this goroutine
	if again, _ := s.seatIn(previous.Channel().Name()); again != nil && again.IsOf(&previous.Attachment) {
		previous = again // it may have been resumed on this connection
	}
	if !s.finishSwitch(in, previous) {
		s.endReplaced(&in.Seat)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(in.entering)
	in.entering = nil
}

// switches are the seats that were entered by a switch which is not finished, each with the one
// that is to be left. The reader calls it, under the lock.
func (s *session) switches() map[*seat]*seat {
	var unfinished map[*seat]*seat
	for in := range s.seats.each {
		if in.entering != nil && in.entering.previous != nil && in.Entered() {
			if unfinished == nil {
				unfinished = make(map[*seat]*seat)
			}
			unfinished[in] = in.entering.previous
		}
	}
	return unfinished
}

// finishSwitch leaves the previous seat of a switch. Where another connection has taken that
// membership over meanwhile, and keeps it, the user has not switched: then it leaves the other, and
// finishSwitch returns false.
func (s *session) finishSwitch(in, previous *seat) (switched bool) {
	if s.leaveAs(previous, 0) == wire.ErrReplaced {
		_ = s.leaveAs(in, 0)
		return false
	}
	return true
}

// switched notes that the member of the seat is not about to leave for another channel any more.
func (s *session) switched(seat *seat) {
	seat.Channel().Decide(func(rules *star.Channel, _ time.Time) { _ = rules.Switching(&seat.Attachment, false) })
}
