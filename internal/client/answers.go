package client

import (
	"sync"
)

// Answer is one slave's part in a request to all.
type Answer struct {
	// From is the slave. It is empty where the question itself could not be
	// sent, or who was asked did not become known, which Err then says.
	From string
	// Message is the answer, where it has come.
	Message Message
	// Lost: the answer was lost.
	Lost bool
	// Err says why there is no answer, where none will come.
	Err error
}

// answerQueue holds answers until they are taken. Each of those asked is in it
// once at the most; a payload beyond the bound in bytes is dropped, and told.
type answerQueue struct {
	limit int

	mu       sync.Mutex
	waiting  []Answer
	bytes    int
	complete bool
	// refused: the hub did not tell at present who is still to answer.
	refused bool
	// changed holds a token while there may be something new.
	changed chan struct{}
}

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

// finish tells that no more answers will come.
func (q *answerQueue) finish() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.complete = true
	q.signal()
}

// refuse tells that the hub must be asked again later who is still to answer.
func (q *answerQueue) refuse() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refused = true
	q.signal()
}

// takeRefused reports whether the hub is to be asked again, once.
func (q *answerQueue) takeRefused() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	refused := q.refused
	q.refused = false
	return refused
}

func (q *answerQueue) signal() {
	select {
	case q.changed <- struct{}{}:
	default:
	}
}

// take returns what waits, and whether that is the last of it.
func (q *answerQueue) take() (waiting []Answer, last bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting, q.waiting, q.bytes = q.waiting, nil, 0
	return waiting, q.complete
}
