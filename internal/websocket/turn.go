package websocket

import "sync"

// A turn is a lock that is held while its holder blocks, and of which the waiting
// ends with close. Who gives it back need not be who took it. It takes 24 bytes
// where a channel for it takes 112.
type turn struct {
	mu     sync.Mutex
	taken  bool
	closed bool
	free   chan struct{} // closed when the turn is given back, and by close; nil where nobody waits
}

// take waits for the turn, and reports whether it has got it before close.
func (t *turn) take() bool { return t.wait(false) }

// takeLast waits for the turn in spite of close.
func (t *turn) takeLast() { t.wait(true) }

func (t *turn) wait(regardless bool) bool {
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

// try is take without waiting.
func (t *turn) try() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken {
		return false
	}
	t.taken = true
	return true
}

func (t *turn) isTaken() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken
}

func (t *turn) giveBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = false
	t.wake()
}

// close lets nobody wait any longer, but for takeLast.
func (t *turn) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.wake()
}

// wake is called under the lock.
func (t *turn) wake() {
	if t.free != nil {
		close(t.free)
		t.free = nil
	}
}
