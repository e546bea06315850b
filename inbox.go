package lectern

import (
	"context"
	"sync"
)

// inbox holds the events of one membership until its handle's user takes them.
// It is bounded: where the user does not keep up, the oldest are dropped, and
// the loss is told in their place.
type inbox struct {
	bound Bound
	// ended is closed when the membership is over; nothing is added after.
	ended <-chan struct{}
	// wake holds a token while there may be something to take.
	wake chan struct{}

	mu     sync.Mutex
	events []Event
	head   int
	bytes  int
	// dropped is set while a loss is to be told before the next event; missed
	// counts the messages among what was lost.
	dropped bool
	missed  uint64
	// taken is the number of the last message that the user has taken.
	taken uint64
}

func newInbox(bound Bound, ended <-chan struct{}) *inbox {
	return &inbox{bound: bound, ended: ended, wake: make(chan struct{}, 1)}
}

func eventSize(e Event) int {
	if m, ok := e.(Message); ok {
		return m.Len() + entryOverhead
	}
	return entryOverhead
}

// add puts an event at the end.
func (b *inbox) add(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
	b.bytes += eventSize(e)
	for n := len(b.events) - b.head; n > b.bound.Messages || n > 1 && b.bytes > b.bound.Bytes; n-- {
		b.dropped = true
		switch e := b.removeFirst().(type) {
		case Message:
			b.missed++
		case Gap:
			b.missed += e.Missed
		}
	}
	b.signal()
}

func (b *inbox) removeFirst() Event {
	e := b.events[b.head]
	b.events[b.head] = nil
	b.head++
	b.bytes -= eventSize(e)
	if b.head == len(b.events) {
		b.events, b.head = b.events[:0], 0
		if cap(b.events) > 64 {
			b.events = nil
		}
	} else if b.head > 32 && b.head*2 > len(b.events) {
		n := copy(b.events, b.events[b.head:])
		clear(b.events[n:])
		b.events, b.head = b.events[:n], 0
	}
	return e
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// tryTake returns the next event, if there is one.
func (b *inbox) tryTake() (Event, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped {
		gap := Gap{Missed: b.missed}
		b.dropped, b.missed = false, 0
		b.signal()
		return gap, true
	}
	if b.head == len(b.events) {
		return nil, false
	}
	e := b.removeFirst()
	if m, ok := e.(Message); ok {
		b.taken = m.Seq
	}
	if b.head < len(b.events) {
		// Another taker may be waiting for what is left.
		b.signal()
	}
	return e, true
}

// take waits for the next event. It returns false when the membership is over
// and everything has been taken.
func (b *inbox) take(ctx context.Context) (Event, bool, error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	for {
		if e, ok := b.tryTake(); ok {
			return e, true, nil
		}
		select {
		case <-b.wake:
		case <-b.ended:
			e, ok := b.tryTake()
			return e, ok, nil
		case <-ctx.Done():
			return nil, false, ctx.Err()
		}
	}
}

// seen is the number of the last message that the user has taken.
func (b *inbox) seen() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken
}
