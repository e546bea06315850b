package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern"
)

// This file holds what everybody was told around hand-overs against the rules: one master at each
// moment, by the hub's account, by the order of the numbers and by what each member has seen; and what
// is accepted is for whoever it was meant for.

// verifySuccession holds the channel's hand-overs against who was the master when.
func (l *life) verifySuccession() error {
	if !l.round.hands {
		return nil
	}
	checks := []error{l.verifyHandings(), l.verifyReigns(), l.verifyOneAtATime(), l.verifyTold(), l.verifyNothingLost()}
	for _, s := range l.seats {
		checks = append(checks, s.verifyOnce(), s.verifyPromotion())
	}
	if err := errors.Join(checks...); err != nil {
		return fmt.Errorf("%w\nthe reigns: %v", err, l.reigns())
	}
	return nil
}

// verifyHandings: whoever was told that a hand-over was made, made it, whoever was refused did not, and
// nothing was handed over that nobody had asked for.
func (l *life) verifyHandings() error {
	reigns := l.reigns()
	asked := make([]bool, len(reigns))
	for _, one := range l.handings {
		made := false
		for i, g := range reigns {
			why, pred := "service", true
			if one.by != nil {
				why, pred = "master", i > 0 && l.reignOf(one.by) == i-1
			}
			if pred && g.why == why && g.name == one.to && !g.from.Before(one.began) && !g.from.After(one.done) {
				made, asked[i] = true, true
				if err := one.verifyAnswered(l, i); err != nil {
					return err
				}
			}
		}
		unknown := one.isUnknown()
		givenUp := func(other *handing) bool { return other.by == one.by && other.to == one.to && other.isUnknown() }
		switch {
		case one.err == nil && !made:
			return fmt.Errorf("%v was told at %v that %s is the master, which it did not become", one.by, one.done, one.to)
		case one.err != nil && !unknown && made && slices.ContainsFunc(l.handings, givenUp): // it was an earlier one
		case one.err != nil && !unknown && made:
			return fmt.Errorf("%v was told %w at %v, and %s has become the master", one.by, one.err, one.done, one.to)
		case one.err == nil && one.stay != (one.stays != nil):
			return fmt.Errorf("%v has handed over to %s, to stay: %v, and is a slave: %v", one.by, one.to, one.stay, one.stays != nil)
		case unknown, one.err == nil:
		case !slices.ContainsFunc(handingErrors, func(may error) bool { return errors.Is(one.err, may) }):
			return fmt.Errorf("%v hands over to %s: %w", one.by, one.to, one.err)
		}
		if unknown && one.by != nil { // it may be carried out later, where nobody waits for it any more
			for i, g := range reigns {
				asked[i] = asked[i] || i > 0 && l.reignOf(one.by) == i-1 && g.name == one.to
			}
		}
	}
	for i, g := range reigns {
		if g.why != "" && !asked[i] {
			return fmt.Errorf("%s was made the master at %v by the %s, and nobody has asked for it", g.name, g.from, g.why)
		}
	}
	return nil
}

// isUnknown: whoever has asked for it was not told what has become of it.
func (one *handing) isUnknown() bool {
	return errors.Is(one.err, lectern.ErrSendUnknown) || errors.Is(one.err, context.DeadlineExceeded)
}

// verifyAnswered: who is back in time is told that it has handed over, however often its connection was
// lost meanwhile. The reign is that which it has begun.
func (one *handing) verifyAnswered(l *life, begun int) error {
	s := one.by
	if s == nil || !errors.Is(one.err, lectern.ErrResumeFailed) || s.shared || s.hasMoved() || l.kicked[s.name] {
		return nil
	}
	began, who := l.reigns()[begun].from, whoIn(l.channel, s.name)
	switch {
	case one.stay && !one.done.Before(began.Add(faultS)): // it was away as a slave for too long
	case len(l.reigns())-begun > 8: // nor are so many hand-overs remembered
	case l.reigns()[len(l.reigns())-1].ended(one.done): // the channel is over
	case slices.ContainsFunc(l.reigns()[begun+1:], func(g *reign) bool { return g.name == s.name }): // it was the master again, and is not any more
	case l.round.service.expired(who, one.done), l.round.service.refused(who, one.done, false), l.round.overlaps(began, one.done):
	default:
		return fmt.Errorf("%v has handed over at %v, to stay: %v, and is told at %v: %w", s, began, one.stay, one.done, one.err)
	}
	return nil
}

