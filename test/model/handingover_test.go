package model

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
)

// This file is what comes together with a hand-over: messages on their way, the loss of either's connection, the
// end of somebody's time, and another hand-over.

// roleHasChanged reports whether what a member has sent was on its way while the mastership went over.
func roleHasChanged(err error) bool {
	return errors.Is(err, lectern.ErrRoleChanged) || errors.Is(err, lectern.ErrHandedOver) || errors.Is(err, lectern.ErrNotAMember)
}

// handSending has both of the two send in the instant of the hand-over. What was accepted was sent as what the
// sender was before, and of the rest nobody gets anything (rules 5 and 6).
func (g *game) handSending(m move, c *star) error {
	f, t := c.master, c.slaves[m.n]
	if g.handRefusal(c, m.n) != nil {
		return nil
	}
	down, up := &sending{to: toAll, text: g.text()}, &sending{to: toMaster, text: g.text()}
	stay := m.user%2 == 0
	g.notes(f, t)
	g.tells(c)
	var h *handing
	begin := []func(){func() { f.start(down) }, func() { t.start(up) }, func() { h = f.hands(m.n, stay) }}
	for i := range begin {
		begin[(i+m.user)%len(begin)]()
	}
	synctest.Wait()
	f.waiting, t.waiting = nil, nil
	for _, one := range []struct {
		*sending
		by *seat
	}{{down, f}, {up, t}} {
		if one.done && roleHasChanged(one.err) {
			g.counts["sent while the mastership went over"]++
			continue
		}
		g.counts["sent just before the mastership went over"]++
		g.deliver(one.by, one.sending)
		if err := one.compare(); err != nil {
			return err
		}
	}
	if err := h.compare(nil); err != nil {
		return err
	}
	g.handsOver(c, t, stay, h, nil)
	return nil
}

// handLosing has a master hand over while its connection, or that of the slave, loses what comes on it, and is
// lost. The user is back at once, or is not.
func (g *game) handLosing(m move, c *star) error {
	f, t := c.master, c.slaves[m.n]
	if g.handRefusal(c, m.n) != nil {
		return nil
	}
	p, other, stay := f.user, t.user, m.user%2 == 0
	if m.user/2%2 == 0 {
		p, other = other, p
	}
	lost, ghost := reasons, m.channel == 1
	if m.kind == "handcut" && m.user >= gameUsers {
		lost = questions
	}
	if g.service.isRefusing(p) || g.service.cannotSay(p) || ghost && !p.mayBeAGhost() {
		return nil
	}
	g.notes(f, t)
	p.becomesAGhost(ghost)
	p.lose(lost)
	if p == t.user && lost == reasons { // what was sent to it before it gets as the slave that it was
		p.ejected = true
		if err := g.send(f, toAll); err != nil {
			return err
		}
	}
	h := f.hands(m.n, stay)
	synctest.Wait()
	if m.kind == "handlost" {
		p.shut()
	}
	p.cut(ghost && m.kind == "handcut")
	synctest.Wait()
	unheard := lost == questions && p == f.user // the hub gets it behind the return
	if unheard {
		g.counts["a hand-over was lost"]++
		g.blinked(p)
	}
	g.tells(c)
	untold := p
	if lost == questions {
		untold = nil
	}
	g.counts["a connection was lost at a hand-over"]++
	g.handsOver(c, t, stay, h, untold)
	p.ejected = false
	switch {
	case m.kind == "handlost":
		p.offline = true
		g.lost(p)
	case !unheard:
		g.blinked(p)
	}
	if other == f.user || m.kind == "handcut" {
		return h.compare(nil)
	}
	return nil
}

// handAtDeadline has the service set a master in the very instant in which somebody's time is over: that comes
// first.
func (g *game) handAtDeadline(m move, c *star) error {
	at := g.nextDeadline()
	t := c.slaves[m.n]
	if at.IsZero() || time.Until(at) < 2 || t != nil && g.isEjected(t.user, at) {
		return nil
	}
	for _, e := range g.attempts {
		// Another channel decides whether the slave is about to leave, and whether the former master still waits there,
		// whose connection ends else, perhaps before its answer is on it.
		if (e.ends.Equal(at) || e.seat.star.deadline.Equal(at)) && (e.old == t || e.seat.user == c.master.user) {
			return nil
		}
		// Whether there is room for one who comes back to the door depends on which is first.
		if e.seat.star == c && g.isEjected(e.seat.user, at) {
			return nil
		}
	}
	if f := c.master.user; g.isEjected(f, at) && g.service.isRefusing(f) {
		return nil // it may be out before the service's word comes
	}
	if err := g.advance(time.Until(at) - 1); err != nil || c.master == nil {
		return err
	}
	channel, _ := g.hub.Channel(c.name)
	g.notes(c.master, c.slaves[m.n])
	unsure := g.service.cannotSay(g.players[m.n])
	time.Sleep(time.Nanosecond) // and nobody waits for what comes of it
	err := channel.SetMaster(context.Background(), fmt.Sprint("user_", m.n))
	synctest.Wait()
	g.counts["a hand-over and the end of somebody's time in one instant"]++
	f := c.master
	ejected := g.isEjected(f.user, at)
	g.expire(at)
	if c.master == nil {
		return same(err, lectern.ErrNoSuchChannel)
	}
	expected := g.handRefusal(c, m.n)
	if expected == nil && unsure {
		expected = lectern.ErrBusy
	}
	if err := same(err, expected); err != nil || expected != nil {
		return err
	}
	g.handsOver(c, c.slaves[m.n], false, nil, nil)
	if ejected && errors.Is(f.err(), lectern.ErrResumeFailed) {
		f.end = lectern.ErrResumeFailed // it was not back yet
	}
	return nil
}

