package cluster_test

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
	"github.com/lectern-go/lectern/cluster/clustertest"
	. "github.com/lectern-go/lectern/internal/cluster"
)

// doubter is a hub that doubts, and when it could take what.
type doubter struct {
	*listener
	*Doubts

	mu    sync.Mutex
	taken map[cluster.HubID][]time.Time
}

func (b *bubble) doubters() (all []*doubter) {
	for _, l := range b.hubs {
		all = append(all, b.doubter(l))
	}
	return all
}

func (b *bubble) doubter(l *listener) *doubter {
	doubts, err := NewDoubts(l.engine, l.id, l.Beating)
	require.NoError(b, err)
	return &doubter{listener: l, Doubts: doubts, taken: make(map[cluster.HubID][]time.Time)}
}

func (d *doubter) doubt(key cluster.Key, hub cluster.HubID) (stop func()) {
	return d.Doubt(key, hub, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.taken[hub] = append(d.taken[hub], time.Now())
	})
}

func (d *doubter) times(hub cluster.HubID) []time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.taken[hub]
}

// control is what is in the control logs of a hub, as who has written it, by shards.
func (b *bubble) control(hub cluster.HubID) map[int][]cluster.HubID {
	engine := b.Hub(cluster.HubID{255})
	defer engine.Close()
	logs := make(map[int][]cluster.HubID)
	for shard := range engine.State().Shards {
		key := ControlKey(shard, hub)
		last, err := engine.LastLinearizable(context.Background(), key)
		if err != nil {
			require.ErrorIs(b, err, cluster.ErrNone)
			continue
		}
		for g, err := range engine.Read(context.Background(), key, cluster.Every, 0, last.Position) {
			require.NoError(b, err)
			require.Equal(b, g.After, g.Before)
			logs[shard] = append(logs[shard], cluster.HubID(g.Body))
		}
	}
	return logs
}

// However many channels a hub had, and whoever doubts it, it is doubted once in each shard; and all can be taken in time, in the
// order in which that was asked for.
func TestDeadHubIsDoubtedOnceForAllItsChannels(t *testing.T) {
	inBubble(t, 1, calm, 4, func(b *bubble) {
		all := b.doubters()
		dead := all[0]
		var order []int
		killed := time.Now()
		b.Kill(dead.id)
		for i, d := range all[1:] {
			for n := range 2000 {
				key := cluster.KeyOf(fmt.Sprint("channel ", n))
				d.doubt(key, dead.id)
				if key.Shard(16) == 5 && i == 0 {
					d.Doubt(key, dead.id, func() { order = append(order, n) })
				}
			}
		}
		pass(10 * time.Second)
		for _, d := range all[1:] {
			times := d.times(dead.id)
			require.Len(t, times, 2000)
			for _, at := range times {
				require.Greater(t, at.Sub(killed), 2*time.Second)
				require.Less(t, at.Sub(killed), 3200*time.Millisecond)
			}
		}
		require.IsIncreasing(t, order)
		require.Greater(t, len(order), 50)
		logs := b.control(dead.id)
		require.Len(t, logs, 16)
		for _, log := range logs {
			require.LessOrEqual(t, len(log), 2, "two may ask at once")
		}
		for _, d := range all {
			d.Close()
		}
	})
}

// A hub that lives answers, whoever does not hear it, for as long as that is so; once it does not live it is taken.
func TestHubThatIsNotHeardAnswers(t *testing.T) {
	for seed := range uint64(10) {
		inBubble(t, seed, calm, 3, func(b *bubble) {
			all := b.doubters()
			deaf, mute := all[0], all[1]
			b.Cut(mute.id, deaf.id)
			key := cluster.KeyOf("a channel")
			deaf.doubt(key, mute.id)
			pass(time.Minute)
			require.Equal(t, Lost, deaf.Standing(mute.id))
			require.Empty(t, deaf.times(mute.id))
			log := b.control(mute.id)[key.Shard(16)]
			require.Greater(t, len(log), 20)
			require.Less(t, len(log), 80)
			for i, hub := range log {
				require.Equal(t, []cluster.HubID{deaf.id, mute.id}[i%2], hub)
			}
			killed := time.Now()
			b.Kill(mute.id)
			pass(5 * time.Second)
			require.Len(t, deaf.times(mute.id), 1)
			require.Less(t, deaf.times(mute.id)[0].Sub(killed), 4500*time.Millisecond)
			for _, d := range all {
				d.Close()
			}
		})
	}
}

