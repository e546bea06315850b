package client

import (
	"context"
	"sync"
	"time"
)

// inbox is where a membership puts what arrives for its user: an [Inbox] of any type of
// event.
type inbox interface {
	message(Message)
	presence(Presence)
	attribute(Attribute)
	knock(Knock)
	forget(username string)
	muted(on bool)
	counts(Counts)
	gap(missed, seq uint64)
	Last() uint64
	firstWaiting() uint64
	anew() inbox
	promoted(next *Membership) any
	rename(before, name string)
}

// Inbox is the queue of the events of one membership, until the user of its handle takes
// them. It is bounded: where the user is too slow, the oldest events are dropped, and one
// Gap event takes their place. So it is with messages that expire before they are taken. Changes
// of attributes wait apart, and are not dropped (changes). It is safe for concurrent use.
//
// The type of an event is the caller's. Each event is built once, by the Constructors,
// when it arrives.
type Inbox[E any] struct {
	bound QueueLimit
	build Constructors[E]
	// wake has a token while there may be something to take.
	wake chan struct{}

	// mu guards the fields below. events[head:] are the events that wait.
	mu     sync.Mutex
	events []queuedEvent[E]
	head   int
	bytes  int
	// removed is how many events were removed from the front since the beginning. changes are
	// those of attributes, which wait apart, and nil before the first one.
	removed int
	changes *changes[E]
	// dropped: events were dropped, and a Gap must come before the next event. missed
	// counts the messages among the dropped events.
	dropped bool
	missed  uint64
	// expiring has when the messages expire that do, by their numbers, and is nil before there
	// was one. expired is the number of the newest one that has expired and is not told yet.
	expiring map[uint64]time.Time
	expired  uint64
	// taken is the number of the last message that the user has taken.
	taken uint64
}

// Constructors build the events of an Inbox. They are called with a lock held, so they
// must do nothing else.
type Constructors[E any] struct {
	Message  func(Message) E
	Presence func(Presence) E
	// Attribute builds the event of a change of an attribute.
	Attribute func(Attribute) E
	// Muted builds the event that a slave is muted from now on, or no longer.
	Muted func(on bool) E
	// Counts builds the event that there are so many slaves.
	Counts func(Counts) E
	Knock  func(Knock) E
	// Promoted builds the event that the slave is the master, by the next membership.
	Promoted func(next *Membership) E
	// Gap builds the event of a gap: missed is the number of missing messages, or zero
	// where it is not known.
	Gap func(missed uint64) E
}

// queuedEvent is an event that waits.
type queuedEvent[E any] struct {
	event E
	bytes int
	// missed is how many messages the user misses if the event is dropped.
	missed uint64
	// seq is the number of a message, or of the newest one that is missing in a gap, and zero
	// for other events.
	seq uint64
}

// eventOverhead is how many bytes an event counts in QueueLimit.Bytes beside its payload, for
// the names and numbers around it.
const eventOverhead = 64

// NewInbox returns an empty inbox. last is the number of the last message of the
// membership that was taken from an earlier inbox, or zero.
func NewInbox[E any](bound QueueLimit, last uint64, build Constructors[E]) *Inbox[E] {
	return &Inbox[E]{bound: bound, build: build, taken: last, wake: make(chan struct{}, 1)}
}

func (b *Inbox[E]) message(m Message) {
	b.add(queuedEvent[E]{event: b.build.Message(m), bytes: len(m.Payload.Data) + eventOverhead, missed: 1, seq: m.Seq}, m.Expires)
}

func (b *Inbox[E]) presence(p Presence) {
	b.addEvent(b.build.Presence(p))
}

// muted adds that a slave is muted from now on, or no longer.
func (b *Inbox[E]) muted(on bool) {
	b.addEvent(b.build.Muted(on))
}

// counts adds that there are so many slaves.
func (b *Inbox[E]) counts(counts Counts) {
	b.addEvent(b.build.Counts(counts))
}

// addEvent adds an event that is no message.
func (b *Inbox[E]) addEvent(event E) {
	b.add(queuedEvent[E]{event: event, bytes: eventOverhead}, time.Time{})
}

func (b *Inbox[E]) knock(k Knock) {
	b.add(queuedEvent[E]{event: b.build.Knock(k), bytes: k.bytes() + eventOverhead}, time.Time{})
}

// gap adds that so many messages are missing, of which the newest has the number seq, or
// zero where that is not known.
func (b *Inbox[E]) gap(missed, seq uint64) {
	b.add(queuedEvent[E]{event: b.build.Gap(missed), bytes: eventOverhead, missed: missed, seq: seq}, time.Time{})
}

// attribute adds a change, which has a bound of its own.
func (b *Inbox[E]) attribute(a Attribute) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changes == nil {
		b.changes = new(changes[E])
	}
	b.changes.add(&change[E]{
		of: attributeOf{a.From, a.Key}, event: b.build.Attribute(a), deleted: a.Deleted, behind: b.removed + len(b.events) - b.head,
	})
	b.signal()
}

// forget takes out the changes of attributes of a member whose membership is over.
func (b *Inbox[E]) forget(username string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.changes != nil {
		b.changes.forget(username)
	}
}

// add appends an event, which is of a message that expires unless the time is zero, and drops
// the oldest events that are over the bound.
func (b *Inbox[E]) add(e queuedEvent[E], expires time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !expires.IsZero() {
		if b.expiring == nil {
			b.expiring = make(map[uint64]time.Time)
		}
		b.expiring[e.seq] = expires
	}
	b.events = append(b.events, e)
	b.bytes += e.bytes
	for n := len(b.events) - b.head; n > b.bound.Messages || n > 1 && b.bytes > b.bound.Bytes; n-- {
		b.dropped = true
		b.missed += b.removeFirst().missed
	}
	b.signal()
}

// removeFirst removes the oldest event. The lock is held.
func (b *Inbox[E]) removeFirst() queuedEvent[E] {
	e := b.events[b.head]
	b.events[b.head] = queuedEvent[E]{}
	b.head++
	b.removed++
	b.bytes -= e.bytes
	delete(b.expiring, e.seq)
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

// dropExpired drops the messages that come next and are worth nothing any more. The lock is
// held.
func (b *Inbox[E]) dropExpired() {
	for len(b.expiring) > 0 && b.head < len(b.events) {
		seq := b.events[b.head].seq
		end, expires := b.expiring[seq]
		if !expires || time.Now().Before(end) {
			return
		}
		b.dropped, b.expired = true, seq
		b.missed += b.removeFirst().missed
	}
}

// signal puts a token into wake, unless there is one.
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
	b.dropExpired()
	if b.dropped {
		event = b.build.Gap(b.missed)
		b.taken = max(b.taken, b.expired)
		b.dropped, b.missed, b.expired = false, 0, 0
		b.signal()
		return event, true
	}
	if next := b.changes.first(); next != nil && next.behind <= b.removed {
		event = b.changes.take()
	} else if b.head < len(b.events) {
		e := b.removeFirst()
		if e.seq != 0 {
			b.taken = e.seq
		}
		event = e.event
	} else {
		return event, false
	}
	if b.head < len(b.events) || b.changes.first() != nil {
		// Another taker may be waiting for what is left.
		b.signal()
	}
	return event, true
}

// Take waits for the next event. ended must be closed when the membership has ended and
// nothing is added any more. Take returns false when ended is closed and all events have
// been taken.
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

// firstWaiting is the number of the first message that was not taken yet, or zero.
func (b *Inbox[E]) firstWaiting() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := b.head; i < len(b.events); i++ {
		if seq := b.events[i].seq; seq != 0 {
			return seq
		}
	}
	return 0
}