// handingErrors are what a hand-over can be refused for, or the end of its master.
var handingErrors = []error{
	lectern.ErrNoSuchSlave, lectern.ErrBusy, lectern.ErrUnauthorized, lectern.ErrRoleChanged, lectern.ErrNotAMember, lectern.ErrHandedOver,
	lectern.ErrNoSuchChannel, lectern.ErrShuttingDown, lectern.ErrShutdown, lectern.ErrLeft, lectern.ErrMasterDown, lectern.ErrResumeFailed,
	lectern.ErrReplaced, lectern.ErrRevoked,
}

// verifyReigns: who has a master's handle is the master by the hub's account, and from nobody else, and
// at no other time, anything is accepted as a master's; nor is anything from a slave that has become
// the master by then.
func (l *life) verifyReigns() error {
	reigns := l.reigns()
	promoted := map[*faultSeat]*reign{}
	for _, s := range l.seats {
		if s.isMaster() {
			i := l.reignOf(s)
			if i < 0 || reigns[i].name != s.name {
				return fmt.Errorf("%s has a master's handle with epoch %d, and is no master by the hub's account", s.name, s.epoch)
			}
			if s.former != nil {
				promoted[s.former] = reigns[i]
			}
			for _, one := range s.sends {
				if one.err == nil && (one.done.Before(reigns[i].from) || reigns[i].ended(one.began.Add(-1))) {
					return fmt.Errorf("%q was accepted between %v and %v, and its sender was the master from %v to %v", one.text, one.began, one.done, reigns[i].from, reigns[i].to)
				}
			}
			for _, e := range s.events {
				m, ok := e.event.(lectern.Message)
				if one := l.sent(textOf(m)); ok && one != nil && reigns[i].ended(one.began.Add(-1)) {
					return fmt.Errorf("%q, begun at %v, has come to %s, which was the master until %v", one.text, one.began, s.name, reigns[i].to)
				}
			}
		}
	}
	for s, g := range promoted {
		for _, one := range s.sends {
			if one.err == nil && one.began.After(g.from) {
				return fmt.Errorf("%q, begun at %v, was accepted as a slave's, which was the master from %v on", one.text, one.began, g.from)
			}
		}
	}
	return nil
}

// sent is the message with that text, or nil.
func (l *life) sent(text string) *sent {
	if l.texts == nil {
		l.texts = map[string]*sent{}
		for _, s := range l.seats {
			for _, one := range s.sends {
				l.texts[one.text] = one
			}
		}
		for _, one := range l.spoken {
			l.texts[one.text] = one
		}
	}
	return l.texts[text]
}

// masters are the seats of masters in the order of their reigns.
func (l *life) masters() []*faultSeat {
	masters := slices.DeleteFunc(slices.Clone(l.seats), func(s *faultSeat) bool { return !s.isMaster() })
	slices.SortStableFunc(masters, func(a, b *faultSeat) int { return cmp.Compare(a.epoch, b.epoch) })
	return masters
}

// verifyOneAtATime: by their numbers, what one master has sent to its slaves is before everything that
// a later one has sent.
func (l *life) verifyOneAtATime() error {
	newest, by := uint64(0), ""
	for _, s := range l.masters() {
		last := uint64(0)
		for _, one := range s.sends {
			if one.err != nil || one.Seq == 0 {
				continue
			}
			if one.Seq <= newest {
				return fmt.Errorf("%q of %s has the number %d, and %s, which was the master before, has sent number %d", one.text, s.name, one.Seq, by, newest)
			}
			last = max(last, one.Seq)
		}
		if last > newest {
			newest, by = last, s.name
		}
	}
	return nil
}

// verifyTold: slaves are told of their masters in the order in which there were, and a witness in the
// hub's process of each.
func (l *life) verifyTold() error {
	reigns := l.reigns()
	w := l.witness
	for _, s := range append(slices.Clone(l.seats), w.seat) {
		if s.isMaster() {
			continue
		}
		var told []string
		for _, e := range s.events {
			p, ok := e.event.(lectern.Presence)
			if ok && (len(told) == 0 || told[len(told)-1] != p.Username) {
				told = append(told, p.Username)
			}
		}
		left := reigns
		for _, name := range told {
			i := slices.IndexFunc(left, func(g *reign) bool { return g.name == name })
			if i < 0 {
				return fmt.Errorf("%s was told of the masters %q, in another order than they were", s.name, told)
			}
			left = left[i+1:]
		}
		if s != w.seat || w.user != nil {
			continue
		}
		if len(told) > 0 && told[0] == w.first {
			told = told[1:]
		}
		later := 0
		for _, g := range reigns[1:] {
			if g.from.After(s.entered) && g.from.Before(s.ended) {
				later++
			}
		}
		if len(told) < later {
			return fmt.Errorf("the witness was told of the masters %q, and there were %d after it had come", told, later)
		}
	}
	return nil
}

