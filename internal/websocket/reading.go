package websocket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"github.com/lectern-go/lectern/transport"
)

// Frames are taken apart here rather than in the framing library: it would keep
// 1.1 KB for each connection that waits, and cannot be asked for what has arrived
// without waiting for more.

// The types of frames beside those in frame.go.
const (
	continuation = 0x00
	pingFrame    = 0x09
	pongFrame    = 0x0a
)

const (
	reserved  = 0x70 // for extensions, of which there are none
	maskedBit = 0x80
	// maxPayload is the size in bytes of the largest payload of a control frame.
	maxPayload = 125
)

// A frame is what the header of one says.
type frame struct {
	kind      byte
	final     bool
	text      bool   // of the message that it belongs to
	remaining uint64 // bytes of the payload that have not come yet
	key       uint32 // for the next byte of it; zero changes nothing
}

// isControl is for kinds of frames.
func isControl(kind byte) bool { return kind&0x08 != 0 }

// A patience is how a read waits where no message has begun.
type patience uint8

const (
	// forMessage waits until one has.
	forMessage patience = iota
	// untilNothing does not wait.
	untilNothing
	// overdue waits once, for a peer that is about to be probed.
	overdue
)

// read reads the next message, and reports true, or false where it does not wait
// for one to begin and none has. It must not be called again after an error.
func (c *Conn) read(how patience) (complete bool, err error) {
	c.socket.arrival.next()
	c.socket.arrival.size, c.socket.ahead.fresh = c.socket.ahead.fresh, 0
	for {
		complete, err := c.advance()
		if err != nil || complete {
			return complete, err
		}
		switch {
		case how == forMessage || c.socket.arrival.inside || len(c.socket.ahead.data) > 0:
			if c.watch != nil {
				c.watch.pause()
			}
			err = c.readMore()
		case how == overdue:
			how = untilNothing
			_, err = c.socket.receiveBy(nil, time.Now().Add(c.socket.lookingTime()))
		default:
			var some bool
			if some, err = c.socket.receiveNow(); err == nil && !some {
				return false, nil
			}
		}
		if err != nil {
			return false, c.readFailed(err)
		}
	}
}

// advance goes as far as what has been read leads, and reports whether the
// message is complete.
func (c *Conn) advance() (complete bool, err error) {
	data := &c.socket.ahead
	for {
		if c.frame.remaining > 0 {
			n := int(min(c.frame.remaining, uint64(len(data.data))))
			c.take(c.message.add(data.data[:n], c.socket.arrival.messageLimit()))
			data.skip(n)
			if c.frame.remaining > 0 {
				return false, nil
			}
		}
		if c.socket.arrival.inside && c.frame.final {
			c.socket.arrival.inside = false
			return true, c.checkText()
		}
		next, size, err := c.header(data.data)
		if err != nil || size == 0 {
			return false, err
		}
		if isControl(next.kind) {
			whole := size + int(next.remaining)
			if len(data.data) < whole {
				return false, nil
			}
			payload := data.data[size:whole]
			mask(payload, next.key)
			err := c.control(next.kind, payload)
			data.skip(whole)
			if err != nil {
				return false, err
			}
			continue
		}
		data.skip(size)
		if uint64(len(c.message.data))+next.remaining > uint64(c.socket.arrival.messageLimit()) {
			c.sendClose(closeTooBig, "")
			return false, transport.ErrMessageTooLarge
		}
		if next.kind == continuation {
			next.text = c.frame.text
		}
		c.frame, c.socket.arrival.inside = next, true
	}
}

// take is told that these bytes of the payload have come.
func (c *Conn) take(payload []byte) {
	c.frame.key = mask(payload, c.frame.key)
	c.frame.remaining -= uint64(len(payload))
	c.socket.arrival.timer.Came(len(payload))
}