// isEjected reports whether the user loses its connection at that time, since what it was granted as a master is
// over.
func (g *game) isEjected(p *player, at time.Time) bool {
	for _, s := range p.seats {
		if s.chief && !p.offline && s.expires.Equal(at) {
			return true
		}
	}
	return false
}

// hesitates lets others go first, more or less.
func hesitates(m move) {
	for range 20 * (m.user % gameUsers) {
		runtime.Gosched()
	}
}

// handTwice has the master hand over to one, and the service set another one, in one instant. Both happen where the
// master's comes first, and the service's alone else.
func (g *game) handTwice(ctx context.Context, m move, c *star) error {
	f, t, u := c.master, c.slaves[m.n], c.slaves[m.user%gameUsers]
	if g.isLate(c); c.unconfirmed > 0 {
		return nil // whether the hub is told what has arrived before it has another master, nobody knows
	}
	if t == u || g.handRefusal(c, m.n) != nil || g.handRefusal(c, m.user%gameUsers) != nil || g.service.isRefusing(f.user) {
		return nil
	}
	channel, _ := g.hub.Channel(c.name)
	stay := m.channel == 0
	g.notes(f, t, u)
	set := make(chan error, 1)
	h := f.hands(m.n, stay)
	go func() {
		hesitates(m)
		set <- channel.SetMaster(ctx, u.user.name())
	}()
	synctest.Wait()
	if err := <-set; err != nil {
		return fmt.Errorf("the service has set a master: %w", err)
	}
	if h.done && h.err == nil {
		g.counts["two hand-overs in one instant"]++
		g.handsOver(c, t, stay, h, nil)
	} else {
		g.counts["of two hand-overs one came too late"]++
		if !h.done || !roleHasChanged(h.err) {
			return fmt.Errorf("a hand-over behind another one: %w", h.err)
		}
	}
	g.handsOver(c, c.slaves[u.user.number], false, nil, nil)
	return nil
}

// handTaking has the service set a master in the instant in which the seat of one of the two is taken over, by a ticket
// or by the service's word. Where that comes too late there is no such seat any more.
func (g *game) handTaking(ctx context.Context, m move, c *star) error {
	f, t := c.master, c.slaves[m.n]
	if g.handRefusal(c, m.n) != nil || g.kept < 256 {
		return nil
	}
	of, seizes := f, m.user >= gameUsers
	if m.user%2 == 0 && !seizes {
		of = t
	}
	q := g.twin(of.user)
	if q.offline || q.isIn(c) || of.behind != nil || g.service.isRefusing(q) || g.service.cannotSay(q) {
		return nil
	}
	channel, _ := g.hub.Channel(c.name)
	ticket, s := of.ticket(), g.newSeat(q, c)
	g.notes(f, t)
	g.service.seizing(seizes)
	defer g.service.seizing(false)
	taken, set := make(chan error, 1), make(chan error, 1)
	go func() {
		if s.chief = of.chief; !seizes {
			taken <- s.resume(ctx, q, ticket)
			return
		}
		var err error
		s.master, err = q.client.Create(ctx, c.name, q.name())
		taken <- err
	}()
	go func() {
		hesitates(m)
		set <- channel.SetMaster(ctx, t.user.name())
	}()
	synctest.Wait()
	late := lectern.ErrResumeFailed
	if seizes {
		late = lectern.ErrChannelExists
	}
	switch err := <-taken; {
	case err == nil:
		g.counts["a seat was taken over just before a hand-over"]++
		last := ticket.Last
		if of.of.holders++; seizes {
			of.of.secrets++
			last = 0
		}
		g.succeeds(s, of.of, last)
	case errors.Is(err, late):
		g.counts["a seat was taken over too late for a hand-over"]++
	default:
		return fmt.Errorf("the seat is taken over: %w", err)
	}
	if err := <-set; err != nil {
		if s.of == t.of && errors.Is(err, lectern.ErrBusy) {
			return nil // it was still given what it had missed
		}
		return fmt.Errorf("the service has set a master: %w", err)
	}
	g.handsOver(c, c.slaves[m.n], false, nil, nil)
	return nil
}
