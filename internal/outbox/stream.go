package outbox

import "slices"

// Overflow is what happens to the messages of streams when they are over the
// limits.
type Overflow uint8

const (
	// Refuse: a message over the limits is refused with ErrFull.
	Refuse Overflow = iota
	// DropOldest: the oldest of the streams' messages make room.
	DropOldest
	// DropNewest: the message over the limits is dropped.
	DropNewest
)

// Stream is what droppable messages belong to. It writes down what was dropped.
type Stream interface {
	// Gap is the message that tells, in their place, how many of the stream's
	// messages are missing. It is called under the queue's lock and must not
	// block or call the queue.
	Gap(missed uint64) []byte
}

// mark is what is known of a message that waits: its stream, where it may be
// dropped, and how many are missing, where it is a gap marker.
type mark struct {
	stream Stream
	missed uint64
}

// PushStream is Push for a message that may be dropped: over the limits, one is
// dropped as Limits.Overflow says, and a marker in its place tells of it.
func (q *Queue) PushStream(message []byte, stream Stream) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return ErrClosed
	}
	if extra := q.rare(); extra.marks == nil {
		extra.marks = make([]mark, len(q.pending), cap(q.pending)+1)
	}
	for q.full(len(message)) {
		switch q.limits.Overflow {
		case DropNewest:
			q.missAtEnd(stream)
			return nil
		case DropOldest:
			if q.dropOldest() {
				continue
			}
		}
		return ErrFull
	}
	q.messages++
	q.add(message, mark{stream: stream})
	return nil
}

// TakeDropped returns how many messages were dropped since it was called last.
func (q *Queue) TakeDropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.extra == nil {
		return 0
	}
	dropped := q.extra.dropped
	q.extra.dropped = 0
	return dropped
}

// dropOldest puts a gap marker in the place of the oldest message that may be
// dropped. Nothing of the streams stands before it but gap markers, so one of
// the same stream takes it in.
func (q *Queue) dropOldest() bool {
	if q.extra == nil {
		return false
	}
	marks := q.extra.marks
	i := slices.IndexFunc(marks, func(m mark) bool { return m.stream != nil && m.missed == 0 })
	if i < 0 {
		return false
	}
	stream := marks[i].stream
	if j := q.markerOf(stream, 0, i); j >= 0 {
		q.miss(j)
		q.messages--
		q.bytes -= len(q.pending[i])
		q.pending = slices.Delete(q.pending, i, i+1)
		q.extra.marks = slices.Delete(marks, i, i+1)
		return true
	}
	q.messages--
	q.miss(i)
	return true
}

// missAtEnd marks one more message of the stream as missing behind all others.
func (q *Queue) missAtEnd(stream Stream) {
	marks := q.extra.marks
	first := len(marks)
	for first > 0 && marks[first-1].missed > 0 {
		first--
	}
	if j := q.markerOf(stream, first, len(marks)); j >= 0 {
		q.miss(j)
		return
	}
	q.add(nil, mark{stream: stream})
	q.miss(len(marks))
}

// markerOf finds the gap marker of the stream among marks[from:to].
func (q *Queue) markerOf(stream Stream, from, to int) int {
	marks := q.extra.marks
	for i := from; i < to; i++ {
		if marks[i].stream == stream && marks[i].missed > 0 {
			return i
		}
	}
	return -1
}

// miss counts one more missing message at a gap marker, or makes the message
// there a marker.
func (q *Queue) miss(i int) {
	mark := &q.extra.marks[i]
	q.extra.dropped++
	mark.missed++
	q.bytes -= len(q.pending[i])
	q.pending[i] = mark.stream.Gap(mark.missed)
	q.bytes += len(q.pending[i])
}
