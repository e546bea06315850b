package cluster_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
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

var beatingSeeds = flag.Uint64("beating.seeds", 8, "how many storms the beats of hubs are tested in")

// listener is a hub that beats, and what it was told.
type listener struct {
	*Beating
	id     cluster.HubID
	engine cluster.Engine

	mu   sync.Mutex
	told []Change
	at   []time.Duration
}

// bubble is a network of listeners in a bubble, number i with the id {i + 1}.
type bubble struct {
	*testing.T
	*clustertest.Network
	begun time.Time
	hubs  []*listener
}

func inBubble(t *testing.T, seed uint64, faults clustertest.Faults, hubs int, f func(b *bubble)) {
	synctest.Test(t, func(t *testing.T) {
		b := &bubble{T: t, Network: clustertest.NewNetwork(cluster.NewLocal(), seed, faults), begun: time.Now()}
		defer func() {
			for _, l := range b.hubs {
				l.Stop()
			}
			require.NoError(t, b.Close())
		}()
		random := rand.New(rand.NewPCG(seed, 0))
		for range hubs {
			b.start()
			pass(time.Duration(random.Int64N(int64(500 * time.Millisecond))))
		}
		pass(2 * time.Second)
		f(b)
	})
}

// pass lets time go by, and what happens at its end happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (b *bubble) start() *listener {
	l := &listener{id: cluster.HubID{byte(len(b.hubs) + 1)}}
	l.engine = b.Hub(l.id)
	var err error
	l.Beating, err = StartBeating(l.engine, l.id, func() Beat { return Beat{Version: 1, Name: fmt.Sprint(l.id[0])} }, func(c Change) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.told, l.at = append(l.told, c), append(l.at, time.Since(b.begun))
	})
	require.NoError(b, err)
	b.hubs = append(b.hubs, l)
	return l
}

// take is what a hub was told since it was last asked.
func (l *listener) take() []Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := l.told
	l.told, l.at = nil, nil
	return told
}

// changes are those that take would return.
func (l *listener) changes() []Change {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.told)
}

// when is how long after this moment a hub was told this, the first time.
func (l *listener) when(b *bubble, since time.Time, c Change) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, told := range l.told {
		if told == c {
			return b.begun.Add(l.at[i]).Sub(since)
		}
	}
	b.Fatalf("%d was not told %v but %v", l.id[0], c, l.told)
	return 0
}

func (b *bubble) requireNothingTold() {
	b.Helper()
	for _, l := range b.hubs {
		require.Empty(b, l.take(), "told to %d", l.id[0])
	}
}

var calm = clustertest.Faults{Latency: time.Millisecond}

// Whatever the phases of the hubs are: who lives is heard by all, and a killed one is unheard, and lost, everywhere and in time.
func TestHubIsKilled(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, seed, calm, 5, func(b *bubble) {
			pass(time.Duration(seed) * 137 * time.Millisecond)
			b.requireNothingTold()
			dead := b.hubs[2]
			killed := time.Now()
			b.Kill(dead.id)
			pass(5 * time.Second)
			for _, l := range b.hubs {
				if l == dead {
					continue
				}
				unheard, lost := Change{BecameUnheard, dead.id}, Change{BecameLost, dead.id}
				require.LessOrEqual(t, l.when(b, killed, unheard), 1510*time.Millisecond)
				require.GreaterOrEqual(t, l.when(b, killed, unheard), 990*time.Millisecond)
				require.LessOrEqual(t, l.when(b, killed, lost), 2510*time.Millisecond)
				require.Equal(t, []Change{unheard, lost}, l.take())
				require.Equal(t, Lost, l.Standing(dead.id))
			}
		})
	}
}

// One in fifty beats is lost, one in fifty late: a killed hub is still noticed in time, but for a whole period where the own beat is missing.
func TestHubIsKilledWhileBeatsAreLost(t *testing.T) {
	faults := clustertest.Faults{Latency: time.Millisecond, MessageLost: 0.02}
	for seed := range uint64(20) {
		inBubble(t, seed, faults, 4, func(b *bubble) {
			dead := b.hubs[0]
			for _, l := range b.hubs {
				l.take()
			}
			killed := time.Now()
			b.Kill(dead.id)
			pass(8 * time.Second)
			for _, l := range b.hubs[1:] {
				slack := time.Duration(0)
				for _, c := range l.changes() {
					if c.Kind == BecameAlone {
						slack += 2 * time.Second
					}
				}
				require.LessOrEqual(t, l.when(b, killed, Change{BecameUnheard, dead.id}), 2100*time.Millisecond+slack)
				require.LessOrEqual(t, l.when(b, killed, Change{BecameLost, dead.id}), 3100*time.Millisecond+slack)
			}
		})
	}
}

