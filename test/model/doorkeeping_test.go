package model

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
)

// This file is what a master does at its door, what those do who wait there, and what each of them
// sees of it.

// fewPlaces is the kind of a move that does nothing. In a game that has it, a channel has two slaves at
// the most.
const fewPlaces = "few places"

// setDoor has a master open, guard or lock its door.
func (g *game) setDoor(ctx context.Context, s *seat, n int) error {
	c := s.star
	c.door = []lectern.Door{lectern.DoorKnock, lectern.DoorKnock, lectern.DoorOpen, lectern.DoorLocked}[n]
	for _, e := range slices.Clone(c.atDoor) {
		switch {
		case c.door == lectern.DoorLocked:
			g.counts["the door was locked"]++
			g.turnsAway(e, lectern.ErrLocked)
		case c.door == lectern.DoorOpen && g.isFull(c):
			g.counts["the door was opened, and there was no room"]++
			g.turnsAway(e, lectern.ErrChannelFull)
		case c.door == lectern.DoorOpen:
			g.counts["the door was opened"]++
			g.comesIn(e)
		}
	}
	return s.master.SetDoor(ctx, c.door)
}

// judge has a master let one in who waits, or not: one of those there, or one that is there no more.
func (g *game) judge(ctx context.Context, s *seat, n int, admit bool) error {
	c := s.star
	var e *entry
	number, expected := c.numberOver(), error(lectern.ErrNoSuchSlave)
	if n < 3 && len(c.atDoor) > 0 {
		e = c.atDoor[n%len(c.atDoor)]
		number, expected = e.number, nil
	}
	switch {
	case e == nil:
		if len(c.atDoor) > 0 && len(c.knocks) > len(c.atDoor) {
			g.counts["a knock was judged that was over"]++
		}
	case !admit:
		g.counts["denied"]++
		g.turnsAway(e, lectern.ErrDenied)
	case g.isFull(c):
		g.counts["admitted, and there was no room"]++
		expected = lectern.ErrChannelFull
	default:
		g.counts["admitted"]++
		g.comesIn(e)
	}
	if admit {
		return same(s.master.Admit(ctx, number), expected)
	}
	return same(s.master.Deny(ctx, number, ""), expected)
}

// numberOver is the number of the latest knock that is over, or one that no knock has.
func (c *star) numberOver() uint64 {
	for _, k := range slices.Backward(c.knocks) {
		if !slices.ContainsFunc(c.atDoor, func(e *entry) bool { return e.number == k.number }) {
			return k.number
		}
	}
	return 99
}

// giveUp has the caller of a join that waits give up.
func (g *game) giveUp(e *entry) error {
	if e == nil {
		return nil
	}
	g.counts["a knock was taken back"]++
	e.cancel()
	synctest.Wait()
	g.turnsAway(e, context.Canceled)
	return nil
}

// swap has a user who waits give up, its other client knock under the same name, and the master let in who
// has knocked first, in one instant. The other client is not in by that.
func (g *game) swap(ctx context.Context, m move, p *player, c *star) error {
	e, other := p.waits[c], g.twin(p)
	if e == nil || e.number == 0 || e.old != nil || !c.master.reachable() || other.offline || other.isIn(c) || g.service.isRefusing(p) {
		return nil
	}
	next := g.entry("knock", 0, other, c, nil)
	admitted := make(chan error, 1)
	g.tells(c)
	e.cancel()
	if m.n%2 == 1 {
		synctest.Wait() // the hub knows
	}
	next.begin()
	number := e.number
	go func() { admitted <- c.master.master.Admit(ctx, number) }()
	synctest.Wait()
	g.turnsAway(e, context.Canceled)
	switch err := <-admitted; {
	case err == nil: // it was in, and has left again
		g.counts["let in as it gave up"]++
		c.up += uint64(len(e.attributes))
	case errors.Is(err, lectern.ErrNoSuchSlave):
		g.counts["let in too late, as it gave up"]++
	case !errors.Is(err, lectern.ErrChannelFull) || !g.isFull(c):
		return err
	}
	done, err := next.outcome()
	if done {
		g.counts["knocked under a name that was still there"]++
		next.waits, next.expected = false, lectern.ErrNameTaken
		if g.isFull(c) && errors.Is(err, lectern.ErrChannelFull) {
			next.expected = lectern.ErrChannelFull
		}
	} else {
		g.counts["knocked under a name that was just left"]++
		next.waits, next.expected = true, nil
	}
	return g.decided(next)
}

