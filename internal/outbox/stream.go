package outbox

import "slices"

// Overflow is what happens when a message of a stream is over the limits.
type Overflow uint8

const (
	// Refuse refuses the message with ErrFull.
	Refuse Overflow = iota
	// DropOldest drops the oldest messages of streams, to make room.
	DropOldest
	// DropNewest drops the message itself.
	DropNewest
)

// Stream is a sequence of messages that may be dropped. A gap marker takes the place of
// dropped messages.
type Stream interface {
	// Gap returns a gap marker: a frame that tells how many messages of the stream are
	// missing in its place. Gap is called under the queue's lock. It must not block,
	// and must not call the queue.
	Gap(missed uint64) []byte
}

// messageInfo is what the queue knows about a message that waits. The stream is nil
// where the message may not be dropped. missed is how many messages are missing in the
// place of a gap marker, and zero for everything else.
type messageInfo struct {
	stream Stream
	missed uint64
	// mark is that of a message that may be replaced, or nil.
	mark *mark
}

// PushStream is Push for a message of a stream. Where it is over the limits, messages
// are dropped as Limits.Overflow says, and a gap marker takes their place.
func (q *Queue) PushStream(message []byte, stream Stream) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, err := q.pushStream(message, stream)
	return err
}

// pushStream is PushStream under the lock. It reports whether the message itself was queued.
func (q *Queue) pushStream(message []byte, stream Stream) (queued bool, err error) {
	if q.end != nil {
		return false, ErrClosed
	}
	if extra := q.needExtra(); extra.infos == nil {
		extra.infos = make([]messageInfo, len(q.pending), cap(q.pending)+1)
	}
	for q.full(len(message)) {
		switch q.limits.Overflow {
		case DropNewest:
			q.dropNewest(stream)
			return false, nil
		case DropOldest:
			if q.dropOldest() {
				continue
			}
		}
		return false, ErrFull
	}
	q.messages++
	q.add(message, messageInfo{stream: stream})
	return true, nil
}

// TakeDropped returns how many messages were dropped since the last call.
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

// dropOldest drops the oldest message that may be dropped, and reports whether there
// was one. Before that message there are no other messages of streams, only gap
// markers. So where there is a gap marker of the same stream, it counts the message.
// Otherwise a new gap marker takes the message's place.
func (q *Queue) dropOldest() bool {
	if q.extra == nil {
		return false
	}
	infos := q.extra.infos
	i := slices.IndexFunc(infos, func(m messageInfo) bool { return m.stream != nil && m.missed == 0 })
	if i < 0 {
		return false
	}
	stream := infos[i].stream
	if j := q.findMarker(stream, 0, i); j >= 0 {
		q.countMissing(j)
		q.messages--
		q.bytes -= len(q.pending[i])
		q.pending = slices.Delete(q.pending, i, i+1)
		q.forgetExpiring(i, true)
		q.extra.infos = slices.Delete(infos, i, i+1)
		q.findMarks()
		return true
	}
	q.messages--
	q.forgetExpiring(i, false)
	q.countMissing(i)
	return true
}

// dropNewest counts one more missing message of the stream, in a gap marker at the end
// of the queue.
func (q *Queue) dropNewest(stream Stream) {
	infos := q.extra.infos
	first := len(infos)
	for first > 0 && infos[first-1].missed > 0 {
		first--
	}
	if j := q.findMarker(stream, first, len(infos)); j >= 0 {
		q.countMissing(j)
		return
	}
	q.add(nil, messageInfo{stream: stream})
	q.countMissing(len(infos))
}

// findMarker finds the gap marker of the stream among infos[from:to].
func (q *Queue) findMarker(stream Stream, from, to int) int {
	infos := q.extra.infos
	for i := from; i < to; i++ {
		if infos[i].stream == stream && infos[i].missed > 0 {
			return i
		}
	}
	return -1
}

// countMissing counts one more missing message in the gap marker at index i. Where there
// is a message at i, it becomes the gap marker.
func (q *Queue) countMissing(i int) {
	info := &q.extra.infos[i]
	q.extra.dropped++
	info.missed++
	q.bytes -= len(q.pending[i])
	q.pending[i] = info.stream.Gap(info.missed)
	q.bytes += len(q.pending[i])
}