// A hub that is cut off knows so at once, or where its engine does not, within a second; it judges nobody. The others lose it, and
// all are back when it is.
func TestHubIsCutOff(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, seed, calm, 3, func(b *bubble) {
			pass(time.Duration(seed) * 61 * time.Millisecond)
			cut := b.hubs[1]
			since := time.Now()
			b.Isolate(cut.id)
			pass(30 * time.Second)
			require.LessOrEqual(t, cut.when(b, since, Change{BecameAlone, cut.id}), 500*time.Millisecond)
			require.Equal(t, []Change{{BecameAlone, cut.id}}, cut.take())
			require.True(t, cut.Alone())
			for _, l := range []*listener{b.hubs[0], b.hubs[2]} {
				require.Equal(t, []Change{{BecameUnheard, cut.id}, {BecameLost, cut.id}}, l.take())
				require.False(t, l.Alone())
			}
			b.Join(cut.id)
			pass(600 * time.Millisecond)
			require.Equal(t, []Change{{NotAlone, cut.id}}, cut.take())
			for _, l := range []*listener{b.hubs[0], b.hubs[2]} {
				require.Equal(t, []Change{{Back, cut.id}}, l.take())
			}
			pass(time.Minute)
			b.requireNothingTold()
		})
	}
}

// The engine's word aside, as it comes late on a real network: by the own beat alone it is known in time that this hub is cut off.
func TestHubIsCutOffWithoutItsEngineKnowing(t *testing.T) {
	for seed := range uint64(50) {
		inBubble(t, seed, clustertest.Faults{}, 3, func(b *bubble) {
			pass(time.Duration(seed) * 11 * time.Millisecond)
			cut := b.hubs[1]
			since := time.Now()
			for _, l := range b.hubs {
				b.Cut(l.id, cut.id)
			}
			pass(20 * time.Second)
			require.LessOrEqual(t, cut.when(b, since, Change{BecameAlone, cut.id}), 1001*time.Millisecond)
			require.Equal(t, []Change{{BecameAlone, cut.id}}, cut.take())
			require.Empty(t, b.hubs[0].take(), "it is heard")
			for _, l := range b.hubs {
				b.Mend(l.id, cut.id)
			}
			pass(20 * time.Second)
			require.Equal(t, []Change{{NotAlone, cut.id}}, cut.take())
			b.requireNothingTold()
		})
	}
}

// Where two do not hear each other, or one not the other, that is between them.
func TestPairIsCut(t *testing.T) {
	inBubble(t, 1, calm, 3, func(b *bubble) {
		deaf, mute, rest := b.hubs[0], b.hubs[1], b.hubs[2]
		b.Cut(mute.id, deaf.id)
		pass(10 * time.Second)
		require.Equal(t, []Change{{BecameUnheard, mute.id}, {BecameLost, mute.id}}, deaf.take())
		b.requireNothingTold()
		require.Equal(t, Heard, rest.Standing(mute.id))
		b.Cut(deaf.id, mute.id)
		pass(10 * time.Second)
		require.Equal(t, []Change{{BecameUnheard, deaf.id}, {BecameLost, deaf.id}}, mute.take())
		b.requireNothingTold()
		b.Mend(mute.id, deaf.id)
		b.Mend(deaf.id, mute.id)
		pass(time.Second)
		require.Equal(t, []Change{{Back, mute.id}}, deaf.take())
		require.Equal(t, []Change{{Back, deaf.id}}, mute.take())
		b.requireNothingTold()
	})
}

