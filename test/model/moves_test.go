package model

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
)

// move is one step of a game. What makes no sense where it comes is passed over,
// so that any part of a game is a game.
type move struct {
	kind             string
	user, channel, n int
}

func (m move) String() string {
	return fmt.Sprintf("%s user_%d channel_%d %d", m.kind, m.user, m.channel, m.n)
}

// moveKinds are all kinds of moves, the likely ones several times.
var moveKinds = strings.Fields(`create create join join join join expect leave switch
	broadcast broadcast private private up up up set set set brief brief briefly doze doze kick ban away back status
	cut cut restore restore restore blink ghost blinksend ghostsend sleep sleep sleep due due
	take take take note note note oldticket oldticket oldticket seize seize seize unheard unheard lostcreate lostjoin lostjoin lostswitch
	mute mute mute mute unmute unmute hush hush unhush
	door door door door guard knock knock knock knock knock knock admit admit admit admit deny giveup giveup swap swap seizeknock
	hand hand hand hand hand setmaster setmaster setmaster handsend handsend
	handcut handcut handcut handlost handlost handtie handtie handboth handboth handtake handtake handtake
	speak speak speak lease lease refuse unsure refresh refresh flood flood flood flood flood flood restart restart crash`)

func randomMoves(seed uint64) []move {
	random := rand.New(rand.NewPCG(seed, 0))
	moves := make([]move, gameMoves)
	for i := range moves {
		moves[i] = move{
			kind: moveKinds[random.IntN(len(moveKinds))],
			user: random.IntN(gameUsers), channel: random.IntN(gameChannels), n: random.IntN(gameUsers),
		}
		if random.IntN(3) == 0 {
			moves[i].user += gameUsers // the same user, elsewhere
		}
	}
	switch seed % 4 { // most games begin with somebody there
	case 0:
		if seed%16 == 0 {
			copy(moves, []move{{"lease", 1, 0, 1}, {"knock", 1, 0, 1}})
		}
	case 1, 2:
		copy(moves, []move{{"create", 0, 0, 0}, {"join", 1, 0, 0}, {"join", 2, 0, 0}, {"create", 3, 1, 1}, {"join", 0, 1, 0}})
	case 3:
		copy(moves, []move{{"guard", 0, 0, 0}, {"knock", 1, 0, 0}, {"knock", 2, 0, 2}, {"create", 3, 1, 1}, {"join", 2, 1, 0}})
	}
	if seed%3 == 0 {
		moves[len(moves)-1] = move{kind: fewKept}
	}
	if seed%8 >= 6 {
		moves[len(moves)-2] = move{kind: fewPlaces, n: int(seed / 8 % 2)}
	}
	return moves
}

