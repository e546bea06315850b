package cluster

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
)

// verify holds what the members of a channel were told against what was sent.
func (l *life) verify() {
	texts := map[string]*sent{}
	for _, one := range l.sends {
		texts[one.text()] = one
	}
	for _, s := range append([]*seat{l.master}, l.seats...) {
		s.verify(texts)
	}
}

// verify holds one member against the rest: what was accepted arrives once and in order, and
// what was refused does not.
func (s *seat) verify(texts map[string]*sent) {
	r, l := s.life.round, s.life
	got := map[string]bool{}
	last := map[string]int{} // of each stream
	for _, e := range s.events {
		if gap, ok := e.event.(lectern.Gap); ok && !r.loses {
			r.fail("%s in %s has a gap of %d at %v", s.name, l.channel, gap.Missed, r.since(e.at))
		}
		m, ok := e.event.(lectern.Message)
		if !ok {
			continue
		}
		one := texts[m.Text()]
		switch {
		case one == nil:
			r.fail("%s in %s is told %q at %v, which nobody has sent", s.name, l.channel, m.Text(), r.since(e.at))
			continue
		case one.from.isSlave == s.isSlave || s.isSlave && one.to != "" && one.to != s.name || m.From != one.from.name:
			r.fail("%s in %s is told %v at %v, from %s", s.name, l.channel, one, r.since(e.at), m.From)
		case got[m.Text()] && !r.mayBeLost(one):
			r.fail("%s in %s is told twice, again at %v: %v", s.name, l.channel, r.since(e.at), one)
		case one.err != nil && !one.unknown() && !one.mayArrive():
			r.fail("%s in %s is told what was refused: %v", s.name, l.channel, one)
		}
		got[m.Text()] = true
		stream, number := cut(m.Text())
		if number < last[stream] && !r.mayBeLost(one) {
			r.fail("%s in %s is told %v at %v, behind number %d", s.name, l.channel, one, r.since(e.at), last[stream])
		}
		last[stream] = max(number, last[stream])
	}
	cutOff := l.hasClosed() && (errors.Is(s.err, lectern.ErrResumeFailed) || s.wasAway(texts))
	for _, one := range l.sends {
		if one.from.isSlave == s.isSlave || s.isSlave && one.to != "" && one.to != s.name || !one.began.After(s.entered) {
			continue
		}
		stayed := s.ended.IsZero() || s.ended.After(one.done)
		switch {
		case r.mayBeLost(one):
		case one.err == nil && !got[one.text()] && (stayed && !cutOff && s.readAll(one.done) || last[one.stream] > one.number):
			r.fail("%s in %s was never told %v", s.name, l.channel, one)
		case s.isSlave && one.to != "" && errors.Is(one.err, lectern.ErrNoSuchSlave) && stayed && s.leaves.IsZero() && !s.kicked && !cutOff && s.readAll(one.done):
			r.fail("%s was in %s: %v", s.name, l.channel, one)
		}
	}
}

// readAll: who was in until then has read what was sent until then. Of one that is out it is not known.
func (s *seat) readAll(until time.Time) bool {
	return s.leaves.IsZero() && !s.kicked && s.ended.After(until.Add(2*time.Second))
}

// wasAway: that is the last that the master was told of the slave, or that it is back, and the slave was told nothing that was sent
// since: its hub did not know that by the end.
func (s *seat) wasAway(texts map[string]*sent) (away bool) {
	var back time.Time
	for _, e := range s.life.master.events {
		if p, is := e.event.(lectern.Presence); is && p.Username == s.name && !e.at.After(s.ended) {
			if away = p.State == lectern.StateAway; !away && !p.Joined {
				back = e.at
			}
		}
	}
	if back.IsZero() || away {
		return away
	}
	for _, e := range s.events {
		if m, is := e.event.(lectern.Message); is && texts[m.Text()] != nil && texts[m.Text()].began.After(back) {
			return false
		}
	}
	return true
}

