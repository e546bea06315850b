package model

import (
	"context"
	"errors"
	"slices"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
)

// membership is what several seats have after each other: each seat is a client's.
type membership struct {
	// now is the seat that has it.
	now *seat
	// history are all messages for it.
	history []heard
	// holders counts the clients that have had it, secrets the secrets.
	holders, secrets int
	attributes       attributes
	// hub is the one that has it, by how many had left nothing before.
	hub int
	// start is the number from which on what is sent is for it.
	start uint64
}

// ticket is a ticket of a membership, by the client that had it then.
type ticket struct {
	lectern.Ticket
	of               *membership
	holders, secrets int
}

func (s *seat) ticket() ticket {
	if s.behind != nil {
		return s.behind.ticket()
	}
	t := ticket{of: s.of, holders: s.holders, secrets: s.secrets}
	if s.chief {
		t.Ticket = s.master.Ticket()
	} else {
		t.Ticket = s.slave.Ticket()
	}
	return t
}

// refusal is why the ticket is worth nothing to another client, or nil.
func (t *ticket) refusal(hubs int) error {
	switch {
	case t.of.hub != hubs:
		return lectern.ErrHubLost
	case !t.of.now.in || t.secrets != t.of.secrets:
		return lectern.ErrResumeFailed
	case t.holders != t.of.holders:
		return lectern.ErrReplaced
	}
	return nil
}

// refusal is why a seat whose user was away does not get its membership back.
func (s *seat) refusal(hubs int) error {
	if s.of.hub != hubs {
		return lectern.ErrHubLost
	}
	for next := s; next != nil; next = next.next {
		if next.next == nil && next.in && s.secrets == s.of.secrets {
			return lectern.ErrReplaced
		}
	}
	return lectern.ErrResumeFailed
}

// twin is the same user's other player.
func (g *game) twin(p *player) *player { return g.players[(p.index+gameUsers)%len(g.players)] }

// take takes a membership over from the same user's other client, by its ticket: the one
// that it has now, or one that was used before.
func (g *game) take(ctx context.Context, m move, p *player, c *star) error {
	key := c.name + " " + p.name()
	t, known := g.tickets[key]
	if m.kind == "take" {
		former := g.twin(p).seats[c]
		if known = former != nil; known {
			t = former.ticket()
			g.tickets[key] = t
		}
	}
	if !known || p.isIn(c) {
		return nil
	}
	if now := t.of.now; now.in && now.user == p {
		return nil // the client has given up what the hub has it hold still: nobody is followed
	}
	expected := t.refusal(g.hubs)
	switch {
	case expected != nil:
	case g.service.isRefusing(p):
		expected = lectern.ErrUnauthorized
	case g.service.cannotSay(p):
		expected = lectern.ErrBusy
	}
	s := g.newSeat(p, c)
	err := s.resume(ctx, p, t)
	if err := same(err, expected); err != nil {
		return err
	}
	if refusal, refused := expected.(*lectern.Error); refused {
		g.counts["refused: "+string(refusal.Code)]++
		return nil
	}
	t.of.holders++
	g.counts["taken over"]++
	synctest.Wait()
	g.succeeds(s, t.of, t.Last)
	return nil
}

func (s *seat) resume(ctx context.Context, p *player, t ticket) (err error) {
	if s.chief = t.Master; s.chief {
		s.master, err = p.client.ResumeMaster(ctx, t.Ticket)
	} else {
		s.slave, err = p.client.ResumeSlave(ctx, t.Ticket)
	}
	return err
}

// succeeds gives the membership to another seat, which gets what came after number last.
func (g *game) succeeds(s *seat, of *membership, last uint64) {
	former, c := of.now, s.star
	if s.chief {
		if former.reachable() {
			g.silent(c)
		}
		c.master, c.away = s, false
	} else {
		c.slaves[s.user.number] = s
	}
	former.in, former.next, former.expires, former.deadline = false, s, time.Time{}, time.Time{}
	s.of, of.now = of, s
	s.holders, s.secrets = of.holders, of.secrets
	s.user.seats[c] = s
	g.seats = append(g.seats, s)
	g.granted(s)
	last = max(last, of.start)
	s.last = last
	s.messages = slices.DeleteFunc(slices.Clone(of.history), func(m heard) bool { return m.seq <= last })
	g.catchUp(s)
	go s.watch()
	if former.reachable() {
		g.over(former, lectern.ErrReplaced)
		g.blinked(former.user) // it was on the same connection as what else the user has
	}
}

// seize enters a channel where the service gives the user the seat that its other client
// has.
func (g *game) seize(ctx context.Context, p *player, c *star) error {
	former := g.twin(p).seats[c]
	if former == nil || !former.in || p.isIn(c) || g.service.isRefusing(p) {
		return nil
	}
	g.tickets[c.name+" "+p.name()] = former.ticket()
	g.service.seizing(true)
	defer g.service.seizing(false)
	s := g.newSeat(p, c)
	s.chief = former.chief
	var err error
	with := map[string]lectern.Payload{}
	if former.of.holders%2 == 0 {
		with["key 0"] = lectern.Text(g.text())
	}
	if former.chief {
		s.master, err = p.client.Create(ctx, c.name, p.name(), lectern.WithAttributes(with))
	} else {
		s.slave, err = p.client.Join(ctx, c.name, p.name(), lectern.WithAttributes(with))
	}
	if err != nil {
		return err
	}
	for key, value := range with {
		c.changes(former, key, value.Text())
	}
	former.of.holders++
	former.of.secrets++
	g.counts["seized"]++
	synctest.Wait()
	g.succeeds(s, former.of, 0)
	return nil
}

// takeUnheard takes a membership over whose client is away, over a connection on which no
// answer comes, so that nothing is heard of the new client. The former one returns: it still
// has the membership.
func (g *game) takeUnheard(ctx context.Context, p *player, c *star) error {
	other := g.twin(p)
	former := other.seats[c]
	if former == nil || !former.in || former.behind != nil || !other.offline || p.isIn(c) || g.service.isRefusing(p) || g.service.cannotSay(p) {
		return nil
	}
	p.lose(answers)
	tried := make(chan error, 1)
	go func() { tried <- g.newSeat(p, c).resume(ctx, p, former.ticket()) }()
	synctest.Wait()
	other.offline = false
	other.unshut()
	synctest.Wait()
	p.cut(false)
	synctest.Wait()
	g.counts["came back unheard of the other"]++
	g.resumed(other)
	g.blinked(p)
	if err := g.sendWaiting(other); err != nil {
		return err
	}
	select {
	case err := <-tried:
		if err == nil {
			return errors.New("who was not heard has got the membership")
		}
	default:
		return errors.New("who was not heard is not told")
	}
	return nil
}