// Who is heard is not asked, nor taken, whoever wants to.
func TestHubThatIsHeardIsNotDoubted(t *testing.T) {
	inBubble(t, 1, calm, 2, func(b *bubble) {
		all := b.doubters()
		all[0].doubt(cluster.KeyOf("a channel"), all[1].id)
		all[0].doubt(cluster.KeyOf("a channel"), all[0].id)
		pass(time.Minute)
		require.Empty(t, all[0].taken)
		require.Empty(t, b.control(all[1].id))
		for _, d := range all {
			d.Close()
		}
	})
}

// Nobody has ever heard a hub that was dead before: it is doubted as one that has fallen silent.
func TestHubThatWasNeverHeard(t *testing.T) {
	inBubble(t, 1, calm, 1, func(b *bubble) {
		d := b.doubters()[0]
		begun := time.Now()
		d.doubt(cluster.KeyOf("a channel"), cluster.HubID{77})
		pass(5 * time.Second)
		require.Len(t, d.times(cluster.HubID{77}), 1)
		require.Less(t, d.times(cluster.HubID{77})[0].Sub(begun), 1100*time.Millisecond, "there was silence enough before")
		// Whoever comes later is told by one look.
		again := time.Now()
		d.doubt(cluster.KeyOf("a channel"), cluster.HubID{77})
		pass(time.Second)
		require.Less(t, d.times(cluster.HubID{77})[1].Sub(again), 10*time.Millisecond)
		require.Len(t, b.control(cluster.HubID{77})[cluster.KeyOf("a channel").Shard(16)], 1)
		d.Close()
	})
}

// A hub that is cut off takes nothing, and does not when it is back: it hears the others first.
func TestHubThatIsCutOffTakesNothing(t *testing.T) {
	for seed := range uint64(10) {
		inBubble(t, seed, calm, 3, func(b *bubble) {
			all := b.doubters()
			b.Isolate(all[0].id)
			for _, d := range all[1:] {
				all[0].doubt(cluster.KeyOf("a channel"), d.id)
			}
			pass(20*time.Second + time.Duration(seed)*99*time.Millisecond)
			b.Join(all[0].id)
			pass(20 * time.Second)
			require.Empty(t, all[0].taken)
			for _, d := range all {
				require.Empty(t, b.control(d.id))
			}
			for _, d := range all {
				d.Close()
			}
		})
	}
}

// A hub that was frozen is taken, as it does not answer; thawed it is heard, and not taken any more.
func TestHubThatWasFrozen(t *testing.T) {
	inBubble(t, 1, calm, 3, func(b *bubble) {
		all := b.doubters()
		frozen := all[2]
		b.Freeze(frozen.id)
		key := cluster.KeyOf("a channel")
		all[0].doubt(key, frozen.id)
		pass(10 * time.Second)
		require.Len(t, all[0].times(frozen.id), 1)
		b.Thaw(frozen.id)
		pass(time.Second)
		all[0].doubt(key, frozen.id)
		pass(10 * time.Second)
		require.Len(t, all[0].times(frozen.id), 1)
		require.Equal(t, []cluster.HubID{all[0].id, frozen.id}, b.control(frozen.id)[key.Shard(16)], "it has answered late")
		for _, d := range all {
			d.Close()
		}
	})
}

