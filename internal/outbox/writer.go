package outbox

import (
	"time"

	"github.com/lectern-go/lectern/transport"
)

// beginWriting takes the write lock. The caller must call goroutines.Done at the end.
func (q *Queue) beginWriting() {
	q.writing = true
	q.goroutines.Add(1)
}

// startWriter starts the writer goroutine, unless somebody is writing.
func (q *Queue) startWriter() {
	if q.writing {
		return
	}
	q.beginWriting()
	if q.writer == nil {
		q.writer = q.runWriter
	}
	go q.writer()
}

// take takes all that waits, as the next batch, and which of it expires.
func (q *Queue) take() (batch [][]byte, expiring []waitingExpiring) {
	q.closeHoles()
	batch, expiring = q.pending, q.takeExpiring()
	q.reset()
	return batch, expiring
}

// runWriter is the writer goroutine. It writes batches until nothing waits any more,
// and then ends. Where the queue closes, it closes the connection at the end.
func (q *Queue) runWriter() {
	defer q.goroutines.Done()
	q.mu.Lock()
	defer q.mu.Unlock()
	failed := false
	for len(q.firstBatch) > 0 || len(q.pending) > 0 {
		batch, expiring, messages := q.takeFirst()
		if messages == 0 {
			batch, expiring = q.take()
			messages = len(batch)
		}
		// Where the queue closes, nothing is pushed any more: this is the last batch.
		last := q.end
		if len(q.pending) > 0 {
			last = nil
		}
		q.writes = int32(messages)
		q.watchWrite()
		q.mu.Unlock()
		err := q.write(batch, expiring, last)
		putBatch(batch)
		q.mu.Lock()
		written := q.writes
		q.writes = 0
		q.unwatchWrite()
		if err != nil {
			q.thrown += written
			// Nothing more can be written. The reader sees the failure as well, and
			// aborts the queue. Closing the connection before that would throw away
			// what the peer has sent before it closed, and its reason to close.
			q.throwAway()
			if q.end == nil {
				q.end = &end{reason: transport.Reason{Code: transport.Slow, Text: "writing failed"}}
				failed = true
			}
		}
	}
	q.writing = false
	if failed && !q.end.aborted {
		q.goroutines.Add(1)
		q.end.closeTimer = time.AfterFunc(readerGrace, func() {
			defer q.goroutines.Done()
			q.Abort(q.end.reason)
		})
		return
	}
	if q.end != nil {
		q.writing = true // so that no other writer is started
		q.mu.Unlock()
		_ = q.conn.Close(q.end.reason)
		q.mu.Lock()
		q.end.closed = true
	}
}
