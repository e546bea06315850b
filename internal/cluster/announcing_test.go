package cluster

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// announcements is a log that notes what is announced.
type announcements struct {
	cluster.Log
	began time.Time
	slow  time.Duration // how long Announce takes

	mu   sync.Mutex
	all  []announced
	busy bool
}

type announced struct {
	at   time.Duration
	last cluster.Position
}

func (a *announcements) Announce(key cluster.Key, last cluster.Position) error {
	a.mu.Lock()
	a.all = append(a.all, announced{time.Since(a.began), last})
	a.busy = true
	a.mu.Unlock()
	time.Sleep(a.slow)
	a.mu.Lock()
	a.busy = false
	a.mu.Unlock()
	return cluster.ErrClosed // it may fail as it likes
}

func (a *announcements) said() []announced {
	synctest.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]announced(nil), a.all...)
}

// The last group of a burst is announced, 100 ms after it, and no other.
func TestAnnouncesTheEndOfABurst(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct {
		play func(a *Announcer)
		want []announced
	}{
		"one": {func(a *Announcer) { a.Appended(5) }, []announced{{100 * ms, 5}}},
		"a burst": {func(a *Announcer) {
			for p := cluster.Position(5); p < 50; p++ {
				a.Appended(p)
				time.Sleep(99 * ms)
			}
		}, []announced{{44*99*ms + 100*ms, 49}}},
		"many": {func(a *Announcer) {
			for p := cluster.Position(5); p < 8; p++ {
				a.Appended(p)
				time.Sleep(150 * ms)
			}
		}, []announced{{100 * ms, 5}, {250 * ms, 6}, {400 * ms, 7}}},
		"what is announced already": {func(a *Announcer) { a.Appended(4); a.Appended(3) }, nil},
		"again": {func(a *Announcer) {
			a.Repeat()
			time.Sleep(ms)
			a.Appended(5)
			a.Repeat()
			time.Sleep(ms)
			a.Repeat()
		}, []announced{{0, 4}, {ms, 5}, {2 * ms, 5}, {101 * ms, 5}}},
		"the end": {func(a *Announcer) {
			a.Appended(5)
			time.Sleep(50 * ms)
			a.End(6, nil)
			time.Sleep(ms)
			a.Appended(7) // there is nothing behind the end
			a.End(8, nil)
		}, []announced{{150 * ms, 6}, {750 * ms, 6}, {1350 * ms, 6}, {1950 * ms, 6}}},
		"closed": {func(a *Announcer) {
			a.Appended(5)
			a.Close()
			a.Appended(6)
			a.End(7, func() { panic("done, though it was closed") })
			a.Close()
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &announcements{began: time.Now()}
				a := NewAnnouncer(log, tailKey, 4)
				c.play(a)
				time.Sleep(time.Minute)
				require.Equal(t, c.want, log.said())
				a.Close()
			})
		})
	}
}

// Where there is no group there is nothing to announce.
func TestAnnouncesNoEmptyLog(t *testing.T) {
	log := &announcements{}
	NewAnnouncer(log, tailKey, 0).Repeat()
	require.Empty(t, log.all)
}

// done is called when the end has been announced for the last time.
func TestTheEndIsDone(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		log := &announcements{began: time.Now(), slow: 10 * ms}
		a := NewAnnouncer(log, tailKey, 4)
		var done time.Duration
		a.End(6, func() { done = time.Since(log.began) })
		time.Sleep(time.Minute)
		require.Len(t, log.said(), 4)
		require.Equal(t, 1910*ms, done)
		require.Less(t, done, announceAfter+2*time.Second)
	})
}

// Close waits while something is announced, and nothing is after it.
func TestCloseWaitsForTheAnnouncement(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		log := &announcements{began: time.Now(), slow: time.Second}
		a := NewAnnouncer(log, tailKey, 4)
		a.End(5, nil)
		time.Sleep(500 * ms)
		a.Close()
		require.Equal(t, 1100*ms, time.Since(log.began))
		require.False(t, log.busy)
		time.Sleep(time.Minute)
		require.Len(t, log.said(), 1)
	})
}

// At any moment an alarm may be set, or stopped, also by another goroutine while it rings.
func TestAlarm(t *testing.T) {
	const ms = time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		var a alarm
		var mu sync.Mutex
		var rang []time.Duration
		began := time.Now()
		a.ring = func() {
			mu.Lock()
			rang = append(rang, time.Since(began))
			n := len(rang)
			mu.Unlock()
			if n == 2 {
				a.set(5 * ms) // moves what was set, or sets it anew
			}
		}
		a.set(10 * ms)
		a.set(20 * ms) // instead
		time.Sleep(30 * ms)
		a.set(20 * ms)
		a.set(10 * ms)
		time.Sleep(30 * ms)
		a.set(time.Hour)
		a.stop()
		a.set(ms)
		time.Sleep(2 * time.Hour)
		a.stop()
		require.Equal(t, []time.Duration{20 * ms, 40 * ms, 45 * ms}, rang)
	})
}

// However stop falls together with the time, it returns, and nothing rings afterwards.
func TestAlarmStopsAsItRings(t *testing.T) {
	const ms = time.Millisecond
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			var a alarm
			var mu sync.Mutex
			stopped := false
			a.ring = func() {
				mu.Lock()
				defer mu.Unlock()
				if stopped {
					t.Error("it rings, and was stopped")
				}
				a.set(ms)
			}
			a.set(ms)
			time.Sleep(3 * ms)
			a.stop()
			mu.Lock()
			stopped = true
			mu.Unlock()
			time.Sleep(10 * ms)
		})
	}
}