// isOwn reports whether the master of the seat has sent the message itself, as the slave that it was: it
// does not get that.
func (s *faultSeat) isOwn(one *sent) bool {
	for f := s.former; f != nil && s.isMaster(); f = f.seized {
		if f == one.by {
			return true
		}
	}
	return false
}

// isPassedOver reports whether who has sent the message may have become the master after that, and before
// the master of the seat or as that one: then it goes to nobody who was not given it before.
func (s *faultSeat) isPassedOver(one *sent) bool {
	if one.by == nil || one.by.isMaster() || !s.life.round.hands {
		return false
	}
	last := one.by // of those in which the service may have given the membership to another client
	for _, next := range s.life.seats {
		if next.seized == last {
			last = next
		}
	}
	for _, g := range s.life.reigns()[1 : s.life.reignOf(s)+1] {
		if g.name == one.by.name && !one.began.After(g.from) && !last.ended.Before(g.from) {
			return true
		}
	}
	return false
}

// seenBefore is the highest number that the masters before the one of the seat have got.
func (s *faultSeat) seenBefore() (newest uint64) {
	for _, m := range s.life.seats {
		if m.isMaster() && m.epoch < s.epoch {
			newest = max(newest, m.seen())
		}
	}
	return newest
}

// floor is seenBefore, or zero for a slave.
func (s *faultSeat) floor() uint64 {
	if !s.isMaster() || !s.life.round.hands {
		return 0
	}
	return s.seenBefore()
}

// seen is the highest number of the messages that the seat's holders have got.
func (s *faultSeat) seen() (newest uint64) {
	for _, e := range s.events {
		if m, ok := e.event.(lectern.Message); ok {
			newest = max(newest, m.Seq)
		}
	}
	return newest
}

// verifyNothingLost: where somebody is the master in the end, each message that a master was to get has
// come to the one of its moment, or to one that has followed.
func (l *life) verifyNothingLost() error {
	masters := l.masters()
	if len(masters) == 0 {
		return nil
	}
	last := masters[len(masters)-1]
	if !last.staysToTheEnd() || l.reignOf(last) != len(l.reigns())-1 {
		return nil
	}
	got := map[string]bool{}
	moved := time.Time{} // what one holder has taken, and another one not, is not what a master is given
	for _, s := range masters {
		for _, e := range s.events {
			if e.event == nil {
				moved = e.at
			}
			if m, ok := e.event.(lectern.Message); ok {
				got[textOf(m)] = true
			}
		}
		if s.shared {
			moved = time.Now()
		}
	}
	for _, s := range l.seats {
		for _, one := range s.sends {
			if s.isMaster() || one.err != nil || one.question != "" || got[one.text] || one.isOver(time.Now()) || last.isPassedOver(one) || !one.began.After(moved) {
				continue
			}
			return fmt.Errorf("%q, number %d, was accepted for the master, and no master has got it", one.text, one.Seq)
		}
	}
	return nil
}

// verifyOnce: a client that was a master or a slave before in the same membership does not get again
// what it had then, but for what it is asked.
func (s *faultSeat) verifyOnce() error {
	for f := s.former; f != nil && !s.shared && !s.hasMoved() && !f.shared && !f.hasMoved(); f = f.former {
		if f.master != s.master {
			continue
		}
		had := map[string]bool{}
		for _, e := range f.events {
			if m, ok := e.event.(lectern.Message); ok && m.RequestID == 0 {
				had[textOf(m)] = true
			}
		}
		for _, e := range s.events {
			if m, ok := e.event.(lectern.Message); ok && m.RequestID == 0 && had[textOf(m)] {
				return fmt.Errorf("%s has got %q, number %d, once more since it is what it was before", s.name, textOf(m), m.Seq)
			}
		}
	}
	return nil
}

// verifyPromotion: that a slave is the master is the last that its handle tells, once.
func (s *faultSeat) verifyPromotion() error {
	for i, e := range s.events {
		if p, ok := e.event.(lectern.Promotion); ok && (i < len(s.events)-1 || p.Master == nil) {
			return fmt.Errorf("%s was told that it is the master, and %d things behind that", s.name, len(s.events)-1-i)
		}
	}
	return nil
}

