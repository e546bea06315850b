package histories

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

// The tokens by which a user has the service say something else than yes.
const (
	refuses = "no"
	unsure  = "cannot say"
	seizes  = "it is its own seat"
	shortly = "for a moment"
)

// authorize is the service.
func authorize(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	granted := lectern.Identity{AsAsked: true}
	switch r.Token {
	case refuses:
		return lectern.Identity{}, lectern.ErrUnauthorized
	case unsure:
		return lectern.Identity{}, errors.New(unsure)
	case seizes:
		granted.TakeOver = true
	case shortly:
		if r.Operation != lectern.OpRefresh {
			break
		}
		granted.Expires = time.Now().Add(time.Millisecond)
	}
	return granted, nil
}

// patience bounds an operation that nobody gives up on purpose.
const patience = time.Minute

// world is a hub, or several, and those who do things on it while they are recorded.
type world struct {
	t        testing.TB
	hub      *hubs
	dialer   transport.Dialer
	recorder *recorder

	mu      sync.Mutex
	clients []*lectern.Client
	// tickets are those that anybody may come back with, by channel.
	tickets map[string][]ticket
	// secrets are the memberships by their secrets.
	secrets map[string]int
	plugs   map[*lectern.Client]*plug
	// said counts what has a text or a value of its own.
	said int

	// answers are those who await one, at the longest until asking ends.
	answers sync.WaitGroup
	asking  context.Context
	stop    context.CancelFunc
	// reading are those who take events, as long as it is open. news is when they have. calm is
	// closed when nobody does anything else any more.
	reading sync.WaitGroup
	calm    chan struct{}
	open    context.Context
	end     context.CancelFunc
	news    *sync.Cond
}

type ticket struct {
	lectern.Ticket
	member int
	handle int // that it was read from
	master bool
}

func newWorld(t testing.TB, hub *hubs, dialer transport.Dialer) *world {
	w := &world{
		t: t, hub: hub, dialer: dialer, recorder: new(recorder),
		tickets: make(map[string][]ticket), secrets: make(map[string]int), plugs: make(map[*lectern.Client]*plug),
		calm: make(chan struct{}),
	}
	w.news = sync.NewCond(&w.mu)
	w.asking, w.stop = context.WithCancel(context.Background())
	w.open, w.end = context.WithCancel(context.Background())
	return w
}

// text is one that nobody else says.
func (w *world) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said++
	return fmt.Sprint("t", w.said)
}

func (w *world) client() *lectern.Client {
	p := &plug{Dialer: w.dialer}
	c := lectern.NewClient(p, lectern.ClientOptions{MinBackoff: -1, MaxBackoff: -1})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clients = append(w.clients, c)
	w.plugs[c] = p
	return c
}

func (w *world) close() {
	w.stop()
	w.end()
	var closing sync.WaitGroup
	for _, c := range w.clients {
		closing.Go(func() { c.Close() })
	}
	closing.Wait()
	w.reading.Wait()
}

// publish lets others come back with the ticket, and checks that its secret is
// that of one membership alone.
func (w *world) publish(k ticket) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if member, known := w.secrets[k.Secret]; known && member != k.member {
		w.t.Errorf("memberships %d and %d have the same secret", member, k.member)
	}
	w.secrets[k.Secret] = k.member
	w.tickets[k.Channel] = append(w.tickets[k.Channel], k)
}

// wasMaster reports whether the newest ticket of that user is a master's.
func (w *world) wasMaster(channel, user string) (master bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, k := range w.tickets[channel] {
		if k.Username == user {
			master = k.master
		}
	}
	return master
}

func (w *world) anyTicket(rng *rand.Rand, channel string) (ticket, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	known := w.tickets[channel]
	if len(known) == 0 {
		return ticket{}, false
	}
	// Mostly one of the latest: the others are of channels long gone.
	latest := known[max(0, len(known)-4):]
	if rng.IntN(8) == 0 {
		latest = known
	}
	return latest[rng.IntN(len(latest))], true
}

// held is a membership that an actor has a handle of.
type held struct {
	handle, member int
	master         *lectern.Master
	slave          *lectern.Slave
	// texts are those of the messages that were taken, and last is what was said last.
	texts map[string]bool
	last  string
	// cut: nothing was done since its connection was cut.
	cut bool
}

func (h *held) err() error {
	if h.master != nil {
		return h.master.Err()
	}
	return h.slave.Err()
}

