package model

import (
	"context"
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
)

// entry is one attempt to enter a channel.
type entry struct {
	seat     *seat
	expected error
	// waits: it is not answered at once (door_test.go).
	waits bool
	stand
	// old is what a switch leaves.
	old *seat
	// x is the timeout that a master asks for, and door what its channel begins with.
	x    time.Duration
	door lectern.Door
	// expect is the master that a join expects, or empty. wait: it waits for the channel.
	// attributes are those with which it enters.
	expect     string
	wait       bool
	attributes map[string]string
	try        func(ctx context.Context) error
}

// entry is what the move tries, or nil where it makes no sense.
func (g *game) entry(kind string, n int, p *player, c *star, old *seat) *entry {
	e := &entry{seat: g.newSeat(p, c)}
	s := e.seat
	switch kind {
	case "create", "guard", "lostcreate":
		switch {
		case p.isIn(c):
			e.expected = lectern.ErrForbidden
		case g.service.isRefusing(p):
			e.expected = lectern.ErrUnauthorized
		case c.master != nil:
			e.expected = lectern.ErrChannelExists
		}
		e.x = []time.Duration{gameMasterTimeout, 7 * time.Second}[n%2]
		e.door = lectern.DoorOpen
		options := []lectern.CreateOption{lectern.WithMasterTimeout(e.x)}
		if kind == "guard" || kind == "lostcreate" && p.index%2 == 1 {
			e.door = []lectern.Door{lectern.DoorKnock, lectern.DoorKnock, lectern.DoorKnock, lectern.DoorLocked}[n]
			options = append(options, lectern.WithDoor(e.door))
		}
		s.chief = true
		e.try = func(ctx context.Context) (err error) {
			s.master, err = p.client.Create(ctx, c.name, p.name(), options...)
			return err
		}
		return e
	case "join", "knock", "lostjoin", "expect":
		if kind == "knock" {
			e.wait = n%2 == 1
			if n == 0 && c.master != nil {
				e.expect = c.master.user.name()
			}
			if n >= 2 {
				e.attributes = map[string]string{"key 0": g.text()}
			}
		}
		if kind == "expect" {
			e.expect = fmt.Sprint("user_", n)
		}
		e.try = func(ctx context.Context) (err error) {
			s.slave, err = p.client.Join(ctx, c.name, p.name(), e.options()...)
			return err
		}
	default:
		if old == nil || old.chief {
			return nil
		}
		s.star = g.other(c)
		e.old, e.wait = old, kind == "switch" && n%2 == 1
		e.try = func(ctx context.Context) (err error) {
			s.slave, err = old.slave.Switch(ctx, s.star.name, e.options()...)
			return err
		}
	}
	switch e.expected = g.refusal(p, s.star, e.expect); {
	case e.expected == lectern.ErrNameTaken && s.star.isRepeated(p):
		return nil
	case e.expected == nil:
		e.waits = s.star.door == lectern.DoorKnock
	case e.expected == lectern.ErrNoSuchChannel && e.wait:
		e.expected, e.waits = nil, true
	}
	return e
}

// options are those of a join or switch.
func (e *entry) options() []lectern.JoinOption {
	options := []lectern.JoinOption{lectern.WithWaiting(e.hearsOfWait)}
	if e.expect != "" {
		options = append(options, lectern.WithMaster(e.expect))
	}
	if e.wait {
		options = append(options, lectern.WithWait())
	}
	if e.attributes != nil {
		options = append(options, lectern.WithAttributes(payloadsOf(e.attributes)))
	}
	return options
}

// begin tries to enter in the background.
func (e *entry) begin() {
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	go func() {
		defer cancel()
		err := e.try(ctx)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.err, e.done = err, true
	}()
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

// enters is what the model makes of an attempt that the hub has let in.
func (e *entry) enters(g *game) {
	s, c := e.seat, e.seat.star
	if e.old != nil {
		g.leave(e.old)
	}
	s.of.now, s.of.hub = s, g.hubs
	s.entered = time.Now()
	s.user.seats[c] = s
	g.seats = append(g.seats, s)
	if e.x == 0 {
		c.slaves[s.user.number] = s
		s.of.attributes.untold = !c.master.reachable()
		for key, text := range e.attributes {
			c.changes(s, key, text)
		}
		return
	}
	*c = star{name: c.name, x: e.x, master: s, slaves: map[int]*seat{}, banned: map[int]bool{}, door: e.door, awaiting: c.awaiting}
	g.arriveAt(c)
}

// enter creates, joins or switches.
func (g *game) enter(m move, p *player, c *star, old *seat) error {
	e := g.entry(m.kind, m.n, p, c, old)
	if e == nil {
		return nil
	}
	e.begin()
	synctest.Wait()
	return g.decided(e)
}

// decided takes over what has become of an attempt.
func (g *game) decided(e *entry) error {
	done, err := e.outcome()
	switch {
	case e.waits && done:
		return fmt.Errorf("it has not waited, but got %w", err)
	case e.waits:
		g.stands(e)
		return nil
	case !done:
		return errors.New("there is no answer")
	}
	if err := same(err, e.expected); err != nil || e.expected != nil {
		if e.expected == lectern.ErrLocked || e.expected == lectern.ErrChannelFull {
			g.counts["refused: "+string(e.expected.(*lectern.Error).Code)]++
		}
		return err
	}
	e.enters(g)
	g.granted(e.seat)
	go e.seat.watch()
	return nil
}

// enterTwice is enter over a connection that loses the answer, or the question, and is lost
// itself then. The client asks again, and gets what it has asked for once.
func (g *game) enterTwice(m move, p *player, c *star, old *seat) error {
	e := g.entry(m.kind, m.n, p, c, old)
	ghost := m.n >= 2
	if e == nil || g.service.isRefusing(p) || g.service.cannotSay(p) || e.expected == lectern.ErrForbidden || ghost && !p.mayBeAGhost() {
		return nil
	}
	keeps := p.becomesAGhost(ghost)
	p.lose([]loss{answers, questions}[m.n%2])
	e.begin()
	synctest.Wait()
	p.cut(ghost)
	synctest.Wait()
	if e.expected == nil && !e.waits && e.old != nil {
		delete(p.seats, c) // it is not resumed
	}
	g.blinked(p)
	if err := g.settle(1); err != nil {
		return err
	}
	g.counts[[]string{"an answer was lost", "a question was lost"}[m.n%2]]++
	e.again = m.n == 0 || m.n == 2 && !keeps
	return g.decided(e)
}

// blinked is the loss of a user's connection, and its coming back in the same instant.
func (g *game) blinked(p *player) {
	for c, s := range p.seats {
		if s.chief && s.in {
			g.silent(c)
		}
	}
	g.resumed(p)
}
