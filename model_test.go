package lectern_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

var (
	modelRounds = flag.Int("model.rounds", 120, "how many random games TestModel plays")
	modelSeed   = flag.Uint64("model.seed", 0, "play the one game of this seed")
)

// TestModel plays random games of a few users and channels on a real hub, over
// connections that break, and holds everything that anybody sees against a plain
// model of the seven rules. Of a game that fails it prints the shortest list of
// moves that it can find, and the seed.
func TestModel(t *testing.T) {
	seeds := make([]uint64, *modelRounds)
	for i := range seeds {
		seeds[i] = rand.Uint64()
	}
	if *modelSeed != 0 {
		seeds = []uint64{*modelSeed}
	}
	for _, seed := range seeds {
		moves := randomMoves(seed)
		err := play(t, moves)
		if err == nil {
			continue
		}
		moves, err = shrink(t, moves, err)
		var list strings.Builder
		for _, m := range moves {
			fmt.Fprintf(&list, "\t%v\n", m)
		}
		t.Fatalf("%v\nafter the moves\n%sof -model.seed=%d", err, &list, seed)
	}
}

// TestModelKnownGames plays the games that once went wrong.
func TestModelKnownGames(t *testing.T) {
	games := map[string][]move{
		// A connection is lost, and the message sent again, in the last
		// nanosecond of the master's time: the message counts, and then X does.
		"a send in the last instant": {
			{"create", 0, 0, 1}, {"join", 1, 0, 0}, {"create", 3, 1, 0}, {"join", 2, 1, 0},
			{"cut", 2, 1, 0}, {"sleep", 0, 0, 0}, {"sleep", 0, 0, 0}, {"sleep", 0, 0, 0},
			{"away", 0, 0, 0}, {"due", 0, 0, 0}, {"status", 0, 0, 0}, {"status", 0, 0, 0},
			{"ghostsend", 1, 0, 1},
		},
	}
	for name, moves := range games {
		t.Run(name, func(t *testing.T) {
			if err := play(t, moves); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// shrink leaves out what the failure does not need: large parts first.
func shrink(t *testing.T, moves []move, err error) ([]move, error) {
	for size := len(moves) / 2; size > 0; {
		shorter := false
		for from := 0; from+size <= len(moves); {
			fewer := slices.Delete(slices.Clone(moves), from, from+size)
			if e := play(t, fewer); e != nil {
				moves, err, shorter = fewer, e, true
			} else {
				from += size
			}
		}
		if !shorter || size > len(moves) {
			size /= 2
		}
	}
	return moves, err
}

// move is one step of a game. What makes no sense where it comes is passed over,
// so that any part of a game is a game.
type move struct {
	kind             string
	user, channel, n int
}

func (m move) String() string {
	return fmt.Sprintf("%s user_%d channel_%d %d", m.kind, m.user, m.channel, m.n)
}

const (
	gameUsers    = 4
	gameChannels = 2
	gameMoves    = 70

	gameMasterTimeout = 30 * time.Second
	gameSlaveTimeout  = 10 * time.Second
)

// moveKinds are all kinds of moves, the likely ones several times.
var moveKinds = strings.Fields(`create create join join join join expect leave switch
	broadcast broadcast private private up up up kick ban away back status
	cut cut restore restore restore blink ghost blinksend ghostsend sleep sleep sleep due due`)

func randomMoves(seed uint64) []move {
	random := rand.New(rand.NewPCG(seed, 0))
	moves := make([]move, gameMoves)
	for i := range moves {
		moves[i] = move{
			kind: moveKinds[random.IntN(len(moveKinds))],
			user: random.IntN(gameUsers), channel: random.IntN(gameChannels), n: random.IntN(gameUsers),
		}
	}
	if seed%4 != 0 { // most games begin with somebody there
		copy(moves, []move{{"create", 0, 0, 0}, {"join", 1, 0, 0}, {"join", 2, 0, 0}, {"create", 3, 1, 1}, {"join", 0, 1, 0}})
	}
	return moves
}

// game is one play: the users, and what the model knows.
type game struct {
	hub     *lectern.Hub
	players []*player
	stars   []*star
	// seats are all memberships there have ever been.
	seats []*seat
	sent  int
}

// star is the model of a channel. Its master is nil while it does not exist.
type star struct {
	name     string
	x        time.Duration
	master   *seat
	slaves   map[int]*seat
	banned   map[int]bool
	away     bool
	deadline time.Time
	down, up uint64
}

// seat is the model of a membership, and the handle that it is compared with.
type seat struct {
	user   *player
	star   *star
	master *lectern.Master
	slave  *lectern.Slave
	// in: the hub has it. deadline is when it gives up a slave that is offline.
	in       bool
	deadline time.Time
	// lifeline is when the client gives up, while it is offline.
	lifeline time.Time
	// end is why the handle has ended.
	end error
	// messages are all that are for it; so many were delivered while it could
	// be reached.
	messages  []string
	delivered int
	// waiting are the sends made while offline.
	waiting []*sending

	mu     sync.Mutex
	seen   []string
	roster map[string]lectern.State
}

// sending is one send, and its outcome.
type sending struct {
	to     int // or toAll, toMaster
	text   string
	seq    uint64
	err    error
	done   bool
	expect error
	number uint64
}

const (
	toAll    = -1
	toMaster = -2
)

// player is a user with a client, and the network between it and the hub.
type player struct {
	number   int
	client   *lectern.Client
	listener *memory.Listener
	offline  bool
	seats    map[*star]*seat

	mu    sync.Mutex
	gate  chan struct{} // closed while dialling is possible
	relay *relay
}

func (p *player) name() string { return fmt.Sprint("user_", p.number) }

// relay carries a connection, so that one end can be lost without the other's
// knowing.
type relay struct {
	near, far *memory.Conn
	mu        sync.Mutex
	ghost     bool
	deaf      bool
}

// deafen loses everything from the hub from now on.
func (r *relay) deafen() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = true
}

func (r *relay) carry(from, to *memory.Conn, back bool) {
	for {
		data, err := from.Read()
		r.mu.Lock()
		ghost, lost := r.ghost, back && r.deaf
		r.mu.Unlock()
		if err == nil {
			if !lost {
				_ = to.Write(data)
			}
			continue
		}
		var closed *transport.CloseError
		if errors.As(err, &closed) {
			_ = to.Close(closed.Reason)
			return
		}
		if back || !ghost {
			to.Cut()
		}
		return
	}
}

// cut loses the connection, at the user's end alone where it leaves a ghost.
func (r *relay) cut(ghost bool) {
	r.mu.Lock()
	r.ghost = ghost
	r.mu.Unlock()
	r.near.Cut()
	if !ghost {
		r.far.Cut()
	}
}

// Dial waits for the network to be there.
func (p *player) Dial(ctx context.Context) (transport.Conn, error) {
	p.mu.Lock()
	gate := p.gate
	p.mu.Unlock()
	select {
	case <-gate:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	conn, err := p.listener.Dial(ctx)
	if err != nil {
		return nil, err
	}
	mine, near := memory.Pipe(memory.Options{})
	r := &relay{near: near, far: conn.(*memory.Conn)}
	go r.carry(r.near, r.far, false)
	go r.carry(r.far, r.near, true)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.relay = r
	return mine, nil
}

func (p *player) cut(ghost bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.relay != nil {
		p.relay.cut(ghost)
	}
}

func (p *player) shut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

func (p *player) unshut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.gate)
}

// play plays the moves in a bubble, and returns the first difference.
func play(t *testing.T, moves []move) (failure error) {
	synctest.Test(t, func(t *testing.T) {
		hub, err := lectern.NewHub(lectern.Policy{MasterTimeout: gameMasterTimeout, SlaveTimeout: gameSlaveTimeout})
		if err != nil {
			t.Fatal(err)
		}
		g := &game{hub: hub}
		for i := range gameChannels {
			g.stars = append(g.stars, &star{name: fmt.Sprint("channel_", i)})
		}
		for i := range gameUsers {
			p := &player{number: i, listener: memory.Listen(hub, memory.Options{}), seats: map[*star]*seat{}, gate: make(chan struct{})}
			close(p.gate)
			// The shortest of pauses: a reconnect takes no time.
			p.client = lectern.NewClient(p, lectern.ClientOptions{MinBackoff: 1, MaxBackoff: 1})
			g.players = append(g.players, p)
		}
		failure = g.playAll(moves)
		for _, p := range g.players {
			if err := g.bye(p); failure == nil && err != nil {
				failure = fmt.Errorf("%s closes: %w", p.name(), err)
			}
		}
		if err := hub.Close(); failure == nil && err != nil {
			failure = err
		}
		for _, p := range g.players {
			_ = p.listener.Close()
			p.cut(false)
		}
		// Whatever is left of a goroutine fails the bubble.
	})
	return failure
}

// bye closes a user's client.
func (g *game) bye(p *player) error {
	_ = p.client.Close()
	synctest.Wait()
	for _, s := range maps.Clone(p.seats) {
		if p.offline {
			g.over(s, lectern.ErrLeft) // the hub is not told
		} else {
			g.leave(s)
		}
	}
	return g.compare()
}

func (g *game) playAll(moves []move) error {
	for _, m := range moves {
		began := time.Now()
		err := g.step(m)
		if err == nil && m.kind != "sleep" && m.kind != "due" && time.Since(began) > 2 {
			err = fmt.Errorf("it took %v", time.Since(began))
		}
		if err == nil {
			// Not at the same instant: a pause of no length may need a tick.
			err = g.advance(1)
		}
		if err != nil {
			return fmt.Errorf("%v: %w", m, err)
		}
	}
	return nil
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
	case "restore":
		if p.offline {
			p.offline = false
			p.unshut()
			g.resumed(p)
			return g.sendWaiting(p)
		}
		return nil
	}
	if p.offline {
		if s != nil && len(s.waiting) < 5 && (m.kind == "broadcast" && s.master != nil || m.kind == "up" && s.slave != nil) {
			s.start(&sending{to: map[bool]int{true: toAll, false: toMaster}[s.master != nil], text: g.text()})
			synctest.Wait()
		}
		return nil
	}
	switch m.kind {
	case "create", "join", "expect", "switch":
		return g.enter(ctx, m, p, c, s)
	case "status":
		return g.status(ctx, p, c)
	case "cut":
		p.offline = true
		p.shut()
		p.cut(false)
		g.lost(p)
	case "blink", "ghost":
		p.cut(m.kind == "ghost")
		synctest.Wait()
		g.resumed(p)
	}
	if s == nil {
		return nil
	}
	switch m.kind {
	case "leave":
		g.leave(s)
		return s.close()
	case "broadcast", "private":
		if s.master != nil {
			to := toAll
			if m.kind == "private" {
				to = m.n
			}
			return g.send(s, to)
		}
	case "up":
		if s.slave != nil {
			return g.send(s, toMaster)
		}
	case "blinksend", "ghostsend":
		// The message and the loss of the connection cross.
		one := &sending{to: toAll, text: g.text()}
		if s.slave != nil {
			one.to = toMaster
		}
		if m.n%2 == 1 { // the answer gets lost, else perhaps the message
			p.relay.deafen()
			s.start(one)
			synctest.Wait()
		} else {
			s.start(one)
		}
		p.cut(m.kind == "ghostsend")
		synctest.Wait()
		g.resumed(p)
		s.waiting = nil
		// The client is back, and the message at the hub, in this same instant;
		// a pause of no length only needs a tick to end.
		g.deliver(s, one)
		if err := g.advance(1); err != nil {
			return err
		}
		return one.compare()
	case "kick", "ban":
		if s.master != nil {
			return g.kick(ctx, s, m.n, m.kind == "ban")
		}
	case "away":
		if s.master != nil {
			if !c.away {
				c.away, c.deadline = true, time.Now().Add(c.x)
			}
			return s.master.Away(ctx)
		}
	case "back":
		if s.master != nil {
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

// refusal is why the model does not let a user in as a slave.
func (c *star) refusal(p *player, expect string) error {
	switch {
	case p.seats[c] != nil:
		return lectern.ErrForbidden // the client knows by itself
	case c.master == nil:
		return lectern.ErrNoSuchChannel
	case expect != "" && expect != c.master.user.name():
		return lectern.ErrWrongMaster
	case c.banned[p.number]:
		return lectern.ErrBanned
	case c.slaves[p.number] != nil || c.master.user == p:
		return lectern.ErrNameTaken
	}
	return nil
}

func (g *game) enter(ctx context.Context, m move, p *player, c *star, old *seat) error {
	s := &seat{user: p, star: c, in: true, roster: map[string]lectern.State{}}
	var expected, err error
	switch m.kind {
	case "create":
		if p.seats[c] != nil {
			expected = lectern.ErrForbidden
		} else if c.master != nil {
			expected = lectern.ErrChannelExists
		}
		x := []time.Duration{gameMasterTimeout, 7 * time.Second}[m.n%2]
		s.master, err = p.client.Create(ctx, c.name, p.name(), lectern.WithMasterTimeout(x))
		if expected == nil {
			*c = star{name: c.name, x: x, master: s, slaves: map[int]*seat{}, banned: map[int]bool{}}
		}
	case "join", "expect":
		var options []lectern.Option
		expect := ""
		if m.kind == "expect" {
			expect = fmt.Sprint("user_", m.n)
			options = append(options, lectern.WithMaster(expect))
		}
		expected = c.refusal(p, expect)
		s.slave, err = p.client.Join(ctx, c.name, p.name(), options...)
	case "switch":
		if old == nil || old.slave == nil {
			return nil
		}
		next := g.stars[(m.channel+1)%gameChannels]
		s.star = next
		expected = next.refusal(p, "")
		s.slave, err = old.slave.Switch(ctx, next.name)
		if expected == nil {
			g.leave(old)
		}
	}
	if err := same(err, expected); err != nil || expected != nil {
		return err
	}
	if s.slave != nil {
		s.star.slaves[p.number] = s
	}
	p.seats[s.star] = s
	g.seats = append(g.seats, s)
	go s.watch()
	return nil
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

// compare compares what is told of the master.
func (c *star) compare(told lectern.Presence) error {
	expected, deadline := lectern.Online, time.Time{}
	if c.away {
		expected, deadline = lectern.Away, c.deadline
	}
	if told.State != expected {
		return fmt.Errorf("the master of %s is told to be %v, not %v", c.name, told.State, expected)
	}
	// Deadlines travel in whole milliseconds, rounded up.
	if late := told.Deadline.Sub(deadline); late < 0 || late >= time.Millisecond {
		return fmt.Errorf("the deadline of %s is told %v late", c.name, late)
	}
	return nil
}

func (g *game) kick(ctx context.Context, s *seat, who int, ban bool) error {
	c := s.star
	target := c.slaves[who]
	var expected, err error
	if who == s.user.number || target == nil && !ban {
		expected = lectern.ErrNoSuchSlave
	} else {
		if ban {
			c.banned[who] = true
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
func (g *game) send(s *seat, to int) error {
	one := &sending{to: to, text: g.text()}
	s.start(one)
	synctest.Wait()
	s.waiting = nil
	g.deliver(s, one)
	return one.compare()
}

// start sends in the background, for the case that it has to wait.
func (s *seat) start(one *sending) {
	s.waiting = append(s.waiting, one)
	go func() {
		var seq uint64
		var err error
		payload := lectern.Text(one.text)
		switch one.to {
		case toAll:
			seq, err = s.master.Broadcast(context.Background(), payload)
		case toMaster:
			seq, err = s.slave.Send(context.Background(), payload)
		default:
			seq, err = s.master.Send(context.Background(), fmt.Sprint("user_", one.to), payload)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		one.seq, one.err, one.done = seq, err, true
	}()
}

// deliver is what the model makes of a send that reaches the hub.
func (g *game) deliver(s *seat, one *sending) {
	c := s.star
	line := s.user.name() + ": " + one.text
	switch one.to {
	case toMaster:
		c.up++
		one.number = c.up
		c.master.gets(line)
	case toAll:
		c.down++
		one.number = c.down
		for _, slave := range c.slaves {
			slave.gets(line)
		}
	default:
		slave := c.slaves[one.to]
		if slave == nil {
			one.expect = lectern.ErrNoSuchSlave
			return
		}
		c.down++
		one.number = c.down
		slave.gets(line + " (private)")
	}
}

func (s *seat) gets(line string) {
	s.messages = append(s.messages, line)
	if s.reachable() {
		s.delivered = len(s.messages)
	}
}

// reachable: the hub can tell the handle something. One that has given up the
// hub is not, though the hub may not have given it up yet.
func (s *seat) reachable() bool { return !s.user.offline && s.end == nil }

func (one *sending) compare() error {
	if !one.done {
		return fmt.Errorf("%q is not answered", one.text)
	}
	if err := same(one.err, one.expect); err != nil {
		return fmt.Errorf("%q: %w", one.text, err)
	}
	if one.expect == nil && one.seq != one.number {
		return fmt.Errorf("%q has the number %d, not %d", one.text, one.seq, one.number)
	}
	return nil
}

func same(err, expected error) error {
	if expected == nil && err != nil || !errors.Is(err, expected) {
		return fmt.Errorf("the outcome is %v, not %v", err, expected)
	}
	return nil
}

// lost is a user's going offline.
func (g *game) lost(p *player) {
	for c, s := range p.seats {
		s.lifeline = time.Now().Add(c.x)
		if s.slave != nil {
			s.deadline = time.Now().Add(gameSlaveTimeout)
		} else if !c.away {
			c.away, c.deadline = true, time.Now().Add(c.x)
		}
	}
}

// resumed is a user's coming back.
func (g *game) resumed(p *player) {
	for c, s := range maps.Clone(p.seats) {
		s.lifeline, s.deadline = time.Time{}, time.Time{}
		if !s.in {
			g.over(s, lectern.ErrResumeFailed)
			continue
		}
		s.delivered = len(s.messages)
		if s.master != nil {
			c.away = false
		}
	}
}

// sendWaiting lets the sends take effect that have waited for the connection.
func (g *game) sendWaiting(p *player) error {
	if err := g.settle(1); err != nil {
		return err
	}
	for _, s := range p.seats {
		for _, one := range s.waiting {
			g.deliver(s, one)
			if err := one.compare(); err != nil {
				return err
			}
		}
		s.waiting = nil
	}
	return nil
}

// leave is a leave on purpose.
func (g *game) leave(s *seat) {
	if s.master != nil {
		g.close(s.star, lectern.ErrMasterLeft)
		s.end = lectern.ErrLeft
		return
	}
	g.out(s, lectern.ErrLeft)
}

// out takes a member out of its channel. One that is offline does not learn of it.
func (g *game) out(s *seat, why error) {
	s.in = false
	s.deadline = time.Time{}
	if s.star.slaves[s.user.number] == s {
		delete(s.star.slaves, s.user.number)
	}
	if s.reachable() {
		g.over(s, why)
	}
}

// over is the end of a handle, and of the sends that wait in it.
func (g *game) over(s *seat, why error) {
	s.end = why
	s.lifeline = time.Time{}
	delete(s.user.seats, s.star)
}

// close is the end of a channel.
func (g *game) close(c *star, why error) {
	for _, s := range c.slaves {
		g.out(s, why)
	}
	g.out(c.master, why)
	c.master, c.slaves, c.away = nil, nil, false
}

// nextDeadline is when time alone has the next effect.
func (g *game) nextDeadline() time.Time {
	var next time.Time
	consider := func(at time.Time) {
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	for _, c := range g.stars {
		if c.master != nil && c.away {
			consider(c.deadline)
		}
	}
	for _, s := range g.seats {
		consider(s.deadline)
		consider(s.lifeline)
	}
	return next
}

// advance lets time pass. On the way, it looks at everything just before each
// deadline and at it.
func (g *game) advance(d time.Duration) error {
	if d < 0 {
		d = 0
	}
	end := time.Now().Add(d)
	for {
		next := g.nextDeadline()
		if next.IsZero() || next.After(end) {
			break
		}
		if wait := time.Until(next) - 1; wait > 0 {
			if err := g.settle(wait); err != nil {
				return fmt.Errorf("before a deadline: %w", err)
			}
			if err := g.compare(); err != nil {
				return fmt.Errorf("before a deadline: %w", err)
			}
		}
		if err := g.settle(time.Until(next)); err != nil {
			return err
		}
		g.expire(time.Now())
		if err := g.compare(); err != nil {
			return fmt.Errorf("at a deadline: %w", err)
		}
	}
	if err := g.settle(time.Until(end)); err != nil {
		return err
	}
	return g.compare()
}

func (g *game) settle(d time.Duration) error {
	time.Sleep(d)
	synctest.Wait()
	return nil
}

func (g *game) expire(now time.Time) {
	due := func(at time.Time) bool { return !at.IsZero() && !now.Before(at) }
	for _, s := range g.seats {
		if due(s.deadline) {
			g.out(s, nil)
		}
	}
	for _, c := range g.stars {
		if c.master != nil && c.away && due(c.deadline) {
			g.close(c, lectern.ErrMasterDown)
		}
	}
	for _, s := range g.seats {
		if due(s.lifeline) {
			g.over(s, lectern.ErrMasterDown)
		}
	}
}

func (s *seat) String() string { return s.user.name() + " in " + s.star.name }

func (s *seat) handle() handle {
	if s.master != nil {
		return s.master
	}
	return s.slave
}

func (s *seat) err() error { return s.handle().Err() }

func (s *seat) close() error {
	if s.master != nil {
		return s.master.Close()
	}
	return s.slave.Close()
}

// watch takes all events of the handle.
func (s *seat) watch() {
	for event, err := range s.handle().Events(context.Background()) {
		s.mu.Lock()
		switch event := event.(type) {
		case lectern.Message:
			line := event.From + ": " + event.Text()
			if event.Private {
				line += " (private)"
			}
			s.seen = append(s.seen, line)
		case lectern.Presence:
			if event.State == lectern.Gone {
				delete(s.roster, event.Username)
			} else {
				s.roster[event.Username] = event.State
			}
		case lectern.Gap:
			s.seen = append(s.seen, "a gap")
		}
		_ = err // the end, which the handle tells
		s.mu.Unlock()
	}
}

// compare compares everything that anybody sees with the model.
func (g *game) compare() error {
	for _, s := range g.seats {
		if err := s.compare(); err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
	}
	for _, c := range g.stars {
		if _, exists := g.hub.Channel(c.name); exists != (c.master != nil) {
			return fmt.Errorf("%s exists at the hub: %v", c.name, exists)
		}
	}
	return nil
}

func (s *seat) compare() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.seen, s.messages[:s.delivered]) {
		return fmt.Errorf("received %q, not %q", s.seen, s.messages[:s.delivered])
	}
	err := s.err()
	if s.end != nil {
		if !errors.Is(err, s.end) || !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("ended with %v, not %v", err, s.end)
		}
		if s.slave != nil && s.slave.Master().State != lectern.Gone {
			return fmt.Errorf("ended, but its master is %v", s.slave.Master().State)
		}
		for _, one := range s.waiting {
			if !one.done || !errors.Is(one.err, s.end) {
				return fmt.Errorf("a send that waited has ended with %v, not %v", one.err, s.end)
			}
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("ended with %w", err)
	}
	if s.slave != nil {
		if s.user.offline {
			if p := s.slave.Master(); p.State != lectern.Unknown || !p.Deadline.Equal(s.lifeline) {
				return fmt.Errorf("offline, but its master is %v until %v", p.State, p.Deadline)
			}
			return nil
		}
		return s.star.compare(s.slave.Master())
	}
	if s.user.offline {
		return nil
	}
	expected := map[string]lectern.State{}
	for _, slave := range s.star.slaves {
		expected[slave.user.name()] = lectern.Online
		if slave.user.offline || !slave.deadline.IsZero() {
			expected[slave.user.name()] = lectern.Away
		}
	}
	members := map[string]lectern.State{}
	for _, p := range s.master.Members() {
		members[p.Username] = p.State
	}
	if !maps.Equal(expected, members) {
		return fmt.Errorf("its members are %v, not %v", members, expected)
	}
	followed := maps.Clone(s.roster)
	delete(followed, s.user.name())
	if !maps.Equal(expected, followed) {
		return fmt.Errorf("its events tell of the members %v, not %v", followed, expected)
	}
	return nil
}
