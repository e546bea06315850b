package faults

import (
	"fmt"
	"time"

	"github.com/lectern-go/lectern"
)

// verifySlaves: who is told to be away is back before its time is over, or out
// exactly then, and nobody else times out. The master's connection is without
// faults, so that it sees its slaves as the hub does.
func (s *faultSeat) verifySlaves() error {
	away := map[string]time.Time{}
	until := s.ended // a hub that shuts down lets no time run out
	if r := s.life.round; r.shutBy(until) {
		until = r.shutAt
	}
	for _, e := range s.events {
		p, ok := e.event.(lectern.Presence)
		if !ok || s.life.round.shutBy(e.at) {
			continue
		}
		since, wasAway := away[p.Username]
		if wasAway && s.life.round.overlaps(since, e.at) {
			// It may have been back in between, or away since the hub stopped.
			if delete(away, p.Username); p.State == lectern.StateAway {
				away[p.Username] = e.at
			}
			continue
		}
		delete(away, p.Username)
		switch {
		case p.State == lectern.StateAway:
			away[p.Username] = e.at
		case p.State == lectern.StateGone && p.Reason == "timeout":
			if !wasAway && s.life.round.overlaps(e.at.Add(-faultS), e.at) {
				continue // it was online when the hub stopped, and nobody could be told
			}
			if !wasAway || !e.at.Equal(since.Add(faultS)) {
				return fmt.Errorf("%s, away since %v, timed out at %v", p.Username, since, e.at)
			}
		case p.State == lectern.StateGone && p.Reason == "left while the master did not keep up":
			// The list does not say why. The master reads at once, so it is not late.
			if wasAway && e.at.After(since.Add(faultS)) {
				return fmt.Errorf("%s, away since %v, was listed at %v", p.Username, since, e.at)
			}
		case wasAway && !e.at.Before(since.Add(faultS)):
			return fmt.Errorf("%s, away since %v, was %v at %v", p.Username, since, p.State, e.at)
		}
	}
	for name, since := range away {
		last := since.Add(faultS)
		for _, r := range s.life.round.replacements {
			if !r.back.Add(faultReturn).Before(since) && !r.stopped.After(until) {
				last = r.back.Add(faultReturn + faultS)
			}
		}
		if until.After(last) {
			return fmt.Errorf("%s has been away since %v, until %v", name, since, until)
		}
	}
	return nil
}

// verifyJoined: who is told to be new was not there before, and who was not there before is told
// to be new, however often the master was away. Whoever goes on by a ticket does not know who was
// there.
func (s *faultSeat) verifyJoined() error {
	there, begun := map[string]bool{}, s.former == nil
	for _, e := range s.events {
		if e.event == nil {
			there, begun = map[string]bool{}, false
			continue
		}
		p, ok := e.event.(lectern.Presence)
		switch {
		case !ok || p.Username == s.name:
		case p.State == lectern.StateGone:
			if p.Joined || !there[p.Username] {
				return fmt.Errorf("%s, which is gone at %v, was there: %v, joined: %v", p.Username, e.at, there[p.Username], p.Joined)
			}
			there[p.Username] = false
		default:
			known, told := there[p.Username]
			if p.Joined && known || !p.Joined && !known && (begun || told) {
				return fmt.Errorf("%s, %v at %v, was there: %v, joined: %v", p.Username, p.State, e.at, known, p.Joined)
			}
			there[p.Username] = true
		}
	}
	return nil
}

// verifyReceipts: what was accepted has a number, and what it was queued to are as many slaves as there
// can be, one where it was for one, and none where a slave has sent it.
func (s *faultSeat) verifyReceipts() error {
	for _, one := range s.sends {
		most := faultSlaves + 1 // and the witness
		if one.to != toEverybody {
			most = 1
		}
		if !s.isMaster() {
			most = 0
		}
		if one.err == nil && (one.Seq == 0 || one.Slaves < 0 || one.Slaves > most) {
			return fmt.Errorf("the receipt of %q is %v", one.text, one.Receipt)
		}
	}
	return nil
}
