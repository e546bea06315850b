package model

import (
	"fmt"
	"slices"
	"time"
)

// This file is the model of what a channel keeps for its members, and of what a master has
// told that it has got.

// fewKept is the kind of a move that does nothing. In a game that has it, a channel keeps so
// few messages that members lose some, and that slaves are told busy.
const fewKept = "few kept"

// heard is a message for a member, or a gap. A gap has no number.
type heard struct {
	seq  uint64
	line string
	// end is when a message expires, or zero.
	end time.Time
	// by is the membership whose message it is, or nil.
	by *membership
}

var gap = heard{line: "a gap"}

// expired is the gap of so many messages that have expired, of which the newest has that number.
func expired(missed int, seq uint64) heard {
	return heard{seq: seq, line: fmt.Sprintf("%s of %d", gap.line, missed)}
}

// withoutExpired is what a member gets in the place of messages that it has missed, by now.
func (g *game) withoutExpired(missed []heard, now time.Time) (got []heard) {
	run := 0 // of those that have expired, before the next one
	for _, m := range missed {
		if !m.end.IsZero() && !now.Before(m.end) {
			if run++; run > 1 {
				got = got[:len(got)-1]
			}
			got = append(got, expired(run, m.seq))
			g.counts["a message expired"]++
			continue
		}
		run = 0
		got = append(got, m)
	}
	return got
}

func lines(messages []heard) (all []string) {
	for _, m := range messages {
		all = append(all, m.line)
	}
	return all
}

// confirmAfter is how long a master waits before it tells what it has got.
const confirmAfter = time.Second

// gets gives a member a message, or keeps it.
func (g *game) gets(s *seat, m heard) {
	s.of.history = append(s.of.history, m)
	s.messages = append(s.messages, m)
	if s.reachable() {
		g.delivers(s)
	}
}

// delivers is what a member gets that can be reached.
func (g *game) delivers(s *seat) {
	for ; s.delivered < len(s.messages); s.delivered++ {
		m := s.messages[s.delivered]
		c := s.star
		if s.chief {
			g.isLate(c) // before it has got this one
		}
		if s.last = max(s.last, m.seq); !s.chief || m.seq == 0 {
			continue
		}
		if c.unconfirmed++; c.unconfirmed >= max(1, int(g.kept)/2) {
			g.confirmed(c)
		} else if c.tells.IsZero() {
			c.tells = time.Now().Add(confirmAfter)
		}
	}
}

// isLate has the master tell what it was to tell by now.
func (g *game) isLate(c *star) {
	if !c.tells.IsZero() && !time.Now().Before(c.tells) {
		if c.tells = (time.Time{}); c.unconfirmed > 0 {
			g.confirmed(c)
		}
	}
}

// tells has the master tell, with something else that it asks for.
func (g *game) tells(c *star) {
	g.isLate(c)
	if c.unconfirmed > 0 {
		g.confirmed(c)
	}
}

// silent is the loss of the master's connection: it tells nothing until it is back.
func (g *game) silent(c *star) {
	g.isLate(c)
	c.unconfirmed, c.tells = 0, time.Time{}
}

// confirmed: the master has told that it has got everything that was delivered.
func (g *game) confirmed(c *star) {
	c.unconfirmed = 0
	c.confirmed = max(c.confirmed, c.master.last)
	c.passesOver()
}

// passesOver takes for confirmed what comes next and is for nobody.
func (c *star) passesOver() {
	for _, n := range c.upKept {
		if n > c.confirmed && !c.nobodys[n] {
			return
		}
		c.confirmed = max(c.confirmed, n)
	}
}

// trim is what the hub does not keep for the master any more.
func (g *game) trim(c *star) {
	c.lost = max(c.lost, min(c.confirmed, g.tooMany(c.upKept)))
}

// tooMany is the number of the newest of these messages that is one too many to be kept, or zero.
func (g *game) tooMany(messages []uint64) uint64 {
	if n := len(messages) - int(g.kept); n > 0 {
		return messages[n-1]
	}
	return 0
}

// isBusy reports whether a slave's message would have to push out one that the master is
// not known to have got.
func (g *game) isBusy(c *star) bool {
	if c.master.reachable() {
		return false // its connection takes more than there ever is in a game
	}
	g.isLate(c)
	unconfirmed := 1
	for _, n := range c.upKept {
		if n > c.confirmed {
			unconfirmed++
		}
	}
	return unconfirmed > int(g.kept)
}

// catchUp is what a member gets that has come back: all that it has missed, but for what is
// not kept any more.
func (g *game) catchUp(s *seat) {
	lost := uint64(0)
	if s.chief {
		s.star.hears()
		s.star.unconfirmed, s.star.tells = 0, time.Time{}
		g.trim(s.star)
		lost = s.star.lost
		// What it says that it does not have is held for it again, as far as it is there.
		s.star.confirmed = max(lost, s.last)
		s.star.passesOver()
	} else {
		lost = g.tooMany(s.star.downKept)
	}
	missed := s.messages[s.delivered:]
	kept := slices.DeleteFunc(slices.Clone(missed), func(m heard) bool { return m.seq <= lost })
	dropped := len(kept) < len(missed)
	kept = g.withoutExpired(kept, time.Now())
	if dropped {
		kept = append([]heard{gap}, kept...)
		if s.chief {
			g.counts["a gap for a master"]++
		} else {
			g.counts["a gap for a slave"]++
		}
	}
	s.messages = append(s.messages[:s.delivered:s.delivered], kept...)
	g.delivers(s)
}

func (m heard) String() string { return fmt.Sprintf("%d %s", m.seq, m.line) }
