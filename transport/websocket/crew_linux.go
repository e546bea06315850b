package websocket

import "sync"

// A crew reads from the connections on which something has arrived: by one
// goroutine after the other where each has done quickly, and by one more for each
// that has to wait. A goroutine for each connection costs a message of one of
// many slaves 2 µs more, most of it for a stack to grow.
type crew struct {
	mu    sync.Mutex
	ready []*serving
	taken int // how many of ready
	// starting: a goroutine was started that has not begun.
	starting bool
}

// add has the connections read from.
func (c *crew) add(ready ...*serving) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = append(c.ready, ready...)
	c.start()
}

// start sees to it that somebody will look at what is ready. The lock is held.
func (c *crew) start() {
	if c.taken < len(c.ready) && !c.starting {
		c.starting = true
		go c.work()
	}
}

// work unlocks by itself: where the server ends the goroutine, as a test's FailNow
// does, the lock is not held. Somebody else has begun with what is ready then.
func (c *crew) work() {
	c.mu.Lock()
	c.starting = false
	for c.taken < len(c.ready) {
		s := c.ready[c.taken]
		c.ready[c.taken] = nil
		c.taken++
		c.start() // before this one may have to wait
		c.mu.Unlock()
		s.runNow()
		c.mu.Lock()
	}
	c.ready, c.taken = c.ready[:0], 0
	if cap(c.ready) > maxReady {
		c.ready = nil
	}
	c.mu.Unlock()
}

// maxReady is the most that a crew keeps room for.
const maxReady = 1024
