package outbox

import (
	"time"

	"github.com/lectern-go/lectern/transport"
)

// end is the state of a queue that closes.
type end struct {
	reason  transport.Reason
	aborted bool // Abort was called
	closed  bool // the connection is closed
	// closeTimer aborts the queue readerGrace after a failed write.
	closeTimer *time.Timer
}

// readerGrace is how long the connection stays open for its reader after a failed
// write. Normally the reader sees the failure at once.
const readerGrace = time.Second

// Close closes the connection with the reason, after what was pushed before has been
// written. Limits.WriteTimeout bounds each write. Only the first call of Close or Abort
// counts, with one exception: an Abort after a Close drops what waits and closes at
// once, with the reason of the Close.
func (q *Queue) Close(reason transport.Reason) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.end != nil {
		return
	}
	q.end = &end{reason: reason}
	q.startWriter()
}

// Abort drops what waits and closes the connection with the reason at once.
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
	if q.end.closeTimer != nil && q.end.closeTimer.Stop() {
		q.goroutines.Done()
	}
	q.throwAway()
	if !q.writing {
		q.startWriter()
		return
	}
	// The writer may be blocked in a write. Only closing the connection unblocks it.
	q.goroutines.Add(1)
	go func() {
		defer q.goroutines.Done()
		_ = q.conn.Close(q.end.reason)
	}()
}

// Wait returns when the connection is closed and the queue's goroutines have ended.
// Close or Abort must have been called before.
func (q *Queue) Wait() { q.goroutines.Wait() }
