package model

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
)

// This file is the model of hand-overs. By one, two memberships end and one or two begin, in one step. Who is
// not told of it goes on by the handle that it has, until it is back: then it is told as if it had been there.

// handing is a hand-over of a master that is under way.
type handing struct {
	next *lectern.Slave
	err  error
	done bool
}

// hands gives the mastership to the user of that number, in the background.
func (s *seat) hands(who int, stay bool) *handing {
	h := &handing{}
	go func() {
		next, err := s.master.HandOver(context.Background(), fmt.Sprint("user_", who), stay)
		s.mu.Lock()
		defer s.mu.Unlock()
		h.next, h.err, h.done = next, err, true
	}()
	return h
}

// handRefusal is why the user of that number is not made the master.
func (g *game) handRefusal(c *star, who int) error {
	t := c.slaves[who]
	if t == nil || t.connected() == 0 {
		return lectern.ErrNoSuchSlave
	}
	if g.service.isRefusing(t.user) {
		return lectern.ErrUnauthorized
	}
	if g.service.cannotSay(t.user) {
		return lectern.ErrBusy
	}
	for _, e := range t.user.waits {
		if e.old == t {
			return lectern.ErrBusy // it is about to leave
		}
	}
	return nil
}

// hand has the master, or the service, make another user the master.
func (g *game) hand(ctx context.Context, m move, c *star) error {
	if c.master == nil || m.kind != "setmaster" && m.kind != "handtie" && m.kind != "handtake" && c.master.user.offline {
		return nil
	}
	switch m.kind {
	case "handsend":
		return g.handSending(m, c)
	case "handcut", "handlost":
		return g.handLosing(m, c)
	case "handtie":
		return g.handAtDeadline(m, c)
	case "handboth":
		return g.handTwice(ctx, m, c)
	case "handtake":
		return g.handTaking(ctx, m, c)
	}
	f, t := c.master, c.slaves[m.n]
	expected := g.handRefusal(c, m.n)
	g.notes(f, t)
	if m.kind == "setmaster" {
		channel, _ := g.hub.Channel(c.name)
		if err := same(channel.SetMaster(ctx, fmt.Sprint("user_", m.n)), expected); err != nil || expected != nil {
			return err
		}
		if c.away {
			g.counts["the service has set a master while there was none"]++
		}
		g.counts["the service has set a master"]++
		synctest.Wait()
		g.handsOver(c, t, false, nil, nil)
		return nil
	}
	g.tells(c)
	stay := m.user%2 == 0
	h := f.hands(m.n, stay)
	synctest.Wait()
	if err := h.compare(expected); err != nil || expected != nil {
		return err
	}
	g.handsOver(c, t, stay, h, nil)
	return nil
}

func (h *handing) compare(expected error) error {
	if !h.done {
		return errors.New("the hand-over is not answered")
	}
	if err := same(h.err, expected); err != nil {
		if expected != nil {
			return err
		}
		return fmt.Errorf("the hand-over: %w", err)
	}
	return nil
}

// notes keeps the tickets of those who are about to have others.
func (g *game) notes(seats ...*seat) {
	for _, s := range seats {
		if s != nil && s.in {
			g.tickets[s.star.name+" "+s.user.name()] = s.ticket()
		}
	}
}

// handsOver makes the member of the seat t the master. h is the hand-over of the former master, and nil where it is
// the service's. untold is the user of the two whose connection loses what it is told, or nil.
func (g *game) handsOver(c *star, t *seat, stay bool, h *handing, untold *player) {
	f := c.master
	g.counts["handed over"]++
	g.isLate(c)
	for _, e := range slices.Clone(c.atDoor) {
		if e.expect != "" {
			g.counts["who waited for another master was refused"]++
			g.turnsAway(e, lectern.ErrWrongMaster)
		}
	}
	c.exceptions = without(c.exceptions, t.user.number)
	delete(c.slaves, t.user.number)

	m := g.newSeat(t.user, c)
	m.chief = true
	m.of.attributes, f.of.attributes = f.of.attributes, attributes{}
	m.of.start = c.confirmed
	for _, one := range f.of.history {
		switch {
		case one.seq <= c.confirmed:
		case one.by == t.of && (one.end.IsZero() || time.Now().Before(one.end)): // whose it was that has expired is not known
			if c.nobodys == nil {
				c.nobodys = map[uint64]bool{}
			}
			c.nobodys[one.seq] = true
			g.counts["a master did not get its own message"]++
		default:
			m.of.history = append(m.of.history, one)
			g.counts["a message went on to the new master"]++
		}
	}
	c.hears()
	c.passesOver()
	c.unconfirmed, c.tells = 0, time.Time{}
	m.last, m.messages = m.of.start, slices.Clone(m.of.history)
	m.expires = g.service.grantedUntil(m)
	c.master, c.away, c.deadline = m, false, time.Time{}
	seats := []*seat{m}
	formerExpires := f.expires
	if stay {
		s := g.newSeat(f.user, c)
		s.of.start, s.last, s.expires = c.down, c.down, formerExpires
		c.slaves[f.user.number] = s
		seats = append(seats, s)
	}
	for _, old := range []*seat{f, t} {
		old.in, old.expires, old.deadline = false, time.Time{}, time.Time{}
		if old.user == untold || !old.reachable() {
			continue
		}
		old.promoted = true
		g.over(old, lectern.ErrHandedOver)
	}
	if untold == f.user && !stay {
		f.given, f.handing = true, h
	}
	for _, s := range seats {
		s.of.now = s
		g.seats = append(g.seats, s)
		old := map[bool]*seat{true: t, false: f}[s == m]
		s.user.seats[c] = s
		if s.user == untold {
			s.behind, old.heir, s.handing = old, s, h
			continue
		}
		if s == m {
			s.master = t.slave.Promoted()
		} else {
			s.slave = h.next
		}
		g.begins(s)
	}
	if m.user != untold {
		g.catchUp(m)
	}
}

// begins has the user take the events of a handle that a hand-over has made.
func (g *game) begins(s *seat) {
	if s.master == nil && s.slave == nil {
		g.fails("%v has no handle", s)
		return
	}
	go s.watch()
}

// learns is what becomes of one who is told of a hand-over when it is back.
func (g *game) learns(s *seat) {
	old, h := s.behind, s.handing
	s.behind, s.handing, old.heir = nil, nil, nil
	old.promoted, old.end = true, lectern.ErrHandedOver
	if s.chief {
		g.counts["was told late that it is the master"]++
		g.catchUp(old)
		s.master = old.slave.Promoted()
	} else {
		g.counts["was told late that it is a slave"]++
		if err := h.compare(nil); err != nil {
			g.fails("%v: %w", old, err)
		}
		s.slave = h.next
	}
	g.begins(s)
}

// hearsOfMaster takes in who is the slave's master: what is known of the one before is that one's.
func (s *seat) hearsOfMaster(name string) {
	if before := s.follows; before != name && before != "" && s.told[before] != nil {
		s.told[name] = s.told[before]
		delete(s.told, before)
	}
	s.follows = name
}
