// Package outbox is the bounded queue of what waits to be written on one connection,
// and its writer: a goroutine that exists only while there is something to write.
//
// The package knows messages as bytes, and a connection as a transport.Conn. It does
// not know frames, members or channels.
package outbox

import (
	"errors"
	"sync"
	"time"

	"github.com/lectern-go/lectern/transport"
)

var (
	// ErrFull is the error of a push that would exceed the limits.
	ErrFull = errors.New("outbox: full")
	// ErrClosed is the error of a push after Close or Abort, or after a write has
	// failed.
	ErrClosed = errors.New("outbox: closed")
)

// Limits bound a Queue.
type Limits struct {
	// Messages and Bytes bound what waits. The batch that is being written does not
	// count. An empty queue accepts any message. Notices are bounded by Bytes alone;
	// each notice counts NoticeOverhead bytes beside its length.
	Messages int
	Bytes    int
	// Overflow is what happens when a message of a stream is over the limits.
	Overflow Overflow
	// WriteTimeout is how long one write may take. After it the connection is closed
	// with transport.Slow. Each transport.MinBytesPerSecond bytes that the peer takes put
	// that off by a second, but never to more than WriteTimeout from then. Once the
	// queue closes, nothing puts it off. Zero: there is no limit.
	WriteTimeout time.Duration
}

// Queue writes messages to one connection, in the order in which they were pushed. A
// batch is all that was pushed since the batch before, and goes into one write. Only
// the Queue writes to the connection and closes it. All methods are safe for concurrent
// use. Only Wait blocks.
//
// A pushed message is written after the next call of Flush or Start. Messages that are
// pushed before that call go into the same write.
type Queue struct {
	conn transport.Conn
	// goroutines counts the writer, a closing one, and a running timer.
	goroutines sync.WaitGroup

	mu sync.Mutex
	// writing is the write lock of the connection: one caller or goroutine writes, or
	// is about to write.
	writing bool
	// end is set by the first Close or Abort, or by a failed write. The queue accepts
	// nothing from then on.
	end *end
	// pending is what waits. Its memory is from batchPool.
	pending [][]byte
	// PushAll normally needs only the fields above. They lie together in memory for it.

	// bytes is the size of pending, with NoticeOverhead for each notice.
	bytes int
	// messages is how many of pending count as messages. Notices and gap markers do
	// not.
	messages int
	// firstBatch is the batch that the writer goroutine must write first: TryWrite could
	// not write it completely, or was not available.
	firstBatch [][]byte
	// writes is how many messages are being written, and thrown how many were accepted and
	// thrown away, because a write has failed or the queue was aborted.
	writes, thrown int32

	limits *Limits
	// watch closes the connection when a write takes too long. It is nil before the
	// first write that may.
	watch *watch
	// writer is the method runWriter, kept because it would be allocated for each
	// goroutine. It is nil before the first one.
	writer func()
	// extra has the fields that few queues need. It is nil until the first need.
	extra *extra
}

// extra saves 56 bytes in the queues that need none of its fields.
type extra struct {
	// infos has an entry for each of pending. It is nil before the first PushStream.
	infos []messageInfo
	// dropped counts the messages that were dropped since TakeDropped.
	dropped uint64
	// room is closed when what waits has been taken for writing, or was thrown away
	// because the queue closes.
	room chan struct{}
	// expiring are those of pending that expire, in their order, and first those of firstBatch.
	expiring, first []waitingExpiring
	// together is how many messages firstBatch stands for beside its frames: they have expired,
	// and the frame of another one tells of them.
	together int
	// exempt is how much of the queue does not count in the limits: a replay that was
	// accepted as a whole. It is zero again once the queue has been empty.
	exempt struct{ messages, bytes int }
	// marks are of those that may be replaced (marks.go), and marked is how many of these
	// wait, of markedBytes. holes is how many of pending are nil, where one was taken out.
	marks       map[Mark]*mark
	marked      int
	markedBytes int
	holes       int
}

// NoticeOverhead is how many bytes a notice counts in Limits.Bytes beside its length,
// so that the number of notices is bounded too.
const NoticeOverhead = 64

