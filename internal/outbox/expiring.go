package outbox

import (
	"slices"
	"time"
)

// Expiring is a message that is worth nothing any more from some instant on. What is written
// of it is decided when it is about to be written, so that a message which has waited says
// what is left of its time, and one that has expired while it waited is not written at all.
// Its methods are called by whoever writes, without the queue's lock. They must not block,
// and must not call the queue.
type Expiring interface {
	// Stream is the stream that it belongs to. Messages of one stream that have expired one
	// after the other are told together.
	Stream() Stream
	// At returns what is to be written at that time, or nil where it has expired.
	At(now time.Time) []byte
	// Expired returns the frame that takes the place of so many messages of its stream that
	// have expired, of which it is the last.
	Expired(count uint64) []byte
}

// waitingExpiring is an Expiring that waits, and its index in what waits.
type waitingExpiring struct {
	index   int
	message Expiring
}

// Kind tells by which rule PushExpiring pushes.
type Kind uint8

const (
	// Limited is as Push, Streamed as PushStream with the message's stream, Accepted as
	// PushAccepted and Exempt as PushExempt.
	Limited Kind = iota
	Streamed
	Accepted
	Exempt
)

// PushExpiring pushes a message that expires, by the rule of the kind. message is what it is
// as long as it waits: its length counts in the limits.
func (q *Queue) PushExpiring(kind Kind, message []byte, expiring Expiring) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	queued, err := true, error(nil)
	switch kind {
	case Limited:
		err = q.push(message)
	case Streamed:
		queued, err = q.pushStream(message, expiring.Stream())
	case Accepted:
		err = q.pushAccepted(message)
	case Exempt:
		err = q.pushExempt(message)
	}
	if err == nil && queued {
		extra := q.needExtra()
		extra.expiring = append(extra.expiring, waitingExpiring{len(q.pending) - 1, expiring})
	}
	return err
}

// forgetExpiring is called when what waits at that index makes way: for a gap marker, or,
// where it is removed, for what follows it.
func (q *Queue) forgetExpiring(index int, removed bool) {
	if q.extra == nil || len(q.extra.expiring) == 0 {
		return
	}
	expiring := slices.DeleteFunc(q.extra.expiring, func(w waitingExpiring) bool { return w.index == index })
	for i := range expiring {
		if removed && expiring[i].index > index {
			expiring[i].index--
		}
	}
	q.extra.expiring = expiring
}

// takeExpiring takes those of pending that expire, which are about to be taken.
func (q *Queue) takeExpiring() []waitingExpiring {
	if q.extra == nil {
		return nil
	}
	expiring := q.extra.expiring
	q.extra.expiring = nil
	return expiring
}

// setFirst sets the batch that the writer goroutine writes first.
func (q *Queue) setFirst(batch [][]byte, expiring []waitingExpiring) {
	q.firstBatch = batch
	if len(expiring) > 0 {
		q.needExtra().first = expiring
	}
}

// setTried is setFirst for a batch that stands for so many messages, and is written as it is.
func (q *Queue) setTried(batch [][]byte, messages int) {
	q.firstBatch = batch
	if together := messages - len(batch); together > 0 {
		q.needExtra().together = together
	}
}

// takeFirst takes it, and returns for how many messages it stands.
func (q *Queue) takeFirst() (batch [][]byte, expiring []waitingExpiring, messages int) {
	batch, q.firstBatch = q.firstBatch, nil
	messages = len(batch)
	if q.extra != nil {
		expiring, q.extra.first = q.extra.first, nil
		messages, q.extra.together = messages+q.extra.together, 0
	}
	return batch, expiring, messages
}

// expiringPiece is how many bytes of a batch are written at once where there is something
// in it that expires: what is behind that is decided when its turn comes. One message may
// be larger.
const expiringPiece = 16 << 10

// cutPiece is how many messages at the beginning of the batch are written at once.
func cutPiece(batch [][]byte) (count int) {
	for size := 0; count < len(batch); count++ {
		if size += len(batch[count]); count > 0 && size > expiringPiece {
			break
		}
	}
	return count
}

// renew makes of a batch what is to be written now, in its place: no more messages than
// before. The lock is not held.
func renew(batch [][]byte, expiring []waitingExpiring) [][]byte {
	if len(expiring) == 0 {
		return batch
	}
	now := time.Now()
	renewed := batch[:expiring[0].index]
	var last Expiring // expired, and is the newest in the batch so far
	missed := uint64(0)
	for i := expiring[0].index; i < len(batch); i++ {
		if len(expiring) == 0 || expiring[0].index != i {
			renewed, last = append(renewed, batch[i]), nil
			continue
		}
		message := expiring[0].message
		expiring = expiring[1:]
		if data := message.At(now); data != nil {
			renewed, last = append(renewed, data), nil
			continue
		}
		if last != nil && last.Stream() == message.Stream() {
			missed++
			renewed[len(renewed)-1] = message.Expired(missed)
		} else {
			missed = 1
			renewed = append(renewed, message.Expired(1))
		}
		last = message
	}
	clear(batch[len(renewed):])
	return renewed
}
