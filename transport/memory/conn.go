package memory

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lectern-go/lectern/transport"
)

var (
	errClosed = fmt.Errorf("memory: the connection is closed: %w", net.ErrClosed)
	errCut    = errors.New("memory: the link was cut")
)

// pipe is a connection with both its ends. Its lock covers everything in it and
// is held across no wait but those on its queues, which release it.
type pipe struct {
	mu          sync.Mutex
	queues      capacity
	silence     time.Duration // until it is noticed; never where negative
	a, b        Conn
	forth, back queue // from a to b, and from b to a
	silent, cut bool
}

// capacity is that of a queue.
type capacity struct{ messages, bytes int }

func newPipe(options Options) (a, b *Conn) {
	p := &pipe{queues: capacity{options.QueueMessages, options.QueueBytes}, silence: options.ProbeAfter}
	if options.ProbeAfter >= 0 {
		p.silence += options.GiveUp
	}
	p.forth.changed.L, p.back.changed.L = &p.mu, &p.mu
	p.a = Conn{pipe: p, in: &p.back, out: &p.forth, peer: &p.b}
	p.b = Conn{pipe: p, in: &p.forth, out: &p.back, peer: &p.a}
	p.a.bound(options.MaxFrameBytes)
	p.b.bound(options.MaxFrameBytes)
	return &p.a, &p.b
}

// Conn is one end of a connection. It is a transport.Conn; Cut and Silence may
// be called from any goroutine at any time.
type Conn struct {
	pipe    *pipe
	in, out *queue

	peer    *Conn
	taken   uint64      // bytes of the messages that it has queued
	tried   int         // how many of its messages a TryWrite has queued that could not queue them all
	most    int         // the largest message that this end ever reads
	limit   int         // and that it reads at present
	current *message    // what the last Read returned
	err     error       // what Read ended with before Close
	timer   *time.Timer // runs from Silence until err is ErrSilent
	closed  bool
}

var (
	_ transport.FrameLimitSetter = (*Conn)(nil)
	_ transport.TryWriter        = (*Conn)(nil)
	_ transport.WriteMeter       = (*Conn)(nil)
)

// Read is Read of transport.Conn.
func (c *Conn) Read() ([]byte, error) {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	data, ok, err := c.next()
	for !ok {
		c.in.changed.Wait()
		data, ok, err = c.next()
	}
	return data, err
}

// next is what Read returns, and false where that has to wait.
func (c *Conn) next() (data []byte, ok bool, err error) {
	p := c.pipe
	if c.current != nil {
		c.current.release()
		c.current = nil
	}
	for {
		switch {
		case c.closed:
			return nil, true, errClosed
		case c.err != nil:
			return nil, true, c.err
		case p.cut:
			c.err = errCut
		case p.silent:
			return nil, false, nil
		case c.in.count > 0:
			m := c.in.pop()
			if !m.tooLarge && len(m.data) <= c.limit {
				c.current = m
				return m.data, true, nil
			}
			m.release()
			c.err = transport.ErrMessageTooLarge
			c.end(transport.Reason{Code: transport.TooLarge, Text: fmt.Sprintf("the limit is %d bytes", c.limit)})
		case c.in.end != nil:
			c.err = c.in.end
		default:
			return nil, false, nil
		}
	}
}

// bound is for an end that is not in use yet.
func (c *Conn) bound(frameLimit int) { c.most, c.limit = frameLimit, frameLimit }

// SetMaxFrameBytes is that of transport.FrameLimitSetter.
func (c *Conn) SetMaxFrameBytes(bytes int) {
	p := c.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	if bytes <= 0 || bytes > c.most {
		bytes = c.most
	}
	c.limit = bytes
}

// Write is Write of transport.Conn. It copies the messages, and blocks while the
// queue that they go to has no room for the next one, see [Options].
func (c *Conn) Write(messages ...[]byte) error {
	p := c.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	messages, c.tried = messages[c.tried:], 0
	for _, data := range messages {
		for !c.put(data) {
			if err := c.unwritable(); err != nil {
				return err
			}
			c.out.changed.Wait()
		}
	}
	return nil
}

// TryWrite is that of transport.TryWriter.
func (c *Conn) TryWrite(messages ...[]byte) bool {
	p := c.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, data := range messages {
		if !c.put(data) {
			c.tried = i
			return false
		}
	}
	return true
}

// put queues a message, and reports whether that was possible.
func (c *Conn) put(data []byte) bool {
	tooLarge := len(data) > c.peer.most
	if tooLarge {
		data = nil
	}
	if c.unwritable() != nil || !c.out.hasRoom(len(data), &c.pipe.queues) {
		return false
	}
	m := newMessage(data)
	m.tooLarge = tooLarge
	c.taken += uint64(len(data))
	c.out.push(m)
	return true
}

// Taken is that of transport.WriteMeter: it counts the bytes that the queue has had room
// for.
func (c *Conn) Taken() uint64 {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	return c.taken
}

// unwritable is why nothing may be queued any more, nil where it may.
func (c *Conn) unwritable() error {
	switch {
	case c.closed:
		return errClosed
	case c.pipe.cut:
		return errCut
	case c.out.refused != nil:
		return c.out.refused
	case c.out.end != nil:
		return c.err // this end has given up on its peer, and told it so
	}
	return nil
}

// Close is Close of transport.Conn. It does not wait for the peer: what was
// written stays there for it to read, and the reason behind it. It always
// returns nil.
func (c *Conn) Close(reason transport.Reason) error {
	p := c.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	if c.timer != nil {
		c.timer.Stop()
	}
	c.end(reason)
	c.out.change()
	return nil
}

// end tells the peer, where it can be reached, that nothing follows and that
// nothing that it sends is read any more. Only the first reason counts.
func (c *Conn) end(reason transport.Reason) {
	c.in.drop()
	if !c.pipe.silent && c.out.end == nil {
		err := &transport.CloseError{Reason: transport.Reason{Code: reason.Code, Text: reason.ClippedText()}}
		c.out.end, c.in.refused = err, err
	}
	c.in.change()
	c.out.change()
}

// Cut breaks the connection, as a network does: what was not yet read is gone,
// and at both ends Read and Write fail with an error that is neither a
// *transport.CloseError nor matches net.ErrClosed.
func (c *Conn) Cut() {
	p := c.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
	for _, q := range []*queue{&p.forth, &p.back} {
		q.drop()
		q.change()
	}
}

// Silence makes the link go dead: from now on nothing is read at either end,
// neither end is told anything, not that the other one closes either, and
// writing goes on until the queue is full. Each end's Read fails with
// transport.ErrSilent after Options.ProbeAfter and Options.GiveUp, unless that
// end is closed first. A second call does nothing.
func (c *Conn) Silence() {
	p := c.pipe
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.silent {
		return
	}
	p.silent = true
	if p.silence < 0 {
		return
	}
	for _, end := range []*Conn{&p.a, &p.b} {
		if !end.closed {
			end.timer = time.AfterFunc(p.silence, end.noticeSilence)
		}
	}
}

func (c *Conn) noticeSilence() {
	c.pipe.mu.Lock()
	defer c.pipe.mu.Unlock()
	if c.err == nil {
		c.err = transport.ErrSilent
		c.in.change()
	}
}
