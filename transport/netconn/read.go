package netconn

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

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

	heard     time.Time // the last sign of life, or when somebody began to listen for one
	listening bool      // somebody has listened since heard, and goes on
	probed    bool      // the peer was probed since heard
	begun     time.Time // when the unit began that is not complete yet; zero if there is none

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
		in.begun = time.Time{}
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
func (c *conn) receive(p []byte, within bool) (int, error) {
	in := &c.input
	now := time.Now()
	if !in.probed && !in.listening {
		in.heard = now // silence counts from when somebody listens
	}
	if within && in.begun.IsZero() {
		in.begun = now
	}
	quiet := now.Add(quietAfter)
	parks := in.attendant != nil && !within
	for {
		silent, late := c.limits()
		by := earliest(silent, late)
		if parks {
			by = earliest(by, quiet)
		}
		n, err := c.readBy(p, by)
		switch {
		case n > 0:
			in.probed, in.listening = false, false
			return n, nil
		case err == nil:
			continue
		case err == errClosed:
			return 0, err
		case !errors.Is(err, os.ErrDeadlineExceeded):
			c.markLost()
			if err == io.EOF { // nobody ends a connection without a close unit
				err = io.ErrUnexpectedEOF
			}
			return 0, lostError(err)
		}
		// The deadline may be one from before, which was left to pass because
		// moving it costs more than looking at the time.
		in.expired = true
		switch now = time.Now(); {
		case !late.IsZero() && !now.Before(late):
			return 0, transport.ErrSlow
		case silent.IsZero() || now.Before(silent):
		case in.probed:
			c.markLost()
			return 0, transport.ErrSilent
		default:
			in.probed, in.probing = true, true
			c.owe(kindProbe)
			return 0, nil
		}
		if parks && !now.Before(quiet) {
			in.listening = true
			return 0, errQuiet
		}
	}
}

// earliest is the earlier of the two, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// limits returns when the peer's silence, and the message that is arriving, will
// have lasted long enough; zero for never.
func (c *conn) limits() (silent, late time.Time) {
	in, o := &c.input, &c.options
	if o.ProbeAfter > 0 {
		silent = in.heard.Add(o.ProbeAfter)
		if in.probed {
			silent = silent.Add(o.GiveUp)
		}
	}
	if o.MessageTimeout > 0 && !in.begun.IsZero() {
		late = in.begun.Add(o.MessageTimeout)
	}
	return silent, late
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
