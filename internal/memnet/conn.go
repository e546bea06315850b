package memnet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// BufferSize is how many unread bytes a connection holds in each direction
// before Write blocks.
const BufferSize = 64 << 10

var (
	errReset      = errors.New("connection reset by peer")
	errBrokenPipe = errors.New("broken pipe")
)

// Pipe returns the two ends of a new connection.
func Pipe() (a, b *Conn) {
	l := &link{}
	forth, back := &stream{}, &stream{}
	forth.changed.L, back.changed.L = &l.mu, &l.mu
	return &Conn{link: l, in: back, out: forth}, &Conn{link: l, in: forth, out: back}
}

// link is what both ends of a connection share. Its lock covers the whole
// connection and is never held across a wait other than that of a sync.Cond.
type link struct {
	mu     sync.Mutex
	silent bool
}

// stream is one direction of a connection.
type stream struct {
	changed  sync.Cond
	data     bytes.Buffer // arrived, and not yet read
	taken    uint64       // bytes that have been read
	vanished int          // bytes sent into a silent link, which keep the sender's buffer full
	finished bool         // nothing follows data
	refused  bool         // the receiving end is closed
	err      error        // reset: data is gone, and nothing follows
}

func (s *stream) reset() {
	s.err = errReset
	s.data = bytes.Buffer{}
	s.changed.Broadcast()
}

// Conn is one end of a connection. It is safe for concurrent use.
type Conn struct {
	link    *link
	in, out *stream
	// What follows is covered by the link's lock.
	reading, writing deadline
	busy             bool // a Write is in progress; the others wait for it
	closed           bool
	still            bool // StandStill
}

// Read reads what has arrived.
func (c *Conn) Read(p []byte) (int, error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, c.failed("read", net.ErrClosed)
		case c.still:
		case c.reading.passed:
			return 0, c.failed("read", os.ErrDeadlineExceeded)
		case c.in.err != nil:
			return 0, c.failed("read", c.in.err)
		case len(p) == 0:
			return 0, nil
		case c.in.data.Len() > 0:
			n, _ := c.in.data.Read(p)
			c.in.taken += uint64(n)
			c.in.changed.Broadcast()
			return n, nil
		case c.in.finished:
			return 0, io.EOF
		}
		c.in.changed.Wait()
	}
}

// Write sends all of p, which it does not keep. It blocks while the buffer is
// full. Concurrent Writes do not mix.
func (c *Conn) Write(p []byte) (n int, err error) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	mine := false
	defer func() {
		if mine {
			c.busy = false
			c.out.changed.Broadcast()
		}
	}()
	for {
		switch {
		case c.closed:
			return n, c.failed("write", net.ErrClosed)
		case c.still:
			c.out.changed.Wait()
			continue
		case c.writing.passed:
			return n, c.failed("write", os.ErrDeadlineExceeded)
		case c.out.err != nil:
			return n, c.failed("write", c.out.err)
		case c.out.finished:
			return n, c.failed("write", errBrokenPipe)
		case c.out.refused:
			// The peer's system answers bytes that nobody will read by a reset.
			c.in.reset()
			c.out.reset()
			return n, c.failed("write", errReset)
		}
		if !c.busy || mine {
			c.busy, mine = true, true
			n += c.send(p[n:])
			if n == len(p) {
				return n, nil
			}
		}
		c.out.changed.Wait()
	}
}

// send puts as much of p on its way as the buffer has room for.
func (c *Conn) send(p []byte) int {
	room := BufferSize - c.out.data.Len() - c.out.vanished
	if len(p) > room {
		p = p[:room]
	}
	if c.link.silent {
		c.out.vanished += len(p)
		return len(p)
	}
	c.out.data.Write(p)
	c.out.changed.Broadcast()
	return len(p)
}

// CloseWrite ends this end's sending: once the peer has read what was sent, it
// reads io.EOF. Reading goes on.
func (c *Conn) CloseWrite() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.failed("close", net.ErrClosed)
	}
	if c.link.silent {
		return nil
	}
	c.out.finished = true
	c.out.changed.Broadcast()
	return nil
}

// Close closes this end. The peer still reads what was sent, unless something
// that it sent is unread here: then it is reset.
func (c *Conn) Close() error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.failed("close", net.ErrClosed)
	}
	c.closed = true
	c.reading.stop()
	c.writing.stop()
	if !c.link.silent {
		c.out.finished = true
		c.in.refused = true
		if c.in.data.Len() > 0 {
			c.out.reset()
			c.in.err = errReset
		}
	}
	c.in.data = bytes.Buffer{}
	c.in.changed.Broadcast()
	c.out.changed.Broadcast()
	return nil
}

// Cut breaks the connection: both ends lose at once what they have not read,
// and every Read and Write fails, as when a reset arrives on a socket.
func (c *Conn) Cut() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.in.reset()
	c.out.reset()
}

// Silence makes the link go dead: what has arrived can still be read, and
// nothing arrives any more, in neither direction. Neither end is told, not by
// its peer's Close either. Writes go on until the buffer is full, as they do
// on a socket.
func (c *Conn) Silence() {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.link.silent = true
}

// Acked tells how many bytes the other end has read, and how many it has not.
func (c *Conn) Acked() (acked uint64, waiting int) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	return c.out.taken, c.out.data.Len() + c.out.vanished
}

// StandStill has this end stand still for that long, as a process does that is stopped:
// Read and Write return nothing, what arrives lies in the buffer, and deadlines pass. A
// Read whose deadline has passed by then fails, whatever lies there, as on a socket.
func (c *Conn) StandStill(d time.Duration) {
	c.setStill(true)
	time.Sleep(d)
	c.setStill(false)
}

func (c *Conn) setStill(still bool) {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	c.still = still
	c.in.changed.Broadcast()
	c.out.changed.Broadcast()
}

// LocalAddr returns an address that says no more than that this is memory.
func (c *Conn) LocalAddr() net.Addr { return addr{} }

// RemoteAddr returns an address that says no more than that this is memory.
func (c *Conn) RemoteAddr() net.Addr { return addr{} }

func (c *Conn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "memory", Source: addr{}, Addr: addr{}, Err: err}
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline bounds every Read from now on, one in progress as well.
func (c *Conn) SetReadDeadline(t time.Time) error {
	return c.setDeadline(&c.reading, c.in, t)
}

// SetWriteDeadline bounds every Write from now on, one in progress as well.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	return c.setDeadline(&c.writing, c.out, t)
}

// deadline is the state of one deadline. It is covered by the link's lock.
type deadline struct {
	timer  *time.Timer
	sets   int // tells a timer that was too late to be stopped that it is not wanted
	passed bool
}

func (d *deadline) stop() {
	d.sets++
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (c *Conn) setDeadline(d *deadline, s *stream, t time.Time) error {
	c.link.mu.Lock()
	defer c.link.mu.Unlock()
	if c.closed {
		return c.failed("set", net.ErrClosed)
	}
	d.stop()
	d.passed = false
	if t.IsZero() {
		return nil
	}
	left := time.Until(t)
	if left <= 0 {
		d.passed = true
		s.changed.Broadcast()
		return nil
	}
	set := d.sets
	d.timer = time.AfterFunc(left, func() {
		c.link.mu.Lock()
		defer c.link.mu.Unlock()
		if d.sets == set {
			d.passed = true
			s.changed.Broadcast()
		}
	})
	return nil
}
