package model

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
)

// This file is the model of who waits to get in: for a channel that there is not yet, and at the door of
// one. Who waits is known to the hub by its connection alone. When that is lost the client joins again on the
// next one, at the end; but where the hub has not noticed, it keeps its place and its number.

const (
	// gameWaitTimeout is how long the hub lets somebody wait. gameDialTimeout is for one attempt of a client to
	// connect, of which it makes any number for what waits.
	gameWaitTimeout = 17 * time.Second
	gameDialTimeout = time.Second
)

// knock is one who has come to a door.
type knock struct {
	name   string
	number uint64
	at     time.Time
}

// stand is where one is who waits.
type stand struct {
	cancel context.CancelFunc
	// again: its join may have come to the hub more than once.
	again bool
	// number is that of its knock, and zero before it is at the door. awaited: it has waited for the
	// channel before.
	number  uint64
	awaited bool
	// It has waited since then, and ends is when that is too long, while the hub knows of it. expires is
	// until when the service lets it in.
	since, ends, expires time.Time
	// lost is since when its client is offline, or zero.
	lost time.Time
	// over: it waits no longer since then, and why is the outcome.
	over   bool
	turned time.Time
	why    error

	mu   sync.Mutex
	told lectern.Waiting // last
	done bool
	err  error
}

func (s *stand) outcome() (done bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done, s.err
}

func (s *stand) hearsOfWait(told lectern.Waiting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = told
}

// isFull reports whether the channel has no place for another slave.
func (g *game) isFull(c *star) bool { return g.places > 0 && len(c.slaves) >= g.places }

// knockOf is the one with that number of a user who waits at the door, or nil.
func (c *star) knockOf(user int) *entry {
	for _, e := range c.atDoor {
		if e.seat.user.number == user {
			return e
		}
	}
	return nil
}

// stands has somebody wait from now on.
func (g *game) stands(e *entry) {
	if e.old != nil {
		g.counts["a switch waited"]++
	}
	e.since, e.expires = time.Now(), g.service.grantedUntil(e.seat)
	e.seat.user.waits[e.seat.star] = e
	g.attempts = append(g.attempts, e)
	g.arrives(e)
}

// arrives is what the hub makes of one that may wait.
func (g *game) arrives(e *entry) {
	c := e.seat.star
	switch why := g.ruledOut(e.seat.user, c, e.expect); {
	case why == lectern.ErrNoSuchChannel && e.wait:
		g.counts["waited for a channel"]++
		e.number, e.awaited, e.ends = 0, true, e.since.Add(gameWaitTimeout)
		c.awaiting = append(c.awaiting, e)
	case why != nil:
		g.turnsAway(e, why)
	case c.door == lectern.DoorKnock:
		g.counts["knocked"]++
		first := len(c.knocks)
		for _, k := range g.knocks.after(c) {
			if k.name != e.seat.user.name() || !e.again && len(c.knocks) > first {
				break
			}
			c.knocks = append(c.knocks, k)
			if k.number != uint64(len(c.knocks)) {
				g.fails("%v has knocked under the number %d, and not %d", e.seat, k.number, len(c.knocks))
			}
			e.number = k.number
			if !e.awaited {
				e.since = k.at
			}
		}
		if len(c.knocks) == first {
			g.fails("the service is not told that %v has knocked", e.seat)
		}
		e.again = false
		e.waitsUntil()
		c.atDoor = append(c.atDoor, e)
	default:
		g.comesIn(e)
	}
}

// arriveAt brings those to the door of a new channel who have waited for it.
func (g *game) arriveAt(c *star) {
	waited := c.awaiting
	c.awaiting = nil
	for _, e := range waited {
		g.counts["came to the door of a new channel"]++
		if !e.expires.IsZero() && !time.Now().Before(e.expires) {
			g.counts["what was granted expired before there was a channel"]++
			g.turnsAway(e, lectern.ErrUnauthorized)
			continue
		}
		g.arrives(e)
	}
}

// waitsUntil finds when it has waited too long at the door.
func (s *stand) waitsUntil() {
	s.ends = s.since.Add(gameWaitTimeout)
	if !s.expires.IsZero() && !s.expires.After(s.ends) {
		s.ends = s.expires
	}
}

