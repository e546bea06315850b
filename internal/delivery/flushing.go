package delivery

import "context"

// Flush returns when what was decided until now has been delivered, or when ctx ends, with its
// error.
func (c *Channel) Flush(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startDelivery()
	until := c.taken + uint64(c.pending())
	if c.executed >= until {
		return nil
	}
	defer c.wakeAtEnd(ctx)()
	for c.executed < until {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.progress.Wait()
	}
	return nil
}

// wakeAtEnd has those that wait for progress look again when ctx ends. The lock is held, also
// when the caller calls stop, which waits for what was started.
func (c *Channel) wakeAtEnd(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	woken := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(woken)
		c.mu.Lock()
		defer c.mu.Unlock()
		c.progress.Broadcast()
	})
	return func() {
		if !cancel() {
			c.mu.Unlock()
			<-woken
			c.mu.Lock()
		}
	}
}

// delivered reports whether all that was decided until now has been delivered.
func (c *Channel) delivered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending() == 0 && c.executed == c.taken
}
