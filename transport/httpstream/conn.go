package httpstream

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// A conn is a transport.Conn on the side of the server: what the requests of one client have in
// common. Its lock is held for what it decides alone: nothing waits, is written or is called
// under it.
//
// Writing puts messages into the window, from which the carrier takes them: the stream or the
// poll that the client has at present. Reading is done by POSTs, one at a time.
type conn struct {
	handler *handler
	secret  secret
	peer    string      // its address
	values  *lentValues // nil where the server reads none

	mu      sync.Mutex
	window  window
	carrier carrier // nil where there is none
	// taken is how far in the stream of events any carrier has got.
	taken uint64
	room  chan struct{} // closed when there is more of it in the window; nil where nobody waits
	wrote time.Time     // when a carrier has been written to last
	// asked: an acknowledgement was asked for, and probed: a sign of life. Neither has come.
	asked, probed bool
	fetched       uint64 // from where on a GET has asked for messages

	// farewell is the last event, once there is one: nothing is written any more.
	farewell *farewell
	told     bool          // a carrier has had it
	drained  chan struct{} // closed when Close need not wait for that; nil where it does not
	readErr  error         // why reading has ended
	closing  bool
	left     bool          // the client has closed the connection
	over     chan struct{} // closed when it has ended, for who waits for that; nil where nobody does
	closed   chan struct{} // closed when Close has finished; nil before it began
	inbound

	// alive and claim are for the handler's lists of connections; its lock covers them.
	alive life
	claim claim
}

var (
	_ transport.FrameLimitSetter = (*conn)(nil)
	_ transport.TryWriter        = (*conn)(nil)
	_ transport.LastWriter       = (*conn)(nil)
	_ transport.Addressed        = (*conn)(nil)
	_ transport.WriteMeter       = (*conn)(nil)
)

var (
	errClosed = fmt.Errorf("httpstream: %w", net.ErrClosed)
	errTold   = errors.New("httpstream: nothing may follow the last event")
)

// A carrier is a stream or a poll: what carries events to the client.
type carrier interface {
	// state is covered by the conn's lock.
	state() *carriage
	// pump has written what there is. It is called under the conn's lock, releases it, and does
	// not wait for the peer.
	pump()
	// cut ends the carrier without waiting for the peer. What it has not written stays in the
	// window.
	cut()
	// taken is how far in the stream of events the peer's system has acknowledged it, zero where
	// nobody tells, and whether something is on its way.
	taken() (at uint64, waiting bool)
}

// A carriage is what a conn knows of a carrier.
type carriage struct {
	cursor
	// greeting and probe are events that are to be written. A poll, whose answer is one, has
	// none.
	greeting, probe, poll bool
	// finished: it has taken the last event, or another carrier has its place, or it has
	// failed. It takes nothing more.
	finished bool
	gone     chan struct{} // closed when it writes nothing any more
}

// PeerAddress is that of transport.Addressed.
func (c *conn) PeerAddress() string { return c.peer }

// Taken is that of transport.WriteMeter.
func (c *conn) Taken() uint64 {
	taken, _ := c.progress()
	return taken
}

