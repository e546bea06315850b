package hub

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// idleFor adds sessions at the given times after the start, removes some at theirs,
// and tells when each of the others was due.
func idleFor(t *testing.T, limit time.Duration, added []time.Duration, removed map[int]time.Duration) map[int]time.Duration {
	t.Helper()
	var counter sync.WaitGroup
	var mu sync.Mutex // for due
	due := make(map[int]time.Duration)
	sessions := make([]*session, len(added))
	for i := range sessions {
		sessions[i] = new(session)
	}
	start := time.Now()
	idlers := &idlers{limit: limit, counter: &counter, started: start}
	idlers.due = func() {
		defer counter.Done()
		over := idlers.take()
		mu.Lock()
		defer mu.Unlock()
		for _, over := range over {
			for i, s := range sessions {
				if s == over {
					due[i] = time.Since(start)
				}
			}
		}
	}
	var acting sync.WaitGroup
	for i, at := range added {
		acting.Go(func() {
			time.Sleep(at)
			idlers.add(sessions[i])
			require.Equal(t, limit > 0, idlers.has(sessions[i]))
			if end, ok := removed[i]; ok {
				time.Sleep(end - at)
				idlers.remove(sessions[i])
				require.False(t, idlers.has(sessions[i]))
			}
		})
	}
	acting.Wait()
	counter.Wait()
	return due
}

// Each is due when its own time is over, whatever becomes of the others.
func TestIdleConnectionsAreDue(t *testing.T) {
	const s = time.Second
	tests := []struct {
		what    string
		limit   time.Duration
		added   []time.Duration
		removed map[int]time.Duration
		due     map[int]time.Duration
	}{
		{"one", 10 * s, []time.Duration{0}, nil, map[int]time.Duration{0: 10 * s}},
		{"one after the other", 10 * s, []time.Duration{0, 3 * s, 25 * s}, nil, map[int]time.Duration{0: 10 * s, 1: 13 * s, 2: 35 * s}},
		{"the first is removed", 10 * s, []time.Duration{0, s, 2 * s}, map[int]time.Duration{0: 5 * s}, map[int]time.Duration{1: 11 * s, 2: 12 * s}},
		{"one in the middle", 10 * s, []time.Duration{0, s, 2 * s}, map[int]time.Duration{1: 5 * s}, map[int]time.Duration{0: 10 * s, 2: 12 * s}},
		{"the last", 10 * s, []time.Duration{0, s, 2 * s}, map[int]time.Duration{2: 5 * s}, map[int]time.Duration{0: 10 * s, 1: 11 * s}},
		{"all", 10 * s, []time.Duration{0, s}, map[int]time.Duration{0: 2 * s, 1: 2 * s}, map[int]time.Duration{}},
		{"the timer fires for nobody", 10 * s, []time.Duration{0, 8 * s}, map[int]time.Duration{0: s}, map[int]time.Duration{1: 18 * s}},
		{"no limit", -1, []time.Duration{0}, nil, map[int]time.Duration{}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				require.Equal(t, test.due, idleFor(t, test.limit, test.added, test.removed))
			})
		})
	}
}

// Once they are stopped, nobody is due any more, and nothing is counted.
func TestIdleConnectionsOfAHubThatStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counter sync.WaitGroup
		idlers := &idlers{limit: time.Second, counter: &counter, started: time.Now(), due: func() { panic("due") }}
		idlers.stop() // where there was none
		idlers.stopped = false
		idlers.add(new(session))
		idlers.stop()
		counter.Wait()
		idlers.add(new(session))
		counter.Wait()
		time.Sleep(time.Minute)
	})
}
