package cluster

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

var mergings = flag.Int("mergings", 2000, "how many games of the merging are played")

// TestMergingGame plays owners that write groups and reply to requests of an edge, which come late, twice or never, and
// are followed by other owners at any time. What the edge carries out is held against the log.
func TestMergingGame(t *testing.T) {
	var all mergingCounts
	for seed := range *mergings {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := newMergingGame(t, uint64(seed))
			g.play()
			all.add(g.mergingCounts)
		})
	}
	if *mergings >= 2000 && !t.Failed() {
		require.Empty(t, all.rare(), "what has hardly been met: %+v", all)
	}
}

// mergingCounts is how often something was met.
type mergingCounts struct{ marked, plain, dropped, passed, stops, early, moved, abandoned, ends, recreated int }

func (c *mergingCounts) add(o mergingCounts) {
	for i, n := range o.all() {
		*c.all()[i] += *n
	}
}

func (c *mergingCounts) all() []*int {
	return []*int{&c.marked, &c.plain, &c.dropped, &c.passed, &c.stops, &c.early, &c.moved, &c.abandoned, &c.ends, &c.recreated}
}

func (c *mergingCounts) rare() (rare []int) {
	for i, n := range c.all() {
		if *n < 50 {
			rare = append(rare, i)
		}
	}
	return rare
}

// gameGroup is a shared group of the log.
type gameGroup struct {
	group  cluster.Group
	header Header
	items  []Item
}

// gameRequest is one of the edge.
type gameRequest struct {
	epoch, n uint64
	calls    []int
}

// gameReply is an owner's reply, or what it says instead.
type gameReply struct {
	at        ReplyAt
	forgotten bool
}

// gameOwner is an owner, or was one. It does not know when it is not any more, and repeats what it has replied.
type gameOwner struct {
	hub   cluster.HubID
	epoch uint64
	kept  *gameReply
}

type mergingGame struct {
	mergingCounts
	t   *testing.T
	rng *rand.Rand

	// The log, and what owners know by it.
	last   cluster.Position
	shared []gameGroup
	owners []*gameOwner // the last one is it
	ended  bool

	// On their way.
	requests []gameRequest
	replies  []gameReply
	tail     int // how many of the shared groups the edge has got

	// The edge.
	merging *Merging
	check   *mergingCheck
	to      uint64 // the epoch of the owner that it asks
	n       uint64
	under   *gameRequest
	calls   []int // that wait
	named   int   // calls so far
	asked   map[uint64][]int
	told    map[int]int // how often a call was answered
}

func newMergingGame(t *testing.T, seed uint64) *mergingGame {
	g := &mergingGame{t: t, rng: rand.New(rand.NewPCG(seed, 16)), asked: map[uint64][]int{}, told: map[int]int{}}
	g.owners = []*gameOwner{{hub: hubA, epoch: 10}}
	g.last, g.to = 1, 10
	g.merging = NewMerging(hubE, 1, hubA, 10, first)
	g.check = &mergingCheck{game: g, given: map[request]ReplyAt{}}
	return g
}

func (g *mergingGame) chance(percent int) bool { return g.rng.IntN(100) < percent }

func (g *mergingGame) owner() *gameOwner { return g.owners[len(g.owners)-1] }

// append writes a group, and is sure to be the owner's.
func (g *mergingGame) append(shared bool, h Header, items []Item) cluster.Position {
	before := cluster.Position(1)
	if len(g.shared) > 0 {
		before = g.shared[len(g.shared)-1].group.Position
	}
	g.last += cluster.Position(1 + g.rng.IntN(3))
	if shared {
		g.shared = append(g.shared, gameGroup{cluster.Group{Position: g.last, Before: before, Kind: cluster.Shared}, h, items})
	}
	return g.last
}

// written are the items of others of a group.
func (g *mergingGame) written() (items []Item) {
	for range g.rng.IntN(4) {
		item := Item{[]ItemKind{Record, Effect}[g.rng.IntN(2)], fmt.Append(nil, "item ", g.rng.IntN(1000))}
		if g.chance(20) {
			item = Item{Reply, AppendMarker(nil, Marker{hubF, g.owner().epoch, g.rng.Uint64N(50)})}
		}
		items = append(items, item)
	}
	return items
}

