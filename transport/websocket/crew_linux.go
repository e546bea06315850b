package websocket

import "sync"

// A crew reads from the connections on which something has arrived: by one
// goroutine after the other where each has done quickly, and by one more for each
// that has to wait. A goroutine for each connection costs a message of one of
// many slaves 2 µs more, most of it for a stack to grow. For the same reason one
// goroutine stays when there is nothing to do.
type crew struct {
	mu    sync.Mutex
	ready []*serving
	taken int // how many of ready
	// starting: a goroutine was started, or woken, that has not begun.
	starting bool
	spare    *spare // the one that stays, nil where none does
	stopped  bool   // none may stay
}

// A spare is told whether there is something to do, or it is to end, and tells when
// it has.
type spare struct {
	told chan bool
	gone chan struct{}
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
	if c.taken == len(c.ready) || c.starting {
		return
	}
	c.starting = true
	if c.spare != nil {
		c.spare.told <- true
		c.spare = nil
		return
	}
	go c.work()
}

// open lets one stay from now on.
func (c *crew) open() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = false
}

// stop lets none stay any more, and returns when none does. Those that have
// something to do go on with it.
func (c *crew) stop() {
	c.mu.Lock()
	c.stopped = true
	stays := c.spare
	c.spare = nil
	c.mu.Unlock()
	if stays != nil {
		stays.told <- false
		<-stays.gone
	}
}

// work unlocks by itself: where the server ends the goroutine, as a test's FailNow
// does, the lock is not held. Somebody else has begun with what is ready then.
func (c *crew) work() {
	var own *spare
	for {
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
		if c.stopped || c.spare != nil {
			c.mu.Unlock()
			return
		}
		if own == nil {
			own = &spare{told: make(chan bool, 1), gone: make(chan struct{})}
		}
		c.spare = own
		c.mu.Unlock()
		if more := <-own.told; !more {
			close(own.gone)
			return
		}
	}
}

// maxReady is the most that a crew keeps room for.
const maxReady = 1024
