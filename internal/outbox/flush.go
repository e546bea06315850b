package outbox

import "github.com/lectern-go/lectern/transport"

// maxFlushes is how many batches one call of Flush writes. What was pushed meanwhile is
// then left to a goroutine.
const maxFlushes = 2

// Start starts a goroutine that writes what waits. Where something is being written
// already, that writer writes it too. Start itself makes no system call, and may be
// called under locks.
func (q *Queue) Start() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.pending) > 0 {
		q.startWriter()
	}
}

// Flush writes what waits, as far as that is possible without waiting for the peer. It
// leaves the rest to a goroutine, and reports whether a goroutine has something to
// write. Where the connection is no transport.TryWriter, a goroutine writes everything.
// Flush makes system calls, so it must not be called under a lock.
//
// Compared with a goroutine for each write, it saves one allocation for each receiver
// of a message, and a sixth of the processor time of a single broadcast to 1,000.
func (q *Queue) Flush() (writing bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.flush()
	return q.writing
}

// flush is Flush under the lock, which is released during the writes.
func (q *Queue) flush() {
	if q.writing || len(q.pending) == 0 {
		return
	}
	conn, ok := q.conn.(transport.TryWriter)
	if !ok {
		q.setFirst(q.take()) // so that it does not count in the limits any more
		q.startWriter()
		return
	}
	q.beginWriting()
	for range maxFlushes {
		if len(q.pending) == 0 {
			break
		}
		batch, expiring := q.take()
		if len(expiring) > 0 && cutPiece(batch) < len(batch) {
			q.setFirst(batch, expiring)
			break
		}
		tried, written := q.tryWrite(conn, batch, expiring)
		if !written {
			q.setTried(tried, len(batch))
			break
		}
		putBatch(tried)
	}
	q.endFlush()
}

// PushAll is Push for several messages and then Flush, as one step. Where nothing waits
// before them, they are written without being queued. It returns how many of the
// messages were accepted, and whether a goroutine has something to write. Where not all
// were accepted, the error is ErrFull or ErrClosed. The slice remains the caller's.
func (q *Queue) PushAll(messages [][]byte) (taken int, writing bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.writing && q.end == nil && len(q.pending) == 0 {
		q.pushIdle(messages)
		return len(messages), q.writing, nil
	}
	for taken < len(messages) && err == nil {
		message := messages[taken]
		if q.full(len(message)) {
			q.flush() // what waits may not have been flushed yet
		}
		switch {
		case q.end != nil:
			err = ErrClosed
		case q.full(len(message)):
			err = ErrFull
		default:
			taken++
			q.messages++
			q.add(message, messageInfo{})
		}
	}
	q.flush()
	return taken, q.writing, err
}

// pushIdle writes messages without queueing them, where nothing waits and nobody writes.
func (q *Queue) pushIdle(messages [][]byte) {
	q.beginWriting()
	conn, written := q.conn.(transport.TryWriter)
	if written {
		_, written = q.tryWrite(conn, messages, nil)
	}
	if !written {
		q.firstBatch = append(getBatch(), messages...)
	}
	q.endFlush()
}

// tryWrite calls TryWrite, and returns what it was called with. The lock is held, but released
// during the write.
func (q *Queue) tryWrite(conn transport.TryWriter, batch [][]byte, expiring []waitingExpiring) (tried [][]byte, written bool) {
	q.writes = int32(len(batch))
	q.mu.Unlock()
	defer func() {
		q.mu.Lock()
		q.writes = 0
	}()
	batch = renew(batch, expiring)
	return batch, conn.TryWrite(batch...)
}

// endFlush releases the write lock. Where something is left to write, or the queue
// closes, it starts a goroutine for it.
func (q *Queue) endFlush() {
	q.writing = false
	if len(q.firstBatch) > 0 || len(q.pending) > 0 || q.end != nil {
		q.startWriter()
	}
	q.goroutines.Done()
}
