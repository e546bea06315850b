package clustertest

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// steady is a network without chance, and hubs on it.
func steady(t *testing.T, hubs int) (n *Network, ids []cluster.HubID, engines []cluster.Engine) {
	n = NewNetwork(cluster.NewLocal(), 1, Faults{Latency: time.Millisecond})
	t.Cleanup(func() { require.NoError(t, n.Close()) })
	for i := range hubs {
		ids = append(ids, cluster.HubID{byte(i)})
		engines = append(engines, n.Hub(ids[i]))
	}
	return n, ids, engines
}

func asks(e cluster.Engine, from, to cluster.HubID) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for _, err := range e.Ask(ctx, from, to, nil) {
		return err
	}
	return nil
}

func serveAll(t *testing.T, ids []cluster.HubID, engines []cluster.Engine) {
	for i, e := range engines {
		_, err := e.Serve(ids[i], func(_ cluster.HubID, _ []byte, reply func([]byte) error) { _ = reply(nil) })
		require.NoError(t, err)
	}
}

// What a frozen hub does and what it is sent waits until it is thawed, and none of it is lost.
func TestFrozenHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ids, engines := steady(t, 2)
		key := cluster.KeyOf("k")
		var mu sync.Mutex
		var heard []string
		hear := func(args ...any) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, fmt.Sprint(args...))
		}
		for i, e := range engines {
			_, err := e.Tail(key, func(g cluster.Group) { hear(i, " tail ", g.Before) })
			require.NoError(t, err)
			_, err = e.Beats(func(from cluster.HubID, b []byte) { hear(i, " beat ", string(b)) })
			require.NoError(t, err)
		}
		n.Freeze(ids[0])
		require.NoError(t, engines[0].Beat(ids[0], []byte("from the cold")))
		require.NoError(t, engines[1].Beat(ids[1], []byte("into the cold")))
		require.NoError(t, engines[1].Announce(key, 5))
		begun := time.Now()
		time.AfterFunc(8*time.Second, func() { n.Thaw(ids[0]) })
		p, err := engines[0].Append(context.Background(), key, group(cluster.Own, 0, 0))
		require.NoError(t, err)
		require.Positive(t, p)
		require.GreaterOrEqual(t, time.Since(begun), 8*time.Second)
		time.Sleep(time.Second)
		synctest.Wait()
		require.ElementsMatch(t, []string{"1 beat into the cold", "1 tail 5", "0 beat into the cold", "0 tail 5", "0 beat from the cold", "1 beat from the cold"}, heard)
	})
}

// A cut is of one way, and not of the log.
func TestCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ids, engines := steady(t, 2)
		serveAll(t, ids, engines)
		var heard atomic.Int64
		_, err := engines[1].Beats(func(cluster.HubID, []byte) { heard.Add(1) })
		require.NoError(t, err)
		n.Cut(ids[0], ids[1])
		require.ErrorIs(t, asks(engines[0], ids[0], ids[1]), context.DeadlineExceeded)
		require.ErrorIs(t, asks(engines[1], ids[1], ids[0]), context.DeadlineExceeded, "its reply does not arrive")
		require.NoError(t, engines[0].Beat(ids[0], nil))
		require.NoError(t, engines[1].Beat(ids[1], nil))
		time.Sleep(time.Second)
		require.EqualValues(t, 1, heard.Load(), "its own")
		_, err = engines[0].Append(t.Context(), cluster.KeyOf("k"), group(cluster.Own, 0, 0))
		require.NoError(t, err)
		n.Mend(ids[0], ids[1])
		require.NoError(t, asks(engines[0], ids[0], ids[1]))
	})
}

// A hub that is isolated reaches nothing, and is soon known to be gone.
func TestIsolatedHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ids, engines := steady(t, 2)
		serveAll(t, ids, engines)
		key := cluster.KeyOf("k")
		n.Isolate(ids[0])
		require.False(t, engines[0].State().Connected)
		_, err := engines[0].Append(t.Context(), key, group(cluster.Own, 0, 0))
		require.ErrorIs(t, err, ErrOutcome)
		_, err = engines[0].Last(t.Context(), key)
		require.ErrorIs(t, err, ErrOutcome)
		require.ErrorIs(t, engines[0].Beat(ids[0], nil), ErrOutcome)
		require.ErrorIs(t, asks(engines[1], ids[1], ids[0]), context.DeadlineExceeded)
		require.ErrorIs(t, asks(engines[1], ids[1], ids[0]), cluster.ErrNobody)
		n.Join(ids[0])
		require.NoError(t, asks(engines[1], ids[1], ids[0]))
		_, err = engines[1].Last(t.Context(), key)
		require.ErrorIs(t, err, cluster.ErrNone)
	})
}

