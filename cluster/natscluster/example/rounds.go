package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// What a round kills or freezes stays so for this long at least, and for less than one of the other two.
	shortest  = 500 * time.Millisecond
	killedFor = 6 * time.Second
	frozeFor  = 8 * time.Second

	betweenRounds = time.Second
	// wholeWithin is how long all may take to be as it was, and heardWithin how long what was acknowledged may then
	// be on its way.
	wholeWithin = time.Minute
	heardWithin = 30 * time.Second
)

// A fault is what may happen in a round: somebody is killed, or else frozen.
type fault struct {
	name string
	whom func(*rounds, context.Context) (p *process, is string, err error)
	kill bool
}

var faults = []fault{
	{"kill a hub", (*rounds).anyHub, true},
	{"freeze a hub", (*rounds).anyHub, false},
	{"kill a node", (*rounds).anyNode, true},
	{"freeze a node", (*rounds).anyNode, false},
	{"kill a leader", (*rounds).anyLeader, true},
	{"freeze a leader", (*rounds).anyLeader, false},
}

// rounds are played on a laptop whose nodes are processes.
type rounds struct {
	laptop   *laptop
	tally    *tally
	owners   *owners
	operator *nats.Conn
	out      io.Writer
	began    time.Time
	played   map[string]int
	// unowned is how often there was in a log what its owner has not written.
	unowned int
}

// playRounds plays so many rounds against classes, each fault as often as the others, in an order by chance. It
// tells of each in a line, and of all at the end.
func playRounds(ctx context.Context, l *laptop, classes, slaves, n int, out io.Writer) error {
	sending, stop := context.WithCancel(ctx)
	defer stop()
	hearing, end := context.WithCancel(ctx)
	defer end()
	r := &rounds{laptop: l, out: out, played: make(map[string]int)}
	closes, err := r.open(ctx)
	defer closes()
	if err != nil {
		return err
	}
	r.tally, err = startClasses(sending, hearing, classes, slaves, l.dialer)
	defer r.tally.close()
	defer end()
	defer stop()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d hubs, %d nodes of NATS, %d channels of a master and %d slaves each\n", len(l.hubs), len(l.nodes), classes, slaves)
	r.began = time.Now()
	failed := r.playAll(ctx, n)
	stop()
	r.tally.sending.Wait()
	missing, most, _ := r.tally.settle(ctx, heardWithin, false)
	r.tally.lost.Store(missing)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.Join(failed, r.tell(most))
}

// playAll plays the rounds, or up to the first that cannot be played.
func (r *rounds) playAll(ctx context.Context, n int) error {
	var order []int
	for i := range n {
		if len(order) == 0 {
			order = rand.Perm(len(faults))
		}
		if err := r.play(ctx, i+1, faults[order[0]]); err != nil {
			return fmt.Errorf("round %d: %w", i+1, err)
		}
		order = order[1:]
	}
	return nil
}

// open connects to NATS, as an operator and as a hub does that has no channels.
func (r *rounds) open(ctx context.Context) (closes func(), err error) {
	r.operator, err = nats.Connect(r.laptop.URL(), nats.UserInfo(operator, operator), nats.MaxReconnects(-1),
		nats.ReconnectWait(50*time.Millisecond), nats.PingInterval(500*time.Millisecond), nats.MaxPingsOutstanding(2))
	if err != nil {
		return func() {}, err
	}
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	engine, err := openEngine(opening, r.laptop.URL(), nodes)
	if err != nil {
		return r.operator.Close, err
	}
	r.owners = &owners{engine: engine, logs: make(map[string]*ownedLog)}
	return func() {
		_ = engine.Close()
		r.operator.Close()
	}, nil
}