// A frozen hub is lost for the others, and judges nobody when it is thawed: what has piled up comes in any order.
func TestHubIsFrozen(t *testing.T) {
	for seed := range uint64(20) {
		inBubble(t, seed, calm, 3, func(b *bubble) {
			frozen := b.hubs[seed%3]
			b.Freeze(frozen.id)
			pass(4*time.Second + time.Duration(seed)*173*time.Millisecond)
			b.Thaw(frozen.id)
			pass(10 * time.Second)
			require.Equal(t, []Change{{BecameAlone, frozen.id}, {NotAlone, frozen.id}}, frozen.take())
			for _, l := range b.hubs {
				if l != frozen {
					require.Equal(t, []Change{{BecameUnheard, frozen.id}, {BecameLost, frozen.id}, {Back, frozen.id}}, l.take())
				}
			}
		})
	}
}

// In any storm: changes come in an order that can be, whoever is alone judges nobody, and after it all are back.
func TestBeatsInAStorm(t *testing.T) {
	happened := make(map[ChangeKind]int)
	for seed := range *beatingSeeds {
		inBubble(t, seed, clustertest.Usual(), 4, func(b *bubble) {
			alive := make(map[cluster.HubID]*listener)
			for _, l := range b.hubs {
				alive[l.id] = l
			}
			b.Storm(2*time.Minute, func(id cluster.HubID) {
				b.Kill(id)
				alive[id].Stop()
				delete(alive, id)
				l := b.start()
				alive[l.id] = l
			})
			b.Heal()
			pass(10 * time.Second)
			for _, l := range b.hubs {
				standing, alone := make(map[cluster.HubID]ChangeKind), false
				for _, c := range l.take() {
					happened[c.Kind]++
					was := standing[c.Hub]
					switch c.Kind {
					case BecameAlone, NotAlone:
						require.Equal(b, l.id, c.Hub)
						require.Equal(b, c.Kind == NotAlone, alone, "seed %d", seed)
						alone = c.Kind == BecameAlone
						continue
					case BecameUnheard:
						require.True(b, !alone && (was == 0 || was == Back), "seed %d: %v after %v", seed, c, was)
					case BecameLost:
						require.True(b, !alone && was == BecameUnheard, "seed %d: %v after %v", seed, c, was)
					case Back:
						require.NotEqual(b, Back, was)
					}
					require.NotEqual(b, l.id, c.Hub, "it judges itself")
					standing[c.Hub] = c.Kind
				}
				if alive[l.id] == nil {
					continue
				}
				require.False(b, l.Alone())
				for _, other := range b.hubs {
					if alive[other.id] != nil {
						require.Equal(b, Heard, l.Standing(other.id), "seed %d", seed)
						require.Contains(b, []ChangeKind{0, Back}, standing[other.id], "seed %d", seed)
					} else {
						require.Equal(b, Lost, l.Standing(other.id), "seed %d", seed)
					}
				}
			}
		})
	}
	for kind := BecameUnheard; kind <= NotAlone; kind++ {
		require.True(t, kind == BecameLeaving || happened[kind] > 10, "%d happened %d times", kind, happened[kind])
	}
}

// What is told is asked anew for each beat, and sent at once on demand.
func TestWhatABeatTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := cluster.NewLocal()
		defer local.Close()
		var mu sync.Mutex
		var beat Beat
		var asked atomic.Int32
		speaker, err := StartBeating(local, self, func() Beat {
			mu.Lock()
			defer mu.Unlock()
			asked.Add(1)
			return beat
		}, func(Change) {})
		require.NoError(t, err)
		defer speaker.Stop()
		var changes []Change
		hearer, err := StartBeating(local, other, func() Beat { return Beat{Name: "hearer"} }, func(c Change) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, c)
		})
		require.NoError(t, err)
		defer hearer.Stop()
		pass(10*time.Second + time.Millisecond)
		require.EqualValues(t, 21, asked.Load())
		mu.Lock()
		beat = Beat{Leaving: true, Version: 7, Channels: 8, Connections: 9, Name: "speaker"}
		mu.Unlock()
		speaker.Beat()
		synctest.Wait()
		require.Equal(t, []Change{{BecameLeaving, self}}, changes)
		for _, b := range []*Beating{speaker, hearer} {
			list := b.List()
			require.Len(t, list, 2)
			require.Equal(t, HubInfo{ID: self, Beat: beat}, list[0])
			require.Equal(t, HubInfo{ID: other, Beat: Beat{Name: "hearer"}, HeardAgo: time.Millisecond}, list[1])
		}
		pass(499 * time.Millisecond)
		require.EqualValues(t, 22, asked.Load(), "a period goes by from the beat that was asked for")
		pass(2 * time.Millisecond)
		require.EqualValues(t, 23, asked.Load())
	})
}

