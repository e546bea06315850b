package netconn

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/transport"
)

const (
	// bufferSize is the size of the buffer of a connection that has much to
	// read.
	bufferSize = 4 << 10
	// idleBufferSize is the size of the one that each connection has.
	idleBufferSize = 512
	// firstPiece is how much is allocated for a message that has no place in
	// the buffer. More follows as it arrives.
	firstPiece = 16 << 10
)

type buffer [bufferSize]byte

var buffers = sync.Pool{New: func() any { return new(buffer) }}

// input is what was read from the net.Conn and has not been returned yet, and
// the watch over the peer's silence.
type input struct {
	err   error // what Read ended with
	limit int   // to the size of a message

	idle       [idleBufferSize]byte
	large      *buffer // in place of idle where that was too small
	start, end int     // of what is in the buffer

	heard     time.Time              // the last sign of life, or when somebody began to listen for one
	listening bool                   // somebody has listened since heard, and goes on
	probed    time.Time              // when the peer was probed since heard; zero if it was not
	taken     uint64                 // Taken, when it was
	unit      transport.MessageTimer // of the unit that is arriving

	controls transport.TokenBucket // for the peer's probes, and answers to none
	probing  bool                  // a probe was sent, and its answer has not come

	armed   time.Time // the net.Conn's read deadline
	expired bool      // it has passed, or is not known

	// attendant is who reads; nil where anybody may.
	attendant *attendant
}

func (in *input) buffer() []byte {
	if in.large != nil {
		return in.large[:]
	}
	return in.idle[:]
}

func (in *input) buffered() []byte { return in.buffer()[in.start:in.end] }

// makeRoom sees to it that size bytes from start on fit, and that there is room
// for more than what is there.
func (in *input) makeRoom(size int) {
	full := in.end == idleBufferSize // more came than the idle buffer could take
	if in.large == nil && (size > idleBufferSize || full) {
		in.large = buffers.Get().(*buffer)
		in.end = copy(in.large[:], in.idle[in.start:in.end])
		in.start = 0
	}
	if b := in.buffer(); in.start > 0 && (in.start == in.end || in.start+size > len(b)) {
		in.end = copy(b, b[in.start:in.end])
		in.start = 0
	}
}

// shrink gives the large buffer back where there is nothing in it.
func (in *input) shrink() {
	if in.large != nil && in.start == in.end {
		buffers.Put(in.large)
		in.large, in.start, in.end = nil, 0, 0
	}
}

// Read is Read of transport.Conn.
func (c *conn) Read() ([]byte, error) {
	c.mu.Lock()
	closing := c.closing
	c.mu.Unlock()
	switch {
	case closing:
		return nil, errClosed
	case c.input.err != nil:
		return nil, c.input.err
	}
	message, err := c.readMessage()
	if err == nil || err == errQuiet {
		return message, err
	}
	c.input.end = c.input.start
	c.input.shrink()
	c.input.err = err
	switch {
	case errors.Is(err, transport.ErrMessageTooLarge):
		_ = c.tell(transport.Reason{Code: transport.TooLarge, Text: fmt.Sprintf("the limit is %d bytes", c.input.limit)})
	case errors.Is(err, transport.ErrSlow):
		_ = c.tell(transport.Reason{Code: transport.Slow, Text: "a message took too long to arrive"})
	case errors.Is(err, transport.ErrFlood):
		_ = c.tell(transport.Reason{Code: transport.RateLimited, Text: "too many probes, or answers to none"})
	case errors.Is(err, transport.ErrProtocol):
		_ = c.tell(transport.Reason{Code: transport.ProtocolError, Text: err.Error()})
	}
	return nil, err
}

// SetMaxFrameBytes is that of transport.FrameLimitSetter.
func (c *conn) SetMaxFrameBytes(bytes int) {
	if bytes <= 0 || bytes > c.options.MaxFrameBytes {
		bytes = c.options.MaxFrameBytes
	}
	c.input.limit = bytes
}

