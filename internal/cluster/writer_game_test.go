package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/clustertest"
)

var races = flag.Int("races", 15, "how many races of writers to play")

// race is a game of hubs that claim a few channels from each other, write groups while they own them, and doubt each
// other, on a network with all faults.
type race struct {
	t    *testing.T
	n    *clustertest.Network
	keys []cluster.Key
	over chan struct{}
	all  sync.WaitGroup

	mu     sync.Mutex
	kills  map[cluster.HubID]context.CancelFunc
	told   map[cluster.Nonce]told
	states []taken
	counts map[string]int
}

// told is what a writer was told of a group.
type told struct {
	key      cluster.Key
	writer   *Writer
	order    int // of the groups of the writer
	position cluster.Position
	err      error
}

// taken is a state as a hub has read it, up to a position.
type taken struct {
	key  cluster.Key
	last cluster.Group
	read []cluster.Position
}

// hub starts one.
func (r *race) hub(id cluster.HubID, seed uint64) {
	e := r.n.Hub(id)
	ctx, cancel := context.WithCancel(context.Background())
	r.mu.Lock()
	r.kills[id] = cancel
	r.mu.Unlock()
	gate := NewGate(len(e.State().Shards))
	for k, key := range r.keys {
		random := rand.New(rand.NewPCG(seed, uint64(k)<<8|uint64(id[0])))
		r.all.Go(func() {
			for r.goes(ctx, 100*time.Millisecond+time.Duration(random.Int64N(int64(4*time.Second)))) {
				within, cancel := context.WithTimeout(ctx, 2*time.Minute)
				r.turn(within, e, gate, id, key, random)
				cancel()
			}
		})
	}
}

// goes waits, and tells whether the hub goes on.
func (r *race) goes(ctx context.Context, wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-ctx.Done():
	case <-r.over:
	}
	return false
}

// turn: a hub doubts the owner, or claims the channel and writes while it owns it.
func (r *race) turn(ctx context.Context, e cluster.Engine, gate *Gate, id cluster.HubID, key cluster.Key, random *rand.Rand) {
	last, was, err := Find(ctx, e, key)
	if err != nil && !errors.Is(err, cluster.ErrNone) {
		return
	}
	w := NewWriter(e, gate, key, last.Position, LastShared(last))
	if err == nil && random.IntN(2) == 0 {
		was.Claim, was.Hub = Doubt, id
		r.append(ctx, w, was, 0, cluster.NewNonce(), cluster.Shared)
		return
	}
	h := Header{Claim: Owned, Epoch: was.Epoch + 1, Hub: id, Incarnation: was.Incarnation, Base: was.Base}
	nonce := cluster.NewNonce()
	if err != nil || was.Claim == Ended {
		h.Incarnation, h.Base = nonce, last.Position
	} else if !r.take(ctx, e, key, last) {
		return
	}
	position, err := r.append(ctx, w, h, 0, nonce, cluster.Shared)
	if err != nil {
		return
	}
	h.Claim = None
	for order := 1; w.Err() == nil && r.goes(ctx, time.Duration(random.Int64N(int64(300*time.Millisecond)))); order++ {
		switch random.IntN(40) {
		case 0:
			h.Base = position // as if this one had a snapshot
		case 1:
			h.Claim = []Claim{Free, Ended}[random.IntN(2)]
		}
		kind := []cluster.Kind{cluster.Shared, cluster.Own, cluster.Part}[random.IntN(3)]
		if position, err = r.append(ctx, w, h, order, cluster.NewNonce(), kind); err != nil || h.Claim != None {
			return
		}
	}
}

