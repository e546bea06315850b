// Package turn has a lock that is held while its holder blocks.
package turn

import "sync"

// A Turn is a lock that is held while its holder blocks, and of which the waiting
// ends with Close. Who gives it back need not be who took it. It takes 24 bytes
// where a channel for it takes 112.
type Turn struct {
	mu     sync.Mutex
	taken  bool
	closed bool
	free   chan struct{} // closed when the turn is given back, and by Close; nil where nobody waits
}

// Take waits for the turn, and reports whether it has got it before Close.
func (t *Turn) Take() bool { return t.wait(false) }

// TakeLast waits for the turn in spite of Close.
func (t *Turn) TakeLast() { t.wait(true) }

func (t *Turn) wait(regardless bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.taken {
		if t.closed && !regardless {
			return false
		}
		if t.free == nil {
			t.free = make(chan struct{})
		}
		free := t.free
		t.mu.Unlock()
		<-free
		t.mu.Lock()
	}
	t.taken = true
	return true
}

// Try is Take without waiting.
func (t *Turn) Try() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken {
		return false
	}
	t.taken = true
	return true
}

// IsTaken reports whether somebody has it.
func (t *Turn) IsTaken() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken
}

// GiveBack lets the next one have it. It is called for each that was got.
func (t *Turn) GiveBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = false
	t.wake()
}

// Close lets nobody wait any longer, but for TakeLast.
func (t *Turn) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.wake()
}

// wake is called under the lock.
func (t *Turn) wake() {
	if t.free != nil {
		close(t.free)
		t.free = nil
	}
}
