// Package outbox is the bounded queue of what waits to be written on one
// connection, and its writer: a goroutine that exists only while there is
// something to write.
package outbox

import (
	"errors"
	"sync"
	"time"

	"github.com/lectern-go/lectern/transport"
)

var (
	// ErrFull is the error of a Push that would exceed the limits.
	ErrFull = errors.New("outbox: full")
	// ErrClosed is the error of a Push after Close or Abort, or after a write
	// has failed.
	ErrClosed = errors.New("outbox: closed")
)

// Limits bound a Queue.
type Limits struct {
	// Messages and Bytes bound what waits, the batch that is being written
	// excepted. A message into an empty queue is always taken. Notices are
	// bounded by Bytes alone, in which each counts for NoticeOverhead more than
	// it is long.
	Messages int
	Bytes    int
	// Overflow is what happens to a message of a stream that is over the limits.
	Overflow Overflow
	// WriteTimeout is how long one write may take; the connection is then
	// closed with transport.Slow. Zero: for ever.
	WriteTimeout time.Duration
}

// Queue writes messages to one connection in the order in which they were
// pushed, in batches of what has gathered meanwhile. It is the connection's one
// writer, and the one that closes it. All methods are safe for concurrent use;
// none but Wait blocks.
//
// What is pushed is written once somebody calls Flush or Start after it. In
// between, more can be pushed that goes into the same write.
type Queue struct {
	conn transport.Conn
	// goroutines counts the writer, a closing one, and a running timer.
	goroutines sync.WaitGroup

	mu sync.Mutex
	// writing: somebody writes, or is about to.
	writing bool
	// end is set by the first Close or Abort, or by a failed write; nothing is
	// taken from then on.
	end *end
	// pending has its space from batches.
	pending [][]byte
	// PushAll needs no more than the fields above, which lie together for it.

	bytes int
	// messages is how many of pending count as messages: neither notices nor
	// gap markers do.
	messages int
	// begun is what TryWrite could not write to its end: what a writer has to
	// begin with.
	begun [][]byte

	limits *Limits
	timer  *time.Timer
	// writer is the method write, which would be allocated for each goroutine; nil
	// before the first.
	writer func()
	// extra is what few queues need; nil before one does.
	extra *extra
}

// extra takes 56 bytes off the queues that need nothing of it.
type extra struct {
	// marks has an entry for each of pending, once a stream has been pushed.
	marks []mark
	// dropped counts since TakeDropped.
	dropped uint64
	// room is closed when the writer has taken what waits, or the queue closes.
	room chan struct{}
	// exempt is how much of the queue the limits do not count until the queue
	// has been empty: a replay that was let in as a whole.
	exempt struct{ messages, bytes int }
}

// end is how a queue closes.
type end struct {
	reason  transport.Reason
	aborted bool
	closed  bool // the connection is closed
	// lingering runs from a failed write until the connection is closed.
	lingering *time.Timer
}

// NoticeOverhead is what a notice costs in Limits.Bytes beyond its length, so
// that their number is bounded too.
const NoticeOverhead = 64

// readerWait is how long after a failed write the connection stays open for its
// reader, which has normally found out at once.
const readerWait = time.Second

// smallBatch is how many messages there is space for in what batches lends. What
// grows beyond is not used again, so that a burst does not stay in memory.
const smallBatch = 8

// batches lends the space for what waits: a queue in which nothing does has none.
var batches = sync.Pool{New: func() any { return new([smallBatch][]byte) }}

// New is the queue for the connection. Nothing but the queue may write to it or
// close it from now on. The limits may be shared, and must not change.
func New(conn transport.Conn, limits *Limits) *Queue {
	return &Queue{conn: conn, limits: limits}
}

// Push queues the message, which must not change any more. The error is ErrFull
// or ErrClosed; the message is then dropped.
func (q *Queue) Push(message []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.end != nil:
		return ErrClosed
	case q.full(len(message)):
		return ErrFull
	}
	q.messages++
	q.add(message, mark{})
	return nil
}

// PushAccepted is Push for a message that was let in before, when Full said that
// there is room: it counts, but is not refused any more.
func (q *Queue) PushAccepted(message []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return ErrClosed
	}
	q.messages++
	q.add(message, mark{})
	return nil
}

// PushNotice is Push for what is not a message, but tells about them: it does
// not take a message's place, and messages of streams make way for it.
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
	q.add(notice, mark{})
	return nil
}

// NoticeFull reports whether a notice of that size would be too much.
func (q *Queue) NoticeFull(size int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.noticeFull(size)
}

func (q *Queue) noticeFull(size int) bool {
	_, bytes := q.exempt()
	return len(q.pending) > 0 && q.bytes+size+NoticeOverhead > q.limits.Bytes+bytes
}

// PushExempt queues messages that the limits shall not count: a replay, which
// has bounds of its own and must get through as a whole.
func (q *Queue) PushExempt(message []byte) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return ErrClosed
	}
	exempt := &q.rare().exempt
	exempt.messages++
	exempt.bytes += len(message)
	q.messages++
	q.add(message, mark{})
	return nil
}

// Full reports whether the queue would refuse a message of that size behind so
// many others of so many bytes that are on their way to it.
func (q *Queue) Full(size, messages, bytes int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.fullBehind(size, messages, bytes)
}

// Waiting is how much waits to be written, in messages and bytes.
func (q *Queue) Waiting() (messages, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.pending), q.bytes
}

// Room returns nil where nothing waits, else a channel that is closed when the
// writer has taken what waits at present, or the queue is closed.
func (q *Queue) Room() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) == 0 {
		return nil
	}
	extra := q.rare()
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

// exempt is how much the limits do not count.
func (q *Queue) exempt() (messages, bytes int) {
	if q.extra == nil {
		return 0, 0
	}
	return q.extra.exempt.messages, q.extra.exempt.bytes
}

// rare returns the extra.
func (q *Queue) rare() *extra {
	if q.extra == nil {
		q.extra = new(extra)
	}
	return q.extra
}

func (q *Queue) add(message []byte, m mark) {
	if q.pending == nil {
		q.pending = borrow()
	}
	q.pending = append(q.pending, message)
	q.bytes += len(message)
	if q.extra != nil && q.extra.marks != nil {
		q.extra.marks = append(q.extra.marks, m)
	}
}

// cleared is told that nothing waits any more.
func (q *Queue) cleared() {
	q.pending = nil
	q.bytes = 0
	q.messages = 0
	extra := q.extra
	if extra == nil {
		return
	}
	extra.exempt.messages, extra.exempt.bytes = 0, 0
	extra.marks = extra.marks[:0]
	if extra.room != nil {
		close(extra.room)
		extra.room = nil
	}
}
