package httpstream

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// A dialled is a transport.Conn on the side of the client. It has two goroutines: one that
// receives, by a stream or by polls, and one that sends, by a POST at a time; and a timer that
// watches over the server's silence.
//
// What requests bring lies in an inbox until it is read, and what is written in lines until it is
// the body of the next POST. Both are bounded.
type dialled struct {
	client  *http.Client
	own     *owned // nil where the client is somebody else's
	url     *url.URL
	header  http.Header
	secret  string
	opened  opened
	options transport.ConnOptions
	polls   bool // those alone

	requests context.Context // of all requests
	end      context.CancelFunc
	running  sync.WaitGroup
	took     atomic.Uint64 // bytes of the bodies of POSTs

	mu      sync.Mutex
	changed sync.Cond // broadcast as anything below changes

	inbox   [][]byte
	bytes   int    // of the inbox, with inboxOverhead for each message
	limit   int    // size in bytes of the largest message
	last    uint64 // number of the last message that has come
	readErr error  // what Read returns behind the inbox
	waits   bool   // for room in the inbox
	// ending is the end that the answer to a POST has told; the last event is still awaited.
	ending error
	ended  *time.Timer

	lines    []byte    // what the next POST brings
	number   uint64    // of the last POST
	posting  bool      // it has not been answered
	answer   bool      // the server is to be sent something, if only a sign of life
	asked    time.Time // when it was told last what has arrived
	came     int       // bytes of events since then
	writeErr error
	goodbye  bool          // the last of lines closes the connection
	said     bool          // and the server has taken that
	settled  bool          // it has, or never will
	closed   chan struct{} // closed when Close has finished; nil before it began

	silence
}

var _ transport.FrameLimitSetter = (*dialled)(nil)

// maxLines bounds what waits for the next POST, in bytes. One message that is larger alone is
// taken.
const maxLines = 64 << 10

func newDialled(d Dialer, u *url.URL) *dialled {
	c := &dialled{url: u, header: d.Header, options: d.Conn.WithDefaults(nil), polls: d.Polls}
	c.client, c.own = d.client()
	c.requests, c.end = context.WithCancel(context.Background())
	c.changed.L = &c.mu
	c.limit = c.options.MaxFrameBytes
	return c
}

// start is called once the connection is there.
func (c *dialled) start() {
	c.mu.Lock()
	c.hear()
	c.mu.Unlock()
	c.running.Go(c.receive)
	c.running.Go(c.send)
}

// letGo ends all requests and closes what they were made on.
func (c *dialled) letGo() {
	c.end()
	if c.own != nil {
		c.own.close()
	}
}

// Read is that of transport.Conn.
func (c *dialled) Read() ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.inbox) == 0 && c.readErr == nil {
		c.changed.Wait()
	}
	if c.closed != nil {
		return nil, errClosed
	}
	if len(c.inbox) == 0 {
		return nil, c.readErr
	}
	message := c.inbox[0]
	c.inbox[0] = nil
	c.inbox = c.inbox[1:]
	c.bytes -= len(message) + inboxOverhead
	c.changed.Broadcast()
	if len(message) > c.limit {
		c.refuse(transport.ErrMessageTooLarge)
		return nil, c.readErr
	}
	return message, nil
}

// put takes a message that has come, and waits for room. It reports false where nothing is read
// any more.
func (c *dialled) put(id uint64, message []byte) bool {
	message = append(make([]byte, 0, len(message)), message...)
	size := len(message) + inboxOverhead
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.readErr == nil && c.bytes > 0 && c.bytes+size > maxInbox {
		c.waits = true
		c.changed.Wait()
	}
	c.waits = false
	if c.closed != nil { // what comes meanwhile is for nobody, and the last event is behind it
		c.last = id
		return true
	}
	if c.readErr != nil {
		return false
	}
	c.last = id
	c.inbox = append(c.inbox, message)
	c.bytes += size
	c.changed.Broadcast()
	return true
}