// append appends a group, and notes what its writer is told.
func (r *race) append(ctx context.Context, w *Writer, h Header, order int, nonce cluster.Nonce, kind cluster.Kind) (cluster.Position, error) {
	body := AppendGroup(nil, h, []Item{{Record, binary.BigEndian.AppendUint32(nil, uint32(order))}})
	position, err := w.Append(ctx, nonce, kind, body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told[nonce] = told{w.key, w, order, position, err}
	var deposed *Deposed
	switch {
	case err == nil && h.Claim == Owned:
		r.counts["claims"]++
	case err == nil:
		r.counts["groups"]++
	case errors.As(err, &deposed) && h.Claim == None:
		r.counts["deposed"]++
	case errors.As(err, &deposed):
		r.counts["beaten"]++
	case errors.Is(err, ErrUnsettled), errors.Is(err, cluster.ErrClosed):
		r.counts["unsettled"]++
	case errors.Is(err, ErrLost):
		r.t.Errorf("nothing is lost here: %v", err)
	}
	return position, err
}

// take reads the state at the last group.
func (r *race) take(ctx context.Context, e cluster.Engine, key cluster.Key, last cluster.Group) bool {
	s := taken{key: key, last: last}
	for g, err := range State(ctx, e, key, last) {
		if err != nil {
			if errors.Is(err, ErrBroken) {
				r.t.Errorf("the state at %d: %v", last.Position, err)
			}
			return false
		}
		s.read = append(s.read, g.Position)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, s)
	return true
}

// log is the whole log of a key.
func (r *race) log(e cluster.Engine, key cluster.Key) (log []cluster.Group) {
	last, err := e.LastLinearizable(context.Background(), key)
	require.NoError(r.t, err)
	for g, err := range e.Read(context.Background(), key, cluster.Every, 0, last.Position) {
		require.NoError(r.t, err)
		log = append(log, g)
	}
	return log
}

// check holds a log against what its writers were told.
func (r *race) check(seed uint64, key cluster.Key, log []cluster.Group) {
	t := r.t
	var owner Header
	var writer *Writer
	var last, shared cluster.Position
	order := make(map[*Writer]int)
	at := make(map[cluster.Nonce]cluster.Position)
	for _, g := range log {
		require.Equal(t, last, g.After, "seed %d", seed)
		require.Equal(t, shared, g.Before, "seed %d: at %d", seed, g.Position)
		last, shared = g.Position, LastShared(g)
		_, twice := at[g.Nonce]
		require.False(t, twice, "seed %d: the group at %d is there twice", seed, g.Position)
		at[g.Nonce] = g.Position

		h, items, err := ParseGroup(g.Body)
		require.NoError(t, err)
		was, known := r.told[g.Nonce]
		require.True(t, known, "seed %d: nobody knows the group at %d", seed, g.Position)
		switch {
		case was.err == nil:
			require.Equal(t, g.Position, was.position, "seed %d", seed)
		default:
			require.True(t, errors.Is(was.err, ErrUnsettled) || errors.Is(was.err, cluster.ErrClosed), "seed %d: %v, and it is at %d", seed, was.err, g.Position)
		}
		n := int(binary.BigEndian.Uint32(items[0].Data))
		switch h.Claim {
		case Doubt:
		case Owned:
			require.Greater(t, h.Epoch, owner.Epoch, "seed %d", seed)
			require.Zero(t, n)
			owner, writer = h, was.writer
		default:
			require.Same(t, writer, was.writer, "seed %d: at %d writes who is not the owner", seed, g.Position)
			require.Equal(t, order[was.writer]+1, n, "seed %d: in order", seed)
			order[was.writer] = n
		}
	}
	for nonce, was := range r.told {
		if was.err == nil && was.key == key {
			require.Equal(t, was.position, at[nonce], "seed %d: what was acknowledged at %d is not there", seed, was.position)
		}
	}
	for _, s := range r.states {
		if s.key != key {
			continue
		}
		h, err := ParseHeader(s.last.Body)
		require.NoError(t, err)
		var want []cluster.Position
		for _, g := range log {
			if g.Position > h.Base && g.Position <= s.last.Position {
				want = append(want, g.Position)
			}
		}
		require.Equal(t, want, s.read, "seed %d: the state at %d", seed, s.last.Position)
	}
}

// Through all faults a group that was acknowledged is in the log, once, in the order of its writer and at the position that was
// told; one of a writer that was deposed is not; who has lost a channel writes no more; and what a state is read
// from is whole.
func TestWritersRaceForChannels(t *testing.T) {
	happened := make(map[string]int)
	for seed := range uint64(*races) {
		synctest.Test(t, func(t *testing.T) {
			n := clustertest.NewNetwork(cluster.NewLocalWith(cluster.LocalOptions{Keeps: time.Hour, Shards: 2}), seed, clustertest.Usual())
			r := &race{
				t: t, n: n, over: make(chan struct{}), kills: make(map[cluster.HubID]context.CancelFunc),
				told: make(map[cluster.Nonce]told), counts: make(map[string]int),
				keys: []cluster.Key{{1: 0}, {1: 1}, {1: 2}},
			}
			hubs := byte(4)
			for i := range hubs {
				r.hub(cluster.HubID{i}, seed)
			}
			n.Storm(time.Minute, func(id cluster.HubID) {
				n.Kill(id)
				r.mu.Lock()
				r.kills[id]()
				r.mu.Unlock()
				r.hub(cluster.HubID{hubs}, seed)
				hubs++
			})
			n.Heal()
			time.Sleep(5 * time.Second) // what was late has come
			r.mu.Lock()
			before := r.counts["claims"]
			r.mu.Unlock()
			time.Sleep(10 * time.Second)
			close(r.over)
			r.all.Wait()
			require.Greater(t, r.counts["claims"], before, "seed %d: nobody gets on", seed)
			e := n.Hub(cluster.HubID{255})
			for _, key := range r.keys {
				r.check(seed, key, r.log(e, key))
			}
			for _, cancel := range r.kills {
				cancel()
			}
			require.NoError(t, n.Close())
			for what, count := range r.counts {
				happened[what] += count
			}
		})
	}
	for _, what := range []string{"claims", "groups", "deposed", "beaten", "unsettled"} {
		require.True(t, happened[what] > 0 || *races < 10, "%s: %v", what, happened)
	}
	t.Log(happened)
}