// New returns the queue for the connection. From now on only the queue may write to the
// connection or close it. Queues may share the limits, which must not change.
func New(conn transport.Conn, limits *Limits) *Queue {
	return &Queue{conn: conn, limits: limits}
}

// Push queues the message, which must not change any more. Where the error is ErrFull
// or ErrClosed, the message was not queued.
func (q *Queue) Push(message []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.push(message)
}

// push is Push under the lock.
func (q *Queue) push(message []byte) error {
	switch {
	case q.end != nil:
		return ErrClosed
	case q.full(len(message)):
		return ErrFull
	}
	q.messages++
	q.add(message, messageInfo{})
	return nil
}

// PushAccepted is Push for a message that was accepted before, when Full returned false
// for it. It counts in the limits, but is not refused for them. The error is nil or
// ErrClosed.
func (q *Queue) PushAccepted(message []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushAccepted(message)
}

// pushAccepted is PushAccepted under the lock.
func (q *Queue) pushAccepted(message []byte) error {
	if q.end != nil {
		return ErrClosed
	}
	q.messages++
	q.add(message, messageInfo{})
	return nil
}

// PushNotice is Push for a notice: a frame that is not a message. It does not count in
// Limits.Messages. Where it has no room, messages of streams are dropped for it, unless
// the Overflow is Refuse.
func (q *Queue) PushNotice(notice []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return ErrClosed
	}
	for q.noticeFull(len(notice)) {
		if q.limits.Overflow == Refuse || !q.dropOldest() {
			return ErrFull
		}
	}
	q.bytes += NoticeOverhead
	q.add(notice, messageInfo{})
	return nil
}

// PushAcceptedNotice is PushNotice for a notice that the caller has found room for, by
// Notices. It counts in the limits, but is not refused for them. The error is nil or
// ErrClosed.
func (q *Queue) PushAcceptedNotice(notice []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return ErrClosed
	}
	q.bytes += NoticeOverhead
	q.add(notice, messageInfo{})
	return nil
}

// Notices is how many notices wait to be written, and how many bytes wait that count in
// the limits.
func (q *Queue) Notices() (notices, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, exempt := q.exempt()
	marked, holes := q.marked()
	return len(q.pending) - q.messages - marked - holes, q.bytes - exempt
}

// NoticeFull reports whether the queue has no room for a notice of that size.
func (q *Queue) NoticeFull(size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.noticeFull(size)
}

func (q *Queue) noticeFull(size int) bool {
	_, bytes := q.exempt()
	return len(q.pending) > 0 && q.bytes+size+NoticeOverhead > q.limits.Bytes+bytes
}

// PushExempt queues a message that does not count in the limits. It is for a replay,
// which has bounds of its own and must be delivered as a whole.
func (q *Queue) PushExempt(message []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pushExempt(message)
}

// pushExempt is PushExempt under the lock.
func (q *Queue) pushExempt(message []byte) error {
	if q.end != nil {
		return ErrClosed
	}
	exempt := &q.needExtra().exempt
	exempt.messages++
	exempt.bytes += len(message)
	q.messages++
	q.add(message, messageInfo{})
	return nil
}

// Full reports whether the queue would have no room for a message of that size, after so
// many other messages of so many bytes that are in flight to the queue.
func (q *Queue) Full(size, messages, bytes int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fullBehind(size, messages, bytes)
}

// Waiting is how much waits to be written. The messages include notices and gap markers.
func (q *Queue) Waiting() (messages, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, holes := q.marked()
	return len(q.pending) - holes, q.bytes
}

// Depth is Waiting without what is exempt from the limits because it may be replaced.
func (q *Queue) Depth() (messages, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	marked, holes := q.marked()
	if marked == 0 {
		return len(q.pending) - holes, q.bytes
	}
	return len(q.pending) - marked - holes, q.bytes - q.extra.markedBytes
}