// While the shard has no leader nothing can be asked, and nothing is taken there; it is, soon after.
func TestDoubtWaitsForAnElection(t *testing.T) {
	inBubble(t, 1, calm, 2, func(b *bubble) {
		all := b.doubters()
		key := cluster.KeyOf("a channel")
		b.Elect(key.Shard(16), 9*time.Second)
		b.Kill(all[1].id)
		begun := time.Now()
		all[0].doubt(key, all[1].id)
		pass(20 * time.Second)
		require.Len(t, all[0].times(all[1].id), 1)
		require.InDelta(t, 10.3, all[0].times(all[1].id)[0].Sub(begun).Seconds(), 0.4)
		for _, d := range all {
			d.Close()
		}
	})
}

// Who has stopped waiting takes nothing; the others do, with and without having waited before it.
func TestDoubtIsStopped(t *testing.T) {
	inBubble(t, 1, calm, 2, func(b *bubble) {
		all := b.doubters()
		dead := all[1].id
		b.Kill(dead)
		key := cluster.KeyOf("a channel")
		var taken []int
		var stops []func()
		for n := range 4 {
			stops = append(stops, all[0].Doubt(key, dead, func() {
				taken = append(taken, n)
				stops[n]()
				stops[2]()
			}))
		}
		stops[1]()
		stops[1]()
		pass(10 * time.Second)
		require.Equal(t, []int{0, 3}, taken)
		stop := all[0].Doubt(key, dead, func() { t.Error("it was stopped") })
		stop()
		pass(10 * time.Second)
		for _, d := range all {
			d.Close()
		}
	})
}

// Close waits for a take that runs, and after it there is none.
func TestCloseOfDoubtsWaits(t *testing.T) {
	inBubble(t, 1, calm, 2, func(b *bubble) {
		all := b.doubters()
		dead := all[1].id
		b.Kill(dead)
		entered, release := make(chan struct{}), make(chan struct{})
		var calls atomic.Int32
		for range 3 {
			all[0].Doubt(cluster.KeyOf("a channel"), dead, func() {
				if calls.Add(1) == 1 {
					close(entered)
				}
				<-release
			})
		}
		<-entered
		closed := make(chan struct{})
		go func() {
			all[0].Doubts.Close()
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Fatal("Close has not waited")
		default:
		}
		close(release)
		<-closed
		all[0].Doubt(cluster.KeyOf("a channel"), dead, func() { t.Error("it is closed") })
		pass(10 * time.Second)
		require.EqualValues(t, 1, calls.Load())
		all[0].Doubts.Close()
		all[1].Doubts.Close()
	})
}

// held is an engine whose appends wait, once each, before they are made and before they return.
type held struct {
	cluster.Engine
	before, behind chan struct{}
}

func (h held) Append(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	<-h.before
	p, err := h.Engine.Append(ctx, key, g)
	<-h.behind
	return p, err
}

// Every doubt is answered: two that come before the answer to the first is appended, with one answer behind both; and one that
// comes before that is known to be there, with another.
func TestEveryDoubtIsAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := cluster.NewLocal()
		defer local.Close()
		engine := held{local, make(chan struct{}), make(chan struct{})}
		beating, err := StartBeating(engine, self, func() Beat { return Beat{} }, func(Change) {})
		require.NoError(t, err)
		defer beating.Stop()
		doubts, err := NewDoubts(engine, self, beating)
		require.NoError(t, err)
		defer doubts.Close()
		key := ControlKey(3, self)
		last := func() cluster.Group {
			synctest.Wait()
			g, _ := local.Last(t.Context(), key)
			return g
		}
		ask := func() {
			at := last().Position
			_, err := local.Append(t.Context(), key, cluster.Group{Kind: cluster.Shared, After: at, Before: at, Nonce: cluster.NewNonce(), Body: other[:]})
			require.NoError(t, err)
		}
		ask()
		ask()
		engine.before <- struct{}{}
		engine.behind <- struct{}{}
		require.Equal(t, other, cluster.HubID(last().Body), "the answer to the first comes too late")
		engine.before <- struct{}{}
		require.Equal(t, self, cluster.HubID(last().Body))
		ask()
		synctest.Wait()
		close(engine.behind)
		close(engine.before)
		pass(time.Second)
		require.Equal(t, self, cluster.HubID(last().Body))
		require.EqualValues(t, 5, last().Position)
	})
}

