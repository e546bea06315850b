package socketio

import (
	"encoding/base64"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/jsontext"
	"github.com/lectern-go/lectern/internal/wire"
)

// What a client emits becomes a frame by way of its text form: the arguments and the options are
// the frame's fields, as they were written. So an option is whatever field PROTOCOL.md gives the
// frame, and what is wrong with one is found, and told, as it is of a frame.

// An emission is an event that a client may emit: the frame that it becomes, the fields that the
// first arguments are, of which any may be left out, and what is fixed. Behind these comes an
// object with the other fields.
type emission struct {
	frame string
	// fields are names of the frame's. That of payload is the payload.
	fields []string
	fixed  string
	// enters: a name and a token are those of the socket, where none is given.
	enters bool
	// moves: the socket leaves its current channel for the other one.
	moves bool
	// asks: the acknowledgement is the answer of who is asked; gathers: it is those of all.
	asks, gathers bool
}

const payloadField = "payload"

var emissions = map[string]emission{
	"create":  {frame: "create", fields: []string{"channel"}, enters: true},
	"channel": {frame: "join", fields: []string{"channel"}, enters: true},
	"join":    {frame: "join", fields: []string{"channel"}, enters: true},
	"room":    {frame: "join", fields: []string{"channel"}, enters: true, moves: true},
	"resume":  {frame: "resume", enters: true},
	"leave":   {frame: "leave", fields: []string{"channel"}},

	"message": {frame: "send", fields: []string{payloadField}},
	"request": {frame: "send", fields: []string{payloadField}, fixed: `,"request":true`, asks: true},
	"gather":  {frame: "send", fields: []string{payloadField}, fixed: `,"request":true`, gathers: true},
	"reply":   {frame: "send", fields: []string{"reply", payloadField}},
	"decline": {frame: "send", fields: []string{"reply", "failed"}},

	"withdraw": {frame: "withdraw", fields: []string{"request"}},
	"awaiting": {frame: "awaiting", fields: []string{"request"}},
	"set":      {frame: "set", fields: []string{"key", payloadField}},
	"refresh":  {frame: "refresh", fields: []string{"token"}},
	"confirm":  {frame: "ping", fields: []string{"seen"}},

	"status":   {frame: "status", fields: []string{"channel"}},
	"members":  {frame: "members", fields: []string{"channel"}},
	"away":     {frame: "away", fields: []string{"channel"}},
	"back":     {frame: "back", fields: []string{"channel"}},
	"kick":     {frame: "kick", fields: []string{"to"}},
	"mute":     {frame: "mute", fields: []string{"to"}, fixed: `,"on":true`},
	"unmute":   {frame: "mute", fields: []string{"to"}, fixed: `,"on":false`},
	"door":     {frame: "door", fields: []string{"door"}},
	"admit":    {frame: "admit", fields: []string{"knock"}},
	"deny":     {frame: "deny", fields: []string{"knock"}},
	"handover": {frame: "hand_over", fields: []string{"to"}},
}

// reserved are the names that Socket.IO keeps for itself. A client that sends one is none.
var reserved = map[string]bool{
	"connect": true, "connect_error": true, "disconnect": true, "disconnecting": true, "newListener": true, "removeListener": true,
}

// emit does what an event asks for. It is called in the receiver's turn.
func (c *conn) emit(e *event, p packet) error {
	spec, known := emissions[string(e.name)]
	switch {
	case reserved[string(e.name)]:
		return badPacket("an event of a name that is reserved")
	case !known:
		return c.refuse(p, "unsupported", "no event of this name: send the name as a part of a message's data, or as its topic")
	case spec.gathers && !p.hasID:
		return c.refuse(p, "bad_frame", "gather: the answers are the acknowledgement, and none was asked for")
	}
	buffer := frameBuffers.Get().(*[]byte)
	defer func() { frameBuffers.Put(buffer) }()
	text, has, why := c.frameText((*buffer)[:0], &spec, e, p)
	*buffer = text[:0]
	if why != "" {
		return c.refuse(p, "bad_frame", why)
	}
	frame := frames.Get().(*wire.Frame)
	defer release(frame)
	if err := wire.DecodeFromClient(frame, text); err != nil {
		return c.refuse(p, "bad_frame", strings.TrimPrefix(err.Error(), "wire: bad_frame: "))
	}
	if p.hasID && (spec.asks || spec.gathers) {
		if !c.expect(frame, p.id, spec.gathers, has.timeout) {
			return c.refuse(p, "busy", "too many requests have no answer yet")
		}
	}
	if spec.enters {
		c.mu.Lock()
		c.heading = heading{channel: frame.Channel, ref: frame.Ref}
		c.mu.Unlock()
	}
	return c.give(frame)
}

// frameText appends the text form of the frame that an event becomes, or says why it is none.
func (c *conn) frameText(text []byte, spec *emission, e *event, p packet) (_ []byte, has given, why string) {
	text = append(text, `{"type":"`...)
	text = append(text, spec.frame...)
	text = append(text, '"')
	if p.hasID {
		text = append(text, `,"ref":`...)
		text = strconv.AppendUint(text, p.id+firstRef, 10)
	}
	i := 0
	for _, field := range spec.fields {
		value := e.argument(i)
		switch {
		case value == nil || field != payloadField && field != "failed" && isObject(value):
			continue
		case field == payloadField:
			text = e.appendPayload(text, value)
		default:
			text = append(append(append(append(text, `,"`...), field...), `":`...), value...)
			has.note(field)
		}
		i++
	}
	if len(e.attachments) > 0 && !e.takes(spec) {
		return text, has, "binary data is possible as the whole of the data alone"
	}
	options := e.argument(i)
	if e.count > i+1 || options != nil && !isObject(options) {
		return text, has, "an argument that is too much, or no object of options"
	}
	text = has.appendOptions(text, options)
	text = append(text, spec.fixed...)
	text = c.appendDefaults(text, spec, has)
	return append(text, '}'), has, ""
}