// SetMaxFrameBytes is that of transport.FrameLimitSetter.
func (c *dialled) SetMaxFrameBytes(bytes int) {
	if most := c.options.MaxFrameBytes; bytes <= 0 || bytes > most {
		bytes = most
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limit = bytes
}

// Write is that of transport.Conn. It waits while a POST is on its way and enough is written for
// the next one.
func (c *dialled) Write(messages ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, message := range messages {
		for c.writeErr == nil && len(c.lines) > 0 && len(c.lines)+lineSize(message) > maxLines {
			c.changed.Wait()
		}
		if c.writeErr != nil {
			return c.writeErr
		}
		c.lines = appendLine(c.lines, message)
		c.changed.Broadcast()
	}
	if len(messages) == 0 {
		return nil
	}
	return c.writeErr
}

// fail ends the connection, in both directions. It is called under the lock.
func (c *dialled) fail(err error) {
	if c.readErr == nil {
		c.readErr = err
	}
	if c.writeErr == nil {
		c.writeErr = err
	}
	if c.ended != nil {
		c.ended.Stop()
	}
	c.settled = c.settled || !c.goodbye || !c.posting
	c.silence.stop()
	c.changed.Broadcast()
}

// lost is the error of a connection that has ended by nobody's will.
func lost(err error) error { return fmt.Errorf("httpstream: connection lost: %w", err) }

// refuse ends the connection for what the server has done, and tells it. It is called under the
// lock.
func (c *dialled) refuse(err error) {
	c.inbox = nil
	c.sayGoodbye(reasonFor(err))
	if c.readErr == nil {
		c.readErr = err
	}
	c.changed.Broadcast()
}

// sayGoodbye has the next POST close the connection, and nothing written any more. It is called
// under the lock.
func (c *dialled) sayGoodbye(reason transport.Reason) {
	if c.writeErr == nil {
		c.writeErr = errClosed
		c.lines = appendClosing(c.lines, farewellOf(reason))
		c.goodbye = true
	}
}

// closedByServer is told the reason in the last event.
func (c *dialled) closedByServer(f farewell) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fail(&transport.CloseError{Reason: f.reason()})
}

// endsFor is told the end by the answer to a POST: what comes before the last event may still
// be on its way.
func (c *dialled) endsFor(end error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil || c.readErr != nil {
		return
	}
	c.ending = end
	if c.writeErr == nil {
		c.writeErr = end
	}
	c.ended = time.AfterFunc(closeWait, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.waits { // and there may be more behind that
			c.ended.Reset(closeWait)
			return
		}
		c.fail(end)
	})
	c.changed.Broadcast()
}

// gone is told that the server does not know the connection any more, or refuses to.
func (c *dialled) gone(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ending != nil {
		err = c.ending
	}
	c.fail(err)
}

// Close is that of transport.Conn. What was written before, and the reason behind it, is sent as
// far as the server takes it within about a second.
func (c *dialled) Close(reason transport.Reason) error {
	c.mu.Lock()
	if c.closed != nil {
		closed := c.closed
		c.mu.Unlock()
		<-closed
		return nil
	}
	c.closed = make(chan struct{})
	c.inbox = nil
	c.sayGoodbye(reason)
	told := c.ending != nil || c.readErr != nil && !c.goodbye // there is nobody to be told
	if c.readErr == nil {
		c.readErr = errClosed
	}
	c.silence.stop()
	c.changed.Broadcast()
	if !told {
		told = c.wait()
	}
	c.writeErr, c.settled = errClosed, true
	if c.ended != nil {
		c.ended.Stop()
	}
	c.changed.Broadcast()
	c.mu.Unlock()
	c.end()
	c.running.Wait()
	c.letGo()
	close(c.closed)
	if !told {
		return errors.New("httpstream: close: the server could not be told")
	}
	return nil
}

// wait waits for the last POST, and reports whether it was answered. It is called under the
// lock.
func (c *dialled) wait() bool {
	over := false
	stop := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		over = true
		c.changed.Broadcast()
	}
	most := time.AfterFunc(closeMost, stop)
	defer most.Stop()
	for !c.settled && !over {
		number, took := c.number, c.took.Load()
		still := time.AfterFunc(closeWait, func() {
			c.mu.Lock()
			moved := c.number != number || c.took.Load() != took
			c.mu.Unlock()
			if !moved {
				stop()
			}
		})
		for !c.settled && !over && c.number == number {
			c.changed.Wait()
		}
		still.Stop()
	}
	return c.said
}
