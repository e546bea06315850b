package cluster

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/clustertest"
)

var followRounds = flag.Uint64("followrounds", 200, "how many rounds TestFollowsThroughAllFaults plays")

// tailEdges is how many hubs follow the log.
const tailEdges = 3

// tailRound is a hub that appends to a log, and others that follow it, through faults.
type tailRound struct {
	t    *testing.T
	seed uint64
	n    *clustertest.Network
	over chan struct{}
	all  sync.WaitGroup

	owner        cluster.Engine
	last, shared cluster.Position
	nonces       uint64

	hubs [tailEdges]*tailEdge
}

// tailEdge is a hub that follows, and once in a while begins anew where it was.
type tailEdge struct {
	r      *tailRound
	id     cluster.HubID
	engine cluster.Engine

	mu  sync.Mutex
	f   *Follower
	got []cluster.Group
}

func (e *tailEdge) follow(dice *rand.Rand) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var at cluster.Position
	if e.f != nil {
		e.mu.Unlock() // deliver takes it
		e.f.Close()
		e.mu.Lock()
		at = e.f.At()
	}
	slow := rand.New(rand.NewPCG(dice.Uint64(), 0)) // of deliver, which runs once at a time
	var err error
	e.f, err = Follow(e.engine, tailKey, at, func(g cluster.Group) {
		e.mu.Lock()
		var last cluster.Position
		if n := len(e.got); n > 0 {
			last = e.got[n-1].Position
		}
		if g.Before != last || g.Position <= last || g.Kind != cluster.Shared {
			e.r.t.Errorf("seed %d: %d, which follows %d, was delivered after %d", e.r.seed, g.Position, g.Before, last)
		}
		e.got = append(e.got, g)
		e.mu.Unlock()
		switch slow.IntN(100) {
		case 0:
			time.Sleep(time.Duration(slow.Int64N(int64(time.Second))))
		case 1, 2, 3:
			time.Sleep(time.Duration(slow.Int64N(int64(10 * time.Millisecond))))
		}
	}, func(err error) { e.r.t.Errorf("seed %d: lost: %v", e.r.seed, err) })
	require.NoError(e.r.t, err)
}

func (e *tailEdge) follower() *Follower {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.f
}

// live lets a hub check when it was cut off and is not any more, and begin anew at times.
func (e *tailEdge) live(dice *rand.Rand) {
	connected := true
	anew := time.Now().Add(20 * time.Second)
	for e.r.goes(50*time.Millisecond + time.Duration(dice.Int64N(int64(time.Millisecond)))) {
		if was := connected; !was {
			if connected = e.engine.State().Connected; connected {
				e.follower().Check()
			}
		} else {
			connected = e.engine.State().Connected
		}
		if time.Now().After(anew) {
			e.follow(dice)
			anew = time.Now().Add(time.Duration(dice.Int64N(int64(20 * time.Second))))
		}
	}
}

// goes waits, and tells whether the round goes on.
func (r *tailRound) goes(wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-r.over:
		return false
	}
}

// append appends a group, however often that takes.
func (r *tailRound) append(kind cluster.Kind) {
	r.nonces++
	g := cluster.Group{Kind: kind, After: r.last, Before: r.shared, Body: fmt.Append(nil, r.nonces)}
	copy(g.Nonce[:], fmt.Sprintf("%08d", r.nonces))
	for {
		p, err := r.owner.Append(context.Background(), tailKey, g)
		if err == nil {
			if r.last = p; kind == cluster.Shared {
				r.shared = p
			}
			return
		}
		require.NotErrorIs(r.t, err, cluster.ErrConflict)
		time.Sleep(100 * time.Millisecond)
	}
}

// own appends bursts of groups, announces each one's end, and lets somebody expect it at times.
func (r *tailRound) own(dice *rand.Rand) {
	a := NewAnnouncer(r.owner, tailKey, 0)
	defer a.Close()
	for r.goes(time.Duration(dice.Int64N(int64(4 * time.Second)))) {
		for range 1 + dice.IntN(12) {
			kind := cluster.Shared
			if dice.IntN(4) == 0 {
				kind = []cluster.Kind{cluster.Own, cluster.Part}[dice.IntN(2)]
			}
			if r.append(kind); kind != cluster.Shared {
				continue
			}
			a.Appended(r.shared)
			if dice.IntN(5) == 0 {
				r.hubs[dice.IntN(tailEdges)].follower().Expect(r.shared)
			}
			time.Sleep(time.Duration(dice.Int64N(int64(20 * time.Millisecond))))
		}
	}
}