func (g *mergingGame) header(claim Claim) Header {
	return Header{Claim: claim, Hub: g.owner().hub, Epoch: g.owner().epoch, Incarnation: first}
}

// request is what an owner does with one.
func (g *mergingGame) request(r gameRequest) {
	i := slices.IndexFunc(g.owners, func(o *gameOwner) bool { return o.epoch == r.epoch })
	owner := g.owners[i]
	switch {
	case owner.kept != nil && owner.kept.at.N == r.n:
		if g.chance(5) {
			owner.kept.forgotten = true
		}
		g.replies = append(g.replies, *owner.kept)
	case owner.kept != nil && owner.kept.at.N > r.n, owner != g.owner(), g.ended:
		// Nothing comes of it.
	default:
		reply := ReplyAt{Epoch: r.epoch, N: r.n, Items: []Item{{Effect, []byte("reply")}}, Marked: g.chance(60)}
		items, shared := g.written(), reply.Marked || g.chance(50)
		if reply.Marked {
			items = slices.Insert(items, g.rng.IntN(len(items)+1), Item{Reply, AppendMarker(nil, Marker{hubE, r.epoch, r.n})})
		}
		reply.Position = g.append(shared, g.header(None), items)
		if len(g.shared) > 0 {
			reply.Shared = g.shared[len(g.shared)-1].group.Position
		}
		owner.kept = &gameReply{at: reply}
		if g.chance(70) {
			g.replies = append(g.replies, *owner.kept)
		}
	}
}

// claim makes another hub the owner, or the same one anew.
func (g *mergingGame) claim() {
	hub := []cluster.HubID{hubA, hubB}[g.rng.IntN(2)]
	switch {
	case g.chance(20):
		g.append(true, g.header(Free), g.written())
	case g.chance(40):
		h := g.header(Doubt)
		h.Hub = hub
		g.append(true, h, nil)
	}
	g.owners = append(g.owners, &gameOwner{hub: hub, epoch: g.owner().epoch + 1 + g.rng.Uint64N(3)})
	g.append(true, g.header(Owned), g.written())
}

// ask sends what the edge has to ask, again if it is under way.
func (g *mergingGame) ask() {
	if g.under == nil {
		if len(g.calls) == 0 {
			return
		}
		g.n += 1 + g.rng.Uint64N(2)
		take := 1 + g.rng.IntN(len(g.calls))
		g.under = &gameRequest{g.to, g.n, slices.Clone(g.calls[:take])}
		g.calls = g.calls[take:]
		g.asked[g.n] = g.under.calls
	}
	g.requests = append(g.requests, *g.under)
}

// turn makes the edge ask the owner of the epoch.
func (g *mergingGame) turn(epoch uint64) {
	if epoch <= g.to {
		return
	}
	g.to = epoch
	g.again()
}

// again puts what is under way back.
func (g *mergingGame) again() {
	if g.under != nil {
		g.calls = slices.Concat(g.under.calls, g.calls)
		g.under = nil
	}
}

// reply is one that arrives at the edge.
func (g *mergingGame) reply(r gameReply) {
	if g.under == nil || g.under.n != r.at.N || g.under.epoch != r.at.Epoch {
		return
	}
	if r.forgotten {
		g.again()
		return
	}
	g.under = nil
	if r.at.Shared > g.merging.At() || r.at.Marked && r.at.Position > g.merging.At() {
		g.early++
	}
	g.check.given[r.at.request()], g.check.newest = r.at, r.at.request()
	g.steps(g.merging.Reply(r.at))
}

// follow gives the edge the next group of the tail.
func (g *mergingGame) follow() {
	if g.tail < len(g.shared) {
		next := g.shared[g.tail]
		g.tail++
		if next.header.Claim == Owned {
			g.check.epoch = next.header.Epoch
		}
		g.steps(g.merging.Group(next.group, next.header, next.items))
	}
}

