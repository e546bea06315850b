package cluster

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

var tailKey = cluster.KeyOf("a channel that is followed")

// flawedLog is a log in the process whose tails and reads go wrong as told. Its fields are set before they matter, or by one of
// its functions.
type flawedLog struct {
	*cluster.Local
	t            testing.TB
	last, shared cluster.Position

	deaf   func(cluster.Group) bool                                                        // a tail does not get this
	reads  func(n int, of iter.Seq2[cluster.Group, error]) iter.Seq2[cluster.Group, error] // what the nth read yields, from 1
	ends   func(n int) (cluster.Group, error)                                              // what the nth question for the end is answered, from 1
	mu     sync.Mutex
	nreads int
	nends  int
	behind bool // Last is answered by a node that knows of nothing
}

func newFlawedLog(t testing.TB) *flawedLog {
	l := &flawedLog{Local: cluster.NewLocalWith(cluster.LocalOptions{Shards: 1}), t: t}
	return l
}

func (l *flawedLog) Tail(key cluster.Key, f func(cluster.Group)) (func(), error) {
	return l.Local.Tail(key, func(g cluster.Group) {
		if l.deaf == nil || !l.deaf(g) {
			f(g)
		}
	})
}

func (l *flawedLog) Read(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) iter.Seq2[cluster.Group, error] {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nreads++
	of := l.Local.Read(ctx, key, kinds, after, until)
	if l.reads == nil {
		return of
	}
	return l.reads(l.nreads, of)
}

func (l *flawedLog) LastLinearizable(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	l.mu.Lock()
	l.nends++
	n, ends := l.nends, l.ends
	l.mu.Unlock()
	if ends != nil {
		if g, err := ends(n); err != nil || g.Position > 0 {
			return g, err
		}
	}
	return l.Local.Last(ctx, key)
}

func (l *flawedLog) Last(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	if l.behind {
		return cluster.Group{}, cluster.ErrNone
	}
	return l.Local.Last(ctx, key)
}

func (l *flawedLog) counts() (reads, ends int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nreads, l.nends
}

// append appends a group with a body of this size.
func (l *flawedLog) append(kind cluster.Kind, size int) cluster.Position {
	p, err := l.Append(context.Background(), tailKey, cluster.Group{
		Kind: kind, After: l.last, Before: l.shared, Nonce: cluster.NewNonce(), Body: make([]byte, size),
	})
	require.NoError(l.t, err)
	l.last = p
	if kind == cluster.Shared {
		l.shared = p
	}
	return p
}

// share appends n Shared groups, with other ones between them, and returns where they are.
func (l *flawedLog) share(n int) (all []cluster.Position) {
	for range n {
		l.append(cluster.Own, 0)
		all = append(all, l.append(cluster.Shared, 0))
	}
	return all
}

// follower is one whose deliveries are noted.
type follower struct {
	*Follower
	began time.Time

	mu   sync.Mutex
	got  []cluster.Position
	when []time.Duration
	ends []error
	slow func() // how deliver waits
	busy bool
}

func follow(t testing.TB, log cluster.Log, at cluster.Position) *follower {
	f := &follower{began: time.Now()}
	var err error
	f.Follower, err = Follow(log, tailKey, at, func(g cluster.Group) {
		f.mu.Lock()
		if f.busy {
			t.Errorf("two deliveries at once")
		}
		f.busy = true
		f.got = append(f.got, g.Position)
		f.when = append(f.when, time.Since(f.began))
		slow := f.slow
		f.mu.Unlock()
		if slow != nil {
			slow()
		}
		f.mu.Lock()
		f.busy = false
		f.mu.Unlock()
	}, func(err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.ends = append(f.ends, err)
	})
	require.NoError(t, err)
	return f
}

func (f *follower) seen() ([]cluster.Position, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]cluster.Position(nil), f.got...), errors.Join(f.ends...)
}

// has requires that exactly these were delivered, and that the follower is not lost.
func (f *follower) has(t testing.TB, want []cluster.Position) {
	t.Helper()
	synctest.Wait()
	got, err := f.seen()
	require.NoError(t, err)
	require.Equal(t, want, got)
	if len(want) > 0 {
		require.Equal(t, want[len(want)-1], f.At())
	}
}

// working counts the goroutines of followers and announcers.
func working() int {
	stacks := make([]byte, 1<<20)
	return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "internal/cluster.(*Follower).run(")
}

// bubble runs f in one, with a log.
func onFlawedLog(t *testing.T, f func(t *testing.T, l *flawedLog)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newFlawedLog(t)
		defer func() { require.NoError(t, l.Close()) }()
		f(t, l)
	})
}

