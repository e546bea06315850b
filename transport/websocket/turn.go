package websocket

import "sync"

// A turn is a lock that is held while its holder blocks, and of which the waiting
// can be given up. It takes 24 bytes where a channel for it takes 112.
type turn struct {
	mu    sync.Mutex
	taken bool
	free  chan struct{} // closed when the turn is given back; nil where nobody waits
}

// take waits for the turn, and reports whether it has got it before giveUp was
// closed.
func (t *turn) take(giveUp <-chan struct{}) bool {
	t.mu.Lock()
	for t.taken {
		if t.free == nil {
			t.free = make(chan struct{})
		}
		free := t.free
		t.mu.Unlock()
		select {
		case <-free:
		case <-giveUp:
			return false
		}
		t.mu.Lock()
	}
	t.taken = true
	t.mu.Unlock()
	return true
}

func (t *turn) giveBack() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.taken = false
	if t.free != nil {
		close(t.free)
		t.free = nil
	}
}
