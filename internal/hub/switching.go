package hub

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
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

// leaves reports whether the membership of the attachment is left for this one.
func (e *entering) leaves(from *star.Attachment) bool {
	return e.previous != nil && e.previous.IsOf(from) // it may have been resumed on its connection
}

// present is the seat that the connection has for the membership of the former one, which may have
// been resumed on this connection since. The lock is held.
func (s *session) present(former *seat) *seat {
	if again := s.seats.get(former.Channel().Name()); again != nil && again.Entered() && again.IsOf(&former.Attachment) {
		return again
	}
	return former
}

// awaitSwitches waits until no seat is about to be left any more, and reports whether one was. The
// reader calls it.
func (s *session) awaitSwitches() (any bool) {
	for {
		settled := s.unsettled()
		if settled == nil || s.await(settled) != nil {
			return any
		}
		any = true
	}
}

// unsettled is what is closed when a seat that is about to be left is decided about, or nil where
// there is none.
func (s *session) unsettled() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	for seat := range s.seats.each {
		if seat.leaving != nil {
			return seat.leaving.settled
		}
	}
	return nil
}

// awaitEntered waits until the seat is in, and what it was entered from is left. The reader calls it.
func (s *session) awaitEntered(held *seat) error {
	e, _ := s.entersBy(held)
	if e == nil {
		return nil
	}
	if err := s.flush(held.Channel()); err != nil {
		return err
	}
	if e, settled := s.entersBy(held); e != nil && settled != nil {
		return s.await(settled)
	}
	return nil
}

// entersBy is by what the seat is being entered, and what is closed when a switch by that is over.
func (s *session) entersBy(held *seat) (e *entering, settled <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e = held.entering; e != nil && e.previous != nil {
		settled = e.settled
	}
	return e, settled
}

// leavePrevious ends a switch: the connection leaves the former channel.
func (s *session) leavePrevious(in, previous *seat) {
	defer s.hub.goroutines.Done()
	// The joined is queued before the left, which another channel sends.
	_ = in.Channel().Flush(context.Background()) // the hub waits for this goroutine
	if !s.finishSwitch(in, previous) {
		s.endReplaced(&in.Seat)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(in.entering)
	in.entering = nil
}

// switches are the seats that were entered by a switch which is not finished, or may have been, where
// they have waited, each with the one that is to be left. The reader calls it, under the lock.
func (s *session) switches(waiting []*wait) map[*seat]*seat {
	var unfinished map[*seat]*seat
	add := func(in *seat) {
		if unfinished == nil {
			unfinished = make(map[*seat]*seat)
		}
		unfinished[in] = s.present(in.entering.previous)
	}
	for in := range s.seats.each {
		if in.entering != nil && in.entering.previous != nil && in.Entered() {
			add(in)
		}
	}
	for _, w := range waiting {
		if w.previous != nil {
			add(w.seat)
		}
	}
	return unfinished
}

// isDecided reports whether it is known that the seat, which was being entered, is in. Where another hub decides and has not
// answered it may never be: then the peer, which comes back, needs what it was to leave.
func (h *Hub) isDecided(in *seat) bool {
	if h.clustered == nil || !in.Channel().Elsewhere() {
		return true
	}
	e := h.clustered.edge(in.Channel())
	return e != nil && e.isIn(&in.Seat)
}

// noteReplaced notes that another connection has the membership of a seat that is released, where this one is about to switch
// from it. The lock is held.
func (s *session) noteReplaced(released *delivery.Seat, why *wire.Cause) {
	held := s.seats.get(released.Channel().Name())
	if why.Code == wire.ErrReplaced.Code && held != nil && &held.Seat == released && held.leaving != nil {
		held.leaving.replaced = true
	}
}

// overtakenOf are the seats that were entered by switches that are not finished where the user has not switched, as in
// finishSwitch: another connection has what was to be left. The session's lock is held.
func overtakenOf(switches map[*seat]*seat) (overtaken map[*seat]bool) {
	for in := range switches {
		if in.entering != nil && in.entering.replaced {
			if overtaken == nil {
				overtaken = make(map[*seat]bool)
			}
			overtaken[in] = true
		}
	}
	return overtaken
}

// finishSwitch leaves the previous seat of a switch. Where another connection has taken that
// membership over meanwhile, and keeps it, the user has not switched: then it leaves the other, and
// finishSwitch returns false.
func (s *session) finishSwitch(in, previous *seat) (switched bool) {
	if err := s.leaveFor(previous); errors.Is(err, wire.ErrReplaced) {
		_ = s.leaveFor(in)
		return false
	}
	return true
}

// leaveFor ends the membership of the seat for that in another channel. Where another hub decides the
// channel and does not answer for long, it does that later.
func (s *session) leaveFor(left *seat) (err error) {
	for !left.Channel().Decide(func(rules *star.Channel, now time.Time) { err = rules.Leave(now, &left.Attachment, 0) }) {
		ctx, cancel := context.WithTimeout(s.hub.clustered.writing, findTimeout)
		q, asked, err := s.queryWithin(ctx, left, s.switchQuery(left, queryLeave, 0))
		cancel()
		if asked || err != nil {
			return cmp.Or(err, q.err)
		}
	}
	return err
}

// beginSwitch notes that the member of the seat is about to leave for another channel. Where it must not, ok is
// false, and that is answered, or is the error.
func (s *session) beginSwitch(previous *seat, f *wire.Frame) (ok bool, err error) {
	for {
		decided := previous.Channel().Decide(func(rules *star.Channel, _ time.Time) {
			why := switches(rules, &previous.Attachment)
			if ok = why == nil; !ok {
				s.answer(rules, previous, f, why)
			}
		})
		if decided {
			return ok, nil
		}
		q, asked, err := s.query(previous, s.switchQuery(previous, querySwitches, f.Ref))
		if asked || err != nil {
			err = cmp.Or(err, q.err)
			return err == nil, err
		}
	}
}

// switches is what beginSwitch has the rules decide.
func switches(rules *star.Channel, a *star.Attachment) error {
	if err := rules.Switching(a, true); err == wire.ErrRoleChanged {
		return err
	}
	return nil
}

// switchQuery is a query about the seat that is left.
func (s *session) switchQuery(left *seat, what query, ref uint64) *call {
	f := &wire.Frame{Ref: ref, Channel: left.Channel().Name(), Username: left.Username()}
	return &call{frame: f, query: what}
}

// switched notes that the member of the seat is not about to leave for another channel any more.
func (s *session) switched(seat *seat) {
	_ = s.decideOr(seat, func(rules *star.Channel, _ time.Time) { _ = rules.Switching(&seat.Attachment, false) }, "",
		func() *call { return &call{op: opStays} })
}