// actor does one thing after the other, in several channels.
//
// In contested channels everybody comes back with anybody's ticket; there an
// actor has a client for each channel, because a takeover costs the one who is
// replaced its connection, and what else was on it would come back by itself,
// unrecorded. All other channels share one client.
type actor struct {
	w       *world
	rng     *rand.Rand
	lane    *lane
	name    string
	others  []string
	clients map[string]*lectern.Client
	holds   map[string]*held
	// waits are its joins that wait, for the channel or at its door.
	waits map[string]*attempt
	// unclear are clients with something under way that nobody waits for.
	unclear map[*lectern.Client]bool
}

func (w *world) actor(rng *rand.Rand, name string, others, contested, quiet []string) *actor {
	a := &actor{
		w: w, rng: rng, lane: w.recorder.lane(), name: name, others: others,
		clients: make(map[string]*lectern.Client), holds: make(map[string]*held), waits: make(map[string]*attempt), unclear: make(map[*lectern.Client]bool),
	}
	for _, channel := range contested {
		a.clients[channel] = w.client()
	}
	shared := w.client()
	for _, channel := range quiet {
		a.clients[channel] = shared
	}
	return a
}

// impatient is a context that may end while the operation is under way.
func (a *actor) impatient() (context.Context, func()) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	if a.rng.IntN(8) > 0 {
		return ctx, cancel
	}
	var waiting sync.WaitGroup
	turns := a.rng.IntN(40)
	waiting.Go(func() {
		for range turns {
			runtime.Gosched()
		}
		cancel()
	})
	return ctx, waiting.Wait
}

// act does one thing in the channel.
func (a *actor) act(channel string, contested bool) {
	a.settle(channel, contested)
	h := a.holds[channel]
	switch {
	case a.rng.IntN(5) == 0:
		a.status(channel)
	case a.rng.IntN(30) == 0:
		a.appoint(channel)
	case a.waits[channel] != nil:
		a.bide(channel, contested)
	case h == nil:
		a.enter(channel, contested)
	case !contested && !a.unclear[a.clients[channel]] && !a.waitsOn(a.clients[channel]) && a.rng.IntN(12) == 0:
		a.cut(channel)
	case h.master != nil && a.rng.IntN(3) > 0 && a.judge(channel, h):
	case h.master != nil && a.rng.IntN(4) > 0 && a.reply(channel, h):
	case h.master != nil && a.rng.IntN(5) == 0:
		a.preside(channel, h, contested)
	case a.rng.IntN(3) == 0:
		a.set(channel, h)
	case h.slave != nil && a.rng.IntN(6) == 0:
		a.ask(channel, h)
	case h.master != nil:
		a.lead(channel, h)
	default:
		a.follow(channel, h)
	}
}

func (a *actor) status(channel string) {
	ctx, done := a.impatient()
	defer done()
	a.lane.run(input{op: status, channel: channel}, func() output {
		s, err := a.clients[channel].Status(ctx, channel)
		if err != nil || a.w.hub.areSeveral() {
			return output{outcome: unknown}
		}
		return stateOf(s)
	})
}

func (h *held) ticket() ticket {
	if h.master != nil {
		return ticket{h.master.Ticket(), h.member, h.handle, true}
	}
	return ticket{h.slave.Ticket(), h.member, h.handle, false}
}

// lead is what a master does.
func (a *actor) lead(channel string, h *held) {
	ctx, done := a.impatient()
	defer done()
	in := input{channel: channel, handle: h.handle, member: h.member, to: a.others[a.rng.IntN(len(a.others))], again: h.cut}
	var try func() (lectern.Receipt, error)
	none := func(do func(context.Context) error) func() (lectern.Receipt, error) {
		return func() (lectern.Receipt, error) { return lectern.Receipt{}, do(ctx) }
	}
	switch n := a.rng.IntN(13); {
	case n == 12:
		in.op, in.says = refresh, []string{"", refuses, unsure}[a.rng.IntN(3)]
		try = none(func(ctx context.Context) error { return h.master.Refresh(ctx, in.says) })
	case n < 2:
		in.op = leave
		try = none(func(context.Context) error { return h.master.Close() })
	case n < 4:
		in.op = kick
		try = none(func(ctx context.Context) error { return h.master.Kick(ctx, in.to, "") })
	case n < 5:
		in.op, in.ban = kick, true
		try = none(func(ctx context.Context) error { return h.master.Ban(ctx, in.to, "") })
	case n < 6:
		in.op = away
		try = none(h.master.Away)
	case n < 7:
		in.op = back
		try = none(h.master.Back)
	case n < 9:
		in.op = tell
		options := a.compose(&in)
		try = func() (lectern.Receipt, error) { return h.master.Send(ctx, in.to, lectern.Text(in.text), options...) }
	default:
		in.op, in.to = broadcast, ""
		options := a.compose(&in)
		try = func() (lectern.Receipt, error) { return h.say(ctx, lectern.Text(in.text), options...) }
	}
	a.operate(channel, in, try)
}

