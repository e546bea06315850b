package cluster

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// While deliver waits, what is kept is bounded, in number and in bytes. All is delivered in the end, and in few reads.
func TestWhatWaitsIsBounded(t *testing.T) {
	for name, c := range map[string]struct{ groups, size, reads int }{
		"many":  {3000, 10, 3000/tailGroups + 2},
		"large": {100, cluster.MaxGroup, 100*cluster.MaxGroup/tailBytes + 2},
	} {
		t.Run(name, func(t *testing.T) {
			onFlawedLog(t, func(t *testing.T, l *flawedLog) {
				f := follow(t, l, 0)
				defer f.Close()
				held := make(chan struct{})
				f.slow = func() { <-held }
				var want []cluster.Position
				for range c.groups {
					want = append(want, l.append(cluster.Shared, c.size))
					synctest.Wait()
					f.Follower.mu.Lock()
					n, bytes, kept := len(f.waiting), f.bytes, 0
					for _, g := range f.waiting {
						kept += len(g.Body)
					}
					f.Follower.mu.Unlock()
					require.Equal(t, bytes, kept)
					require.True(t, n <= tailGroups && bytes <= tailBytes, "%d groups, %d bytes", n, bytes)
				}
				require.Zero(t, f.At())
				close(held)
				f.has(t, want)
				reads, _ := l.counts()
				require.LessOrEqual(t, reads, c.reads)
				require.Greater(t, reads, 1)
			})
		})
	}
}

// A slow one that takes a group now and then, while more come, reads them in large parts too.
func TestWhoIsSlowReadsSeldom(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		f := follow(t, l, 0)
		defer f.Close()
		f.slow = func() { time.Sleep(3 * time.Millisecond) }
		var want []cluster.Position
		for range 4000 {
			want = append(want, l.append(cluster.Shared, 0))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(12 * time.Second)
		f.has(t, want)
		reads, _ := l.counts()
		require.LessOrEqual(t, reads, 2*4000/tailGroups)
	})
}

// Close waits for deliver, and nothing is delivered when it has returned.
func TestCloseWaitsForDeliver(t *testing.T) {
	for name, fill := range map[string]bool{"of the tail": false, "of a fill": true} {
		t.Run(name, func(t *testing.T) {
			onFlawedLog(t, func(t *testing.T, l *flawedLog) {
				l.deaf = func(g cluster.Group) bool { return fill && !g.Announced() }
				f := follow(t, l, 0)
				f.slow = func() { time.Sleep(time.Second) }
				want := l.share(3)
				f.Expect(want[2])
				time.Sleep(100*time.Millisecond + time.Second/2)
				took := time.Now()
				f.Close()
				require.GreaterOrEqual(t, time.Since(took), 400*time.Millisecond)
				f.mu.Lock()
				busy := f.busy
				f.mu.Unlock()
				require.False(t, busy, "Close has returned while deliver runs")
				f.Close()
				time.Sleep(time.Minute)
				f.has(t, want[:1])
				require.Zero(t, working())
			})
		})
	}
}

// Close does not wait for the engine.
func TestCloseEndsWhatIsAsked(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		l.deaf = func(cluster.Group) bool { return true }
		failed := errors.New("no answer")
		l.reads = func(int, iter.Seq2[cluster.Group, error]) iter.Seq2[cluster.Group, error] { return nil }
		l.ends = func(int) (cluster.Group, error) { return cluster.Group{}, failed }
		f := follow(t, hangingLog{l}, 0)
		want := l.share(1)
		f.Expect(want[0])
		f.Check()
		time.Sleep(time.Second)
		began := time.Now()
		f.Close()
		require.Equal(t, began, time.Now())
		f.has(t, nil)
	})
}

// hangingLog is one whose reads are not answered.
type hangingLog struct{ *flawedLog }

func (l hangingLog) Read(ctx context.Context, _ cluster.Key, _ cluster.Kind, _, _ cluster.Position) iter.Seq2[cluster.Group, error] {
	return func(yield func(cluster.Group, error) bool) {
		<-ctx.Done()
		yield(cluster.Group{}, ctx.Err())
	}
}

// Where a read hangs and the tail brings what it is for, it is delivered.
func TestTheTailEndsARead(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		f := follow(t, hangingLog{l}, 0)
		defer f.Close()
		f.Expect(2)
		time.Sleep(time.Second)
		f.has(t, nil)
		want := l.share(2)
		f.has(t, want)
		require.Equal(t, time.Second, f.when[0])
	})
}

// A log that cannot be tailKey is not.
func TestFollowFails(t *testing.T) {
	l := cluster.NewLocal()
	require.NoError(t, l.Close())
	_, err := Follow(l, tailKey, 0, nil, nil)
	require.ErrorIs(t, err, cluster.ErrClosed)
}
