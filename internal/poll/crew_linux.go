package poll

import "sync"

// A crew are the goroutines that read from the connections of an epoll. One of them
// waits for what arrives. Where something has, that one reads it, and lets another
// one wait: no message waits until a goroutine has been woken for it. Each that has
// done quickly takes the next connection, and there is one more for each that has to
// wait: a goroutine for each connection costs a message of one of many slaves 2 µs
// more, most of it for a stack to grow. For the same reason one goroutine stays
// beside the one that waits when there is nothing to do.
type crew[W Waiter] struct {
	// poll waits for those on which something has arrived. It is called by one
	// goroutine at a time, and fails when the waiting has ended.
	poll func() ([]*Entry[W], error)

	mu      sync.Mutex
	ready   []*Entry[W]
	taken   int  // how many of ready
	polling bool // one of the goroutines waits
	// starting is how many goroutines were started, or woken, that have not begun:
	// one, and one more that stop has woken.
	starting int
	spare    chan struct{} // wakes the one that stays; nil where none does
	stopped  bool          // nobody waits or stays any more
	settled  sync.Cond     // signalled as polling or starting ends
}

// newCrew returns a crew that waits already.
func newCrew[W Waiter](poll func() ([]*Entry[W], error)) *crew[W] {
	c := &crew[W]{poll: poll, starting: 1}
	c.settled.L = &c.mu
	go c.work()
	return c
}

// add has the connection read from.
func (c *crew[W]) add(s *Entry[W]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ready = append(c.ready, s)
	c.start()
}

// start sees to it that somebody will do what nobody does. The lock is held.
func (c *crew[W]) start() {
	if c.starting > 0 || c.taken == len(c.ready) && (c.polling || c.stopped) {
		return
	}
	if c.spare != nil {
		c.wake()
		return
	}
	c.starting++
	go c.work()
}

// wake has the one that stays go on. The lock is held.
func (c *crew[W]) wake() {
	c.starting++
	c.spare <- struct{}{}
	c.spare = nil
}

// stop returns when nobody waits or stays any more, for which the waiting must have
// been ended. Those that have something to do go on with it.
func (c *crew[W]) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
	if c.spare != nil {
		c.wake()
	}
	for c.polling || c.starting > 0 {
		c.settled.Wait()
	}
}

// work is one of the goroutines. It unlocks by itself: where the server ends the
// goroutine, as a test's FailNow does, the lock is not held, and what else there is
// to do somebody else has begun with.
func (c *crew[W]) work() {
	var wake chan struct{}
	c.mu.Lock()
	c.begun()
	for {
		switch {
		case c.taken < len(c.ready):
			s := c.take()
			c.start() // before this one may have to wait
			c.mu.Unlock()
			s.waiter.RunNow()
			c.mu.Lock()
		case c.stopped || c.polling && c.spare != nil:
			c.mu.Unlock()
			return
		case !c.polling:
			c.polling = true
			c.mu.Unlock()
			ready, err := c.poll()
			c.mu.Lock()
			c.polling, c.stopped = false, c.stopped || err != nil
			c.settled.Broadcast()
			c.ready = append(c.ready, ready...)
		default:
			if wake == nil {
				wake = make(chan struct{}, 1)
			}
			c.spare = wake
			c.mu.Unlock()
			<-wake
			c.mu.Lock()
			c.begun()
		}
	}
}

// begun is called by a goroutine that has been started, or woken. The lock is held.
func (c *crew[W]) begun() {
	c.starting--
	c.settled.Broadcast()
}

// take returns one that is ready. The lock is held.
func (c *crew[W]) take() *Entry[W] {
	s := c.ready[c.taken]
	c.ready[c.taken] = nil
	if c.taken++; c.taken == len(c.ready) {
		c.ready, c.taken = c.ready[:0], 0
		if cap(c.ready) > maxReady {
			c.ready = nil
		}
	}
	return s
}

// maxReady is the most that a crew keeps room for.
const maxReady = 1024