// isTold reports whether who reads what the seat's holder is told was told that it is the master.
func (s *faultSeat) isTold() bool {
	if len(s.events) == 0 {
		return false
	}
	_, told := s.events[len(s.events)-1].event.(lectern.Promotion)
	return told
}

// successor is the seat that this one has become by a hand-over, or nil.
func (s *faultSeat) successor() *faultSeat {
	for _, next := range s.life.seats {
		if next.former == s {
			return next
		}
	}
	return nil
}

// madeMaster is since when the slave of the seat is the master, by the hub's account, and zero where it
// has not become that, or its client does not know.
func (s *faultSeat) madeMaster() time.Time {
	next := s.successor()
	if s.isMaster() || next == nil {
		return time.Time{}
	}
	return s.life.reigns()[s.life.reignOf(next)].from
}

// wasOver reports whether the message is one that a master before this one may have been told to have
// expired.
func (s *faultSeat) wasOver(one *sent) bool {
	if one.lasts == 0 || !s.life.round.hands {
		return false
	}
	reigns := s.life.reigns()
	i := s.life.reignOf(s)
	return i > 0 && !one.began.After(reigns[i].from)
}

// hasReigned reports whether the master of the seat was none any more when the seat was over.
func (s *faultSeat) hasReigned() bool {
	reigns := s.life.reigns()
	i := s.life.reignOf(s)
	return i >= 0 && i < len(reigns)-1 && reigns[i].ended(s.ended)
}

// verifyHandedOverEnd: who has ended with ErrHandedOver was the master, or is, by the hub's account.
func (s *faultSeat) verifyHandedOverEnd() error {
	switch {
	case s.isMaster() && !s.hasReigned():
		return fmt.Errorf("ended at %v with %w, and is the master", s.ended, s.err)
	case !s.isMaster() && s.successor() == nil:
		return fmt.Errorf("ended at %v with %w, and is no master", s.ended, s.err)
	}
	return nil
}

// isExpected reports whether the message, which was accepted, is one that the seat's holder is to get.
// floor is the highest number that a master before it has got.
func (s *faultSeat) isExpected(one *sent, floor uint64) bool {
	if s.isMaster() {
		return one.Seq > floor && !s.isPassedOver(one) && !s.wasOver(one)
	}
	switch made := s.madeMaster(); {
	case one.to != toEverybody && one.to != s.name, one.by != nil && one.by.name == s.name:
		return false
	case !made.IsZero() && !one.done.Before(made):
		return false // it may be behind the hand-over
	case s.former != nil:
		reign := s.life.reigns()[s.life.reignOf(s.former)]
		return one.began.After(reign.to)
	}
	return one.began.After(s.entered)
}

// verifyStaysOpen: nobody who answers a slave that waits is told that the request is over, which nobody has
// answered before.
func (s *faultSeat) verifyStaysOpen(q *asked, given []*sent) error {
	if s.last == nil || s.shared || s.hasMoved() || q.lasts > 0 {
		return nil // for the hub it may have been no member any more, or another client's
	}
	for _, one := range given {
		answered := slices.ContainsFunc(given, func(other *sent) bool { return other.err == nil || other.unknown() })
		if errors.Is(one.err, lectern.ErrNoSuchRequest) && one.done.Before(q.done) && !answered {
			return fmt.Errorf("%q was refused at %v: %w, and nobody has answered it by %v", one.text, one.done, one.err, q.done)
		}
	}
	return nil
}

// verifyHandedOver: what a slave asks goes on over hand-overs, unless it is made the master itself; what a
// master asks ends with its mastership, and late answers are refused.
func (s *faultSeat) verifyHandedOver(q *asked, given []*sent) error {
	for _, a := range q.answers {
		over := errors.Is(a.Err, lectern.ErrHandedOver) || errors.Is(a.Err, lectern.ErrRoleChanged)
		if over && !errors.Is(s.err, lectern.ErrHandedOver) && !errors.Is(s.handle.Err(), lectern.ErrHandedOver) && !s.shared && !s.hasMoved() {
			return fmt.Errorf("it has ended with %w, and its own membership with %w", a.Err, s.err)
		}
	}
	switch {
	case !s.life.round.hands:
		return nil
	case !s.isMaster():
		return s.verifyStaysOpen(q, given)
	}
	reign := s.life.reigns()[s.life.reignOf(s)]
	for _, one := range given {
		if one.err == nil && reign.ended(one.began.Add(-1)) {
			return fmt.Errorf("%q was accepted, begun at %v, and the mastership was over at %v", one.text, one.began, reign.to)
		}
	}
	return nil
}
