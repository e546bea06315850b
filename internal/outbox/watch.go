package outbox

import (
	"time"

	"github.com/lectern-go/lectern/transport"
)

// A watch closes the connection where a write does not go on, by the rule of
// Limits.WriteTimeout. It looks at the write several times within that time, and counts
// the time by its looks: where the process has stood still, one look has been missed,
// and that is all that is held against the peer. Its fields are guarded by the queue's
// lock.
type watch struct {
	timer   *time.Timer
	running bool
	stale   int           // looks that have begun, and are for a write that is over
	left    time.Duration // until the connection is closed, at the last look
	until   time.Duration // from that look to the next
	looked  bool          // taken is known
	taken   uint64        // WriteMeter.Taken, at the last look
	rest    uint64        // bytes that were taken and have put nothing off
}

// looksPerTimeout is how many times the watch looks within WriteTimeout.
const looksPerTimeout = 8

// watchWrite begins the watch over a write. The lock is held.
func (q *Queue) watchWrite() {
	if q.limits.WriteTimeout <= 0 {
		return
	}
	if q.watch == nil {
		q.watch = new(watch)
	}
	w := q.watch
	w.running, w.looked, w.left = true, false, q.limits.WriteTimeout
	q.waitForLook()
}

// unwatchWrite ends it. The lock is held.
func (q *Queue) unwatchWrite() {
	w := q.watch
	if w == nil || !w.running {
		return
	}
	w.running = false
	if w.timer.Stop() {
		q.goroutines.Done()
	} else {
		w.stale++
	}
}

// waitForLook has the next look take place. The lock is held.
func (q *Queue) waitForLook() {
	w := q.watch
	w.until = min(max(q.limits.WriteTimeout/looksPerTimeout, time.Millisecond), w.left)
	q.goroutines.Add(1)
	if w.timer == nil {
		w.timer = time.AfterFunc(w.until, q.look)
	} else {
		w.timer.Reset(w.until)
	}
}

// look is one look at the write in progress.
func (q *Queue) look() {
	defer q.goroutines.Done()
	var taken uint64
	meter, meters := q.conn.(transport.WriteMeter)
	if meters {
		taken = meter.Taken()
	}
	q.mu.Lock()
	w := q.watch
	if w.stale > 0 {
		w.stale--
		q.mu.Unlock()
		return
	}
	w.left -= w.until
	if meters && q.end == nil { // what closes has its time, and no more
		w.putOff(taken, q.limits.WriteTimeout)
	}
	if w.left > 0 {
		q.waitForLook()
		q.mu.Unlock()
		return
	}
	w.running = false
	q.mu.Unlock()
	q.Abort(transport.Reason{Code: transport.Slow, Text: "the peer takes its messages too slowly"})
}

// TimedOut reports whether the connection was closed because of Limits.WriteTimeout.
func (q *Queue) TimedOut() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.watch != nil && q.watch.left <= 0
}

// putOff puts the end of the time off by what was taken since the last look. The first
// look only notes it: what a peer's buffers have had room for says nothing about it.
func (w *watch) putOff(taken uint64, most time.Duration) {
	if w.looked && taken > w.taken {
		w.rest += taken - w.taken
		seconds := time.Duration(w.rest / transport.MinBytesPerSecond)
		w.rest %= transport.MinBytesPerSecond
		if seconds > (most-w.left)/time.Second {
			w.left, w.rest = most, 0
		} else {
			w.left += seconds * time.Second
		}
	}
	if !w.looked {
		w.looked, w.rest = true, 0
	}
	w.taken = taken
}

// write writes the batch. last is nil, or the end of the queue where this is the last
// batch: a connection that is a transport.LastWriter then writes the batch and closes in
// one step. Where the connection does not tell how far a write is, the batch goes in
// pieces, each of which has its WriteTimeout, and is no larger than the floor lets it be,
// but for a single message. So does a batch in which something expires, in smaller ones.
func (q *Queue) write(batch [][]byte, expiring []waitingExpiring, last *end) error {
	for len(expiring) > 0 {
		count := cutPiece(batch)
		now := expiring
		for i := range expiring {
			if expiring[i].index >= count {
				now = expiring[:i]
				break
			}
		}
		piece := renew(batch[:count], now)
		if expiring = expiring[len(now):]; count == len(batch) {
			batch = piece
			break
		}
		if err := q.writePiece(piece); err != nil {
			return err
		}
		batch = batch[count:]
		for i := range expiring {
			expiring[i].index -= count
		}
	}
	_, meters := q.conn.(transport.WriteMeter)
	for !meters && q.limits.WriteTimeout > 0 {
		size, count := len(batch[0]), 1
		for count < len(batch) && size+len(batch[count]) <= q.pieceSize() {
			size += len(batch[count])
			count++
		}
		if count == len(batch) {
			break
		}
		if err := q.writePiece(batch[:count]); err != nil {
			return err
		}
		batch = batch[count:]
	}
	if closer, ok := q.conn.(transport.LastWriter); ok && last != nil {
		return closer.WriteLast(last.reason, batch...)
	}
	return q.conn.Write(batch...)
}

// writePiece writes a part of a batch, and begins the watch over the next one.
func (q *Queue) writePiece(piece [][]byte) error {
	if err := q.conn.Write(piece...); err != nil {
		return err
	}
	q.mu.Lock()
	q.unwatchWrite()
	q.watchWrite()
	q.mu.Unlock()
	return nil
}

// pieceSize is how many bytes a peer has to take within WriteTimeout.
func (q *Queue) pieceSize() int {
	return int(q.limits.WriteTimeout / (time.Second / transport.MinBytesPerSecond))
}