// A hub that is killed does nothing any more; what it had sent may still happen.
func TestKilledHub(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, ids, engines := steady(t, 2)
		serveAll(t, ids, engines)
		key := cluster.KeyOf("k")
		g := group(cluster.Own, 0, 0)
		time.AfterFunc(100*time.Microsecond, func() { n.Kill(ids[0]) })
		_, err := engines[0].Append(context.Background(), key, g)
		require.ErrorIs(t, err, cluster.ErrClosed)
		time.Sleep(time.Second)
		last, err := engines[1].LastLinearizable(context.Background(), key)
		require.NoError(t, err)
		require.Equal(t, g.Nonce, last.Nonce)
		require.ErrorIs(t, asks(engines[1], ids[1], ids[0]), cluster.ErrNobody)
		require.ErrorIs(t, asks(engines[0], ids[0], ids[1]), cluster.ErrClosed)
		require.NoError(t, engines[0].Close())
	})
}

// While a shard has no leader nothing is known of its appends; some of them happen when it has one.
func TestElection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, engines := steady(t, 1)
		e := engines[0]
		other := cluster.Key{1: 1}
		n.Elect(0, 5*time.Second)
		require.Empty(t, e.State().Shards[0].Leader)
		open := make(map[cluster.Key]cluster.Group)
		for i := range 20 {
			key, g := cluster.Key{15: byte(i)}, group(cluster.Own, 0, 0)
			_, err := e.Append(t.Context(), key, g)
			require.ErrorIs(t, err, ErrOutcome)
			if i < 15 { // the others' election is over meanwhile
				_, err = e.LastLinearizable(t.Context(), key)
				require.Error(t, err)
			}
			open[key] = g
			if i == 9 {
				n.Elect(0, 8*time.Second)
			}
		}
		_, err := e.Append(t.Context(), other, group(cluster.Own, 0, 0))
		require.NoError(t, err, "another shard")
		time.Sleep(10 * time.Second)
		there := 0
		for key, g := range open {
			if last, err := e.LastLinearizable(t.Context(), key); err == nil {
				require.Equal(t, g.Nonce, last.Nonce)
				there++
			}
			_, err := e.Append(t.Context(), key, g)
			require.NoError(t, err, "the same again settles it")
		}
		require.NotZero(t, there)
		require.NotEqual(t, 20, there)
	})
}

// A stale read is what was; where the log was lost it is not what was lost.
func TestStaleReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := cluster.NewLocal()
		n := NewNetwork(local, 1, Faults{Stale: 1, StaleBy: 10 * time.Second})
		defer n.Close()
		e := n.Hub(cluster.HubID{})
		key := cluster.Key{}
		var last cluster.Position
		seen := make(map[cluster.Position]int)
		look := func() {
			for range 200 {
				g, err := e.Last(t.Context(), key)
				if err != nil {
					require.ErrorIs(t, err, cluster.ErrNone)
				}
				seen[g.Position]++
			}
		}
		for range 3 {
			p, err := e.Append(t.Context(), key, group(cluster.Own, last, 0))
			require.NoError(t, err)
			last = p
			time.Sleep(3 * time.Second)
		}
		look()
		require.Len(t, seen, 4, "0 is none")
		g, err := e.LastLinearizable(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, last, g.Position)
		n.Lose(0, 1)
		clear(seen)
		look()
		require.NotContains(t, seen, cluster.Position(3))
		n.Heal()
		clear(seen)
		look()
		require.Equal(t, map[cluster.Position]int{1: 200}, seen)
		n.SpreadClocks(time.Minute)
		require.Equal(t, time.Minute, e.State().ClockSpread)
	})
}

// A shard without room takes nothing, tells that for sure, and knows what it has. Others go on.
func TestShardWithoutRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, _, engines := steady(t, 1)
		e, key := engines[0], cluster.KeyOf("k")
		g := cluster.Group{Kind: cluster.Shared, Nonce: cluster.Nonce{1}}
		p, err := e.Append(t.Context(), key, g)
		require.NoError(t, err)
		n.Fill(key.Shard(n.shards), time.Second)
		_, err = e.Append(t.Context(), key, cluster.Group{Kind: cluster.Shared, After: p, Before: p, Nonce: cluster.Nonce{2}})
		require.ErrorIs(t, err, cluster.ErrFull)
		_, err = e.LastLinearizable(t.Context(), key)
		require.ErrorIs(t, err, cluster.ErrFull)
		again, err := e.Append(t.Context(), key, g)
		require.NoError(t, err)
		require.Equal(t, p, again)
		_, err = e.Append(t.Context(), key, cluster.Group{Kind: cluster.Shared, Nonce: cluster.Nonce{3}})
		require.ErrorIs(t, err, cluster.ErrConflict)
		other := cluster.KeyOf("other")
		require.NotEqual(t, key.Shard(n.shards), other.Shard(n.shards))
		_, err = e.Append(t.Context(), other, cluster.Group{Kind: cluster.Shared, Nonce: cluster.Nonce{4}})
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = e.Append(t.Context(), key, cluster.Group{Kind: cluster.Shared, After: p, Before: p, Nonce: cluster.Nonce{2}})
		require.NoError(t, err)
		require.Equal(t, 1, n.Counts()["appends without room"])
	})
}
