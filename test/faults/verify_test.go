package faults

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern"
)

// verify holds everything that was recorded in a round against what it must be.
func (r *faultRound) verify() error {
	errs := r.wrong
	for _, l := range r.lives {
		for _, check := range []error{l.verifyAsks(), l.verifyRemovals(), l.verifyShutdown(), l.verifyReplacements(), l.verifyPace(), l.verifyVoice(), l.verifySuccession()} {
			if check != nil {
				errs = append(errs, fmt.Errorf("%s: %w", l.channel, check))
			}
		}
		for _, err := range r.verifyLife(l) {
			errs = append(errs, fmt.Errorf("%s: %w", l.channel, err))
		}
	}
	return errors.Join(errs...)
}

func (r *faultRound) verifyLife(l *life) []error {
	errs := []error{l.verifyMaster()}
	down, up := map[string]*sent{}, map[string]*sent{}
	for _, s := range l.seats {
		all := up
		if s.isMaster() {
			all = down
		}
		for _, one := range s.sends {
			all[one.text] = one
		}
		errs = append(errs, s.verifyHolders())
	}
	l.addSpoken(down, up)
	for _, s := range append(slices.Clone(l.seats), l.witness.seat) {
		all := down
		if s.isMaster() {
			all = up
		}
		if err := s.verifyMessages(all); err != nil {
			errs = append(errs, fmt.Errorf("%s, there since %v: %w", s.name, s.entered.Format("05.000"), err))
		}
		if err := s.verifyEnd(); err != nil {
			errs = append(errs, fmt.Errorf("%s, there since %v: %w", s.name, s.entered.Format("05.000"), err))
		}
		if err := s.verifyGrants(all); err != nil {
			errs = append(errs, fmt.Errorf("%s, there since %v: %w", s.name, s.entered.Format("05.000"), err))
		}
		if s.isMaster() {
			errs = append(errs, s.verifyJoined())
		}
		if s.isMaster() && r.steady {
			errs = append(errs, s.verifySlaves())
		}
		errs = append(errs, s.verifyReceipts(), s.verifyAttributes())
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

// verifyMaster: the channel ends exactly at X after its master became away, and
// not otherwise; nor does it outlive that.
func (l *life) verifyMaster() error {
	w := l.witness.seat
	var away *lectern.Presence
	since := time.Time{}
	for _, e := range w.events {
		p, ok := e.event.(lectern.Presence)
		if !ok {
			continue
		}
		// Nobody's time runs out while there is no hub.
		if away != nil && !e.at.Before(away.Deadline) && !l.round.shutBy(away.Deadline) && !l.round.overlaps(away.Deadline, away.Deadline) {
			return fmt.Errorf("the master, away since %v, was back only at %v", since, e.at)
		}
		away, since = nil, e.at
		if p.State == lectern.StateAway {
			away = &p
		}
	}
	switch {
	case errors.Is(w.err, lectern.ErrMasterDown):
		// A witness that came, or came back, while the master was away knows the deadline in
		// whole milliseconds, rounded up; else it is exact.
		late := time.Duration(0)
		if l.refusedMaster(w.ended, true) {
			return nil
		}
		if w.gaveUp() && (l.round.shutBy(w.ended) || l.round.overlaps(w.ended.Add(-faultX), w.ended)) {
			return nil
		}
		if away == nil {
			return errors.New("it ended with master_down, but its master was there")
		}
		if !away.Deadline.Equal(since.Add(faultX)) || l.round.overlaps(since, since) {
			late = time.Millisecond
		}
		if p, ok := l.round.replacedBetween(since, w.ended); ok && p.oneOf && !w.ended.Before(away.Deadline.Add(-time.Millisecond)) {
			return nil // the time begins anew at the next owner
		}
		if early := away.Deadline.Sub(w.ended); early < 0 || early > late {
			return fmt.Errorf("it ended at %v, not %v", w.ended, away.Deadline)
		}
	case errors.Is(w.err, lectern.ErrMasterLeft):
		if !l.left && !l.mayHaveLeft() && !l.isNobodys() {
			return errors.New("it ended with master_left, but its master did not leave")
		}
	case errors.Is(w.err, lectern.ErrShutdown) && l.round.shutBy(w.ended):
	case errors.Is(w.err, lectern.ErrResumeFailed):
		return l.verifyEndedMeanwhile()
	case !errors.Is(w.err, lectern.ErrLeft):
		return fmt.Errorf("the witness has ended with %w", w.err)
	}
	return nil
}

// mayHaveLeft: the master's seat was closed because the round was over, or
// when its holder had given up, though the hub had just got its resume.
func (l *life) mayHaveLeft() bool {
	return slices.ContainsFunc(l.seats, func(s *faultSeat) bool {
		gaveUp := errors.Is(s.err, lectern.ErrMasterDown)
		return s.isMaster() && (s.last != nil || gaveUp && !s.ended.After(l.witness.seat.ended))
	})
}

// verifyHolders: a seat has one holder at any time. From one whose seat another
// has taken over nothing is accepted.
func (s *faultSeat) verifyHolders() error {
	for _, one := range s.sends {
		if one.stale && one.err == nil {
			return fmt.Errorf("%q was accepted, though another one held the seat", one.text)
		}
	}
	return nil
}

// verifyMessages: what was accepted for the seat has arrived, once and in order,
// or a gap stands in its place, which tells of no more and no less where there was
// no other connection meanwhile; what was refused has not.
func (s *faultSeat) verifyMessages(all map[string]*sent) error {
	choice := s.life.round.faultChoice
	var expected []*sent // accepted while the seat was there, by their numbers
	numbered := map[uint64]*sent{}
	answers := uint64(0) // that may have been accepted or not, and are no events
	// newest is the highest number that there can have been: what nobody knows
	// the outcome of may have one too.
	newest, unknown := uint64(0), uint64(0)
	// floor is up to where others have had what was for the master: what it gets of that it need not get.
	floor := s.floor()
	for _, one := range all {
		if one.unknown() {
			unknown++
			if one.newcomers {
				unknown += uint64(len(s.life.seats))
			}
			if one.question != "" || s.isMaster() && (one.by == nil || s.isPassedOver(one)) {
				answers++
			}
		}
		if one.err != nil {
			continue
		}
		newest = max(newest, one.Seq)
		numbered[one.Seq] = one
		if one.question != "" {
			continue
		}
		// Of two things in one instant, either may have come first.
		if s.isExpected(one, floor) {
			expected = append(expected, one)
		}
	}
	slices.SortFunc(expected, func(a, b *sent) int { return int(a.Seq) - int(b.Seq) })
	newest += unknown
	seen := map[string]bool{}
	last, gap, missed := uint64(0), false, uint64(0)
	anew := !s.isMaster() // its join may have been repeated, and the first one have been a while before
	resumed := false
	moved := time.Time{} // another client has the seat since, which has not got all that the one before has told to have
	for i, e := range s.events {
		anew = anew || e.reconnects() || s.life.round.overlaps(e.at.Add(-faultStall), e.at)
		resumed = resumed || anew
		if e.event == nil {
			moved = e.at
		}
		if g, ok := e.event.(lectern.Gap); ok {
			// One that has come back may take longer to catch up than what it misses is kept.
			anew = anew || resumed && newest >= last+choice.kept
			if s.mayHaveExpired(all, seen, e.at) >= missed+g.Missed {
				gap, missed = true, missed+g.Missed
				continue
			}
			if !anew && (s.isMaster() || !choice.drops()) && !s.endsBehind(i) {
				return fmt.Errorf("a gap of %d behind number %d, though nothing may be dropped; it has ended with %w", g.Missed, last, s.err)
			}
			// Of two that take turns, each has got what the other one has not.
			if s.isMaster() && moved.IsZero() && !s.shared {
				return fmt.Errorf("its master has lost messages behind number %d", last)
			}
			gap, missed = true, missed+g.Missed
			continue
		}
		m, ok := e.event.(lectern.Message)
		if !ok {
			continue
		}
		text := textOf(m)
		one := all[text]
		switch {
		case one == nil:
			return fmt.Errorf("%q was sent by nobody who may", text)
		case seen[text]:
			return fmt.Errorf("%q came twice", text)
		case m.Seq <= last:
			return fmt.Errorf("%q has the number %d, after %d", text, m.Seq, last)
		case one.question != "":
			return fmt.Errorf("%q came, which is an answer", text)
		case one.service != (m.From == ""), one.by != nil && one.by.name != m.From:
			return fmt.Errorf("%q came from %q", text, m.From)
		case one.by != nil && one.by.name == s.name && (!s.isMaster() || s.isOwn(one)):
			return fmt.Errorf("%q came to the one who has sent it", text)
		case one.stale:
			return fmt.Errorf("%q came from one who had been replaced", text)
		case one.err != nil && !one.unknown():
			return fmt.Errorf("%q came, though its sender was told %w", text, one.err)
		case one.err == nil && one.Seq != m.Seq:
			return fmt.Errorf("%q has the number %d, its sender was told %d", text, m.Seq, one.Seq)
		case one.newcomers && m.Private:
		case !s.isMaster() && m.Private != (one.to != toEverybody), !s.isMaster() && m.Private && one.to != s.name:
			return fmt.Errorf("%q was for %q", text, one.to)
		}
		if err := one.verifyEnd(m, e.at); err != nil {
			return err
		}
		seen[text] = true
		// lost were for the seat; maybe more were, of the numbers between.
		lost, maybe := uint64(0), uint64(0)
		for n := last + 1; n < m.Seq; n++ {
			between := numbered[n]
			switch {
			case s.isMaster() && n <= floor:
			case s.isMaster() && between == nil && !gap && !choice.sets:
				if answers == 0 {
					return fmt.Errorf("number %d is missing before %d, and no gap is told", n, m.Seq)
				}
				answers--
			case between == nil, between.to == toEverybody, between.to == s.name:
				maybe++
			}
		}
		for len(expected) > 0 && expected[0].Seq <= m.Seq {
			if x := expected[0]; x.Seq < m.Seq {
				lost++
				if !gap {
					return fmt.Errorf("%q, number %d, is missing before number %d", x.text, x.Seq, m.Seq)
				}
				if x.isOver(e.at) {
					expected = expected[1:]
					continue
				}
				if s.isMaster() && !s.shared && x.began.After(moved) {
					return fmt.Errorf("%q, number %d, was accepted for the master and is lost", x.text, x.Seq)
				}
				if newest < x.Seq+choice.kept && !choice.drops() {
					return fmt.Errorf("%q, number %d, was dropped, though only %d came after it", x.text, x.Seq, newest-x.Seq)
				}
			}
			expected = expected[1:]
		}
		if gap && !s.isMaster() && (missed < lost || !anew && missed > maybe) {
			return fmt.Errorf("the gap before number %d tells of %d messages, %d are missing, at most %d", m.Seq, missed, lost, maybe)
		}
		last, gap, missed, anew = m.Seq, false, 0, false
	}
	// One that was there to the end must have had everything.
	dropped := gap && choice.drops() && !s.isMaster() && missed >= uint64(len(expected))
	over := gap && missed >= uint64(len(expected)) && !slices.ContainsFunc(expected, func(x *sent) bool { return !x.isOver(time.Now()) })
	if since := s.lostSince(); !since.IsZero() {
		// There may be a hub again in which others speak, and the round be shut down before this one is back.
		expected = slices.DeleteFunc(expected, func(x *sent) bool { return !x.done.Before(since) })
	}
	if s.staysToTheEnd() && len(expected) > 0 && !dropped && !over {
		return fmt.Errorf("%q, number %d, and %d more never came", expected[0].text, expected[0].Seq, len(expected)-1)
	}
	if s.isTold() && len(expected) > 0 && (!gap || missed < uint64(len(expected))) {
		return fmt.Errorf("%q, number %d, and %d more never came to the slave before it was the master", expected[0].text, expected[0].Seq, len(expected)-1)
	}
	return nil
}

// endsBehind reports whether no message came behind that event, because the membership has
// ended. A slave that was still getting what it had missed is told that the rest is missing.
func (s *faultSeat) endsBehind(i int) bool {
	for _, e := range s.events[i:] {
		if _, ok := e.event.(lectern.Message); ok {
			return false
		}
	}
	return !s.isMaster() && s.last == nil
}

// verifyEnd: a seat ends for a reason that there was, and not too early or late.
func (s *faultSeat) verifyEnd() error {
	l := s.life
	down := l.witness.seat
	missed := errors.Is(down.err, lectern.ErrResumeFailed) // it ended while there was no hub
	isOver := missed || errors.Is(down.err, lectern.ErrMasterDown) || errors.Is(down.err, lectern.ErrMasterLeft)
	over := down.ended
	if p, ok := l.round.replacedBetween(over, over); ok {
		over = p.stopped // the witness was told later, or not at all
	}
	if s.late {
		return nil
	}
	gaveUp := s.gaveUp()
	switch err := s.err; {
	case errors.Is(err, lectern.ErrMasterDown):
		// Connections are shut down one after the other: a channel can end for
		// the last of them, which the witness does not see.
		if !gaveUp && !l.round.shutBy(s.ended) && (!isOver || s.ended.Before(over)) {
			return fmt.Errorf("ended at %v with %w, the channel at %v; hub out of reach since %v", s.ended, err, down.ended, s.unreached())
		}
	case errors.Is(err, lectern.ErrMasterLeft):
		if !l.round.shutBy(s.ended) && (!isOver || !missed && !errors.Is(down.err, lectern.ErrMasterLeft)) {
			return fmt.Errorf("ended with %w, the channel with %w", err, down.err)
		}
	case errors.Is(err, lectern.ErrKicked):
		if !l.kicked[s.name] {
			return err
		}
	case errors.Is(err, lectern.ErrHandedOver):
		return s.verifyHandedOverEnd()
	case errors.Is(err, lectern.ErrResumeFailed):
		if s.isMaster() && (s.hasReigned() || l.round.hands && s.shared) {
			// Another one has become the master meanwhile, or the service gave the seat to another
			// client, which did not expect a master's.
			break
		}
		if s.isMaster() && !l.round.shutBy(s.ended) && (!isOver || s.ended.Before(over)) {
			return fmt.Errorf("ended with %w, though the channel was there", err)
		}
	case errors.Is(err, lectern.ErrReplaced) && s.shared:
	case errors.Is(err, lectern.ErrExpired) && !s.isMaster() && l.round.service.expired(whoIn(l.channel, s.name), s.ended):
	case errors.Is(err, lectern.ErrRevoked) && l.round.service.refused(whoIn(l.channel, s.name), s.ended, false):
	case errors.Is(err, lectern.ErrUnauthorized) && s.hasMoved() && l.round.service.refused(whoIn(l.channel, s.name), s.ended, false):
		// A client that has taken the seat over holds it only when the hub knows that it has
		// the answer. Where it is not let back before, the membership is not over by that.
	case errors.Is(err, lectern.ErrLeft):
	case errors.Is(err, lectern.ErrShutdown) && l.round.shutBy(s.ended):
	default:
		return fmt.Errorf("ended with %w", err)
	}
	// Everybody is out soon after the end: who is connected at once, up to what
	// a fault can hold up, and who is not, when the hub has been out of reach
	// for X.
	late := faultX + faultProbe + faultGiveUp + 2*faultStall + 3*time.Second
	if p, ok := l.round.replacedBetween(down.ended, s.ended); ok {
		late += p.back.Sub(p.stopped)
	}
	if isOver && s.ended.After(down.ended.Add(late)) {
		return fmt.Errorf("ended at %v only, the channel at %v: %w", s.ended, down.ended, s.err)
	}
	return nil
}