// What comes on the tail is delivered at once, from the position on, and nothing is read or left running.
func TestFollowsTheTail(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		old := l.share(3)
		f := follow(t, l, old[2])
		require.Equal(t, old[2], f.At())
		want := l.share(5)
		f.has(t, want)
		time.Sleep(5 * time.Minute)
		f.has(t, want)
		reads, _ := l.counts()
		require.Zero(t, reads)
		require.Zero(t, working(), "something runs while there is nothing to do")
		f.Close()
		l.share(1)
		time.Sleep(time.Minute)
		f.has(t, want)
	})
}

// A hole is filled as soon as what is behind it comes, before that is delivered; however often reads
// fail, end early or find nothing yet.
func TestFillsAHole(t *testing.T) {
	failed := errors.New("no answer")
	for name, c := range map[string]struct {
		reads func(n int, of iter.Seq2[cluster.Group, error]) iter.Seq2[cluster.Group, error]
		takes time.Duration
	}{
		"at once":                     {nil, 0},
		"reads fail":                  {cutReads(0, failed, 4), (100 + 200 + 400 + 800) * time.Millisecond},
		"reads end":                   {cutReads(0, nil, 1), 100 * time.Millisecond},
		"one at a time":               {cutReads(1, failed, 8), 6 * 100 * time.Millisecond},
		"short reads":                 {cutReads(3, nil, 2), 2 * 100 * time.Millisecond},
		"a node that has let them go": {cutReads(0, cluster.ErrGone, 2), 300 * time.Millisecond},
		"nodes that let them go, and one that fails": {func(n int, of iter.Seq2[cluster.Group, error]) iter.Seq2[cluster.Group, error] {
			return cutReads(0, map[bool]error{true: failed, false: cluster.ErrGone}[n%3 == 0], 8)(n, of)
		}, (100 + 200 + 400 + 800 + 4000) * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			onFlawedLog(t, func(t *testing.T, l *flawedLog) {
				l.reads = c.reads
				l.deaf = func(g cluster.Group) bool { return g.Position < 16 }
				f := follow(t, l, 0)
				defer f.Close()
				want := l.share(8)
				require.Equal(t, cluster.Position(16), want[7])
				time.Sleep(c.takes)
				f.has(t, want)
				require.Equal(t, c.takes, f.when[7])
				require.Zero(t, working())
			})
		})
	}
}

// cutReads lets the first so many reads end after so many groups, with this error.
func cutReads(after int, with error, reads int) func(int, iter.Seq2[cluster.Group, error]) iter.Seq2[cluster.Group, error] {
	return func(n int, of iter.Seq2[cluster.Group, error]) iter.Seq2[cluster.Group, error] {
		if n > reads {
			return of
		}
		return func(yield func(cluster.Group, error) bool) {
			left := after
			for g, err := range of {
				if left--; left < 0 {
					break
				}
				if !yield(g, err) || err != nil {
					return
				}
			}
			if with != nil {
				yield(cluster.Group{}, with)
			}
		}
	}
}

// What is told of, and does not come on the tail, is read: 100 ms after it was told of; and not at all if the tail brings it by then.
func TestFetchesWhatItIsToldOf(t *testing.T) {
	for name, tell := range map[string]func(l *flawedLog, f *follower, p cluster.Position){
		"expected":  func(_ *flawedLog, f *follower, p cluster.Position) { f.Expect(p) },
		"announced": func(l *flawedLog, _ *follower, p cluster.Position) { require.NoError(l.t, l.Announce(tailKey, p)) },
		"asked for": func(_ *flawedLog, f *follower, _ cluster.Position) { f.Check() },
		"asked for behind another kind": func(l *flawedLog, f *follower, _ cluster.Position) {
			l.append(cluster.Part, 0)
			f.Check()
		},
		"asked for, and answered late": func(l *flawedLog, f *follower, _ cluster.Position) {
			l.ends = func(n int) (cluster.Group, error) {
				if n < 4 {
					return cluster.Group{}, context.DeadlineExceeded
				}
				return cluster.Group{}, nil
			}
			f.Check()
			time.Sleep((100 + 200 + 400) * time.Millisecond)
		},
		"asked for, and a node is behind": func(l *flawedLog, f *follower, _ cluster.Position) {
			l.behind = true
			f.Check()
		},
		"asked for in a shard that is full": func(l *flawedLog, f *follower, _ cluster.Position) {
			l.ends = func(int) (cluster.Group, error) { return cluster.Group{}, cluster.ErrFull }
			f.Check()
		},
	} {
		t.Run(name, func(t *testing.T) {
			onFlawedLog(t, func(t *testing.T, l *flawedLog) {
				deaf := true
				l.deaf = func(g cluster.Group) bool { return deaf && !g.Announced() }
				f := follow(t, l, 0)
				defer f.Close()
				want := l.share(3)
				synctest.Wait()
				tell(l, f, want[2])
				time.Sleep(99 * time.Millisecond)
				f.has(t, nil)
				time.Sleep(time.Millisecond)
				f.has(t, want)
				require.Zero(t, working())

				// The second time the tail is only a little late.
				deaf = false
				reads, _ := l.counts()
				next := l.last + 2 // a group of another kind comes first
				f.Expect(next)
				time.Sleep(99 * time.Millisecond)
				want = append(want, l.share(1)...)
				require.Equal(t, next, want[3])
				f.has(t, want)
				time.Sleep(time.Second)
				f.has(t, want)
				after, _ := l.counts()
				require.Equal(t, reads, after, "the tail was in time, and the log was read")
			})
		})
	}
}