// step makes one move, in the model and at the client, and compares the outcome.
func (g *game) step(m move) error {
	p, c := g.players[m.user], g.stars[m.channel]
	s := p.seats[c]
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	switch m.kind {
	case "sleep":
		return g.advance([]time.Duration{time.Second, 4 * time.Second, 9999 * time.Millisecond, 25 * time.Second}[m.n])
	case "due": // to just before what comes next, or right to it
		if at := g.nextDeadline(); !at.IsZero() {
			return g.advance(time.Until(at) - time.Duration(m.n%2))
		}
		return nil
	case "restart":
		gap := []time.Duration{0, time.Second, 5 * time.Second, gameSlaveTimeout}[m.n]
		if m.n == 3 && m.channel == 1 {
			gap = gameMasterTimeout + 1
		}
		return g.restart(gap)
	case "speak":
		return g.speak(ctx, c, m.n)
	case "hand", "setmaster", "handsend", "handcut", "handlost", "handtie", "handboth", "handtake":
		return g.hand(ctx, m, c)
	case "door", "admit", "deny": // whoever is the master
		if c.master == nil || c.master.user.offline {
			return nil
		}
		g.tells(c)
		if m.kind == "door" {
			return g.setDoor(ctx, c.master, m.n)
		}
		return g.judge(ctx, c.master, m.n, m.kind == "admit")
	case "crash":
		if m.n > 0 {
			return nil // it ends everything
		}
		return g.crash()
	case "restore":
		if p.offline {
			p.offline = false
			p.unshut()
			synctest.Wait()
			g.resumed(p)
			return g.sendWaiting(p)
		}
		return nil
	}
	if p.offline {
		if s != nil && s.behind != nil {
			s = s.behind // what it has been is what its handle is
		}
		if s != nil && len(s.waiting) < 5 && (m.kind == "broadcast" && s.chief || m.kind == "up" && !s.chief || m.kind == "brief") {
			one := &sending{to: map[bool]int{true: toAll, false: toMaster}[s.chief], text: g.text()}
			if m.kind == "brief" || m.n%2 == 1 {
				one.lasts = brief[m.n]
			}
			s.start(one)
			synctest.Wait()
		}
		return nil
	}
	switch m.kind {
	case "create", "guard", "join", "knock", "expect", "switch":
		return g.enter(m, p, c, s)
	case "lostcreate", "lostjoin", "lostswitch":
		return g.enterTwice(m, p, c, s)
	case "giveup":
		return g.giveUp(p.waits[c])
	case "swap":
		return g.swap(ctx, m, p, c)
	case "seizeknock":
		return g.seizeKnock(m, p, c)
	case "take", "oldticket":
		return g.take(ctx, m, p, c)
	case "note": // a ticket, for later
		if s != nil {
			g.tickets[c.name+" "+p.name()] = s.ticket()
		}
	case "seize":
		return g.seize(ctx, p, c)
	case "unheard":
		return g.takeUnheard(ctx, p, c)
	case "lease":
		g.service.lets(p, []time.Duration{0, 3 * time.Second, 8 * time.Second, 20 * time.Second}[m.n])
	case "refuse":
		g.service.refuses(p, m.n == 0)
	case "unsure":
		g.service.isUnsure(p, 1+m.n%2)
	case "status":
		return g.status(ctx, p, c)
	case "cut":
		p.offline = true
		p.shut()
		p.cut(false)
		g.lost(p)
	case "blink", "ghost":
		if m.kind == "ghost" && !p.mayBeAGhost() {
			return nil
		}
		p.becomesAGhost(m.kind == "ghost")
		p.cut(m.kind == "ghost")
		synctest.Wait()
		g.blinked(p)
	}
	if s == nil {
		return nil
	}
	switch m.kind {
	case "leave":
		g.leave(s)
		return s.close()
	case "broadcast", "private":
		if s.chief {
			to := toAll
			if m.kind == "private" {
				to = m.n
			}
			return g.send(s, to)
		}
	case "doze":
		return g.doze(m, p, s)
	case "brief": // to all or to the master, and worth nothing after a while
		if !s.chief {
			return g.sendFor(s, toMaster, brief[m.n])
		}
		return g.sendFor(s, toAll, brief[m.n])
	case "briefly": // to one
		if s.chief {
			return g.sendFor(s, m.n, brief[(m.n+m.channel)%len(brief)])
		}
	case "flood": // more than is kept, where few are
		for range 4 {
			to := toAll
			if !s.chief {
				to = toMaster
			}
			if err := g.send(s, to); err != nil {
				return err
			}
			if err := g.advance(1); err != nil || s.end != nil {
				return err
			}
		}
	case "up":
		if !s.chief {
			return g.send(s, toMaster)
		}
	case "blinksend", "ghostsend":
		ghost := m.kind == "ghostsend"
		if g.service.isRefusing(p) || ghost && !p.mayBeAGhost() {
			return nil // whether the hub has got it before, nobody knows
		}
		p.becomesAGhost(ghost)
		// The message and the loss of the connection cross.
		one := &sending{to: toAll, text: g.text()}
		if !s.chief {
			one.to = toMaster
		}
		if m.n%2 == 1 { // the answer gets lost, else perhaps the message
			p.lose(answers)
			s.start(one)
			synctest.Wait()
		} else {
			s.start(one)
		}
		p.cut(ghost)
		synctest.Wait()
		g.blinked(p)
		s.waiting = nil
		// The client is back, and the message at the hub, in this same instant;
		// a pause of no length only needs a tick to end.
		g.deliver(s, one)
		if err := g.advance(1); err != nil {
			return err
		}
		return one.compare()
	case "set":
		return g.set(ctx, s, m.n)
	case "refresh":
		return g.refresh(ctx, s)
	case "kick", "ban":
		if s.chief {
			g.tells(c)
			return g.kick(ctx, s, m.n, m.kind == "ban")
		}
	case "mute", "unmute":
		if s.chief {
			g.tells(c)
			return g.mute(ctx, s, m.n, m.kind == "mute")
		}
	case "hush", "unhush":
		if s.chief {
			g.tells(c)
			return g.muteAll(ctx, s, m.kind == "hush")
		}
	case "away":
		if s.chief {
			g.tells(c)
			if !c.away {
				c.away, c.deadline = true, time.Now().Add(c.x)
			}
			return s.master.Away(ctx)
		}
	case "back":
		if s.chief {
			g.tells(c)
			c.away = false
			return s.master.Back(ctx)
		}
	}
	return nil
}