func playTailRound(t *testing.T, seed uint64) map[string]int {
	dice := rand.New(rand.NewPCG(seed, 1))
	faults := clustertest.Usual()
	if seed%2 == 1 {
		faults.TailLost, faults.ReadFails, faults.MessageLost = 0.3, 0.4, 0.3
	}
	log := cluster.NewLocalWith(cluster.LocalOptions{Keeps: time.Hour, Shards: 1})
	r := &tailRound{t: t, seed: seed, n: clustertest.NewNetwork(log, seed, faults), over: make(chan struct{})}
	defer func() { require.NoError(t, r.n.Close()) }()
	r.owner = r.n.Hub(cluster.HubID{1})
	for i := range r.hubs {
		id := cluster.HubID{2, byte(i)}
		e := &tailEdge{r: r, id: id, engine: r.n.Hub(id)}
		r.hubs[i] = e
		mine := rand.New(rand.NewPCG(seed, uint64(2+i)))
		e.follow(mine)
		defer func() { e.follower().Close() }()
		r.all.Go(func() { e.live(mine) })
	}
	r.all.Go(func() { r.own(dice) })
	r.n.Storm(40*time.Second, nil)
	close(r.over)
	r.all.Wait()

	// The end, of which no tail hears.
	for _, e := range r.hubs {
		r.n.Isolate(e.id)
	}
	for range 1 + seed%5 {
		r.append(cluster.Shared)
	}
	a := NewAnnouncer(r.owner, tailKey, 0)
	defer a.Close()
	if seed%3 == 0 {
		a.Appended(r.shared)
	}
	r.n.Heal()
	for _, e := range r.hubs {
		switch seed % 3 {
		case 1:
			e.follower().Expect(r.shared)
		case 2:
			e.follower().Check()
		}
	}
	time.Sleep(4 * time.Second) // deliver is slow at times, and one announcement of before may be as late

	var want []cluster.Group
	for g, err := range log.Read(context.Background(), tailKey, cluster.Shared, 0, r.shared) {
		require.NoError(t, err)
		g.Age = 0
		want = append(want, g)
	}
	for i, e := range r.hubs {
		e.follower().Close()
		require.Equal(t, r.shared, e.follower().At(), "seed %d, hub %d", seed, i)
		for k := range e.got {
			e.got[k].Age = 0
		}
		require.Equal(t, want, e.got, "seed %d, hub %d", seed, i)
	}
	require.Zero(t, working(), "seed %d", seed)
	counts := r.n.Counts()
	counts["groups"] = len(want)
	return counts
}

// Through all faults what is delivered is exactly what the log has after the position, in its order, and soon after
// the faults it is all of it.
func TestFollowsThroughAllFaults(t *testing.T) {
	happened := make(map[string]int)
	for seed := range *followRounds {
		synctest.Test(t, func(t *testing.T) {
			for what, n := range playTailRound(t, seed) {
				happened[what] += n
			}
		})
		if t.Failed() {
			return
		}
	}
	if *followRounds < 50 {
		return
	}
	for _, what := range []string{
		"groups missing on tails", "reads that fail", "messages lost", "messages late", "messages cut off",
		"appends late", "answers lost", "freezes", "isolations", "cuts", "elections",
	} {
		require.Positive(t, happened[what], what)
	}
	require.Greater(t, uint64(happened["groups"]), 50**followRounds)
	t.Log(happened)
}

// A hub that was stopped for longer than groups are kept is lost if something is missing, whether or not anything of it is
// left; and goes on if nothing was appended.
func TestStoppedForLongerThanGroupsAreKept(t *testing.T) {
	for name, c := range map[string]struct {
		missed, later int // how many Shared groups it misses, and how many are still there
		want          error
	}{
		"nothing left":      {3, 0, cluster.ErrGone},
		"the end left":      {3, 2, ErrBroken},
		"nothing missed":    {0, 0, nil},
		"all that it lacks": {0, 2, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := cluster.NewLocalWith(cluster.LocalOptions{Shards: 1})
				n := clustertest.NewNetwork(log, 1, clustertest.Faults{Latency: time.Millisecond})
				defer func() { require.NoError(t, n.Close()) }()
				id := cluster.HubID{2}
				r := &tailRound{t: t, owner: n.Hub(cluster.HubID{1})}
				f := follow(t, n.Hub(id), 0)
				defer f.Close()
				r.append(cluster.Shared)
				time.Sleep(10 * time.Millisecond)
				require.Equal(t, r.shared, f.At())

				n.Freeze(id)
				n.Isolate(id) // and its connection ends
				for range c.missed {
					r.append(cluster.Shared)
				}
				time.Sleep(5 * time.Minute)
				if c.want == nil || c.later > 0 {
					r.append(cluster.Own) // a snapshot
				}
				time.Sleep(5 * time.Minute)
				for range c.later {
					r.append(cluster.Shared)
				}
				if c.want != nil && c.later == 0 {
					time.Sleep(5 * time.Minute)
				}
				n.Thaw(id)
				n.Join(id)
				f.Check()
				time.Sleep(2 * time.Second)
				got, err := f.seen()
				if c.want == nil {
					require.NoError(t, err)
					require.Len(t, got, 1+c.later)
				} else {
					require.True(t, errors.Is(err, c.want), "%v", err)
					require.Len(t, got, 1)
				}
			})
		})
	}
}