// announced is an engine whose tails miss all groups, and which counts them.
type announced struct {
	cluster.Engine
	tails *atomic.Int32
}

func (a announced) Tail(key cluster.Key, f func(cluster.Group)) (func(), error) {
	stop, err := a.Engine.Tail(key, func(g cluster.Group) {
		if g.Announced() {
			f(g)
		}
	})
	a.tails.Add(1)
	return func() { stop(); a.tails.Add(-1) }, err
}

// A doubt that is missing on the tail is announced, and answered.
func TestDoubtThatIsMissingOnTheTail(t *testing.T) {
	inBubble(t, 1, calm, 2, func(b *bubble) {
		engine := announced{b.hubs[1].engine, new(atomic.Int32)}
		b.hubs[1].engine = engine
		all := b.doubters()
		require.EqualValues(t, 16, engine.tails.Load())
		b.Cut(all[1].id, all[0].id)
		all[0].doubt(cluster.KeyOf("a channel"), all[1].id)
		pass(time.Minute)
		require.Empty(t, all[0].times(all[1].id))
		for _, d := range all {
			d.Close()
		}
		require.Zero(t, engine.tails.Load())
	})
}

// After any storm, and whatever was asked and answered in it: who is dead can be taken by everybody, in every shard that was asked in,
// and nobody who lives.
func TestDoubtsInAStorm(t *testing.T) {
	for seed := range *beatingSeeds {
		inBubble(t, seed, clustertest.Usual(), 4, func(b *bubble) {
			alive := make(map[cluster.HubID]*doubter)
			all := b.doubters()
			for _, d := range all {
				alive[d.id] = d
			}
			over := make(chan struct{})
			var going sync.WaitGroup
			watch := func(d *doubter) { // every hub wants to take all others, again and again
				going.Go(func() {
					for n := 0; ; n++ {
						var stops []func()
						for _, other := range []byte{1, 2, 3, 4, 5, 6} {
							stops = append(stops, d.doubt(cluster.KeyOf(fmt.Sprint("channel ", n%40)), cluster.HubID{other}))
						}
						select {
						case <-over:
							return
						case <-time.After(7*time.Second + time.Duration(d.id[0])*time.Millisecond):
						}
						for _, stop := range stops {
							stop()
						}
					}
				})
			}
			for _, d := range all {
				watch(d)
			}
			b.Storm(2*time.Minute, func(id cluster.HubID) {
				b.Kill(id)
				alive[id].Doubts.Close()
				alive[id].Stop()
				delete(alive, id)
				d := b.doubter(b.start())
				alive[d.id], all = d, append(all, d)
				watch(d)
			})
			b.Heal()
			pass(10 * time.Second)
			healed := time.Now()
			close(over)
			going.Wait()
			for _, d := range alive {
				for id := byte(1); int(id) <= len(all)+1; id++ {
					d.doubt(cluster.KeyOf("the last"), cluster.HubID{id})
				}
			}
			pass(5 * time.Second)
			for _, d := range alive {
				for id := byte(1); int(id) <= len(all)+1; id++ {
					times := d.times(cluster.HubID{id})
					if alive[cluster.HubID{id}] != nil {
						require.True(b, len(times) == 0 || times[len(times)-1].Before(healed), "seed %d: %d has taken %d, which lives", seed, d.id[0], id)
					} else {
						require.NotEmpty(b, times)
						require.True(b, times[len(times)-1].After(healed), "seed %d: %d has not taken %d, which is dead", seed, d.id[0], id)
					}
				}
			}
			for _, d := range all {
				d.Doubts.Close()
			}
		})
	}
}