func (g *game) text() string {
	g.sent++
	return fmt.Sprint("message ", g.sent)
}

func (g *game) status(ctx context.Context, p *player, c *star) error {
	status, err := p.client.Status(ctx, c.name)
	if err != nil {
		return err
	}
	if status.Exists != (c.master != nil) {
		return fmt.Errorf("exists: %v", status.Exists)
	}
	if !status.Exists {
		return nil
	}
	if status.Master.Username != c.master.user.name() {
		return fmt.Errorf("the master is %v", status.Master.Username)
	}
	return c.compare(status.Master)
}

func (g *game) kick(ctx context.Context, s *seat, who int, ban bool) error {
	c := s.star
	target := c.slaves[who]
	var expected, err error
	switch {
	case who == s.user.number || target == nil && !ban:
		expected = lectern.ErrNoSuchSlave
	case ban && !c.banned[who] && g.places > 0 && len(c.banned) >= g.places:
		expected = lectern.ErrChannelFull
	default:
		if ban {
			c.banned[who] = true
			if e := c.knockOf(who); e != nil {
				g.counts["banned at the door"]++
				g.turnsAway(e, lectern.ErrBanned)
			}
		}
		if target != nil {
			g.out(target, lectern.ErrKicked)
		}
	}
	if ban {
		err = s.master.Ban(ctx, fmt.Sprint("user_", who), "")
	} else {
		err = s.master.Kick(ctx, fmt.Sprint("user_", who), "")
	}
	return same(err, expected)
}

// send sends while online.
func (g *game) send(s *seat, to int) error { return g.sendFor(s, to, 0) }

// brief is how long messages are worth something that expire. Nothing else of a game takes as
// long as one of these.
var brief = []time.Duration{1 * time.Millisecond, 701 * time.Millisecond, 3703 * time.Millisecond, 12709 * time.Millisecond}

// doze has a user lose its connection, and the other side of one of its channels send what
// expires meanwhile, and what does not.
func (g *game) doze(m move, p *player, s *seat) error {
	from, to := s.star.master, toAll
	if s.chief {
		to = toMaster
		for _, slave := range s.star.slaves {
			if from == s.star.master || slave.user.index < from.user.index {
				from = slave
			}
		}
	}
	if from == nil || from.user == p || !from.reachable() {
		return nil
	}
	p.offline = true
	p.shut()
	p.cut(false)
	g.lost(p)
	for i := range 1 + m.n {
		if err := g.advance(1); err != nil {
			return err
		}
		if from.end != nil || !from.reachable() {
			return nil
		}
		if err := g.sendFor(from, to, []time.Duration{brief[1], brief[2], 0, brief[3]}[(i+m.user)%len(brief)]); err != nil {
			return err
		}
	}
	return g.advance(4 * time.Second)
}

// sendFor is send of a message that lasts so long, or for ever where that is zero.
func (g *game) sendFor(s *seat, to int, lasts time.Duration) error {
	one := &sending{to: to, text: g.text(), lasts: lasts}
	s.start(one)
	synctest.Wait()
	s.waiting = nil
	g.deliver(s, one)
	return one.compare()
}

// start sends in the background, for the case that it has to wait.
func (s *seat) start(one *sending) {
	s.waiting = append(s.waiting, one)
	var options []lectern.SendOption
	if one.lasts > 0 {
		one.end = time.Now().Add(one.lasts)
		options = append(options, lectern.WithExpiry(one.lasts), lectern.WithTopic("brief"))
	}
	go func() {
		var receipt lectern.Receipt
		var err error
		payload := lectern.Text(one.text)
		switch one.to {
		case toAll:
			receipt, err = s.master.Broadcast(context.Background(), payload, options...)
		case toMaster:
			receipt, err = s.slave.Send(context.Background(), payload, options...)
		default:
			receipt, err = s.master.Send(context.Background(), fmt.Sprint("user_", one.to), payload, options...)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		one.Receipt, one.err, one.done = receipt, err, true
	}()
}

// sendWaiting lets the sends take effect that have waited for the connection.
func (g *game) sendWaiting(p *player) error {
	if err := g.settle(1); err != nil {
		return err
	}
	for _, s := range p.seats {
		for _, one := range s.waiting {
			g.accept(s, one)
			if err := one.compare(); err != nil {
				return err
			}
		}
		s.waiting = nil
	}
	return nil
}
