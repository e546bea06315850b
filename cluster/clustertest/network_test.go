package clustertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// Where nothing goes wrong a hub's engine on the network is one as any other, with and without latency.
func TestNetworkWithoutFaults(t *testing.T) {
	for _, latency := range []time.Duration{0, time.Millisecond} {
		t.Run(latency.String(), func(t *testing.T) {
			TestEngineInBubble(t, func(t testing.TB, s Settings) (engines []cluster.Engine) {
				n := NewNetwork(cluster.NewLocalWith(cluster.LocalOptions{Keeps: s.Keeps, MaxBytes: s.MaxBytes}), 1, Faults{Latency: latency})
				t.Cleanup(func() { _ = n.Close() })
				for range s.Engines {
					engines = append(engines, n.Hub(cluster.NewHubID()))
				}
				return engines
			})
		})
	}
}

// run is a game of hubs on a network: each appends to a few logs, repeats what it does not know the outcome of, and
// follows them.
type run struct {
	t    *testing.T
	n    *Network
	keys []cluster.Key
	over chan struct{}

	mu     sync.Mutex
	sure   map[cluster.Nonce]cluster.Position // what a hub was told is in the log
	beaten map[cluster.Nonce]bool             // what a hub was told is not
	ended  map[cluster.HubID]chan struct{}
	all    sync.WaitGroup
	trace  map[string]string // by hub and log: of what happens at one instant the order is Go's
	begun  time.Time
}

func newRun(t *testing.T, seed uint64, faults Faults) *run {
	r := &run{
		t: t, n: NewNetwork(cluster.NewLocalWith(cluster.LocalOptions{Keeps: time.Hour, Shards: 4}), seed, faults), over: make(chan struct{}),
		sure: make(map[cluster.Nonce]cluster.Position), beaten: make(map[cluster.Nonce]bool),
		ended: make(map[cluster.HubID]chan struct{}), begun: time.Now(), trace: make(map[string]string),
	}
	for i := range 3 {
		r.keys = append(r.keys, cluster.KeyOf(fmt.Sprint("log ", i)))
	}
	return r
}

// start starts a hub.
func (r *run) start(number int) {
	id := cluster.HubID{0: byte(number)}
	e := r.n.Hub(id)
	ended := make(chan struct{})
	r.mu.Lock()
	r.ended[id] = ended
	r.mu.Unlock()
	_, err := e.Serve(id, func(from cluster.HubID, request []byte, reply func([]byte) error) { _ = reply(request) })
	require.NoError(r.t, err)
	_, err = e.Beats(func(cluster.HubID, []byte) {})
	require.NoError(r.t, err)
	for k, key := range r.keys {
		_, err := e.Tail(key, func(cluster.Group) {})
		require.NoError(r.t, err)
		r.all.Go(func() { r.append(e, number, k, key, ended) })
	}
	r.all.Go(func() {
		for i := 0; r.goes(ended, 500*time.Millisecond+time.Duration(number)*time.Millisecond); i++ {
			_ = e.Beat(id, nil)
			_ = e.Announce(r.keys[0], 1)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			to := cluster.HubID{0: byte(i % 4)}
			for reply, err := range e.Ask(ctx, id, to, []byte{byte(i)}) {
				if err == nil && reply[0] != byte(i) {
					r.t.Errorf("the reply to request %d was that to %d", byte(i), reply[0])
				}
				break
			}
			cancel()
		}
	})
}

// goes waits, and tells whether the hub goes on.
func (r *run) goes(ended chan struct{}, wait time.Duration) bool {
	select {
	case <-time.After(wait):
		return true
	case <-ended:
	case <-r.over:
	}
	return false
}