// A callback that hangs does not keep a hub from beating, nor is the order of changes lost, nor any of them.
func TestChangesWaitForTheirCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := clustertest.NewNetwork(cluster.NewLocal(), 1, clustertest.Faults{})
		defer n.Close()
		engine, otherEngine := n.Hub(self), n.Hub(other)
		release := make(chan struct{})
		var told []Change
		slow, err := StartBeating(engine, self, func() Beat { return Beat{} }, func(c Change) {
			<-release
			told = append(told, c)
		})
		require.NoError(t, err)
		defer slow.Stop()
		var changes []Change
		quick, err := StartBeating(otherEngine, other, func() Beat { return Beat{} }, func(c Change) { changes = append(changes, c) })
		require.NoError(t, err)
		defer quick.Stop()
		pass(time.Second)
		for range 2 {
			n.Cut(other, self)
			pass(5 * time.Second)
			n.Mend(other, self)
			pass(time.Second)
		}
		synctest.Wait()
		require.Empty(t, told)
		close(release)
		synctest.Wait()
		once := []Change{{BecameUnheard, other}, {BecameLost, other}, {Back, other}}
		require.Equal(t, append(once, once...), told)
		require.Empty(t, changes, "the slow one was heard all the time")
	})
}

// Stop waits for a callback that runs, and after it none is called, whatever was waiting.
func TestStopWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := clustertest.NewNetwork(cluster.NewLocal(), 1, clustertest.Faults{})
		defer n.Close()
		engine := n.Hub(self)
		_ = n.Hub(other).Beat(other, Beat{}.Append(nil))
		entered, release := make(chan struct{}), make(chan struct{})
		calls := 0
		b, err := StartBeating(engine, self, func() Beat { return Beat{} }, func(Change) {
			if calls++; calls == 1 {
				close(entered)
				<-release
			}
		})
		require.NoError(t, err)
		require.NoError(t, engine.Beat(other, Beat{}.Append(nil)))
		<-entered // unheard
		pass(2 * time.Second)
		stopped := make(chan struct{})
		go func() {
			b.Stop()
			close(stopped)
		}()
		synctest.Wait()
		select {
		case <-stopped:
			t.Fatal("Stop has not waited")
		default:
		}
		close(release)
		<-stopped
		b.Stop()
		require.NoError(t, engine.Beat(third, Beat{}.Append(nil)))
		pass(time.Minute)
		require.Equal(t, 1, calls)
		require.Len(t, b.List(), 2, "it still listens")
	})
}

// Beats that were held up are not made up for: one comes, and then one each period.
func TestBeatsThatWereHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := cluster.NewLocal()
		defer local.Close()
		var beats atomic.Int32
		stop, err := local.Beats(func(cluster.HubID, []byte) { beats.Add(1) })
		require.NoError(t, err)
		defer stop()
		release := make(chan struct{})
		b, err := StartBeating(local, self, func() Beat {
			<-release
			return Beat{}
		}, func(Change) {})
		require.NoError(t, err)
		defer b.Stop()
		pass(3200 * time.Millisecond)
		require.Zero(t, beats.Load())
		close(release)
		pass(400 * time.Millisecond)
		require.LessOrEqual(t, beats.Load(), int32(2))
		pass(time.Second)
		require.LessOrEqual(t, beats.Load(), int32(4))
	})
}

func TestWhatIsNoBeatIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		local := cluster.NewLocal()
		b, err := StartBeating(local, self, func() Beat { return Beat{} }, func(Change) {})
		require.NoError(t, err)
		require.NoError(t, local.Beat(other, nil))
		require.NoError(t, local.Beat(other, make([]byte, MaxBeat+1)))
		synctest.Wait()
		require.EqualValues(t, 2, b.Garbled())
		require.Len(t, b.List(), 1)
		b.Stop()
		require.NoError(t, local.Close())
		_, err = StartBeating(local, self, func() Beat { return Beat{} }, func(Change) {})
		require.ErrorIs(t, err, cluster.ErrClosed)
	})
}