// mayArrive: it was sent though the error says that nothing came of it: a request, which was taken,
// and not answered.
func (one *sent) mayArrive() bool {
	var lost *lectern.GapError // the answer may be among what was lost
	return errors.As(one.err, &lost) || errors.Is(one.err, lectern.ErrNoSuchSlave) || isEnd(one.err) || errors.Is(one.err, context.DeadlineExceeded)
}

// cut takes a text apart.
func cut(text string) (stream string, number int) {
	stream, n, _ := strings.Cut(text, "/")
	number, _ = strconv.Atoi(n)
	return stream, number
}

// verifyLogs: of each channel one hub is the owner at each moment, whose epoch rises, and who is deposed writes
// nothing any more.
func (r *round) verifyLogs() {
	for _, l := range r.lives {
		key := cluster.KeyOf(l.channel)
		final, err := r.log.Last(context.Background(), key)
		if (r.ages || r.expires) && errors.Is(err, cluster.ErrNone) {
			continue
		}
		if err != nil {
			r.fail("the log of %s: %w", l.channel, err)
			continue
		}
		var owner inner.Header
		var last, shared cluster.Position
		for g, err := range r.log.Read(context.Background(), key, cluster.Every, 0, final.Position) {
			if err != nil {
				r.fail("the log of %s: %w", l.channel, err)
				break
			}
			h, err := inner.ParseHeader(g.Body)
			if err != nil {
				r.fail("the log of %s at %d: %w", l.channel, g.Position, err)
				break
			}
			if r.ages && last == 0 && g.After > 0 { // what was before has expired
				last, shared, owner = g.After, g.Before, h
				if owner.Claim == inner.Owned {
					owner.Epoch--
				}
				owner.Claim = inner.None
			}
			isRemnant := r.hasLost() && h.Claim != inner.Doubt && h.Incarnation == owner.Incarnation && h.Epoch < owner.Epoch
			if g.After != last || g.Before != shared && !isRemnant {
				r.fail("the log of %s at %d: after %d, and not %d, before %d, and not %d", l.channel, g.Position, g.After, last, g.Before, shared)
			}
			if last = g.Position; g.Kind == cluster.Shared {
				shared = g.Position
			}
			switch {
			case isRemnant:
				continue // of a former owner, at a position that was given again, which nobody takes for more
			case h.Claim == inner.Doubt:
				if h.Epoch != owner.Epoch {
					r.fail("the log of %s at %d: a doubt of the epoch %d in %d", l.channel, g.Position, h.Epoch, owner.Epoch)
				}
				continue
			case owner.Claim == inner.Ended && (h.Claim != inner.Owned || h.Incarnation == owner.Incarnation):
				r.fail("the log of %s at %d: %v behind the end", l.channel, g.Position, h.Claim)
			case h.Claim == inner.Owned:
				if h.Epoch <= owner.Epoch {
					r.fail("the log of %s at %d: the epoch %d is claimed, behind %d", l.channel, g.Position, h.Epoch, owner.Epoch)
				}
				if h.Incarnation != owner.Incarnation && owner.Claim != inner.Ended && owner.Epoch > 0 {
					r.fail("the log of %s at %d: another channel, and the one before has not ended", l.channel, g.Position)
				}
			case h.Epoch != owner.Epoch || h.Hub != owner.Hub || h.Incarnation != owner.Incarnation:
				r.fail("the log of %s at %d: %v of the epoch %d by hub %v, and the owner is %v in %d", l.channel, g.Position, h.Claim, h.Epoch, h.Hub, owner.Hub, owner.Epoch)
			case owner.Claim == inner.Free:
				r.fail("the log of %s at %d: %v of who has given it up", l.channel, g.Position, h.Claim)
			}
			if h.Claim == inner.None && owner.Claim != inner.Free {
				h.Claim = owner.Claim
			}
			owner = h
		}
	}
}
