package socketio

import (
	"strconv"
	"sync"

	"github.com/lectern-go/lectern/internal/engineio"
	"github.com/lectern-go/lectern/internal/jsontext"
	"github.com/lectern-go/lectern/internal/wire"
)

// A translation is a message as its receivers need it: what it changes for each of them, and the
// packets, which are the same for all that have no other channel.
type translation struct {
	source  []byte
	channel string
	from    string
	seq     uint64
	request uint64
	reply   uint64
	code    string // of an answer that says no
	text    string // of that
	packets [2][][]byte
}

// frames is a pool of frames to decode into.
var frames = sync.Pool{New: func() any { return new(wire.Frame) }}

func release(frame *wire.Frame) {
	*frame = wire.Frame{}
	frames.Put(frame)
}

// translation returns that of a message, which is kept for others where it may be for many.
func (c *conn) translation(message []byte) *translation {
	if c.adapter.shares {
		if t := c.adapter.recent.find(message); t != nil {
			return t
		}
	}
	frame := frames.Get().(*wire.Frame)
	defer release(frame)
	if wire.DecodeInto(frame, message) != nil {
		return nil // a hub does not write such a thing
	}
	t := &translation{channel: frame.Channel, from: frame.From, seq: frame.Seq, request: frame.Request, reply: frame.Reply}
	if frame.Payload.Kind == wire.FailedPayload {
		t.code, t.text = frame.Payload.Failure()
	}
	o := offset(frame.Channel, frame.Seq)
	t.packets[0] = messagePackets(frame, 4, o)
	t.packets[1] = t.packets[0]
	if len(t.packets[0]) > 1 { // its attachment is another one
		t.packets[1] = messagePackets(frame, 3, o)
	}
	if c.adapter.shares && !frame.Private && frame.Reply == 0 {
		t.source = message
		c.adapter.recent.keep(t)
	}
	return t
}

// messagePackets is a message as a client gets it: one packet, and its attachment where its
// payload is binary.
func messagePackets(frame *wire.Frame, version int, offset string) [][]byte {
	binary := frame.Payload.Kind == wire.BytesPayload
	size := len(frame.Payload.Data) + len(frame.Channel)*2 + len(frame.From) + 96
	packet := engineio.Text(make([]byte, 0, size))
	if binary {
		packet = append(packet, packetBinaryEvent, '1', '-')
	} else {
		packet = append(packet, packetEvent)
	}
	if frame.Request != 0 {
		packet = strconv.AppendUint(packet, frame.Request, 10)
		packet = append(packet, `["request",`...)
	} else {
		packet = append(packet, `["message",`...)
	}
	packet = appendValue(packet, frame.Payload)
	packet = append(packet, `,{"from":`...)
	packet = jsontext.AppendQuoted(packet, frame.From)
	packet = append(packet, `,"seq":`...)
	packet = strconv.AppendUint(packet, frame.Seq, 10)
	packet = append(packet, `,"channel":`...)
	packet = jsontext.AppendQuoted(packet, frame.Channel)
	if frame.Private {
		packet = append(packet, `,"private":true`...)
	}
	if frame.Reply != 0 {
		packet = append(packet, `,"reply":`...)
		packet = strconv.AppendUint(packet, frame.Reply, 10)
	}
	if topic := frame.Topic(); topic != "" {
		packet = append(packet, `,"topic":`...)
		packet = jsontext.AppendQuoted(packet, topic)
	}
	if ms := frame.Expires(); ms != 0 {
		packet = append(packet, `,"expires_ms":`...)
		packet = strconv.AppendUint(packet, ms, 10)
	}
	if code, text := frame.Payload.Failure(); code != "" {
		packet = append(packet, `,"failed":`...)
		packet = appendRefusal(packet, code, text, "")
	}
	packet = append(packet, '}')
	if frame.Request == 0 { // an event with a callback moves no offset
		packet = append(packet, ',')
		packet = jsontext.AppendQuoted(packet, offset)
	}
	packet = append(packet, ']')
	if !binary {
		return [][]byte{packet}
	}
	return [][]byte{packet, append(engineio.Binary(make([]byte, 0, 2+len(frame.Payload.Data)), version), frame.Payload.Data...)}
}

// appendValue appends a payload as an argument: a string, any JSON value, or the place of an
// attachment.
func appendValue(packet []byte, payload wire.Payload) []byte {
	switch payload.Kind {
	case wire.TextPayload:
		return jsontext.AppendQuoted(packet, payload.Data)
	case wire.DataPayload:
		return append(packet, payload.Data...)
	case wire.BytesPayload:
		return append(packet, `{"_placeholder":true,"num":0}`...)
	}
	return append(packet, `null`...)
}

// message appends the packets of a message, and notes what it changes.
func (c *conn) message(packets [][]byte, data []byte) [][]byte {
	t := c.translation(data)
	if t == nil {
		return packets
	}
	version := c.session.Version()
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.seatOf(t.channel)
	if s != nil {
		s.last = max(s.last, t.seq)
	}
	if t.reply != 0 {
		if answered, mine := c.answered(t, data, version); mine {
			return append(packets, answered...)
		}
	}
	id := t.request
	if t.request != 0 {
		id = c.ask(t, s != nil && s.master)
	}
	if len(c.seats) > 1 || id != t.request {
		return append(packets, c.ownPackets(data, id, version)...)
	}
	return append(packets, t.packets[4-version]...)
}

// ownPackets is a message for this socket alone, which has other channels too: its offset has a
// part for each. The lock is held.
func (c *conn) ownPackets(data []byte, id uint64, version int) [][]byte {
	frame := frames.Get().(*wire.Frame)
	defer release(frame)
	if wire.DecodeInto(frame, data) != nil {
		return nil
	}
	frame.Request = id
	return messagePackets(frame, version, c.offsets())
}