// header reads a frame's header, whose size it returns; zero where there is more
// to it than has come.
func (c *Conn) header(data []byte) (f frame, size int, err error) {
	if len(data) < 2 {
		return f, 0, nil
	}
	f = frame{kind: data[0] & 0x0f, final: data[0]&final != 0, remaining: uint64(data[1] &^ maskedBit)}
	f.text = f.kind == textFrame
	inside := c.socket.arrival.inside
	switch {
	case data[0]&reserved != 0:
		return f, 0, c.offence("a reserved bit is set")
	case data[1]&maskedBit == 0 != c.masked:
		return f, 0, c.offence("what a client sends has to be masked, and nothing else")
	}
	switch f.kind {
	case continuation:
		if !inside {
			return f, 0, c.offence("a continuation of nothing")
		}
	case textFrame, binaryFrame:
		if inside {
			return f, 0, c.offence("a message inside a message")
		}
	case closeFrame, pingFrame, pongFrame:
		if !f.final || f.remaining > maxPayload {
			return f, 0, c.offence("a control frame that is long or in fragments")
		}
	default:
		return f, 0, c.offence("an unknown type of frame")
	}

	size = 2
	switch f.remaining {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	length := data[2:min(size, len(data))]
	if !c.masked {
		size += 4
	}
	if len(data) < size {
		return f, 0, nil
	}
	switch len(length) {
	case 2:
		f.remaining = uint64(binary.BigEndian.Uint16(length))
	case 8:
		// A larger one is over any limit, and does not make the sum overflow.
		f.remaining = min(binary.BigEndian.Uint64(length), 1<<62)
	}
	if !c.masked {
		f.key = binary.LittleEndian.Uint32(data[size-4:])
	}
	return f, size, nil
}

// checkText is called at the end of a message.
func (c *Conn) checkText() error {
	if c.frame.text && !utf8.Valid(c.message.data) {
		c.sendClose(closeBadPayload, "text that is not UTF-8")
		return fmt.Errorf("%w: text that is not UTF-8", transport.ErrProtocol)
	}
	return nil
}

// offence ends a connection whose peer does not keep to the framing.
func (c *Conn) offence(what string) error {
	c.sendClose(closeProtocolError, what)
	return fmt.Errorf("%w: %s", transport.ErrProtocol, what)
}

// control does what a control frame asks for.
func (c *Conn) control(kind byte, payload []byte) error {
	switch kind {
	case pingFrame:
		if err := c.countControl(); err != nil {
			return err
		}
		// That an answer cannot be written is for Write to tell. What the peer
		// has sent can still be read.
		c.writeControl(pongFrame, payload, time.Now().Add(pongWait))
	case pongFrame:
		if !c.probing {
			return c.countControl()
		}
		c.probing = false // it was asked for
		c.socket.arrival.control()
	case closeFrame:
		return c.closedByPeer(payload)
	}
	return nil
}

// countControl is called for each ping, and for each pong that nobody has asked
// for.
func (c *Conn) countControl() error {
	c.socket.arrival.control()
	if !c.controls.Take(time.Now()) {
		c.sendClose(int(transport.RateLimited), "too many pings or pongs")
		return transport.ErrFlood
	}
	return nil
}

// closedByPeer answers a close frame, and is the error of reading then.
func (c *Conn) closedByPeer(payload []byte) error {
	code, text := closeNoCode, ""
	if len(payload) >= 2 {
		code = int(binary.BigEndian.Uint16(payload))
		text = string(payload[2:])
		switch {
		case !inCloseFrame(code):
			return c.offence(fmt.Sprint("a close frame with the code ", code))
		case !utf8.ValidString(text):
			return c.offence("a close frame whose reason is not UTF-8")
		}
	}
	c.peerClosed = true
	c.sendClose(code, "")
	return &transport.CloseError{Reason: transport.Reason{Code: transport.CloseCode(code), Text: text}}
}

// readMore waits for more of the peer's bytes: for those of a large message in
// the place where they belong.
func (c *Conn) readMore() error {
	if space := c.message.space(c.frame.remaining, c.socket.arrival.messageLimit()); len(space) >= aheadSize {
		n, err := c.socket.receive(space)
		c.take(c.message.extend(n))
		if c.frame.remaining == 0 {
			return nil
		}
		return err
	}
	_, err := c.socket.receive(nil)
	return err
}

// readFailed turns an error of the socket into one of the port's.
func (c *Conn) readFailed(err error) error {
	switch {
	case errors.Is(err, transport.ErrSlow):
		c.sendClose(int(transport.Slow), "a message took too long to arrive")
		return transport.ErrSlow
	case err == transport.ErrSilent:
		return transport.ErrSilent
	case err == io.EOF:
		return lost(io.ErrUnexpectedEOF)
	default:
		return lost(err)
	}
}

func (c *Conn) sendClose(code int, text string) error {
	return c.writeControl(closeFrame, closePayload(code, text), time.Now().Add(closeWait))
}

// closePayload is what a close frame carries.
func closePayload(code int, text string) []byte {
	if code == closeNoCode {
		return nil
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(code)), text...)
}

// writeControl sends a control frame.
func (c *Conn) writeControl(kind byte, payload []byte, by time.Time) error {
	return c.socket.writeControl(c.controlFrame(kind, payload), by)
}

func (c *Conn) controlFrame(kind byte, payload []byte) []byte {
	buffer := make([]byte, 0, maxHeader+len(payload))
	buffer = appendLength(append(buffer, final|kind), len(payload), c.masked)
	if !c.masked {
		return append(buffer, payload...)
	}
	key := rand.Uint32()
	buffer = binary.LittleEndian.AppendUint32(buffer, key)
	buffer = append(buffer, payload...)
	mask(buffer[len(buffer)-len(payload):], key)
	return buffer
}
