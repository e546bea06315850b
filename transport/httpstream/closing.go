package httpstream

import (
	"context"
	"errors"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// tell makes the reason the last event, unless there is one, and has nothing written any more.
func (c *conn) tell(reason transport.Reason) {
	c.mu.Lock()
	if c.farewell == nil {
		f := farewellOf(reason)
		c.farewell = &f
	}
	c.makeRoom()
	c.pump()
}

// Close is that of transport.Conn. What waits in the window, and the reason behind it, is given
// to the carrier, and to the next one, for about a second, or longer where the client takes it.
func (c *conn) Close(reason transport.Reason) error {
	c.mu.Lock()
	if c.closed != nil {
		closed := c.closed
		c.mu.Unlock()
		<-closed
		return nil
	}
	c.closing, c.closed = true, make(chan struct{})
	silent := c.readErr == transport.ErrSilent
	c.mu.Unlock()
	c.tell(reason)
	c.endReading(errClosed)
	if !silent {
		c.drain()
	}
	c.handler.forget(c)
	c.mu.Lock()
	told, last := c.told, c.carrier
	c.haveTold() // or nobody any more
	if last != nil {
		last.state().finished = true
	}
	c.mu.Unlock()
	if last != nil {
		last.cut()
		wait := time.NewTimer(closeWait)
		select {
		case <-last.state().gone:
		case <-wait.C:
		}
		wait.Stop()
	}
	close(c.closed)
	if c.inbox != nil {
		c.isOver()
	}
	if !told {
		return errNotTold
	}
	return nil
}

// hasLeft reports whether the client has closed the connection.
func (c *conn) hasLeft() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.left
}

// isOver is called when the server is done with the connection.
func (c *conn) isOver() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over == nil {
		c.over = make(chan struct{})
	}
	select {
	case <-c.over:
	default:
		close(c.over)
	}
}

// awaitEnd waits until the server is done with the connection, and not for long.
func (c *conn) awaitEnd(ctx context.Context) {
	c.mu.Lock()
	if c.over == nil {
		c.over = make(chan struct{})
	}
	over := c.over
	c.mu.Unlock()
	wait := time.NewTimer(closeWait)
	defer wait.Stop()
	select {
	case <-over:
	case <-wait.C:
	case <-ctx.Done():
	}
}

var errNotTold = errors.New("httpstream: close: the client could not be told")

// drain waits until the last event is written, or the client does not go on with what is
// before it.
func (c *conn) drain() {
	most := time.NewTimer(closeMost)
	defer most.Stop()
	for before := c.Taken(); ; {
		c.mu.Lock()
		if c.told || c.left && c.carrier == nil {
			c.mu.Unlock()
			return
		}
		if c.drained == nil {
			c.drained = make(chan struct{})
		}
		drained := c.drained
		c.mu.Unlock()
		wait := time.NewTimer(closeWait)
		select {
		case <-drained:
			wait.Stop()
			return
		case <-most.C:
			wait.Stop()
			return
		case <-wait.C:
		}
		taken := c.Taken()
		if taken == before {
			return
		}
		before = taken
	}
}
