package clustertest

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// Faults is how often what goes wrong, from 0 (never) to 1, and how long things take. The
// zero value is a network without faults that takes no time.
type Faults struct {
	// Of the appends: these never happen, these happen and nobody is told, and these happen up to
	// LateBy later. Whoever appends is told after Timeout that the outcome is not known.
	AppendLost, AnswerLost, AppendLate float64

	// Stale is how many answers of Last are those of up to StaleBy ago.
	Stale   float64
	StaleBy time.Duration

	// ReadFails is how many reads fail, after some of what they have to yield.
	ReadFails float64

	// TailLost is how many groups a tail does not get, each tail by itself.
	TailLost float64

	// Of the requests, replies, beats and announcements, on their way to each receiver: these are lost,
	// and these are up to LateBy late, and overtaken by others, but for replies by those to the same request.
	MessageLost, MessageLate float64

	LateBy time.Duration

	// Latency is what a way between a hub and the log, or between two hubs, takes on average.
	Latency time.Duration

	// Timeout is how long a call waits for its answer, a quarter of a second by default.
	Timeout time.Duration
}

// Usual is a network on which everything happens often.
func Usual() Faults {
	return Faults{
		AppendLost: 0.025, AnswerLost: 0.02, AppendLate: 0.025, LateBy: 3 * time.Second,
		Stale: 0.2, StaleBy: 3 * time.Second, ReadFails: 0.05, TailLost: 0.05,
		MessageLost: 0.02, MessageLate: 0.02, Latency: 400 * time.Microsecond,
	}
}

// ErrOutcome is what calls fail with on a Network where no answer has come.
var ErrOutcome = errors.New("clustertest: no answer has come")

// Network is a cluster with faults, for testing/synctest: around the engine in the process, each hub has
// an engine of its own (see Hub), by which it can be cut off, frozen and killed.
//
// What happens is drawn from the seed, the number of the hub in the order in which they were made,
// what is asked for, and how many of its kind with this key there were before: no two calls
// share a sequence of random numbers. So the same seed gives the same run for as long as the hubs do
// the same, which Go does not give where two goroutines are woken at one instant of virtual time, a
// select has several cases that are ready, or a map is ranged over. The latencies are drawn
// to the nanosecond, so that messages seldom arrive at one instant; who needs the
// same run has to see to it that the hubs' own timers do not fire at one. Where
// Latency is 0 everything happens at one instant, and the order is the scheduler's.
//
// A hub that is frozen is so towards the engine only: its timers fire, and
// its clients' connections are not held. Calls that it makes, and what it is sent, go on
// when it is thawed. Those that do not wait (see package cluster) do not wait then either, and
// take effect when it is thawed: a lock that was held meanwhile would stop the bubble's time.
type Network struct {
	log  *cluster.Local
	seed uint64

	shards    int
	mu        sync.Mutex
	faults    Faults
	spread    time.Duration
	hubs      []*hub // in the order of Hub, without those that are closed
	made      int
	cuts      map[[2]cluster.HubID]bool
	elections map[int]time.Time // until when a shard has no leader
	filled    map[int]time.Time // until when a shard has no room
	drawn     map[draw]uint64
	past      map[cluster.Key][]stamped
	counts    map[string]int
	closed    bool

	// What goes on by itself, as appends whose callers have left.
	ctx    context.Context
	cancel func()
	going  sync.WaitGroup
}

type stamped struct {
	cluster.Group
	at time.Time
}

// draw is what a random decision depends on beside the seed.
type draw struct {
	hub  int
	what string
	key  [16]byte
}

// NewNetwork makes a network in the bubble of the caller. The log is closed with it.
func NewNetwork(log *cluster.Local, seed uint64, faults Faults) *Network {
	if faults.Timeout <= 0 {
		faults.Timeout = 250 * time.Millisecond
	}
	n := &Network{
		log: log, seed: seed, faults: faults, shards: len(log.State().Shards),
		cuts:      make(map[[2]cluster.HubID]bool),
		elections: make(map[int]time.Time),
		filled:    make(map[int]time.Time),
		drawn:     make(map[draw]uint64),
		past:      make(map[cluster.Key][]stamped),
		counts:    make(map[string]int),
	}
	n.ctx, n.cancel = context.WithCancel(context.Background())
	return n
}

// Hub makes the engine of a hub, which it has to use with this id.
func (n *Network) Hub(id cluster.HubID) cluster.Engine {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &hub{network: n, id: id, number: n.made, ended: make(chan struct{}), stops: make(map[int]func())}
	n.made++
	n.hubs = append(n.hubs, h)
	return h
}

// Close closes the engines of all hubs and the log.
func (n *Network) Close() error {
	for _, h := range n.alive() {
		_ = h.Close()
	}
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.cancel()
	n.going.Wait()
	return n.log.Close()
}

func (n *Network) alive() []*hub {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.hubs)
}

// of calls f with the hub, if it is there.
func (n *Network) of(id cluster.HubID, f func(h *hub)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.hubs {
		if h.id == id {
			f(h)
		}
	}
}

