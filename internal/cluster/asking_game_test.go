package cluster

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/clustertest"
)

var askingRounds = flag.Uint64("asking-rounds", 8, "rounds of the game of edges that ask owners")

// askingGame has edges that put calls, and hubs that own the channel one after the other, on a
// network with faults. The game knows who the owner is; hubs and edges learn it late.
type askingGame struct {
	t    *testing.T
	seed uint64
	n    *clustertest.Network
	over chan struct{} // closed when nothing is put any more
	end  chan struct{} // closed when nothing is committed any more
	all  sync.WaitGroup

	mu       sync.Mutex
	hubs     []*owningHub // the first of which is the owner, or was
	owner    Owner
	made     int
	position cluster.Position
	edges    []*askingEdge
	counts   map[string]int
}

// owningHub is a hub that may own the channel.
type owningHub struct {
	g       *askingGame
	id      cluster.HubID
	serving *Serving
	random  *rand.Rand
	reign   *reign // as far as it knows; nil: it does not own the channel
	knows   Owner  // who owns it, if it does not
}

// reign is a hub as the owner in one epoch.
type reign struct {
	g *askingGame
	Owner
	*Answering
	random  *rand.Rand
	pending []pendingCalls
	news    chan struct{}
	decided map[cluster.HubID]uint32 // the last call of each edge
}

type pendingCalls struct {
	edge  *askingEdge
	n     uint64
	calls [][]byte
}

// askingEdge is an edge, with what it knows of its calls, which are numbered.
type askingEdge struct {
	g       *askingGame
	id      cluster.HubID
	a       *Asking
	random  *rand.Rand
	hearing *rand.Rand // of the goroutine that hears answers
	put     uint32
	waiting []uint32
	taken   map[uint32]bool
	owner   Owner     // as it was told to a
	told    time.Time // when
}

// check fails the test, from any goroutine, without ending it.
func (g *askingGame) check(ok bool, format string, args ...any) {
	if !ok {
		g.t.Errorf("seed %d: "+format, append([]any{g.seed}, args...)...)
	}
}

func (g *askingGame) rand(id int) *rand.Rand {
	return rand.New(rand.NewPCG(g.seed, uint64(id)))
}

func newAskingGame(t *testing.T, seed uint64) *askingGame {
	faults := clustertest.Usual()
	faults.MessageLost, faults.MessageLate = 0.1, 0.1
	g := &askingGame{
		t: t, seed: seed, over: make(chan struct{}), end: make(chan struct{}), counts: make(map[string]int),
		n: clustertest.NewNetwork(cluster.NewLocal(), seed, faults),
	}
	for range 3 {
		g.startHub()
	}
	for i := range 3 {
		e := &askingEdge{g: g, id: cluster.HubID{0xe0, byte(i)}, random: g.rand(100 + i), hearing: g.rand(200 + i), taken: make(map[uint32]bool)}
		e.a = NewAsking(g.n.Hub(e.id), e.id, room, e.answered)
		g.edges = append(g.edges, e)
	}
	g.change(g.rand(1))
	for _, e := range g.edges {
		g.all.Go(e.play)
	}
	return g
}

func (g *askingGame) startHub() {
	g.made++
	h := &owningHub{g: g, id: cluster.HubID{byte(g.made)}, random: g.rand(1000 + g.made), knows: g.owner}
	var err error
	h.serving, err = NewServing(g.n.Hub(h.id), h.id)
	require.NoError(g.t, err)
	h.serving.HandleCalls(func(key cluster.Key) (func(cluster.HubID, Request, func([]byte) error), Owner) {
		g.mu.Lock()
		defer g.mu.Unlock()
		if h.reign == nil {
			return nil, h.knows
		}
		return h.reign.take, Owner{}
	})
	g.hubs = append(g.hubs, h)
}

// goes waits, and tells whether the game goes on.
func (g *askingGame) goes(wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-g.over:
		return false
	}
}

// later calls f with the game's lock after up to max.
func (g *askingGame) later(r *rand.Rand, max time.Duration, f func()) {
	wait := time.Duration(r.Int64N(int64(max)))
	g.all.Go(func() {
		time.Sleep(wait)
		g.mu.Lock()
		defer g.mu.Unlock()
		f()
	})
}

// change makes another hub the owner, or the same one in another epoch, and lets everybody know in time.
// Sometimes the former one is killed.
func (g *askingGame) change(random *rand.Rand) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if former := g.hubs[0]; g.owner.Epoch > 0 && random.IntN(4) == 0 {
		g.n.Kill(former.id)
		g.hubs = g.hubs[1:]
		g.startHub()
		g.all.Go(former.serving.Stop)
	}
	next := random.IntN(len(g.hubs))
	g.hubs[0], g.hubs[next] = g.hubs[next], g.hubs[0]
	owner := Owner{g.hubs[0].id, g.owner.Epoch + 1, cluster.Nonce{1}}
	g.owner = owner
	for i, h := range g.hubs {
		if i == 0 {
			g.later(random, 200*time.Millisecond, func() { h.begin(owner) })
			continue
		}
		g.later(random, 3*time.Second, func() {
			if h.knows.Epoch < owner.Epoch {
				h.knows = owner
			}
			if h.reign != nil && h.reign.Epoch < owner.Epoch {
				h.reign = nil
			}
		})
	}
	for _, e := range g.edges {
		if random.IntN(3) == 0 {
			e.to(Owner{})
		}
		g.later(random, 2*time.Second, func() { e.to(owner) })
	}
}