func (r *run) append(e cluster.Engine, number, k int, key cluster.Key, ended chan struct{}) {
	for i := 0; r.goes(ended, 300*time.Millisecond+time.Duration(number*10+k)*time.Microsecond); i++ {
		last, err := e.Last(context.Background(), key)
		if err != nil && !errors.Is(err, cluster.ErrNone) {
			r.log(number, k, "last: %v", err)
			continue
		}
		g := cluster.Group{Kind: cluster.Shared, After: last.Position, Nonce: cluster.Nonce{1, byte(number), byte(k), byte(i), byte(i >> 8)}}
		for try := 0; ; try++ {
			p, err := e.Append(context.Background(), key, g)
			r.log(number, k, "append after %d: %d, %v", g.After, p, err)
			r.mu.Lock()
			if err == nil {
				r.sure[g.Nonce] = p
			} else if errors.Is(err, cluster.ErrConflict) {
				r.beaten[g.Nonce] = true
			}
			r.mu.Unlock()
			if err == nil || sure(err) || !r.goes(ended, 100*time.Millisecond) {
				break
			}
		}
	}
}

func (r *run) log(number, k int, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trace[fmt.Sprint(number, " ", k)] += fmt.Sprintf("%v "+format+"\n", append([]any{time.Since(r.begun)}, args...)...)
}

// kill ends a hub and starts another.
func (r *run) kill(id cluster.HubID) {
	r.n.Kill(id)
	r.mu.Lock()
	close(r.ended[id])
	number := len(r.ended)
	r.mu.Unlock()
	r.start(number)
}

// end heals the network, lets the game go on for a while, and returns what the logs are.
func (r *run) end() (logs [][]cluster.Group) {
	r.n.Heal()
	time.Sleep(10 * time.Second)
	close(r.over)
	r.all.Wait()
	e := r.n.Hub(cluster.HubID{255})
	for _, key := range r.keys {
		var log []cluster.Group
		if last, err := e.LastLinearizable(context.Background(), key); err == nil {
			for g, err := range e.Read(context.Background(), key, cluster.Every, 0, last.Position) {
				require.NoError(r.t, err)
				log = append(log, g)
			}
		}
		logs = append(logs, log)
	}
	require.NoError(r.t, r.n.Close())
	return logs
}

// Through all faults an append that succeeded is in the log, once, at its place, one that lost is not,
// and no position was followed twice. All that is to go wrong does.
func TestFaultsLeaveTheContract(t *testing.T) {
	happened := make(map[string]int)
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			r := newRun(t, seed, Usual())
			for number := range 4 {
				r.start(number)
			}
			r.n.Storm(90*time.Second, r.kill)
			logs := r.end()
			for k, log := range logs {
				require.Greater(t, len(log), 100, "seed %d", seed)
				var last cluster.Position
				seen := make(map[cluster.Nonce]cluster.Position)
				for _, g := range log {
					_, twice := seen[g.Nonce]
					require.True(t, last == g.After && !twice && !r.beaten[g.Nonce], "seed %d: %s", seed, describe(g))
					seen[g.Nonce] = g.Position
					last = g.Position
				}
				for nonce, p := range r.sure {
					require.True(t, int(nonce[2]) != k || p == seen[nonce], "seed %d: an append that succeeded at %d is not there", seed, p)
				}
			}
			for what, n := range r.n.Counts() {
				happened[what] += n
			}
		})
	}
	for _, what := range []string{
		"appends lost", "answers lost", "appends late", "appends cut off", "appends lost by an election", "appends after an election",
		"stale reads", "groups missing on tails", "messages lost", "messages late", "messages cut off",
		"freezes", "kills", "isolations", "cuts", "elections",
	} {
		require.Positive(t, happened[what], what)
	}
}

// One seed is one run, to the nanosecond, as far as this game's hubs give it; another is another.
func TestTheSameSeedIsTheSameRun(t *testing.T) {
	play := func(seed uint64) (trace map[string]string) {
		synctest.Test(t, func(t *testing.T) {
			r := newRun(t, seed, Usual())
			for number := range 4 {
				r.start(number)
			}
			r.n.Storm(30*time.Second, r.kill)
			r.end()
			trace = r.trace
		})
		return trace
	}
	first := play(7)
	require.Greater(t, len(first), 12, "nobody was killed")
	require.Equal(t, first, play(7))
	require.NotEqual(t, first, play(8))
}