// What is told of is read until it is there, however often reads fail, end early or find nothing yet.
func TestFetchesUntilItIsThere(t *testing.T) {
	failed := errors.New("no answer")
	for name, reads := range map[string]func(int, iter.Seq2[cluster.Group, error]) iter.Seq2[cluster.Group, error]{
		"reads fail":                  cutReads(0, failed, 2),
		"reads fail late":             cutReads(1, failed, 2),
		"reads end":                   cutReads(0, nil, 2),
		"short reads":                 cutReads(1, nil, 2),
		"a node that has let them go": cutReads(0, cluster.ErrGone, 2),
	} {
		t.Run(name, func(t *testing.T) {
			onFlawedLog(t, func(t *testing.T, l *flawedLog) {
				l.reads = reads
				l.deaf = func(cluster.Group) bool { return true }
				f := follow(t, l, 0)
				defer f.Close()
				want := l.share(4)
				f.Expect(want[3])
				time.Sleep((100 + 100 + 200) * time.Millisecond)
				f.has(t, want)
				require.Zero(t, working())
			})
		})
	}
}

// Who is told of more and more does not wait longer for that.
func TestFetchesWhatItWasToldOfFirst(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		l.deaf = func(g cluster.Group) bool { return !g.Announced() }
		f := follow(t, l, 0)
		defer f.Close()
		var want []cluster.Position
		for range 2 {
			want = append(want, l.share(1)...)
			require.NoError(t, l.Announce(tailKey, l.shared))
			time.Sleep(50 * time.Millisecond)
		}
		f.has(t, want)
	})
}

// Who checks while a former question is under way is not content with its answer, which may be older.
func TestChecksAgain(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		l.deaf = func(cluster.Group) bool { return true }
		f := follow(t, l, 0)
		defer f.Close()
		want := l.share(2)
		old, err := l.Last(context.Background(), tailKey)
		require.NoError(t, err)
		l.ends = func(n int) (cluster.Group, error) {
			if n > 1 {
				return cluster.Group{}, nil
			}
			time.Sleep(time.Second)
			return old, nil
		}
		f.Check()
		time.Sleep(500 * time.Millisecond)
		want = append(want, l.share(2)...)
		f.Check()
		time.Sleep(time.Second)
		f.has(t, want)
		_, ends := l.counts()
		require.Equal(t, 2, ends)
	})
}

// Where nothing is heard for long, the log is asked, and again later.
func TestAsksTheLogInSilence(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		l.deaf = func(g cluster.Group) bool { return !g.Announced() }
		f := follow(t, l, 0)
		defer f.Close()
		time.Sleep(time.Minute)
		require.NoError(t, l.Announce(tailKey, 0)) // heard: it counts from here
		want := l.share(2)
		time.Sleep(150*time.Second - time.Millisecond)
		f.has(t, nil)
		time.Sleep(101 * time.Millisecond)
		f.has(t, want)
		require.Zero(t, working())
		_, ends := l.counts()
		require.Equal(t, 1, ends)
		want = append(want, l.share(1)...)
		time.Sleep(151 * time.Second)
		f.has(t, want)
	})
}

// Who hears something now and then does not ask.
func TestAsksNothingWhileItHears(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		want := l.share(1)
		f := follow(t, l, want[0])
		defer f.Close()
		for range 10 {
			time.Sleep(2 * time.Minute)
			l.append(cluster.Own, 0)
			require.NoError(t, l.Announce(tailKey, l.shared))
		}
		f.has(t, nil)
		reads, ends := l.counts()
		require.Zero(t, reads+ends)
	})
}