// seizeKnock has the service say that the name is the user's own under which its other client waits.
func (g *game) seizeKnock(m move, p *player, c *star) error {
	former := g.twin(p).waits[c]
	if former == nil || former.number == 0 || p.isIn(c) || g.service.isRefusing(p) {
		return nil
	}
	g.service.seizing(true)
	defer g.service.seizing(false)
	e := g.entry("knock", m.n&^1, p, c, nil)
	if m.n%2 == 1 {
		e.attributes = former.attributes
	}
	e.begin()
	synctest.Wait()
	keeps := maps.Equal(e.attributes, former.attributes)
	e.waits, e.expected = true, nil
	if g.isFull(c) && !keeps {
		e.waits, e.expected = false, lectern.ErrChannelFull
		return g.decided(e)
	}
	number, since := former.number, former.since
	g.turnsAway(former, lectern.ErrReplaced)
	g.counts["taken over at the door"]++
	if !keeps {
		return g.decided(e)
	}
	if done, err := e.outcome(); done {
		return fmt.Errorf("it does not wait: %w", err)
	}
	e.number, e.since, e.expires = number, since, g.service.grantedUntil(e.seat)
	e.waitsUntil()
	p.waits[c] = e
	g.attempts = append(g.attempts, e)
	c.atDoor = append(c.atDoor, e)
	slices.SortFunc(c.atDoor, func(a, b *entry) int { return int(a.number) - int(b.number) })
	return nil
}

// compareAttempts compares what those are told who wait, or have waited, with the model.
func (g *game) compareAttempts() error {
	var waiting []*entry
	for _, e := range g.attempts {
		done, err := e.outcome()
		switch {
		case !e.over && done:
			return fmt.Errorf("%v waits no longer, but got %w", e.seat, err)
		case !e.over:
			waiting = append(waiting, e)
			if err := e.compareWait(); err != nil {
				return fmt.Errorf("%v, who waits: %w", e.seat, err)
			}
		case !done && e.unheard() && e.wait:
			e.over, e.why = false, nil
			e.seat.user.waits[e.seat.star] = e
			e.since, e.again, e.awaited = time.Now(), true, false
			g.arrives(e)
			waiting = append(waiting, e)
		case !done:
			return fmt.Errorf("%v waits, and is to get %w", e.seat, e.why)
		default:
			if wrong := same(err, e.why); wrong != nil && !(e.unheard() && errors.Is(err, lectern.ErrNoSuchChannel)) {
				return fmt.Errorf("%v, who has waited: %w", e.seat, wrong)
			}
			if err == nil {
				go e.seat.watch()
			}
		}
	}
	g.attempts = waiting
	synctest.Wait()
	return nil
}

// unheard reports whether the end of the channel may not have been heard of, since another membership has ended in the same
// instant, and with it the connection. Then it has been asked for the channel again.
func (e *entry) unheard() bool {
	return e.seat.star.master == nil && e.turned.Equal(e.seat.user.ended)
}

// compareWait compares what one is told who waits.
func (e *entry) compareWait() error {
	if e.seat.user.offline {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.number == 0 {
		if e.told != (lectern.Waiting{For: lectern.WaitingForMaster}) {
			return fmt.Errorf("it is told that it waits for %v, and not for a channel", e.told)
		}
		return nil
	}
	c := e.seat.star
	if e.told.For != lectern.WaitingForDoor || e.told.Master.Username != c.master.user.name() {
		return fmt.Errorf("it is told that it waits for %v, and not for the door of %v", e.told, c.master)
	}
	return c.compare(e.told.Master)
}

// compareDoor compares what the hub has of the door.
func (g *game) compareDoor(c *star, has lectern.ChannelSnapshot) error {
	if has.Door != c.door || has.Waiting != len(c.atDoor) {
		return fmt.Errorf("the door is %v, and %d wait there, and not %v and %d", has.Door, has.Waiting, c.door, len(c.atDoor))
	}
	if more := g.knocks.after(c); len(more) > 0 {
		return fmt.Errorf("%v have knocked", more)
	}
	return nil
}

// compareKnocks compares what a master knows of its door.
func (s *seat) compareKnocks() error {
	if s.master.Door() != s.star.door {
		return fmt.Errorf("its door is %v, not %v", s.master.Door(), s.star.door)
	}
	waiting := s.master.Knocks()
	same := slices.EqualFunc(waiting, s.star.atDoor, func(k lectern.Knock, e *entry) bool {
		return k.Number == e.number && k.Username == e.seat.user.name() && maps.Equal(textsOf(k.Attributes), e.attributes)
	})
	if !same {
		return fmt.Errorf("at its door are %v", waiting)
	}
	followed := map[uint64]string{}
	for _, k := range waiting {
		followed[k.Number] = k.Username
	}
	if !maps.Equal(followed, s.knocking) {
		return fmt.Errorf("its events tell of %v at its door, where there are %v", s.knocking, followed)
	}
	return nil
}

// hearsOfKnock takes in what an event tells of who is at the door.
func (s *seat) hearsOfKnock(event lectern.Event) {
	k, ok := event.(lectern.Knock)
	if !ok {
		return
	}
	if _, there := s.knocking[k.Number]; there != k.Over {
		s.seen = append(s.seen, "told that nothing has changed at the door")
	}
	if k.Over {
		delete(s.knocking, k.Number)
		return
	}
	if s.knocking == nil {
		s.knocking = map[uint64]string{}
	}
	s.knocking[k.Number] = k.Username
}
