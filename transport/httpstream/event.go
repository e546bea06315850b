package httpstream

import (
	"encoding/base64"
	"math/bits"
	"strconv"
	"sync"
)

// What goes to a client is a stream of events in the format of Server-Sent Events. A message is
// one with an id; the others are the connection's own and have none.
const (
	openEvent  = "event: open\ndata: {}\n\n"
	probeEvent = "event: probe\ndata: {}\n\n"
	// nothingYet is a comment: no event.
	nothingYet = ": nothing yet\n\n"

	closeHead = "event: close\ndata: "
	eventTail = "\n\n"
)

func closeEvent(f farewell) string { return closeHead + string(f.json()) + eventTail }

// An event is a message as it goes over the wire, of which parts can be had.
type event struct {
	message  []byte
	room     [48]byte // for the head
	headSize int
	text     bool
}

// eventHead is more than what an event has beside its message, but for the end.
const eventHead = len(event{}.room)

func (e *event) set(id uint64, message []byte) {
	e.message, e.text = message, isText(message)
	head := strconv.AppendUint(append(e.room[:0], "id: "...), id, 10)
	if !e.text {
		head = append(head, "\nevent: binary"...)
	}
	e.headSize = len(append(head, "\ndata: "...))
}

func (e *event) head() []byte { return e.room[:e.headSize] }

// bodySize is the size in bytes of the message in the event.
func (e *event) bodySize() int {
	if e.text {
		return len(e.message)
	}
	return base64.StdEncoding.EncodedLen(len(e.message))
}

func (e *event) size() int { return e.headSize + e.bodySize() + len(eventTail) }

// eventSize is the size in bytes of the event that the message would be, the same for all
// ids of as many digits.
func eventSize(id uint64, message []byte) int {
	var e event
	e.set(id, message)
	return e.size()
}

// leastPart is how many bytes appendPart needs room for to have an effect.
const leastPart = 4

// appendPart appends what comes behind the first offset bytes of the event, as far as it fits
// into dst, and returns the new offset. A part of a message in base64 ends between groups of it.
func (e *event) appendPart(dst []byte, offset int) ([]byte, int) {
	free := cap(dst) - len(dst)
	if offset < e.headSize {
		n := min(free, e.headSize-offset)
		dst = append(dst, e.head()[offset:offset+n]...)
		offset, free = offset+n, free-n
		if offset < e.headSize {
			return dst, offset
		}
	}
	body := e.bodySize()
	if at := offset - e.headSize; at < body {
		n := min(free, body-at)
		if e.text {
			dst = append(dst, e.message[at:at+n]...)
		} else {
			n -= n % 4
			dst = base64.StdEncoding.AppendEncode(dst, e.message[at/4*3:min((at+n)/4*3, len(e.message))])
		}
		offset, free = offset+n, free-n
	}
	if at := offset - e.headSize - body; at >= 0 {
		n := min(free, len(eventTail)-at)
		dst = append(dst, eventTail[at:at+n]...)
		offset += n
	}
	return dst, offset
}

// What is to be written is put together in buffers that are lent: small ones, as a single message
// takes, and larger ones.
const (
	smallEvents = 2 << 10
	largeEvents = 16 << 10
	// mostAtOnce is the size in bytes that the answer to a poll may have, and not by one message.
	mostAtOnce = 64 << 10
)

type eventBuffer struct {
	data []byte
	pool *sync.Pool
}

var (
	smallBuffers = sync.Pool{New: func() any { return &eventBuffer{data: make([]byte, smallEvents)} }}
	largeBuffers = sync.Pool{New: func() any { return &eventBuffer{data: make([]byte, largeEvents)} }}
)

// lendBuffer returns one that has room for so many bytes, or the largest there is.
func lendBuffer(size int) *eventBuffer {
	pool := &smallBuffers
	if size > smallEvents-chunkRoom {
		pool = &largeBuffers
	}
	b := pool.Get().(*eventBuffer)
	b.pool = pool
	return b
}

func (b *eventBuffer) giveBack() { b.pool.Put(b) }

// A chunk of HTTP/1.1 is its size in hexadecimal digits, and what it holds, each with the end of a
// line behind it.
const (
	chunkHead = 6 // digits enough for largeEvents
	chunkTail = 2
	chunkRoom = chunkHead + chunkTail
	lastChunk = "0\r\n\r\n"
)

// asChunk makes a chunk of buffer[chunkHead:], behind which there is room for its tail.
func asChunk(buffer []byte) []byte {
	size := len(buffer) - chunkHead
	digits := max((bits.Len(uint(size))+3)/4, 1)
	start := chunkHead - 2 - digits
	head := strconv.AppendUint(buffer[start:start], uint64(size), 16)
	_ = append(head, "\r\n"...)
	return append(buffer, "\r\n"...)[start:]
}
