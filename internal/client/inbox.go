package client

import (
	"context"
	"sync"
)

// Inbox holds the events of one membership until its handle's user takes them.
// It is bounded: where the user does not keep up, the oldest are dropped, and
// the loss is told in their place.
//
// What an event is, is the user's business: each is built once, by the
// constructors, and kept as it is.
type Inbox[E any] struct {
	bound QueueLimit
	build Constructors[E]
	// wake holds a token while there may be something to take.
	wake chan struct{}

	mu     sync.Mutex
	events []waiting[E]
	head   int
	bytes  int
	// dropped is set while a loss is to be told before the next event; missed
	// counts the messages among what was lost.
	dropped bool
	missed  uint64
	// taken is the number of the last message that the user has taken.
	taken uint64
}

// Constructors build the events of an Inbox. They are called with a lock held and
// must do no more than that.
type Constructors[E any] struct {
	Message  func(Message) E
	Presence func(Presence) E
	// Gap is of so many messages that are missing, zero where nobody knows.
	Gap func(missed uint64) E
}

// waiting is an event that was not taken yet.
type waiting[E any] struct {
	event E
	bytes int
	// missed is how many messages are missing without it.
	missed uint64
	// seq is a message's number.
	seq uint64
}

// eventOverhead is what an event costs in QueueLimit.Bytes beyond its payload: the names
// and numbers around it.
const eventOverhead = 64

// NewInbox is an empty inbox. last is the number of the last message that was taken
// of the membership before.
func NewInbox[E any](bound QueueLimit, last uint64, build Constructors[E]) *Inbox[E] {
	return &Inbox[E]{bound: bound, build: build, taken: last, wake: make(chan struct{}, 1)}
}

func (b *Inbox[E]) message(m Message) {
	b.add(waiting[E]{event: b.build.Message(m), bytes: len(m.Payload.Data) + eventOverhead, missed: 1, seq: m.Seq})
}

func (b *Inbox[E]) presence(p Presence) {
	b.add(waiting[E]{event: b.build.Presence(p), bytes: eventOverhead})
}

func (b *Inbox[E]) gap(missed uint64) {
	b.add(waiting[E]{event: b.build.Gap(missed), bytes: eventOverhead, missed: missed})
}

// add puts an event at the end.
func (b *Inbox[E]) add(e waiting[E]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events = append(b.events, e)
	b.bytes += e.bytes
	for n := len(b.events) - b.head; n > b.bound.Messages || n > 1 && b.bytes > b.bound.Bytes; n-- {
		b.dropped = true
		b.missed += b.removeFirst().missed
	}
	b.signal()
}

func (b *Inbox[E]) removeFirst() waiting[E] {
	e := b.events[b.head]
	b.events[b.head] = waiting[E]{}
	b.head++
	b.bytes -= e.bytes
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

func (b *Inbox[E]) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// tryTake returns the next event, if there is one.
func (b *Inbox[E]) tryTake() (event E, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped {
		event = b.build.Gap(b.missed)
		b.dropped, b.missed = false, 0
		b.signal()
		return event, true
	}
	if b.head == len(b.events) {
		return event, false
	}
	e := b.removeFirst()
	if e.seq != 0 {
		b.taken = e.seq
	}
	if b.head < len(b.events) {
		// Another taker may be waiting for what is left.
		b.signal()
	}
	return e.event, true
}

// Take waits for the next event. It returns false when the membership is over, so
// that ended is closed and nothing is added any more, and everything has been taken.
func (b *Inbox[E]) Take(ctx context.Context, ended <-chan struct{}) (event E, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return event, false, err
	}
	for {
		if event, ok = b.tryTake(); ok {
			return event, true, nil
		}
		select {
		case <-b.wake:
		case <-ended:
			event, ok = b.tryTake()
			return event, ok, nil
		case <-ctx.Done():
			return event, false, ctx.Err()
		}
	}
}

// Last is the number of the last message that the user has taken.
func (b *Inbox[E]) Last() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.taken
}
