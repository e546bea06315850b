package httpstream

import (
	"bytes"
	"errors"
	"sync"

	"github.com/lectern-go/lectern/transport"
)

// maxInbox bounds what has come and was not read, in bytes; each message counts inboxOverhead
// more.
const (
	maxInbox      = 64 << 10
	inboxOverhead = 64
)

// An inbox has what POSTs have brought, for a server that reads by itself. The conn's lock
// covers it.
type inbox struct {
	messages [][]byte
	bytes    int
	changed  sync.Cond
}

// startReading is called before the conn is shared, where nobody is given its messages.
func (c *conn) startReading() {
	c.inbox = new(inbox)
	c.inbox.changed.L = &c.mu
}

// Read is that of transport.Conn.
func (c *conn) Read() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inbox == nil {
		return nil, errClosed // they go to the receiver
	}
	for len(c.inbox.messages) == 0 && c.readErr == nil {
		c.inbox.changed.Wait()
	}
	if c.closing {
		return nil, errClosed
	}
	if len(c.inbox.messages) == 0 {
		return nil, c.readErr
	}
	message := c.inbox.messages[0]
	c.inbox.messages[0] = nil
	c.inbox.messages = c.inbox.messages[1:]
	c.inbox.bytes -= len(message) + inboxOverhead
	c.inbox.changed.Broadcast()
	if len(message) > c.limit {
		c.inbox.messages, c.readErr = nil, transport.ErrMessageTooLarge
		c.mu.Unlock()
		c.tell(reasonFor(transport.ErrMessageTooLarge))
		c.mu.Lock()
		return nil, c.readErr
	}
	return message, nil
}

// put is called by a POST with a message of its own, and waits for room.
func (c *conn) put(message []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	size := len(message) + inboxOverhead
	for c.readErr == nil && c.inbox.bytes > 0 && c.inbox.bytes+size > maxInbox {
		c.inbox.changed.Wait()
	}
	if c.readErr != nil {
		return c.readErr
	}
	c.inbox.messages = append(c.inbox.messages, bytes.Clone(message))
	c.inbox.bytes += size
	c.inbox.changed.Broadcast()
	return nil
}

// SetMaxFrameBytes is that of transport.FrameLimitSetter.
func (c *conn) SetMaxFrameBytes(bytes int) {
	if most := c.handler.options.MaxFrameBytes; bytes <= 0 || bytes > most {
		bytes = most
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = bytes
}

// lineLimit is the size in bytes of the largest message that a POST may bring now. Where it is
// not read at once, that is for Read to judge.
func (c *conn) lineLimit() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inbox != nil {
		return c.handler.options.MaxFrameBytes
	}
	return c.limit
}

// endReading ends the reading with the error, unless it has ended.
func (c *conn) endReading(err error) {
	c.mu.Lock()
	if c.readErr == nil {
		c.readErr = err
	}
	if c.inbox != nil {
		c.inbox.changed.Broadcast()
	}
	end := c.claimEnd()
	post := c.post
	c.mu.Unlock()
	c.handler.letBe(c)
	if post != nil {
		post.abort()
	}
	if end != nil {
		go c.end(end)
	}
}

// claimEnd returns the receiver where it is to be told of the end now, and by the caller alone. It
// is called under the lock.
func (c *conn) claimEnd() transport.Receiver {
	if c.readErr == nil || c.receiver == nil || c.post != nil {
		return nil
	}
	receiver := c.receiver
	c.receiver = nil
	return receiver
}

// end tells the receiver of the end. It is its goroutine's last.
func (c *conn) end(receiver transport.Receiver) {
	defer func() { c.contain(recover()) }()
	c.mu.Lock()
	err := c.readErr
	c.mu.Unlock()
	receiver.End(err)
	c.isOver()
}

// fail ends the connection for what the peer has done, and tells it.
func (c *conn) fail(err error) {
	c.tell(reasonFor(err))
	c.endReading(err)
}

// reasonFor is why a connection ends whose peer has made this error.
func reasonFor(err error) transport.Reason {
	switch {
	case errors.Is(err, transport.ErrMessageTooLarge):
		return transport.Reason{Code: transport.TooLarge, Text: "a message is over the limit"}
	case errors.Is(err, transport.ErrSlow):
		return transport.Reason{Code: transport.Slow, Text: "a message took too long to arrive"}
	case errors.Is(err, transport.ErrFlood):
		return transport.Reason{Code: transport.RateLimited, Text: "too many requests without a message"}
	case errors.Is(err, transport.ErrSilent):
		return transport.Reason{Code: transport.Idle, Text: "the client was silent"}
	}
	return transport.Reason{Code: transport.ProtocolError, Text: offenceText(err)}
}