// progress is Taken, and whether something is still on its way to the client. It may make system
// calls.
func (c *conn) progress() (taken uint64, underway bool) {
	c.mu.Lock()
	carrier := c.carrier
	if carrier != nil {
		underway = carrier.state().id < c.window.last() || carrier.state().probe
	}
	c.mu.Unlock()
	var at uint64
	if carrier != nil {
		var waiting bool
		at, waiting = carrier.taken()
		underway = underway || waiting
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taken = max(c.taken, at, c.window.ackedSize)
	return c.taken, underway
}

// attach makes the carrier the client's present one, behind what the client has got up to the
// number. The one before it ends.
func (c *conn) attach(new carrier, after uint64) error {
	c.mu.Lock()
	if c.closed != nil && c.told {
		c.mu.Unlock()
		return errClosed
	}
	before := c.carrier
	if before != nil {
		before.state().finished = true
	}
	c.carrier = new
	state := new.state()
	state.cursor = c.window.cursorAt(max(after, c.window.acked))
	state.gone = make(chan struct{})
	c.wrote = time.Now()
	c.asked = false // or the carrier before had it
	if c.probed {
		c.ask()
	}
	c.mu.Unlock()
	if before != nil {
		before.cut()
	}
	return nil
}

// detach is called by a carrier that writes nothing any more.
func (c *conn) detach(old carrier) {
	c.mu.Lock()
	state := old.state()
	state.finished = true
	if c.carrier == old {
		c.carrier = nil
		if c.left { // and will not come for more
			c.endDrain()
		}
	}
	close(state.gone)
	c.mu.Unlock()
}

// take appends to dst what the carrier is to write next; last reports that the carrier ends
// with it. It is empty where there is nothing, or the carrier has had its end.
func (c *conn) take(of *carriage, dst []byte) (events []byte, last bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fill(of, dst)
}

// fill is take under the lock.
func (c *conn) fill(of *carriage, dst []byte) (events []byte, last bool) {
	if of.finished {
		return dst, true
	}
	if of.greeting {
		of.greeting = false
		dst = append(dst, openEvent...)
	}
	dst = c.window.fill(dst, &of.cursor)
	if !of.poll && of.offset == 0 {
		if !c.asked && c.wantsAcknowledgement(of.cursor) {
			c.asked, of.probe = true, true
		}
		if of.probe && cap(dst)-len(dst) >= len(probeEvent) {
			of.probe = false
			dst = append(dst, probeEvent...)
		}
	}
	if c.farewell != nil && of.id == c.window.last() && of.offset == 0 {
		if end := closeEvent(*c.farewell); len(end) <= cap(dst)-len(dst) {
			of.finished = true
			return append(dst, end...), true
		}
	}
	return dst, false
}

// wantsAcknowledgement reports whether the client is to be asked what has arrived: when much has
// been written and not acknowledged, or when somebody waits for room and all has been written. It
// is called under the lock.
func (c *conn) wantsAcknowledgement(at cursor) bool {
	return at.id-c.window.acked >= askedMessages || at.at-c.window.ackedSize >= askedBytes ||
		c.room != nil && at.id == c.window.last() && at.id > c.window.acked
}

// written is told that all that the carrier has taken has been written; last as take has
// reported it, and told where the peer's system tells what it has got.
func (c *conn) written(of *carriage, last, told bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wrote = time.Now(); !told {
		c.taken = max(c.taken, of.at)
	}
	if last {
		c.haveTold()
	}
}

// haveTold is called under the lock when a carrier has had the last event.
func (c *conn) haveTold() {
	c.told = true
	c.endDrain()
}

// endDrain is called under the lock when Close need not wait any more.
func (c *conn) endDrain() {
	if c.drained != nil {
		close(c.drained)
		c.drained = nil
	}
}

// acknowledge takes out of the window what the client has got. ok is false where the client cannot
// have got so much; news reports whether it has told anything that was not known.
func (c *conn) acknowledge(id uint64) (news, ok bool) {
	c.mu.Lock()
	if id > c.window.last() {
		c.mu.Unlock()
		return false, false
	}
	var cut carrier
	if c.carrier != nil {
		// The client has got from another carrier what this one has not written.
		if state := c.carrier.state(); state.id < id {
			if state.offset > 0 {
				cut, state.finished = c.carrier, true
			} else {
				state.cursor = c.window.cursorAt(id)
			}
		}
	}
	if news = c.window.acknowledge(id); news {
		c.asked = false
		c.makeRoom()
	}
	c.mu.Unlock()
	if cut != nil {
		cut.cut()
	}
	return news, true
}

// makeRoom is called under the lock when there may be room in the window, or none is needed.
func (c *conn) makeRoom() {
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}

// writable is why nothing may be written any more. It is called under the lock.
func (c *conn) writable() error {
	switch {
	case c.closing:
		return errClosed
	case c.farewell != nil:
		return errTold
	}
	return nil
}

// Write puts the messages into the window, and waits while that is full.
func (c *conn) Write(messages ...[]byte) error {
	for len(messages) > 0 {
		c.mu.Lock()
		if err := c.writable(); err != nil {
			c.mu.Unlock()
			return err
		}
		added := 0
		for added < len(messages) && c.window.fits(1, len(messages[added])) {
			c.add(messages[added])
			added++
		}
		var room chan struct{}
		if messages = messages[added:]; len(messages) > 0 {
			if c.room == nil {
				c.room = make(chan struct{})
			}
			room = c.room
		}
		c.pump()
		if room != nil {
			<-room
		}
	}
	return nil
}

// TryWrite is that of transport.TryWriter: it puts all of the messages into the window, or
// none.
func (c *conn) TryWrite(messages ...[]byte) bool {
	size := 0
	for _, message := range messages {
		size += len(message)
	}
	c.mu.Lock()
	if c.writable() != nil || !c.window.fits(len(messages), size) {
		c.mu.Unlock()
		return false
	}
	for _, message := range messages {
		c.add(message)
	}
	c.pump()
	return true
}

// WriteLast is that of transport.LastWriter: the last event goes along with the messages where
// there is room for them.
func (c *conn) WriteLast(reason transport.Reason, messages ...[]byte) error {
	size := 0
	for _, message := range messages {
		size += len(message)
	}
	c.mu.Lock()
	err := c.writable()
	if err == nil && c.window.fits(len(messages), size) {
		for _, message := range messages {
			c.add(message)
		}
		f := farewellOf(reason)
		c.farewell = &f
		c.pump()
	} else {
		c.mu.Unlock()
		err = c.Write(messages...)
	}
	_ = c.Close(reason)
	return err
}

// add is called under the lock.
func (c *conn) add(message []byte) {
	if !c.handler.shares {
		message = bytes.Clone(message)
	}
	c.window.add(message)
}

// ask has the stream, if there is one, ask for a sign of life. It is called under the lock.
func (c *conn) ask() {
	if c.carrier != nil && !c.carrier.state().poll {
		c.probed = true
		c.carrier.state().probe = true
	}
}

// pump is called under the lock, which it releases, when there is something for the carrier.
func (c *conn) pump() {
	if c.carrier != nil {
		c.carrier.pump()
	} else {
		c.mu.Unlock()
	}
}
