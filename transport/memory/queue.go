package memory

import (
	"math/bits"
	"sync"

	"github.com/lectern-go/lectern/transport"
)

// queue is one direction of a connection: the messages that were written and
// not yet read. It is covered by the lock of its pipe.
type queue struct {
	changed     sync.Cond // its L is the pipe's lock
	first, last *message
	count, size int

	// reader is started on each change, where it is not nil.
	reader *reader

	// end is what the reader gets after the last message; nil while there may
	// be more.
	end *transport.CloseError
	// refused is what the writer gets once nobody will read any more.
	refused *transport.CloseError
}

// hasRoom reports whether a message of size bytes may be queued.
func (q *queue) hasRoom(size int, most *capacity) bool {
	return q.count == 0 || q.count < most.messages && q.size+size <= most.bytes
}

// change tells those who wait that there is something new.
func (q *queue) change() {
	q.changed.Broadcast()
	if q.reader != nil {
		q.reader.start()
	}
}

func (q *queue) push(m *message) {
	if q.last == nil {
		q.first = m
	} else {
		q.last.next = m
	}
	q.last = m
	q.count++
	q.size += len(m.data)
	q.change()
}

// pop takes the first message out; the queue must not be empty.
func (q *queue) pop() *message {
	m := q.first
	q.first, m.next = m.next, nil
	if q.first == nil {
		q.last = nil
	}
	q.count--
	q.size -= len(m.data)
	q.change()
	return m
}

// drop throws the messages away.
func (q *queue) drop() {
	for q.first != nil {
		q.pop().release()
	}
}

// message is one message, in a buffer that is used again.
type message struct {
	next     *message
	data     []byte
	tooLarge bool // over any limit that its reader can have, and therefore without data
}

// The buffers come in powers of two, so that none is more than twice as large as
// what is in it, apart from the smallest.
const (
	smallestClass = 6  // 64 bytes
	largestClass  = 18 // 256 KiB; what is larger is not used again
)

var free [largestClass + 1]sync.Pool

// newMessage returns a message with a copy of data.
func newMessage(data []byte) *message {
	class := max(bits.Len(uint(max(len(data)-1, 0))), smallestClass)
	if class > largestClass {
		return &message{data: append([]byte(nil), data...)}
	}
	m, ok := free[class].Get().(*message)
	if !ok {
		m = &message{data: make([]byte, 0, 1<<class)}
	}
	m.data = append(m.data, data...)
	return m
}

// release gives the buffer back; nobody may use its data any more.
func (m *message) release() {
	class := bits.Len(uint(max(cap(m.data)-1, 0)))
	if class < smallestClass || class > largestClass || cap(m.data) != 1<<class {
		return
	}
	m.data = m.data[:0]
	free[class].Put(m)
}
