package socketio

import (
	"strings"

	"github.com/lectern-go/lectern/internal/engineio"
	"github.com/lectern-go/lectern/internal/jsontext"
	"github.com/lectern-go/lectern/internal/wire"
)

// What the hub writes becomes events and acknowledgements. Most of them have what the frame's
// text form has, but for its type and ref.

// translate appends the packets that one frame of the hub is, and notes what it changes.
func (c *conn) translate(packets [][]byte, data []byte) [][]byte {
	if len(data) > 0 && wire.Type(data[0]) == wire.Message {
		return c.message(packets, data)
	}
	frame := frames.Get().(*wire.Frame)
	defer release(frame)
	if wire.DecodeInto(frame, data) != nil {
		return packets // a frame that this side does not know
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch frame.Type {
	case wire.Created, wire.Joined:
		return c.entered(packets, frame)
	case wire.Error:
		return c.refused(packets, frame)
	case wire.Closed, wire.Left:
		return c.over(packets, frame)
	case wire.Ack:
		if c.numbered(frame) {
			return packets
		}
	case wire.Awaiting:
		errand := frame.Ref >= firstErrand
		if errand || frame.Ref == 0 && c.open.byNumber(frame.Channel, frame.Request) != nil {
			return c.awaiting(c.pended(packets, frame.Ref), frame)
		}
	case wire.Members:
		if frame.Ref == 0 {
			c.recheck(frame.Channel)
		}
	case wire.Presence:
		packets = append(packets, c.numberedEvent(frame))
		if frame.Role == wire.Slave && frame.State == wire.StateLeft {
			packets = c.left(packets, frame.Channel, frame.Username)
		}
		return packets
	case wire.Attribute:
		return append(packets, c.attribute(frame)...)
	case wire.Gap:
		return append(packets, c.numberedEvent(frame))
	case wire.Waiting:
		return c.waits(packets, frame)
	}
	if frame.Ref >= firstErrand {
		return c.pended(packets, frame.Ref)
	}
	return append(packets, answerOrEvent(frame))
}

// answerOrEvent is the acknowledgement that an answer is, or an event.
func answerOrEvent(frame *wire.Frame) []byte {
	if frame.Ref >= firstRef {
		return acknowledgement(frame)
	}
	return plainEvent(frame, "")
}

// fieldsOf is the text form of the frame without its type and ref: fields, and a brace at the end.
func fieldsOf(frame *wire.Frame) []byte {
	without := *frame
	without.Ref = 0
	text := wire.Append(nil, wire.Text, &without)
	head := len(`{"type":"`) + len(frame.Type.String()) + len(`"`)
	if text[head] == ',' {
		head++
	}
	return text[head:]
}

// acknowledgement is an answer that says yes.
func acknowledgement(frame *wire.Frame) []byte {
	packet := append(beginAck(frame.Ref-firstRef), `{"ok":true`...)
	fields := fieldsOf(frame)
	if len(fields) > 1 {
		packet = append(packet, ',')
	}
	return append(append(packet, fields...), ']')
}

// plainEvent is an event that has the frame's name and fields, and behind them the offset where
// there is one.
func plainEvent(frame *wire.Frame, offset string) []byte {
	packet := append(beginEvent(frame.Type.String()), `,{`...)
	packet = append(packet, fieldsOf(frame)...)
	if offset != "" {
		packet = append(packet, ',')
		packet = jsontext.AppendQuoted(packet, offset)
	}
	return append(packet, ']')
}

// passed notes the number of a frame, and returns the offset behind it, which is empty where it
// has no number. The lock is held.
func (c *conn) passed(channel string, seq uint64) string {
	s := c.seatOf(channel)
	if s == nil || seq == 0 {
		return ""
	}
	s.last = max(s.last, seq)
	return c.offsets()
}

// numberedEvent is plainEvent for a frame that may have a number. The lock is held.
func (c *conn) numberedEvent(frame *wire.Frame) []byte {
	return plainEvent(frame, c.passed(frame.Channel, frame.Seq))
}

// attribute is the event of one attribute. The lock is held.
func (c *conn) attribute(frame *wire.Frame) [][]byte {
	binary := frame.Payload.Kind == wire.BytesPayload
	packet := engineio.Text(nil)
	if binary {
		packet = append(packet, packetBinaryEvent, '1', '-')
	} else {
		packet = append(packet, packetEvent)
	}
	packet = append(packet, `["attribute",`...)
	packet = jsontext.AppendQuoted(packet, frame.Code)
	packet = append(packet, ',')
	packet = appendValue(packet, frame.Payload)
	payload := frame.Payload
	frame.Payload = wire.Payload{}
	packet = append(packet, `,{`...)
	if payload.Kind == wire.NoPayload {
		packet = append(packet, `"deleted":true,`...)
	}
	packet = append(packet, fieldsOf(frame)...)
	if offset := c.passed(frame.Channel, frame.Seq); offset != "" {
		packet = append(packet, ',')
		packet = jsontext.AppendQuoted(packet, offset)
	}
	packet = append(packet, ']')
	if !binary {
		return [][]byte{packet}
	}
	return [][]byte{packet, append(engineio.Binary(nil, c.session.Version()), payload.Data...)}
}

// entered notes a seat. The lock is held.
func (c *conn) entered(packets [][]byte, frame *wire.Frame) [][]byte {
	master := frame.Type == wire.Created
	s := c.seatOf(frame.Channel)
	if s == nil {
		c.seats = append(c.seats, seat{channel: frame.Channel})
		s = &c.seats[len(c.seats)-1]
	}
	if s.master != master {
		s.last = 0 // the numbers are those of the other direction
		c.asked.forget(frame.Channel)
	}
	s.username, s.secret, s.epoch, s.master = frame.Username, frame.Secret, frame.Epoch, master
	c.current = frame.Channel
	c.headed(frame)
	delete(c.waiting, frame.Ref)
	event := plainEvent(frame, "")
	if c.stage == connecting {
		return c.attemptEntered(packets, event)
	}
	if frame.Ref >= firstRef {
		packets = append(packets, acknowledgement(frame))
	}
	return append(packets, event)
}

// refused tells the client of a refusal. The lock is held.
func (c *conn) refused(packets [][]byte, frame *wire.Frame) [][]byte {
	c.headed(frame)
	delete(c.waiting, frame.Ref)
	switch {
	case frame.Ref >= firstErrand:
		return c.pended(packets, frame.Ref)
	case c.stage == connecting && frame.Ref > 0 && frame.Ref < firstRef:
		return c.attemptRefused(packets, frame)
	case frame.Ref > 0 && frame.Ref < firstRef && c.dropSeat(frame.Channel):
		return append(packets, seatLost(frame))
	}
	if q := c.open.byRef(frame.Ref); q != nil && frame.Ref >= firstRef {
		c.open.remove(q)
	}
	return append(packets, refusal(frame.Ref-firstRef, frame.Ref >= firstRef, frame.Code, frame.Reason, frame.Channel))
}

// over notes the end of a seat, or of the waiting for one. The lock is held.
func (c *conn) over(packets [][]byte, frame *wire.Frame) [][]byte {
	had := c.dropSeat(frame.Channel)
	c.headed(frame)
	if had {
		packets = c.leftAll(packets, frame.Channel)
	}
	waited := frame.Ref != 0 && c.waiting[frame.Ref]
	delete(c.waiting, frame.Ref)
	switch {
	case waited || frame.Type == wire.Closed && frame.Ref >= firstRef:
		code := frame.Code
		if frame.Type == wire.Left {
			code = "left"
		}
		if frame.Ref >= firstRef {
			return append(packets, refusal(frame.Ref-firstRef, true, code, frame.Reason, frame.Channel))
		}
		return append(packets, refusal(0, false, code, frame.Reason, frame.Channel))
	case frame.Type == wire.Left && frame.Ref >= firstRef:
		return append(packets, acknowledgement(frame))
	}
	if frame.Type == wire.Closed && len(c.seats) == 0 {
		c.told = true
	}
	return append(packets, plainEvent(frame, ""))
}

// dropSeat reports whether there was one. The lock is held.
func (s *state) dropSeat(channel string) bool {
	for i := range s.seats {
		if s.seats[i].channel != channel {
			continue
		}
		s.seats = append(s.seats[:i], s.seats[i+1:]...)
		s.asked.forget(channel)
		if s.current == channel {
			s.current = ""
			if n := len(s.seats); n > 0 {
				s.current = s.seats[n-1].channel
			}
		}
		return true
	}
	return false
}

// waits notes a join that takes its time. A socket that has connected with it is connected now:
// its user can be told for what it waits. The lock is held.
func (c *conn) waits(packets [][]byte, frame *wire.Frame) [][]byte {
	if c.waiting == nil {
		c.waiting = make(map[uint64]bool)
	}
	c.waiting[frame.Ref] = true
	c.headed(frame)
	event := plainEvent(frame, "")
	if c.stage == connecting {
		return append(packets, c.connectedNow(c.attempt), event)
	}
	return append(packets, event)
}

// toValid is the text without what is not UTF-8.
func toValid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }
