package socketio

import (
	"encoding/base64"
	"strconv"
	"time"

	"github.com/lectern-go/lectern/internal/engineio"
	"github.com/lectern-go/lectern/internal/jsontext"
	"github.com/lectern-go/lectern/internal/wire"
)

// A question is a request of the client whose acknowledgement is the answer to it, or those of
// all that it was for. It is asked when the hub has numbered it.
type question struct {
	ref     uint64 // of the frame
	id      uint64 // of the acknowledgement
	channel string
	to      string // the slave that is asked; empty for the master, and for all
	number  uint64 // the request's; zero before the hub has told it

	// Of one that gathers.
	gathers bool
	timeout time.Duration
	timer   *time.Timer
	// awaited are those whose answers are to come. It is nil before the hub has told it.
	awaited map[string]bool
	answers []byte
	count   int
}

// questions are those of a socket, in the order in which they were asked.
type questions []*question

const (
	// maxQuestions is how many of a socket have no answer yet. A hub allows fewer of one member.
	maxQuestions = 512
	// maxGathered is how many bytes of answers one question gathers.
	maxGathered = 1 << 20
	// defaultGather and maxGather are how long one waits that names no time, and at the most.
	defaultGather, maxGather = 30 * time.Second, 24 * time.Hour
)

// expect notes a question before it is asked. It reports false where there are too many.
func (c *conn) expect(frame *wire.Frame, id uint64, gathers bool, timeout time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.open) >= maxQuestions {
		return false
	}
	if timeout <= 0 {
		timeout = defaultGather
	}
	c.open = append(c.open, &question{
		ref: frame.Ref, id: id, channel: frame.Channel, to: frame.To, gathers: gathers, timeout: min(timeout, maxGather),
	})
	return true
}

// numbered notes the hub's acknowledgement of a question, and reports false where the ref is of
// none. The lock is held.
func (c *conn) numbered(frame *wire.Frame) bool {
	q := c.open.byRef(frame.Ref)
	if q == nil {
		return false
	}
	q.number = frame.Seq
	if s := c.seatOf(q.channel); s == nil && c.current != "" && len(c.seats) == 1 {
		q.channel = c.seats[0].channel // the service has made another name of it
	}
	if q.gathers {
		c.askAwaiting(q)
		q.timer = time.AfterFunc(q.timeout, func() { c.overdue(q) })
	}
	return true
}

// askAwaiting asks the hub whose answers are still to come. The lock is held.
func (c *conn) askAwaiting(q *question) {
	if ref, ok := c.ref(pending{}); ok {
		c.giveLater(wire.Frame{Type: wire.Awaiting, Ref: ref, Channel: q.channel, Request: q.number})
	}
}

// overdue withdraws a question whose time is up. What is answered before the hub knows it counts.
func (c *conn) overdue(q *question) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open.has(q) {
		return
	}
	if ref, ok := c.ref(pending{question: q}); ok {
		c.giveLater(wire.Frame{Type: wire.Withdraw, Ref: ref, Channel: q.channel, Request: q.number})
	}
}

// recheck asks anew about each question of a master that was told a list in the place of the
// changes of its slaves. The lock is held.
func (c *conn) recheck(channel string) {
	for _, q := range c.open {
		if q.channel == channel && q.number != 0 && (q.gathers || q.to != "") {
			c.askAwaiting(q)
		}
	}
}

// awaiting takes the hub's word on whose answers are to come. The lock is held.
func (c *conn) awaiting(packets [][]byte, frame *wire.Frame) [][]byte {
	q := c.open.byNumber(frame.Channel, frame.Request)
	if q == nil {
		return packets
	}
	if frame.Code != "" { // its time is over
		return append(packets, c.finish(q, frame.Code)...)
	}
	if !q.gathers {
		if len(frame.Members) == 0 {
			return append(packets, c.finish(q, "gone")...)
		}
		return packets
	}
	before := q.awaited
	q.awaited = make(map[string]bool, len(frame.Members))
	for _, member := range frame.Members {
		q.awaited[member.Username] = true
	}
	for name := range before {
		if !q.awaited[name] {
			q.addFailure(name, "gone")
		}
	}
	if len(q.awaited) == 0 {
		return append(packets, c.finish(q, "gone")...)
	}
	return packets
}

// left is told that a slave has left, who will not answer any more. The lock is held.
func (c *conn) left(packets [][]byte, channel, username string) [][]byte {
	for _, q := range append(questions(nil), c.open...) {
		switch {
		case q.channel != channel:
		case !q.gathers && q.to == username && q.to != "":
			packets = append(packets, c.finish(q, "gone")...)
		case q.awaited[username]:
			delete(q.awaited, username)
			q.addFailure(username, "gone")
			if len(q.awaited) == 0 {
				packets = append(packets, c.finish(q, "gone")...)
			}
		}
	}
	return packets
}

// leftAll is told that the seat in the channel is over. The lock is held.
func (c *conn) leftAll(packets [][]byte, channel string) [][]byte {
	for _, q := range append(questions(nil), c.open...) {
		if q.channel == channel {
			packets = append(packets, c.finish(q, "gone")...)
		}
	}
	return packets
}

// answered takes a message that answers a question of the socket, and reports false where it does
// not. The lock is held.
func (c *conn) answered(t *translation, data []byte, version int) (packets [][]byte, mine bool) {
	q := c.open.byNumber(t.channel, t.reply)
	if q == nil {
		return nil, false
	}
	frame := frames.Get().(*wire.Frame)
	defer release(frame)
	if wire.DecodeInto(frame, data) != nil {
		return nil, true
	}
	if q.gathers {
		delete(q.awaited, t.from)
		q.addAnswer(t, frame.Payload)
		if q.awaited != nil && len(q.awaited) == 0 {
			return c.finish(q, ""), true
		}
		if len(q.answers) > maxGathered {
			packets = c.finish(q, string(wire.ErrTooLarge.Code))
			if ref, ok := c.ref(pending{}); ok {
				c.giveLater(wire.Frame{Type: wire.Withdraw, Ref: ref, Channel: q.channel, Request: q.number})
			}
			return packets, true
		}
		return nil, true
	}
	c.open.remove(q)
	return answerPackets(q.id, t, frame.Payload, version), true
}

// answerPackets is the acknowledgement that is an answer.
func answerPackets(id uint64, t *translation, payload wire.Payload, version int) [][]byte {
	if payload.Kind == wire.FailedPayload {
		return [][]byte{append(append(appendNo(beginAck(id), t), '}'), ']')}
	}
	if payload.Kind != wire.BytesPayload {
		packet := append(beginAck(id), `{"ok":true,"from":`...)
		return [][]byte{append(append(appendAnswer(packet, t.from, payload), '}'), ']')}
	}
	packet := append(text(packetBinaryAck), '1', '-')
	packet = strconv.AppendUint(packet, id, 10)
	packet = append(packet, `[{"ok":true,"from":`...)
	packet = append(append(appendAnswer(packet, t.from, payload), '}'), ']')
	return [][]byte{packet, append(engineio.Binary(nil, version), payload.Data...)}
}

func appendAnswer(packet []byte, from string, payload wire.Payload) []byte {
	packet = jsontext.AppendQuoted(packet, from)
	packet = append(packet, `,"data":`...)
	return appendValue(packet, payload)
}

// appendNo appends an answer that says no, without the bracket at its end.
func appendNo(packet []byte, t *translation) []byte {
	packet = append(packet, `{"ok":false,"from":`...)
	packet = jsontext.AppendQuoted(packet, t.from)
	packet = append(packet, `,"error":`...)
	packet = jsontext.AppendQuoted(packet, t.code)
	packet = append(packet, `,"message":`...)
	return jsontext.AppendQuoted(packet, t.text)
}

// addAnswer adds one answer to those that are gathered. Bytes are in base64: among the attachments
// of one acknowledgement, whoever answers could write places for the bytes of others.
func (q *question) addAnswer(t *translation, payload wire.Payload) {
	q.begin()
	if payload.Kind == wire.FailedPayload {
		q.answers = append(appendNo(q.answers, t), '}')
		return
	}
	q.answers = append(q.answers, `{"from":`...)
	if payload.Kind == wire.BytesPayload {
		q.answers = jsontext.AppendQuoted(q.answers, t.from)
		q.answers = append(q.answers, `,"base64":"`...)
		q.answers = base64.StdEncoding.AppendEncode(q.answers, payload.Data)
		q.answers = append(q.answers, '"')
	} else {
		q.answers = appendAnswer(q.answers, t.from, payload)
	}
	q.answers = append(q.answers, '}')
}

// addFailure adds one who does not answer.
func (q *question) addFailure(from, code string) {
	q.begin()
	q.answers = append(q.answers, `{"from":`...)
	q.answers = jsontext.AppendQuoted(q.answers, from)
	q.answers = append(q.answers, `,"error":`...)
	q.answers = jsontext.AppendQuoted(q.answers, code)
	q.answers = append(q.answers, '}')
}

func (q *question) begin() {
	if q.count++; q.count > 1 {
		q.answers = append(q.answers, ',')
	}
}

// finish ends a question, with why those that are still awaited will not answer. It returns the
// acknowledgement, or none where the question has ended already. The lock is held.
func (c *conn) finish(q *question, why string) [][]byte {
	if !c.open.remove(q) {
		return nil
	}
	if !q.gathers {
		return [][]byte{refusal(q.id, true, why, "who was asked does not answer any more", q.channel)}
	}
	for name := range q.awaited {
		q.addFailure(name, why)
	}
	packet := append(beginAck(q.id), `{"ok":true,"answers":[`...)
	packet = append(packet, q.answers...)
	return [][]byte{append(packet, `]}]`...)}
}

func (all questions) byRef(ref uint64) *question {
	for _, q := range all {
		if q.ref == ref && q.number == 0 {
			return q
		}
	}
	return nil
}

func (all questions) byNumber(channel string, number uint64) *question {
	for _, q := range all {
		if q.number == number && q.channel == channel {
			return q
		}
	}
	return nil
}

func (all questions) has(q *question) bool {
	for _, other := range all {
		if other == q {
			return true
		}
	}
	return false
}

// remove drops a question, and reports whether it was there.
func (all *questions) remove(q *question) bool {
	for i, other := range *all {
		if other == q {
			*all = append((*all)[:i], (*all)[i+1:]...)
			if q.timer != nil {
				q.timer.Stop()
			}
			return true
		}
	}
	return false
}

// stop ends all questions, to which nobody waits for an answer any more.
func (all *questions) stop() {
	for _, q := range *all {
		if q.timer != nil {
			q.timer.Stop()
		}
	}
	*all = nil
}