// Drop removes the frames that wait and match, also those of a replay. message tells
// whether a frame that matches is a message, and no notice. What has been taken for writing
// stays. match is called under the queue's lock. It must not block, and must not call the
// queue. Of a replay, what is counted is right again once the queue has been empty.
func (q *Queue) Drop(match func(frame []byte) (match, message bool)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closeHoles()
	defer q.findMarks()
	kept := q.pending[:0]
	var infos []messageInfo
	if q.extra != nil {
		infos = q.extra.infos[:0]
	}
	for i, frame := range q.pending {
		matches, message := match(frame)
		if matches {
			q.forgetExpiring(len(kept), true)
		}
		if !matches {
			kept = append(kept, frame)
			if q.extra != nil && q.extra.infos != nil {
				infos = append(infos, q.extra.infos[i])
			}
			continue
		}
		q.bytes -= len(frame)
		switch {
		case q.extra != nil && q.extra.infos != nil && q.extra.infos[i].mark != nil:
			q.extra.exempt.bytes -= len(frame)
			q.extra.markedBytes -= len(frame)
			q.extra.marked--
			delete(q.extra.marks, q.extra.infos[i].mark.of)
		case q.extra != nil && q.extra.infos != nil && q.extra.infos[i].missed > 0: // a gap marker
		case message:
			q.messages--
		default:
			q.bytes -= NoticeOverhead
		}
	}
	clear(q.pending[len(kept):])
	q.pending = kept
	if q.extra != nil && q.extra.infos != nil {
		q.extra.infos = infos
	}
	if len(kept) == 0 {
		putBatch(q.pending)
		q.reset()
	}
}

// Unwritten is how many of the messages that were accepted were not written to the
// connection, or not completely as far as is known: those that wait, those that are being
// written, and those that were thrown away at the queue's end. Notices count too, and
// gap markers, but not what was dropped of streams.
func (q *Queue) Unwritten() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	marked, holes := q.marked()
	unwritten := len(q.pending) - marked - holes + len(q.firstBatch) + int(q.writes+q.thrown)
	if q.extra != nil {
		unwritten += q.extra.together
	}
	return unwritten
}

// Room returns nil where nothing waits. Otherwise it returns a channel that is closed
// when what waits at present has been taken for writing, or was thrown away because the
// queue closes.
func (q *Queue) Room() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) == 0 {
		return nil
	}
	extra := q.needExtra()
	if extra.room == nil {
		extra.room = make(chan struct{})
	}
	return extra.room
}

func (q *Queue) full(size int) bool { return q.fullBehind(size, 0, 0) }

func (q *Queue) fullBehind(size, messages, bytes int) bool {
	messages += q.messages
	exemptMessages, exemptBytes := q.exempt()
	return messages > 0 &&
		(messages >= q.limits.Messages+exemptMessages || q.bytes+bytes+size > q.limits.Bytes+exemptBytes)
}

// exempt is how much of the queue does not count in the limits.
func (q *Queue) exempt() (messages, bytes int) {
	if q.extra == nil {
		return 0, 0
	}
	return q.extra.exempt.messages, q.extra.exempt.bytes
}

// needExtra returns the extra, and makes it first where there is none.
func (q *Queue) needExtra() *extra {
	if q.extra == nil {
		q.extra = new(extra)
	}
	return q.extra
}

// add appends what is pushed to pending.
func (q *Queue) add(message []byte, m messageInfo) {
	if q.pending == nil {
		q.pending = getBatch()
	}
	q.pending = append(q.pending, message)
	q.bytes += len(message)
	if q.extra != nil && q.extra.infos != nil {
		q.extra.infos = append(q.extra.infos, m)
	}
}

// throwAway empties the queue, whose messages will not be written.
func (q *Queue) throwAway() {
	marked, holes := q.marked()
	q.thrown += int32(len(q.pending) - marked - holes)
	q.reset()
}

// reset empties the queue: what was pending has been taken, or is thrown away.
func (q *Queue) reset() {
	q.pending = nil
	q.bytes = 0
	q.messages = 0
	extra := q.extra
	if extra == nil {
		return
	}
	extra.exempt.messages, extra.exempt.bytes = 0, 0
	extra.expiring = nil
	extra.infos = extra.infos[:0]
	extra.marks, extra.marked, extra.markedBytes, extra.holes = nil, 0, 0, 0
	if extra.room != nil {
		close(extra.room)
		extra.room = nil
	}
}