// readMessage reads units up to the next message, which it returns, and deals
// with the others.
func (c *conn) readMessage() ([]byte, error) {
	in := &c.input
	for {
		in.unit = transport.MessageTimer{}
		if err := c.fill(headerSize); err != nil {
			return nil, err
		}
		kind := in.buffered()[0]
		length, err := checkHeader(in.buffered(), in.limit)
		if err != nil {
			return nil, err
		}
		if headerSize+length > bufferSize {
			return c.readLarge(length)
		}
		if err := c.fill(headerSize + length); err != nil {
			return nil, err
		}
		content := in.buffered()[headerSize : headerSize+length : headerSize+length]
		in.start += headerSize + length
		switch kind {
		case kindMessage:
			return content, nil
		case kindProbe:
			if !in.controls.Take(time.Now()) {
				return nil, transport.ErrFlood
			}
			c.owe(kindAnswer)
		case kindAnswer:
			if !in.probing && !in.controls.Take(time.Now()) {
				return nil, transport.ErrFlood
			}
			in.probing = false
		case kindClose:
			reason, err := parseClose(content)
			if err != nil {
				return nil, err
			}
			return nil, c.peerHasClosed(reason)
		}
	}
}

// fill reads until there are size bytes in the buffer.
func (c *conn) fill(size int) error {
	in := &c.input
	for in.end-in.start < size {
		in.makeRoom(size)
		n, err := c.receive(in.buffer()[in.end:], in.end > in.start)
		if n == 0 {
			in.shrink() // it was silent for a while
		}
		if err != nil {
			return err
		}
		in.end += n
	}
	return nil
}

// readLarge reads the rest of a message that has no place in the buffer. Never
// is more than the first piece, or twice what has arrived, allocated for it.
func (c *conn) readLarge(length int) ([]byte, error) {
	in := &c.input
	in.start += headerSize
	message := append(make([]byte, 0, min(length, firstPiece)), in.buffered()...)
	in.start, in.end = 0, 0
	for len(message) < length {
		if len(message) == cap(message) {
			larger := make([]byte, len(message), min(length, 2*cap(message)))
			copy(larger, message)
			message = larger
		}
		n, err := c.receive(message[len(message):cap(message)], true)
		if err != nil {
			return nil, err
		}
		message = message[:len(message)+n]
	}
	return message, nil
}

// receive waits for something to arrive, and reads it into p, which must not be
// empty. Where nothing has come for ProbeAfter it probes the peer and returns 0,
// once. within tells that a unit has begun.
//
// Before the peer is judged by what has not come, receive looks once at what lies there:
// this side may be the late one, because its process or machine has stood still.
func (c *conn) receive(p []byte, within bool) (int, error) {
	in := &c.input
	now := time.Now()
	if in.probed.IsZero() && !in.listening {
		in.heard = now // silence counts from when somebody listens
	}
	var late time.Time
	if within {
		late = in.unit.Wait(now, c.options.MessageTimeout)
	}
	quiet := now.Add(quietAfter)
	parks := in.attendant != nil && !within
	var lookUntil time.Time // the end of the last look at a silent peer; zero before it
	for {
		silent := c.silentAt()
		silentDue, lateDue := c.lookAt(silent), late
		if !lookUntil.IsZero() {
			silentDue = lookUntil
		}
		if !in.unit.Looked() {
			lateDue = c.lookAt(late)
		}
		by := earliest(silentDue, lateDue)
		if parks {
			by = earliest(by, quiet)
		}
		n, err := c.readBy(p, by)
		now, due := time.Time{}, false
		if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
			// The deadline may be one from before, which was left to pass because
			// moving it costs more than looking at the time.
			in.expired = true
			now = time.Now()
			if due = passed(silentDue, now) || passed(lateDue, now); due && c.system != nil {
				n, err = c.lookNow(p)
			}
		}
		switch {
		case n > 0 && passed(late, now) && !in.unit.LastLook(now.Add(lastLook)):
			return 0, transport.ErrSlow
		case n > 0:
			in.probed, in.listening = time.Time{}, false
			if within {
				in.unit.Came(n)
			}
			return n, nil
		case err == errClosed:
			return 0, err
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			c.markLost()
			if err == io.EOF { // nobody ends a connection without a close unit
				err = io.ErrUnexpectedEOF
			}
			return 0, lostError(err)
		case !due:
			if parks && !now.IsZero() && !now.Before(quiet) {
				in.listening = true
				return 0, errQuiet
			}
		case passed(lateDue, now):
			if c.system != nil || !in.unit.LastLook(now.Add(c.looking)) {
				return 0, transport.ErrSlow
			}
			late = in.unit.Wait(now, c.options.MessageTimeout)
		case c.system == nil && lookUntil.IsZero():
			parks = false
			if lookUntil = now.Add(c.looking); lookUntil.Before(silent) {
				lookUntil = silent
			}
		case in.probed.IsZero():
			in.probed, in.probing, in.taken = now, true, c.Taken()
			c.owe(kindProbe)
			return 0, nil
		case c.underway() && c.Taken() != in.taken:
			// The probe, or its answer, waits for what takes long to cross the link.
			// That it moves is a sign of life.
			in.heard, in.probed = now, time.Time{}
			return 0, nil
		default:
			c.markLost()
			return 0, transport.ErrSilent
		}
	}
}