// Freeze stops a hub: nothing that it is told arrives, and nothing that it does leaves, until it is thawed.
func (n *Network) Freeze(id cluster.HubID) {
	n.of(id, func(h *hub) {
		if h.thawed == nil {
			h.thawed = make(chan struct{})
			n.counts["freezes"]++
		}
	})
}

// Thaw ends a Freeze.
func (n *Network) Thaw(id cluster.HubID) { n.of(id, (*hub).thaw) }

// Kill ends a hub at once. What it had under way arrives or does not; none of its callbacks is called any more, but
// those that run are not waited for: its engine's Close does that.
func (n *Network) Kill(id cluster.HubID) {
	n.of(id, func(h *hub) { n.counts["kills"]++; h.thaw() })
	for _, h := range n.alive() {
		if h.id == id {
			h.end()
		}
	}
}

// Isolate cuts a hub off from the log and from all other hubs, until Join.
func (n *Network) Isolate(id cluster.HubID) {
	n.of(id, func(h *hub) { h.isolated = time.Now(); n.counts["isolations"]++ })
}

// Join ends an Isolate.
func (n *Network) Join(id cluster.HubID) { n.of(id, func(h *hub) { h.isolated = time.Time{} }) }

// Cut makes everything be lost that one hub sends to the other; not the other way, and not what goes by the log.
func (n *Network) Cut(from, to cluster.HubID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cuts[[2]cluster.HubID{from, to}] = true
	n.counts["cuts"]++
}

// Mend ends a Cut.
func (n *Network) Mend(from, to cluster.HubID) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.cuts, [2]cluster.HubID{from, to})
}

// Elect takes a shard's leader away for so long. Appends that are made meanwhile are lost, or happen when there
// is one again; Last answers as a leader that has been deposed, or not at all.
func (n *Network) Elect(shard int, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.elections[shard] = time.Now().Add(d)
	n.counts["elections"]++
}

// Fill takes away a shard's room for so long: appends fail with cluster.ErrFull, and so does LastLinearizable.
func (n *Network) Fill(shard int, d time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filled[shard] = time.Now().Add(d)
	n.counts["fills"]++
}

// full tells whether a shard has no room. The caller has the lock.
func (n *Network) full(shard int) bool { return time.Now().Before(n.filled[shard]) }

// SpreadClocks sets what State tells as ClockSpread.
func (n *Network) SpreadClocks(spread time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.spread = spread
}

// Lose takes away the groups of a shard after a position, as Lose of cluster.Local does.
func (n *Network) Lose(shard int, after cluster.Position) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.log.Lose(shard, after)
	for key, past := range n.past {
		if key.Shard(n.shards) == shard {
			n.past[key] = slices.DeleteFunc(past, func(s stamped) bool { return s.Position > after })
		}
	}
	n.counts["losses"]++
}

// Heal ends all that was begun, and from now on nothing goes wrong any more but what is late already. Who is
// dead stays dead.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = Faults{Latency: n.faults.Latency, Timeout: n.faults.Timeout}
	clear(n.cuts)
	clear(n.elections)
	clear(n.filled)
	n.spread = 0
	for _, h := range n.hubs {
		h.isolated = time.Time{}
		h.thaw()
	}
}

// Counts tells how often what has happened, so that a test can see to it that it does.
func (n *Network) Counts() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.counts)
}

// dice are those of one decision, and of what follows from it.
type dice struct {
	*rand.Rand
	faults Faults
}

// roll makes the dice for the next call of its kind. The caller has the lock.
func (n *Network) roll(h *hub, what string, key [16]byte) dice {
	d := draw{h.number, what, key}
	count := n.drawn[d]
	n.drawn[d]++
	return n.dice(d, count)
}

func (n *Network) dice(d draw, count uint64) dice {
	sum := fnv.New64a()
	_, _ = fmt.Fprint(sum, d.hub, " ", d.what, " ", d.key, " ", count)
	return dice{rand.New(rand.NewPCG(n.seed, sum.Sum64())), n.faults}
}

func (d dice) happens(probability float64) bool { return d.Float64() < probability }

// latency is that of one way.
func (d dice) latency() time.Duration {
	if d.faults.Latency <= 0 {
		return 0
	}
	return d.faults.Latency/2 + time.Duration(d.Int64N(int64(d.faults.Latency)))
}

// upTo is a time up to max.
func (d dice) upTo(max time.Duration) time.Duration {
	if max <= 0 {
		return 0
	}
	return time.Duration(d.Int64N(int64(max)))
}

// crosses tells whether, and how much later, a message arrives. The caller has the lock.
func (n *Network) crosses(from, to *hub, d dice) (after time.Duration, arrives bool) {
	switch {
	case !from.isolated.IsZero(), !to.isolated.IsZero(), n.cuts[[2]cluster.HubID{from.id, to.id}]:
		n.counts["messages cut off"]++
		return 0, false
	case d.happens(n.faults.MessageLost):
		n.counts["messages lost"]++
		return 0, false
	}
	after = d.latency()
	if d.happens(n.faults.MessageLate) {
		n.counts["messages late"]++
		after += d.upTo(n.faults.LateBy)
	}
	return after, true
}
