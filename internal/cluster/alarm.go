package cluster

import (
	"sync"
	"time"
)

// alarm calls ring, in a goroutine of its own, when it is time, and can be waited for.
// While it is set it costs a timer and no goroutine.
type alarm struct {
	ring func()

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
	running sync.WaitGroup // the timer while it is set, and ring while it runs
}

// set has ring called after this time, instead of at the time that was set before. It may be
// called by ring. After stop it does nothing.
func (a *alarm) set(after time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		return
	}
	a.running.Add(1)
	if a.timer == nil {
		a.timer = time.AfterFunc(after, a.fire)
	} else if a.timer.Reset(after) {
		a.running.Done()
	}
}

func (a *alarm) fire() {
	defer a.running.Done()
	a.ring()
}

// stop returns when ring is not running and will not be called again. ring must not call it.
func (a *alarm) stop() {
	a.mu.Lock()
	a.stopped = true
	if a.timer != nil && a.timer.Stop() {
		a.running.Done()
	}
	a.mu.Unlock()
	a.running.Wait()
}
