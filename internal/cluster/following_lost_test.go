package cluster

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// A group that was read, and that the tail has otherwise, is of another log.
func TestLostByAnotherGroupThanWasRead(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		deaf := true
		l.deaf = func(cluster.Group) bool { return deaf }
		f := follow(t, l, 0)
		defer f.Close()
		want := l.share(2)
		f.Expect(want[1])
		time.Sleep(time.Second)
		f.has(t, want)
		l.Lose(0, want[0])
		l.last, l.shared, deaf = want[0], want[0], false
		l.share(1)
		synctest.Wait()
		got, err := f.seen()
		require.ErrorIs(t, err, ErrBroken)
		require.Equal(t, want, got)
	})
}

// A Follower is lost, once, where what comes next cannot be had, and delivers nothing after that.
func TestLost(t *testing.T) {
	lose := func(l *flawedLog, upTo cluster.Position) {
		l.Lose(0, upTo)
		l.last, l.shared = upTo, upTo
	}
	all := func(l *flawedLog) { l.Expire(0, l.last) }
	for name, c := range map[string]struct {
		fault func(l *flawedLog, f *follower) // 1 to 20 were appended, the Shared ones of which are even, and delivered
		want  error
		after time.Duration
	}{
		"what is missing has expired": {func(l *flawedLog, f *follower) {
			l.deaf = func(g cluster.Group) bool { return g.Position <= 26 }
			l.share(3)
			l.append(cluster.Own, 0)
			l.Expire(0, 26)
			l.share(1)
		}, cluster.ErrGone, 300 * time.Millisecond},
		"some of what is missing has expired": {func(l *flawedLog, f *follower) {
			l.deaf = func(g cluster.Group) bool { return g.Position <= 26 }
			l.share(3)
			l.Expire(0, 22)
			l.share(1)
		}, ErrBroken, 300 * time.Millisecond},
		"what is told of has expired": {func(l *flawedLog, f *follower) {
			l.deaf = func(g cluster.Group) bool { return true }
			p := l.share(3)
			all(l)
			f.Expect(p[2])
		}, cluster.ErrGone, 400 * time.Millisecond},
		"all has expired": {func(l *flawedLog, f *follower) {
			all(l)
			f.Check()
		}, cluster.ErrGone, 0},
		"all has expired in silence": {func(l *flawedLog, f *follower) { all(l) }, cluster.ErrGone, 150 * time.Second},
		"another log, which says so": {func(l *flawedLog, f *follower) {
			all(l)
			l.last, l.shared = 0, 0
			l.share(1)
		}, ErrBroken, 0},
		"a log that goes on from an earlier group": {func(l *flawedLog, f *follower) {
			lose(l, 18)
			l.append(cluster.Own, 0)
			l.append(cluster.Own, 0)
			l.append(cluster.Own, 0)
			l.append(cluster.Shared, 0) // at 22, after 18
		}, ErrBroken, 0},
		"a log that is shorter": {func(l *flawedLog, f *follower) {
			lose(l, 10)
			f.Check()
		}, ErrLost, 0},
		"a log that is shorter and goes on": {func(l *flawedLog, f *follower) {
			lose(l, 10)
			l.share(1)
		}, ErrLost, 0},
		"a log with another group where it was": {func(l *flawedLog, f *follower) {
			lose(l, 18)
			l.share(1)
		}, ErrBroken, 0},
		"a log with another group where it was, asked": {func(l *flawedLog, f *follower) {
			l.deaf = func(cluster.Group) bool { return true }
			lose(l, 18)
			l.share(1)
			f.Check()
		}, ErrBroken, 0},
		"no engine any more, asked": {func(l *flawedLog, f *follower) {
			require.NoError(l.t, l.Close())
			f.Check()
		}, cluster.ErrClosed, 0},
		"no engine any more, told": {func(l *flawedLog, f *follower) {
			require.NoError(l.t, l.Close())
			f.Expect(22)
		}, cluster.ErrClosed, 100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			onFlawedLog(t, func(t *testing.T, l *flawedLog) {
				f := follow(t, l, 0)
				defer f.Close()
				want := l.share(10)
				f.has(t, want)
				c.fault(l, f)
				if c.after > 0 {
					time.Sleep(c.after - time.Millisecond)
					f.has(t, want)
					time.Sleep(time.Millisecond)
				}
				synctest.Wait()
				got, err := f.seen()
				require.ErrorIs(t, err, c.want)
				require.Equal(t, want, got)

				// It stays so, whatever comes.
				l.deaf = nil
				f.Check()
				f.Expect(want[9] + 2)
				if l.State().Connected {
					last, err := l.Last(context.Background(), tailKey)
					require.True(t, err == nil || errors.Is(err, cluster.ErrNone))
					l.last, l.shared = last.Position, LastShared(last)
					l.share(3)
				}
				time.Sleep(10 * time.Minute)
				got, again := f.seen()
				require.Equal(t, err.Error(), again.Error(), "lost twice")
				require.Equal(t, want, got)
				require.Zero(t, working())
			})
		})
	}
}

// A log that is all there makes nobody lost: what is old by a node that is behind, or comes on the tail twice, is not believed.
func TestNotLost(t *testing.T) {
	onFlawedLog(t, func(t *testing.T, l *flawedLog) {
		hear := make(chan func(cluster.Group), 1)
		f, err := Follow(tailTap{l, hear}, tailKey, 0, func(cluster.Group) {}, func(err error) { t.Errorf("lost: %v", err) })
		require.NoError(t, err)
		defer f.Close()
		twice := <-hear
		all := l.share(4)
		synctest.Wait()
		require.Equal(t, all[3], f.At())
		for g, err := range l.Local.Read(context.Background(), tailKey, cluster.Shared, 0, all[3]) {
			require.NoError(t, err)
			twice(g)
		}
		l.ends = func(int) (cluster.Group, error) { return cluster.Group{}, cluster.ErrFull }
		l.behind = true
		f.Check()
		time.Sleep(time.Minute)
		require.Equal(t, all[3], f.At())
	})
}

// tailTap gives away what a tail calls.
type tailTap struct {
	*flawedLog
	hear chan func(cluster.Group)
}

func (l tailTap) Tail(key cluster.Key, f func(cluster.Group)) (func(), error) {
	l.hear <- f
	return l.flawedLog.Tail(key, f)
}