func (g *mergingGame) abandon() {
	if m, waits := g.merging.Waits(); waits {
		g.abandoned++
		g.check.newest = request{m.Epoch, m.N}
		g.steps(g.merging.Abandon())
	}
}

func (g *mergingGame) steps(steps []Step, err error) {
	require.NoError(g.t, err)
	for _, s := range steps {
		g.check.step(s)
		switch s.Kind {
		case StepReply:
			for _, call := range g.asked[s.Reply.N] {
				g.told[call]++
			}
		case StepDropped:
			g.calls = slices.Concat(g.asked[s.Reply.N], g.calls)
		}
	}
	g.check.rest()
}

// takeOne takes one out of those that are on their way, mostly the first, and leaves it there now and then.
func takeOne[T any](g *mergingGame, all *[]T) (one T, ok bool) {
	if len(*all) == 0 {
		return one, false
	}
	i := 0
	if g.chance(20) {
		i = g.rng.IntN(len(*all))
	}
	one = (*all)[i]
	if !g.chance(10) {
		*all = slices.Delete(*all, i, i+1)
	}
	return one, !g.chance(10)
}

func (g *mergingGame) play() {
	slow := 10 + g.rng.IntN(60) // of 100, how often the tail moves on
	for range 150 {
		switch g.rng.IntN(12) {
		case 0, 1:
			g.named++
			g.calls = append(g.calls, g.named)
		case 2, 3:
			g.ask()
		case 4, 5:
			if r, ok := takeOne(g, &g.requests); ok {
				g.request(r)
			}
		case 6, 7:
			if r, ok := takeOne(g, &g.replies); ok {
				g.reply(r)
			}
		case 8:
			g.append(g.chance(80), g.header(None), g.written())
		case 9:
			if g.chance(25) {
				g.claim()
			}
		case 10:
			g.turnSometimes()
		case 11:
			if g.chance(3) {
				g.abandon()
			}
		}
		for g.chance(slow) && g.tail < len(g.shared) {
			g.follow()
		}
	}
	if g.chance(30) {
		g.end()
		return
	}
	g.heal()
}

// turnSometimes lets the edge learn of another owner, by the tail or by somebody.
func (g *mergingGame) turnSometimes() {
	switch {
	case g.chance(70):
		g.turn(g.merging.Epoch())
	case g.owner().epoch > g.merging.Epoch():
		g.moved++
		g.turn(g.owner().epoch)
	}
}

// heal lets all arrive.
func (g *mergingGame) heal() {
	for range 1000 {
		for g.tail < len(g.shared) {
			g.follow()
		}
		g.turn(g.merging.Epoch())
		if len(g.calls) == 0 && g.under == nil {
			break
		}
		g.ask()
		for _, r := range g.requests {
			g.request(r)
		}
		g.requests = nil
		for len(g.replies) > 0 {
			r := g.replies[0]
			g.replies = g.replies[1:]
			g.reply(r)
		}
	}
	require.Empty(g.t, g.calls)
	require.Nil(g.t, g.under)
	_, waits := g.merging.Waits()
	require.False(g.t, waits, "nothing is stuck")
	require.Equal(g.t, g.shared[len(g.shared)-1].group.Position, g.merging.At())
	for call := 1; call <= g.named; call++ {
		require.Equal(g.t, 1, g.told[call], "call %d is answered once", call)
	}
}

// end ends the channel, in the middle of what is going on.
func (g *mergingGame) end() {
	g.ended = true
	g.append(true, g.header(Ended), g.written())
	anew := g.chance(50)
	if anew {
		h := Header{Claim: Owned, Hub: hubB, Epoch: g.owner().epoch + g.rng.Uint64N(2), Incarnation: next}
		g.append(true, h, g.written())
	}
	for g.tail < len(g.shared) {
		g.follow()
	}
	for range 3 { // a request may have been asked again as another one
		g.abandon()
	}
	require.True(g.t, g.check.end, "the end is told")
	require.Equal(g.t, anew, g.check.another)
	steps, err := g.merging.Reply(ReplyAt{Epoch: 1000, N: 1000})
	require.NoError(g.t, err)
	require.Empty(g.t, steps)
}