// follow is what a slave does.
func (a *actor) follow(channel string, h *held) {
	ctx, done := a.impatient()
	defer done()
	in := input{op: report, channel: channel, handle: h.handle, member: h.member}
	options := a.compose(&in)
	try := func() (lectern.Receipt, error) { return h.say(ctx, lectern.Text(in.text), options...) }
	switch a.rng.IntN(8) {
	case 0, 1:
		in.op, in.text = leave, ""
		try = func() (lectern.Receipt, error) { return lectern.Receipt{}, h.slave.Leave() }
	case 2:
		in.op, in.text, in.says = refresh, "", []string{"", refuses, unsure, shortly}[a.rng.IntN(4)]
		try = func() (lectern.Receipt, error) { return lectern.Receipt{}, h.slave.Refresh(ctx, in.says) }
	}
	a.operate(channel, in, try)
	if in.says == shortly {
		in.op = expire
		a.lane.follow(in)
	}
}

func (a *actor) operate(channel string, in input, try func() (lectern.Receipt, error)) output {
	out := a.lane.run(in, func() output {
		receipt, err := try()
		out := sentAs(receipt, err)
		if in.op == mute && in.again && out.outcome == "no_such_slave" {
			out.outcome = unknown // it may have been there for the first one
		}
		return out
	})
	if out.outcome == ended || out.outcome == roleChanged {
		// The hub may refuse before the word of the end is out; but that follows.
		select {
		case <-a.holds[channel].done():
		case <-time.After(patience):
			a.w.t.Errorf("handle %d of %s is no member's any more, and is not told", in.handle, channel)
		}
	}
	if h := a.holds[channel]; out.outcome != unknown && h.err() == nil {
		h.cut = false
	}
	return out
}

// settle finds out what has become of a join that waits, and of a handle that has ended.
func (a *actor) settle(channel string, contested bool) {
	if t := a.waits[channel]; t != nil {
		select {
		case <-t.done:
			a.entered(channel, contested, t)
		default:
		}
	}
	h := a.holds[channel]
	if h == nil || h.err() == nil {
		return
	}
	delete(a.holds, channel)
	if h.slave != nil && h.slave.Promoted() != nil {
		next := following(h.handle)
		a.hold(channel, contested, &held{handle: next, member: next, master: h.slave.Promoted(), cut: h.cut})
	}
}

// hold goes on with a new handle.
func (a *actor) hold(channel string, contested bool, h *held) {
	a.holds[channel] = h
	if contested {
		a.w.publish(h.ticket())
	}
	a.w.read(channel, h, a.rng.IntN(6) == 0)
}

// play has several actors do so many things each at the same time.
func (w *world) play(seed uint64, actors, steps int) {
	contested, quiet := []string{"c0", "c1"}, []string{"q0", "q1"}
	channels := append(append([]string(nil), contested...), quiet...)
	var names []string
	for i := range (actors + 1) / 2 {
		names = append(names, fmt.Sprintf("user%d", i)) // each the name of two
	}
	var playing sync.WaitGroup
	start := make(chan struct{})
	var all []*actor
	for i := range actors {
		a := w.actor(rand.New(rand.NewPCG(seed, uint64(i))), names[i%len(names)], names, contested, quiet)
		all = append(all, a)
		playing.Go(func() {
			<-start
			for range steps {
				i := a.rng.IntN(len(channels))
				a.act(channels[i], i < len(contested))
			}
		})
	}
	close(start)
	playing.Wait()
	for _, a := range all {
		for i, channel := range channels {
			a.stopWaiting(channel, i < len(contested))
			a.settle(channel, i < len(contested))
		}
	}
	w.stop()
	w.answers.Wait()
	w.lastWords(all, channels)
	w.end()
	w.reading.Wait()
}
