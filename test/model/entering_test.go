package model

import (
	"context"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
)

// entry is one attempt to enter a channel.
type entry struct {
	seat     *seat
	expected error
	// old is what a switch leaves.
	old *seat
	// x is the timeout that a master asks for.
	x   time.Duration
	try func(ctx context.Context) error
}

// entry is what the move tries, or nil where it makes no sense.
func (g *game) entry(kind string, n int, p *player, c *star, old *seat) *entry {
	e := &entry{seat: g.newSeat(p, c)}
	s := e.seat
	switch kind {
	case "create", "lostcreate":
		switch {
		case p.seats[c] != nil:
			e.expected = lectern.ErrForbidden
		case g.service.isRefusing(p):
			e.expected = lectern.ErrUnauthorized
		case c.master != nil:
			e.expected = lectern.ErrChannelExists
		}
		e.x = []time.Duration{gameMasterTimeout, 7 * time.Second}[n%2]
		e.try = func(ctx context.Context) (err error) {
			s.master, err = p.client.Create(ctx, c.name, p.name(), lectern.WithMasterTimeout(e.x))
			return err
		}
	case "join", "lostjoin", "expect":
		var options []lectern.JoinOption
		expect := ""
		if kind == "expect" {
			expect = fmt.Sprint("user_", n)
			options = append(options, lectern.WithMaster(expect))
		}
		e.expected = c.refusal(p, expect)
		e.try = func(ctx context.Context) (err error) {
			s.slave, err = p.client.Join(ctx, c.name, p.name(), options...)
			return err
		}
	default:
		if old == nil || old.slave == nil {
			return nil
		}
		s.star = g.other(c)
		e.old, e.expected = old, s.star.refusal(p, "")
		e.try = func(ctx context.Context) (err error) {
			s.slave, err = old.slave.Switch(ctx, s.star.name)
			return err
		}
	}
	if e.expected == lectern.ErrNameTaken && s.star.isRepeated(p) {
		return nil
	}
	return e
}

// isRepeated reports whether the hub may take a join for the one that has made the
// membership which is there: the same client has given that up a moment after it entered,
// and has said nothing since, as far as anybody knows.
func (c *star) isRepeated(p *player) bool {
	held := c.slaves[p.number]
	return held != nil && held.user == p && time.Since(held.entered) < gameHandshakeTimeout
}

func (g *game) newSeat(p *player, c *star) *seat {
	return &seat{user: p, star: c, in: true, of: &membership{hub: g.hubs}, roster: map[string]lectern.State{}}
}

// other is another channel than c.
func (g *game) other(c *star) *star {
	for _, other := range g.stars {
		if other != c {
			return other
		}
	}
	return nil
}

// enter is what the model makes of an attempt that the hub has let in.
func (e *entry) enters(g *game) {
	s := e.seat
	if e.old != nil {
		g.leave(e.old)
	}
	if e.x > 0 {
		*s.star = star{name: s.star.name, x: e.x, master: s, slaves: map[int]*seat{}, banned: map[int]bool{}}
	} else {
		s.star.slaves[s.user.number] = s
	}
	s.of.now = s
	s.entered = time.Now()
	s.user.seats[s.star] = s
	g.seats = append(g.seats, s)
}

// enter creates, joins or switches.
func (g *game) enter(ctx context.Context, m move, p *player, c *star, old *seat) error {
	e := g.entry(m.kind, m.n, p, c, old)
	if e == nil {
		return nil
	}
	if err := same(e.try(ctx), e.expected); err != nil || e.expected != nil {
		return err
	}
	e.enters(g)
	g.granted(e.seat)
	go e.seat.watch()
	return nil
}

// enterTwice is enter over a connection that loses the answer, or the question, and is lost
// itself then. The client asks again, and gets what it has asked for once.
func (g *game) enterTwice(ctx context.Context, m move, p *player, c *star, old *seat) error {
	e := g.entry(m.kind, m.n, p, c, old)
	if e == nil || g.service.isRefusing(p) || g.service.cannotSay(p) || e.expected == lectern.ErrForbidden {
		return nil
	}
	p.lose([]loss{answers, questions}[m.n%2])
	tried := make(chan error, 1)
	go func() { tried <- e.try(ctx) }()
	synctest.Wait()
	p.cut(m.n >= 2)
	synctest.Wait()
	if e.expected == nil && e.old != nil {
		delete(p.seats, c) // it is not resumed
	}
	g.blinked(p)
	if err := g.settle(1); err != nil {
		return err
	}
	select {
	case err := <-tried:
		if err := same(err, e.expected); err != nil || e.expected != nil {
			return err
		}
	default:
		return fmt.Errorf("there is no answer")
	}
	g.counts[[]string{"an answer was lost", "a question was lost"}[m.n%2]]++
	e.enters(g)
	g.granted(e.seat)
	go e.seat.watch()
	return nil
}

// blinked is the loss of a user's connection, and its coming back in the same instant.
func (g *game) blinked(p *player) {
	for c, s := range p.seats {
		if s.master != nil && s.in {
			g.silent(c)
		}
	}
	g.resumed(p)
}