func (h *owningHub) begin(o Owner) {
	if h.reign != nil && h.reign.Epoch > o.Epoch || h.knows.Epoch > o.Epoch {
		return
	}
	h.reign = &reign{
		g: h.g, Owner: o, Answering: NewAnswering(room, o.Hub, o.Epoch, o.Incarnation),
		random: h.g.rand(10000 + int(o.Epoch)), news: make(chan struct{}, 1), decided: make(map[cluster.HubID]uint32),
	}
	h.g.all.Go(h.reign.play)
}

// take takes a request. What is fresh is decided at once, or refused.
func (r *reign) take(from cluster.HubID, q Request, reply func([]byte) error) {
	calls, fresh := r.Request(from, q, reply)
	g := r.g
	g.mu.Lock()
	defer g.mu.Unlock()
	if !fresh {
		g.counts["not fresh"]++
		return
	}
	if r.random.IntN(20) == 0 {
		g.all.Go(func() { r.Refuse(from, q.N) })
		return
	}
	e := g.edges[slices.IndexFunc(g.edges, func(e *askingEdge) bool { return e.id == from })]
	for i, call := range calls {
		number := numberOf(call)
		last, some := r.decided[from]
		if !some && i == 0 && e.owner == r.Owner && len(e.waiting) > 0 && !e.taken[number] {
			g.check(e.waiting[0] == number, "the first call in epoch %d is %d, and %d is the first that waits", r.Epoch, number, e.waiting[0])
		}
		for next := last + 1; some && next < number; next++ {
			g.check(e.taken[next], "call %d is missing in epoch %d", next, r.Epoch)
		}
		g.check(!some || number > last, "call %d comes after %d in epoch %d", number, last, r.Epoch)
		r.decided[from] = number
	}
	r.pending = append(r.pending, pendingCalls{e, q.N, calls})
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// play commits what is decided, for as long as the reign lasts, and sometimes forgets an edge.
func (r *reign) play() {
	random := r.g.rand(20000 + int(r.Epoch))
	for {
		select {
		case <-r.news:
		case <-r.g.end:
			return
		}
		wait := time.Duration(random.Int64N(int64(20 * time.Millisecond)))
		if random.IntN(10) == 0 {
			wait *= 100
		}
		time.Sleep(wait)
		if !r.commit(random) {
			return
		}
		if e := r.g.edges[random.IntN(len(r.g.edges))]; random.IntN(40) == 0 {
			r.Forget(e.id)
		}
	}
}

func (r *reign) commit(random *rand.Rand) bool {
	g := r.g
	g.mu.Lock()
	if g.owner != r.Owner { // the append fails
		g.mu.Unlock()
		return false
	}
	var done []pendingCalls
	done, r.pending = r.pending, nil
	g.position += 2
	position := g.position
	g.mu.Unlock()
	for _, p := range done {
		body := binary.BigEndian.AppendUint64(nil, r.Epoch)
		body = binary.BigEndian.AppendUint64(body, uint64(position))
		for _, call := range p.calls {
			body = append(body, call[:4]...)
		}
		if random.IntN(50) == 0 {
			body = append(body, make([]byte, random.IntN(5*chunkSize))...)
		}
		g.check(r.Reply(p.edge.id, p.n, position, position-1, body) == nil, "a reply is refused")
	}
	return true
}

func numberOf(call []byte) uint32 { return binary.BigEndian.Uint32(call) }

// to tells the Asking who owns the channel. The caller has the game's lock.
func (e *askingEdge) to(o Owner) {
	if o.Hub != (cluster.HubID{}) && o.Epoch < e.owner.Epoch {
		e.a.To(o) // which is passed over
		return
	}
	if o != e.owner {
		e.told = time.Now()
	}
	e.a.To(o)
	if e.owner.Hub = o.Hub; e.owner.Hub != (cluster.HubID{}) {
		e.owner = o
	}
}

// play puts calls, and sometimes takes out what waits.
func (e *askingEdge) play() {
	for {
		wait := time.Duration(e.random.Int64N(int64(100 * time.Millisecond)))
		if e.random.IntN(20) == 0 {
			wait *= 20
		}
		if !e.g.goes(wait) {
			return
		}
		e.g.mu.Lock()
		burst := e.random.IntN(5)
		if e.random.IntN(200) == 0 {
			burst = 1500
		}
		for range burst {
			call := binary.BigEndian.AppendUint32(nil, e.put+1)
			if e.random.IntN(100) == 0 {
				call = append(call, make([]byte, e.random.IntN(MaxCall-4))...)
			}
			if e.a.Call(call) != nil {
				e.g.counts["too much"]++
				break
			}
			e.put++
			e.waiting = append(e.waiting, e.put)
		}
		e.g.check(e.a.Waiting() <= maxCalls, "%d calls wait", e.a.Waiting())
		if e.random.IntN(300) == 0 {
			e.take()
		}
		e.g.mu.Unlock()
	}
}

// take takes out what waits.
func (e *askingEdge) take() [][]byte {
	calls := e.a.Take()
	for _, call := range calls {
		e.taken[numberOf(call)] = true
		e.waiting = slices.DeleteFunc(e.waiting, func(number uint32) bool { return number == numberOf(call) })
	}
	e.g.counts["taken"] += len(calls)
	return calls
}

// answered checks what is heard.
func (e *askingEdge) answered(a Answer) {
	g := e.g
	g.mu.Lock()
	defer g.mu.Unlock()
	g.counts[fmt.Sprint("outcome ", a.Outcome)]++
	g.check(a.Owner == e.owner || e.told.Equal(time.Now()), "%v says something, and %v was asked", a.Owner, e.owner)
	g.check((a.Outcome == Done) == (len(a.Calls) > 0), "outcome %d answers %d calls", a.Outcome, len(a.Calls))
	switch a.Outcome {
	case Moved:
		g.check(a.Next.Epoch > a.Owner.Epoch, "moved back")
		e.to(a.Next)
	case Forgotten: // what is carried out twice now is so rightly
		for _, h := range g.hubs {
			if h.reign != nil && h.reign.Owner == a.Owner {
				delete(h.reign.decided, e.id)
			}
		}
		if e.hearing.IntN(2) == 0 {
			for _, call := range e.a.Take() {
				g.check(e.a.Call(call) == nil, "what was taken out has no room")
			}
		}
	case Done:
		e.done(a)
	}
}

func (e *askingEdge) done(a Answer) {
	g := e.g
	epoch, position := binary.BigEndian.Uint64(a.Body), cluster.Position(binary.BigEndian.Uint64(a.Body[8:]))
	g.check(a.Owner.Epoch == epoch && a.Position == position && a.Shared == position-1, "an answer of another epoch, or another position")
	for i, call := range a.Calls {
		number := numberOf(call)
		g.check(number == numberOf(a.Body[16+4*i:]), "an answer to other calls")
		if len(e.waiting) == 0 || e.waiting[0] != number {
			g.check(false, "call %d is answered, and these wait: %v", number, e.waiting)
			continue
		}
		e.waiting = e.waiting[1:]
	}
	g.counts["answered"] += len(a.Calls)
	if len(a.Calls) > 1 {
		g.counts["together"]++
	}
	if len(a.Body) > chunkSize {
		g.counts["in chunks"]++
	}
}

func (g *askingGame) play(lasts time.Duration) {
	random := g.rand(2)
	changing := make(chan struct{})
	g.all.Go(func() {
		defer close(changing)
		for end := time.Now().Add(lasts); time.Now().Before(end); g.change(random) {
			time.Sleep(time.Duration(random.Int64N(int64(6 * time.Second))))
		}
	})
	g.n.Storm(lasts, nil)
	<-changing
	g.n.Heal()
	time.Sleep(15 * time.Second)
	close(g.over)
	time.Sleep(5 * time.Second)
	close(g.end)
	g.mu.Lock()
	for _, e := range g.edges {
		waits := e.a.Waiting()
		g.check(waits == 0 && len(e.waiting) == 0, "%d calls are not answered, of %d", waits, len(e.waiting))
		g.check(e.a.bytes == 0 && !e.a.running, "something is left")
	}
	g.mu.Unlock()
	for _, e := range g.edges {
		e.a.Close()
	}
	g.all.Wait()
	for _, h := range g.hubs {
		g.check(h.serving.Dropped() == 0, "a request was dropped")
		g.check(h.reign == nil || h.reign.kept < 3*chunkSize, "what has arrived is kept")
		h.serving.Stop()
	}
	g.check(g.n.Close() == nil, "it does not close")
}

// Whatever is lost, late, cut off and frozen, and whoever becomes the owner: calls are carried out in order,
// each once in an epoch, and each is answered once, by the owner that was asked.
func TestAskingGame(t *testing.T) {
	happened := make(map[string]int)
	for seed := range *askingRounds {
		synctest.Test(t, func(t *testing.T) {
			g := newAskingGame(t, seed)
			g.play(40 * time.Second)
			for what, n := range g.counts {
				happened[what] += n
			}
		})
	}
	for _, what := range []string{
		"answered", "together", "in chunks", "not fresh", "too much", "taken",
		"outcome 1", "outcome 2", "outcome 3", "outcome 4", "outcome 5", "outcome 6",
	} {
		require.Positive(t, happened[what], what)
	}
	t.Log(happened)
}
