package outbox

import (
	"time"

	"github.com/lectern-go/lectern/transport"
)

// maxFlushes is how many batches a call of Flush writes before it leaves what
// has gathered meanwhile to a goroutine.
const maxFlushes = 2

// Start has a goroutine write what waits, unless something is being written: it
// then goes along. It does nothing itself, and may be called under locks.
func (q *Queue) Start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) > 0 {
		q.startWriter()
	}
}

// Flush writes what waits as far as that is possible without waiting for the
// peer, and leaves the rest to a goroutine; it reports whether one has something to
// do. Where the connection is no
// transport.TryWriter, it is Start. It makes system calls: it is not for callers
// that hold a lock.
//
// Against a goroutine for each write, it saves each receiver of a message an
// allocation, and a single broadcast to 1,000 a sixth of its processor time.
func (q *Queue) Flush() (left bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flush()
	return q.writing
}

func (q *Queue) flush() {
	if q.writing || len(q.pending) == 0 {
		return
	}
	conn, ok := q.conn.(transport.TryWriter)
	if !ok {
		q.begun = q.take() // and no longer in the way of what is pushed next
		q.startWriter()
		return
	}
	q.beginWriting()
	for range maxFlushes {
		if len(q.pending) == 0 {
			break
		}
		batch := q.take()
		if !q.try(conn, batch) {
			q.begun = batch
			break
		}
		putBack(batch)
	}
	q.endFlush()
}

// PushAll is Push for several messages and Flush after them, as one step: where
// nothing waits before them, they do not touch the queue. It returns how many of
// the messages were taken, and as Flush whether a goroutine has something to do; the
// error is ErrFull or ErrClosed where not all were taken. The slice remains the
// caller's.
func (q *Queue) PushAll(messages [][]byte) (taken int, left bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.writing && q.end == nil && len(q.pending) == 0 {
		q.beginWriting()
		if conn, ok := q.conn.(transport.TryWriter); !ok || !q.try(conn, messages) {
			q.begun = append(borrow(), messages...)
		}
		q.endFlush()
		return len(messages), q.writing, nil
	}
	for taken < len(messages) && err == nil {
		message := messages[taken]
		if q.full(len(message)) {
			q.flush() // nobody may have done so yet
		}
		switch {
		case q.end != nil:
			err = ErrClosed
		case q.full(len(message)):
			err = ErrFull
		default:
			taken++
			q.messages++
			q.add(message, mark{})
		}
	}
	q.flush()
	return taken, q.writing, err
}

// try is TryWrite. The lock is held, and is released meanwhile.
func (q *Queue) try(conn transport.TryWriter, batch [][]byte) bool {
	q.mu.Unlock()
	defer q.mu.Lock()
	return conn.TryWrite(batch...)
}

// endFlush gives up the writing, or has a goroutine go on with what is left.
func (q *Queue) endFlush() {
	q.writing = false
	if len(q.begun) > 0 || len(q.pending) > 0 || q.end != nil {
		q.startWriter()
	}
	q.goroutines.Done()
}

// beginWriting is called by who writes from now on, who calls goroutines.Done at
// the end.
func (q *Queue) beginWriting() {
	q.writing = true
	q.goroutines.Add(1)
}

func (q *Queue) startWriter() {
	if q.writing {
		return
	}
	q.beginWriting()
	if q.writer == nil {
		q.writer = q.write
	}
	go q.writer()
}

// take takes all that waits.
func (q *Queue) take() [][]byte {
	batch := q.pending
	q.cleared()
	return batch
}

// borrow returns an empty batch, for putBack.
func borrow() [][]byte { return batches.Get().(*[smallBatch][]byte)[:0] }

// putBack forgets a batch that was written.
func putBack(batch [][]byte) {
	clear(batch)
	if cap(batch) == smallBatch {
		batches.Put((*[smallBatch][]byte)(batch[:smallBatch]))
	}
}

// Close closes the connection with the reason once what was pushed before has
// been written, each write within the limits' WriteTimeout. Only the first of
// Close and Abort counts, except that Abort hurries a Close on.
func (q *Queue) Close(reason transport.Reason) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return
	}
	q.end = &end{reason: reason}
	q.startWriter()
}

// Abort closes the connection with the reason at once. What waits is dropped.
func (q *Queue) Abort(reason transport.Reason) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end == nil {
		q.end = &end{reason: reason}
	}
	if q.end.aborted || q.end.closed {
		return
	}
	q.end.aborted = true
	if q.end.lingering != nil && q.end.lingering.Stop() {
		q.goroutines.Done()
	}
	q.cleared()
	if !q.writing {
		q.startWriter()
		return
	}
	// The writer may be stuck in a write; only Close unblocks it.
	q.goroutines.Add(1)
	go func() {
		defer q.goroutines.Done()
		_ = q.conn.Close(q.end.reason)
	}()
}

// Wait returns when the connection is closed and the queue's goroutines are
// gone. Close or Abort must have been called.
func (q *Queue) Wait() { q.goroutines.Wait() }

// write is the writer's goroutine. It takes all that waits, writes it, and ends
// when nothing waits any more; the last one closes the connection.
func (q *Queue) write() {
	defer q.goroutines.Done()
	q.mu.Lock()
	defer q.mu.Unlock()
	failed := false
	for len(q.begun) > 0 || len(q.pending) > 0 {
		batch := q.begun
		if q.begun = nil; len(batch) == 0 {
			batch = q.take()
		}
		// Nothing is pushed any more once the queue is closing: this is the last.
		last := q.end
		if len(q.pending) > 0 {
			last = nil
		}
		q.mu.Unlock()
		err := q.writeInTime(batch, last)
		putBack(batch)
		q.mu.Lock()
		if err != nil {
			// There is no use in taking more. The reader finds out as well and
			// aborts the queue; to close the connection before would throw away
			// what the peer has sent before it closed, and why it did.
			q.cleared()
			if q.end == nil {
				q.end = &end{reason: transport.Reason{Code: transport.Slow, Text: "writing failed"}}
				failed = true
			}
		}
	}
	q.writing = false
	if failed && !q.end.aborted {
		q.goroutines.Add(1)
		q.end.lingering = time.AfterFunc(readerWait, func() {
			defer q.goroutines.Done()
			q.Abort(q.end.reason)
		})
		return
	}
	if q.end != nil {
		q.writing = true // nobody may start another one
		q.mu.Unlock()
		_ = q.conn.Close(q.end.reason)
		q.mu.Lock()
		q.end.closed = true
	}
}

// writeInTime writes the batch, and closes the connection with transport.Slow
// where that takes longer than it may. Where this is the last batch, the end being
// what follows, the connection is closed with it if it can do the two at once.
func (q *Queue) writeInTime(batch [][]byte, last *end) error {
	if q.limits.WriteTimeout > 0 {
		q.goroutines.Add(1)
		if q.timer == nil {
			q.timer = time.AfterFunc(q.limits.WriteTimeout, func() {
				defer q.goroutines.Done()
				q.Abort(transport.Reason{Code: transport.Slow, Text: "the peer takes its messages too slowly"})
			})
		} else {
			q.timer.Reset(q.limits.WriteTimeout)
		}
		defer func() {
			if q.timer.Stop() {
				q.goroutines.Done()
			}
		}()
	}
	if closer, ok := q.conn.(transport.LastWriter); ok && last != nil {
		return closer.WriteLast(last.reason, batch...)
	}
	return q.conn.Write(batch...)
}