// A last look takes what lies there without waiting. Of a net.Conn that cannot be asked
// for that it is a Read of its own, which begins a little before the end and lasts at
// least as long.
const (
	// lastLook is how long the rest of a late message may take to be read where
	// something of it lies there.
	lastLook = time.Second
	// longestLooking is how long such a Read lasts at most.
	longestLooking = 250 * time.Millisecond
)

// lookingTime is how long such a Read lasts: a small part of what is waited for, and zero
// where none is needed.
func (c *conn) lookingTime() time.Duration {
	if c.system != nil {
		return 0
	}
	looking := min(longestLooking, c.options.GiveUp/8)
	for _, d := range []time.Duration{c.options.ProbeAfter, c.options.MessageTimeout} {
		if d > 0 {
			looking = min(looking, d/8)
		}
	}
	return looking
}

// lookAt is when the last look begins that ends then.
func (c *conn) lookAt(end time.Time) time.Time {
	if end.IsZero() {
		return end
	}
	return end.Add(-c.looking)
}

// lookNow reads what lies there.
func (c *conn) lookNow(p []byte) (int, error) {
	if !c.takeReading() {
		return 0, errClosed
	}
	return c.endReading(direct.Look(c.system, p))
}

// passed reports whether it is then, which may be zero for never.
func passed(then, now time.Time) bool { return !then.IsZero() && !now.Before(then) }

// earliest is the earlier of the two, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// silentAt returns when the peer's silence will have lasted long enough; zero for
// never.
func (c *conn) silentAt() time.Time {
	switch in, o := &c.input, &c.options; {
	case o.ProbeAfter <= 0:
		return time.Time{}
	case !in.probed.IsZero():
		return in.probed.Add(o.GiveUp)
	default:
		return in.heard.Add(o.ProbeAfter)
	}
}

// readBy reads with a deadline that is at latest by, or with none where by is
// zero. Its error is errClosed where Close has ended it.
func (c *conn) readBy(p []byte, by time.Time) (int, error) {
	a := c.input.attendant
	if n, err, has := a.takeOver(); has {
		return n, err
	}
	a.pause()
	if !c.beginReading(by) {
		return 0, errClosed
	}
	return c.endReading(c.net.Read(p))
}

// beginReading has the net.Conn's Read end at latest by then. It reports false where
// Close has begun.
func (c *conn) beginReading(by time.Time) bool {
	in := &c.input
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return false
	}
	if in.expired || in.armed.IsZero() != by.IsZero() || in.armed.After(by) {
		_ = c.net.SetReadDeadline(by) // under mu, so that it never replaces that of Close
		in.armed, in.expired = by, false
	}
	c.reading = true
	return true
}

// takeReading is beginReading for what does not wait.
func (c *conn) takeReading() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = !c.closing
	return c.reading
}

// endReading is told what the net.Conn's Read has returned.
func (c *conn) endReading(n int, err error) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = false
	if c.closing {
		c.freed.Broadcast()
		if n == 0 {
			err = errClosed
		}
	}
	return n, err
}

// markLost notes that the peer is out of reach, so that Close does not wait for
// it.
func (c *conn) markLost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = true
}

// peerHasClosed notes the peer's close unit, and ends the sending direction in
// answer to it, as soon as the writing in progress is done.
func (c *conn) peerHasClosed(reason transport.Reason) error {
	closed := &transport.CloseError{Reason: reason}
	c.mu.Lock()
	c.peerClosed = closed
	free := !c.writing && !c.closing
	c.writing = c.writing || free
	c.mu.Unlock()
	if free {
		_ = c.endWriting(nil)
	}
	return closed
}
