package client

import (
	"sync"
)

// Answer is what one member has answered to a request, or why it has not.
type Answer struct {
	// From is the member. It is empty where the request itself could not be sent, or
	// where it did not become known who was asked. Err then says why.
	From string
	// Message is the answer, where it has arrived.
	Message Message
	// Lost: the answer was lost.
	Lost bool
	// Err says why no answer will come.
	Err error
}

// answerQueue holds the answers to one request until they are taken. It has at most one
// answer of each member that was asked. A payload over the limit in bytes is dropped, and
// its answer is marked as Lost. mu guards the fields from waiting to refused.
type answerQueue struct {
	// limit bounds the bytes of the payloads.
	limit int

	mu       sync.Mutex
	waiting  []Answer
	bytes    int
	complete bool
	// refused: the hub has refused for now to tell who has not answered yet.
	refused bool
	// changed has a token while there may be something new.
	changed chan struct{}
}

// add queues an answer.
func (q *answerQueue) add(given Answer) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := len(given.Message.Payload.Data)
	if q.bytes > 0 && q.bytes+size > q.limit {
		given = Answer{From: given.From, Lost: true}
		size = 0
	}
	q.bytes += size
	q.waiting = append(q.waiting, given)
	q.signal()
}

// wake lets the one who takes the answers look at what else there is.
func (q *answerQueue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.signal()
}

// finish tells that no more answers will come.
func (q *answerQueue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.complete = true
	q.signal()
}

// refuse tells that the hub must be asked again later who has not answered yet.
func (q *answerQueue) refuse() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = true
	q.signal()
}

// takeRefused reports whether refuse was called since the last takeRefused.
func (q *answerQueue) takeRefused() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	refused := q.refused
	q.refused = false
	return refused
}

// signal puts a token into changed, unless there is one.
func (q *answerQueue) signal() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// take returns the answers that wait, and whether there will be no more.
func (q *answerQueue) take() (waiting []Answer, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting, q.waiting, q.bytes = q.waiting, nil, 0
	for i := range waiting {
		if waiting[i].Message.expired() {
			waiting[i] = Answer{From: waiting[i].From, Lost: true}
		}
	}
	return waiting, q.complete
}