// takes reports whether the event has its one attachment as its payload.
func (e *event) takes(spec *emission) bool {
	for i, field := range spec.fields {
		if field == payloadField {
			_, ok := e.attachment(e.argument(i))
			return ok && len(e.attachments) == 1
		}
	}
	return false
}

// appendPayload appends the payload that an argument is.
func (e *event) appendPayload(text, value []byte) []byte {
	content, binary := e.attachment(value)
	switch {
	case binary:
		text = append(text, `,"base64":"`...)
		text = base64.StdEncoding.AppendEncode(text, content)
		return append(text, '"')
	case isText(value):
		text = append(text, `,"text":`...)
	default:
		text = append(text, `,"data":`...)
	}
	return append(text, value...)
}

// given says which fields an event has that there are defaults for, and how long a gather waits.
type given struct {
	channel, username, token, from bool
	timeout                        time.Duration
}

func (g *given) note(field string) {
	switch field {
	case "channel":
		g.channel = true
	case "username":
		g.username = true
	case "token":
		g.token = true
	case "from":
		g.from = true
	}
}

// appendOptions appends the fields of the object.
func (g *given) appendOptions(text, options []byte) []byte {
	if options == nil {
		return text
	}
	s := jsontext.Scanner{Data: options}
	_ = s.Object(-1, func(key jsontext.String, value []byte) jsontext.Problem { // it is known to be one
		g.note(string(key.Content()))
		if ms, isNumber := number(value); isNumber && string(key) == "timeout" {
			g.timeout = wire.FromMilliseconds(ms)
		}
		text = append(append(append(append(text, `,"`...), key...), `":`...), value...)
		return ""
	})
	return text
}

// appendDefaults appends what the socket knows and the event has left out.
func (c *conn) appendDefaults(text []byte, spec *emission, has given) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.at(); !has.channel && at != "" {
		text = append(text, `,"channel":`...)
		text = jsontext.AppendQuoted(text, at)
	}
	if !spec.enters {
		return text
	}
	if !has.username {
		text = append(text, `,"username":`...)
		text = jsontext.AppendQuoted(text, c.username)
	}
	if !has.token && c.token != "" {
		text = append(text, `,"token":`...)
		text = jsontext.AppendQuoted(text, c.token)
	}
	if at := c.at(); spec.moves && !has.from && at != "" {
		text = append(text, `,"from":`...)
		text = jsontext.AppendQuoted(text, at)
	}
	return text
}

// refuse tells the client that an emit was refused, before the hub has seen it.
func (c *conn) refuse(p packet, code, message string) error {
	return c.answerBehind(refusal(p.id, p.hasID, code, message, ""))
}

// refusal is an acknowledgement that says no, or the event refused where none was asked for.
func refusal(id uint64, hasID bool, code, message, channel string) []byte {
	if !hasID {
		return append(appendRefusal(append(beginEvent("refused"), ','), code, message, channel), ']')
	}
	packet := append(beginAck(id), `{"ok":false,"error":`...)
	return append(appendReason(packet, code, message, channel), ']')
}

// appendRefusal appends what a refusal is to an event.
func appendRefusal(packet []byte, code, message, channel string) []byte {
	return appendReason(append(packet, `{"code":`...), code, message, channel)
}

// appendReason appends the code, and the rest of an object that says why.
func appendReason(packet []byte, code, message, channel string) []byte {
	packet = jsontext.AppendQuoted(packet, code)
	packet = append(packet, `,"message":`...)
	packet = jsontext.AppendQuoted(packet, message)
	if channel != "" {
		packet = append(packet, `,"channel":`...)
		packet = jsontext.AppendQuoted(packet, channel)
	}
	return append(packet, '}')
}

// acknowledged makes the acknowledgement of a request the answer to it.
func (c *conn) acknowledged(e *event, id uint64) error {
	c.mu.Lock()
	question, ok := c.asked.take(id)
	if !ok {
		question = asking{channel: c.current, number: id}
		if s := c.seatOf(c.current); s == nil || s.master {
			c.mu.Unlock()
			return nil // it answers nothing that is known
		}
	}
	c.mu.Unlock()
	buffer := frameBuffers.Get().(*[]byte)
	defer func() { frameBuffers.Put(buffer) }()
	text := append((*buffer)[:0], `{"type":"send","reply":`...)
	text = strconv.AppendUint(text, question.number, 10)
	text = append(text, `,"channel":`...)
	text = jsontext.AppendQuoted(text, question.channel)
	if question.from != "" {
		text = append(text, `,"to":`...)
		text = jsontext.AppendQuoted(text, question.from)
	}
	value := e.argument(0)
	if value == nil {
		value = []byte("null")
	}
	text = e.appendPayload(text, value)
	text = append(text, '}')
	*buffer = text[:0]
	frame := frames.Get().(*wire.Frame)
	defer release(frame)
	if err := wire.DecodeFromClient(frame, text); err != nil {
		return c.answerBehind(refusal(0, false, "bad_frame", err.Error(), question.channel))
	}
	return c.give(frame)
}

var frameBuffers = sync.Pool{New: func() any {
	buffer := make([]byte, 0, 512)
	return &buffer
}}