// waitedTooLong is the end of one's time, by which the hub refuses it.
func (g *game) waitedTooLong(e *entry) {
	if e.number != 0 && e.ends.Equal(e.expires) {
		g.counts["a grant expired at the door"]++
		g.turnsAway(e, lectern.ErrUnauthorized)
		return
	}
	g.counts["waited too long"]++
	g.turnsAway(e, lectern.ErrTooLate)
}

// comesIn lets one in who has waited.
func (g *game) comesIn(e *entry) {
	g.turnsAway(e, nil)
	e.enters(g)
	e.seat.expires = e.expires
}

// turnsAway ends the wait of one who does not get in, or of one who does, where why is nil.
func (g *game) turnsAway(e *entry, why error) {
	g.forgets(e)
	e.over, e.why, e.turned = true, why, time.Now()
	delete(e.seat.user.waits, e.seat.star)
}

// forgets: the hub does not know of the one who waits any more.
func (g *game) forgets(e *entry) {
	c := e.seat.star
	is := func(other *entry) bool { return other == e }
	c.atDoor, c.awaiting = slices.DeleteFunc(c.atDoor, is), slices.DeleteFunc(c.awaiting, is)
	e.number, e.ends = 0, time.Time{}
}

// waitsNowhere is the loss of a user's connection, for what it waits for. That goes on for as long as its caller
// wants, and a switch for as long as the membership does.
func (g *game) waitsNowhere(p *player) {
	for _, e := range p.waits {
		g.forgets(e)
		e.lost = time.Now()
	}
}

// waitsAgain is a user's coming back, for what it waits for.
func (g *game) waitsAgain(p *player) {
	for _, e := range maps.Clone(p.waits) {
		g.again(e)
	}
	p.ghostly = false
}

func (g *game) again(e *entry) {
	p, c := e.seat.user, e.seat.star
	if !e.lost.IsZero() && time.Since(e.lost) > gameWaitTimeout {
		g.counts["waited longer without a hub than one allows"]++
	}
	e.lost = time.Time{}
	if g.service.isRefusing(p) {
		g.turnsAway(e, lectern.ErrUnauthorized)
		return
	}
	e.expires = g.service.grantedUntil(e.seat)
	if done, err := e.outcome(); done && g.isFull(c) && !p.ghostly && errors.Is(err, lectern.ErrChannelFull) {
		g.turnsAway(e, lectern.ErrChannelFull) // the hub has learned of the loss first, or has not
		return
	}
	if slices.Contains(c.atDoor, e) {
		if len(g.knocks.after(c)) == 0 {
			g.counts["kept its place at the door"]++
			e.waitsUntil()
			return
		}
		if p.ghostly {
			g.fails("%v has lost its place, though the hub did not know of its connection", e.seat)
		}
	}
	g.forgets(e)
	e.since, e.again, e.awaited = time.Now(), true, false
	g.counts["waited again"]++
	g.arrives(e)
}

// mayBeAGhost reports whether it is known what becomes of a user's waits whose connection is lost
// unnoticed.
func (p *player) mayBeAGhost() bool {
	for _, e := range p.waits {
		if e.number == 0 || p.service.isRefusing(p) {
			return false
		}
	}
	return true
}

// becomesAGhost notes that the hub does not know of the loss of the user's connection, where that is so, and
// reports whether it does not until the client has knocked again: it learns of it from the first membership that
// comes back on another one.
func (p *player) becomesAGhost(ghost bool) bool {
	p.ghostly = ghost && len(p.seats) == 0
	return p.ghostly
}

// knocks are those who have come to the doors of a hub, and of those that have gone on from it, as the
// events tell.
type knocks struct {
	mu sync.Mutex
	of map[string][]knock
}

// follow takes the events of the hub.
func (k *knocks) follow(hub *lectern.Hub) {
	for e := range hub.Events(context.Background()) {
		k.mu.Lock()
		switch {
		case e.Kind == lectern.EventCreated && !e.Existing:
			delete(k.of, e.Channel)
		case e.Kind == lectern.EventKnocked:
			k.of[e.Channel] = append(k.of[e.Channel], knock{e.Username, e.Number, e.Time})
		}
		k.mu.Unlock()
	}
}

// after are those at the channel that the model does not know yet.
func (k *knocks) after(c *star) []knock {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.of[c.name][min(len(c.knocks), len(k.of[c.name])):])
}

// fails notes what is wrong, where it is found.
func (g *game) fails(format string, a ...any) {
	if g.failed == nil {
		g.failed = fmt.Errorf(format, a...)
	}
}