// play plays one round.
func (r *rounds) play(ctx context.Context, number int, f fault) error {
	if !f.kill && !canFreeze {
		return errors.New("this system does not stop processes")
	}
	sleep(ctx, betweenRounds)
	r.tally.takePause()
	p, is, err := f.whom(r, ctx)
	if err != nil {
		return err
	}
	do, undo, most := (*process).Kill, (*process).Start, killedFor
	if !f.kill {
		do, undo, most = (*process).Freeze, (*process).Thaw, frozeFor
	}
	d := shortest + rand.N(most-shortest)
	if err := do(p); err != nil {
		return err
	}
	sleep(ctx, d)
	if err := undo(p); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, wholeWithin)
	defer cancel()
	if err := awaitWhole(within, r.operator); err != nil {
		return err
	}
	missing, whose, quiet := r.tally.settle(ctx, heardWithin, true)
	pause, paused := r.tally.takePause()
	wrong, err := r.lookAtOwners(ctx)
	if err != nil {
		return err
	}
	r.played[f.name]++
	fmt.Fprintf(r.out, "%4d %6.1fs %-15s %s, which %s, for %.1fs: the longest pause of a slave was %.2fs%s\n",
		number, time.Since(r.began).Seconds(), f.name, p.name, is, d.Seconds(), pause.Seconds(), of(paused))
	if missing > 0 {
		fmt.Fprintf(r.out, "%13s %d messages have not arrived%s\n", "", missing, of(whose))
	}
	if quiet > 0 {
		r.tally.strange.Add(uint64(quiet))
		fmt.Fprintf(r.out, "%13s %d members hear nothing any more\n", "", quiet)
	}
	for _, what := range wrong {
		fmt.Fprintf(r.out, "%13s %s\n", "", what)
	}
	return nil
}

// anyHub is one of the hubs.
func (r *rounds) anyHub(ctx context.Context) (*process, string, error) {
	p := r.laptop.hubs[rand.N(len(r.laptop.hubs))]
	report, err := p.Report(ctx)
	return p, fmt.Sprintf("owns %d channels", len(report.Owns)), err
}

// anyNode is one of the nodes of NATS.
func (r *rounds) anyNode(ctx context.Context) (*process, string, error) {
	p := r.laptop.nodes[rand.N(len(r.laptop.nodes))]
	leads, err := r.leads(ctx)
	return p, "leads " + leads[p.name].String(), err
}

// anyLeader is the node that leads some part of the log.
func (r *rounds) anyLeader(ctx context.Context) (*process, string, error) {
	leads, err := r.leads(ctx)
	if err != nil {
		return nil, "", err
	}
	for _, i := range rand.Perm(len(r.laptop.nodes)) {
		if p := r.laptop.nodes[i]; len(leads[p.name]) > 0 {
			return p, "leads " + leads[p.name].String(), nil
		}
	}
	return nil, "", errors.New("nobody leads any part of the log")
}

// shards are the numbers of parts of the log.
type shards []int

func (s shards) String() string {
	if len(s) == 0 {
		return "no part of the log"
	}
	return "part " + strings.Trim(fmt.Sprint([]int(s)), "[]") + " of the log"
}

// leads is what each node leads.
func (r *rounds) leads(ctx context.Context) (map[string]shards, error) {
	leads := make(map[string]shards)
	for shard := range engineOptions(nodes).Shards {
		p, err := partOf(ctx, r.operator, shard)
		if err != nil {
			return nil, err
		}
		leads[p.Cluster.Leader] = append(leads[p.Cluster.Leader], shard)
	}
	return leads, nil
}

// lookAtOwners holds the logs against the promise that a channel has one owner at each position.
func (r *rounds) lookAtOwners(ctx context.Context) (all []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, wholeWithin)
	defer cancel()
	for _, c := range r.tally.classes {
		wrong, err := r.owners.Look(ctx, c.name)
		if err != nil {
			return all, fmt.Errorf("the log of %s: %w", c.name, err)
		}
		r.unowned += len(wrong)
		all = append(all, wrong...)
	}
	return all, nil
}

// tell tells of all rounds, and what was not as it should be.
func (r *rounds) tell(most *member) error {
	t := r.tally
	var played []string
	for _, f := range faults {
		played = append(played, fmt.Sprintf("%s %d", f.name, r.played[f.name]))
	}
	fmt.Fprintf(r.out, "%s; %d changes of an owner\n", strings.Join(played, ", "), r.owners.changes)
	fmt.Fprintf(r.out, "%d messages were acknowledged and heard %d times; %d were refused at first; %d gaps were told of\n",
		t.sent.Load(), t.received.Load(), t.refused.Load(), t.gaps.Load())
	fmt.Fprintf(r.out, "lost %d%s, doubled %d, out of order %d, evicted %d, positions without their owner %d, else %d\n",
		t.lost.Load(), of(most), t.doubled.Load(), t.disordered.Load(), t.evicted.Load(), r.unowned, t.strange.Load())
	if err := t.verdict(r.out); err != nil || r.unowned == 0 {
		return err
	}
	return errFailed
}
