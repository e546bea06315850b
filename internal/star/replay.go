package star

import (
	"iter"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// replayLog numbers the messages of one direction of a channel. It keeps the latest
// of them for replay to members that come back.
type replayLog struct {
	bound Bound
	// holds: a message above confirmed is kept in any case. Who adds must ask room first.
	// So is the log of what slaves send, unless the bound keeps nothing.
	holds bool
	// confirmed is the number up to which the receiver is known to have everything, and
	// unconfirmed is how much there is above it.
	confirmed   uint64
	unconfirmed Load
	// newest is the number of the message added last; the first is 1.
	newest uint64
	// lost is the number of the newest message that is no longer kept. lostCommon is
	// the number of the newest message that is no longer kept and was for everybody.
	lost, lostCommon uint64
	// entries[head:] are the messages lost+1 to newest.
	entries []entry
	head    int
	bytes   int
	// soonest is when the first of them expires, or earlier, and zero where none does.
	soonest time.Time
}

// entry is one message that is kept.
type entry struct {
	// packet is nil where the message has expired. It keeps its number and its place then, of
	// which who gets the others is told (expiring.go).
	packet *wire.Packet
	// size is the size of the payload in bytes.
	size int
	// to is the one slave that the message is for. Nil: it is for everybody, or for
	// the master.
	to *member
}

// entryOverhead is how many bytes a message counts in Bound.Bytes beside its payload,
// for the names and numbers around it.
const entryOverhead = 64

// add gives the message the next number and keeps it. It removes the oldest messages
// that are over the bound.
func (l *replayLog) add(e entry) {
	l.newest++
	l.entries = append(l.entries, e)
	l.bytes += e.size + entryOverhead
	if l.holds && l.newest > l.confirmed {
		l.unconfirmed.Messages++
		l.unconfirmed.Bytes += e.size + entryOverhead
	}
	if e.packet != nil && e.packet.Expires() {
		l.expects(e.packet.End())
	}
	l.trim()
}

// confirm notes that the receiver has everything up to the number, which is not above
// newest. It reports whether that is news.
func (l *replayLog) confirm(number uint64) bool {
	if !l.holds || number <= l.confirmed {
		return false
	}
	// What is not confirmed is kept, so it is in entries.
	for i := l.confirmed - l.lost; i < number-l.lost; i++ {
		l.unconfirmed.Messages--
		l.unconfirmed.Bytes -= l.entries[l.head+int(i)].size + entryOverhead
	}
	l.confirmed = number
	l.trim()
	return true
}

// room reports whether a message of that size can be added, and no more is unconfirmed
// then than the bound.
func (l *replayLog) room(size int, bound Bound) bool {
	return !l.holds || !bound.exceeded(l.unconfirmed.Messages+1, l.unconfirmed.Bytes+size+entryOverhead)
}

// trim removes the oldest messages that are over the bound.
func (l *replayLog) trim() {
	for l.bound.exceeded(l.kept(), l.bytes) && !(l.holds && l.lost >= l.confirmed) {
		oldest := &l.entries[l.head]
		l.lost++
		if oldest.to == nil {
			l.lostCommon = l.lost
		} else {
			oldest.to.lostPrivate = l.lost
		}
		l.bytes -= oldest.size + entryOverhead
		*oldest = entry{}
		l.head++
	}
	if l.head > 16 && l.head*2 > len(l.entries) {
		n := copy(l.entries, l.entries[l.head:])
		clear(l.entries[n:])
		l.entries, l.head = l.entries[:n], 0
	}
}

// kept is the number of messages that are kept.
func (l *replayLog) kept() int { return len(l.entries) - l.head }

// exceeded reports whether so many messages of so many bytes are over the bound. One
// message alone may have more bytes than the bound, but a bound of no messages keeps
// none.
func (b Bound) exceeded(messages, bytes int) bool {
	return messages > b.Messages || messages > 1 && bytes > b.Bytes
}

// entry is the message of that number, or nil where it is not kept, or has expired.
func (l *replayLog) entry(seq uint64) *entry {
	if seq <= l.lost || seq > l.newest {
		return nil
	}
	if e := &l.entries[l.head+int(seq-l.lost)-1]; e.packet != nil {
		return e
	}
	return nil
}

// after yields the kept messages with a number above last, in order.
func (l *replayLog) after(last uint64) iter.Seq[entry] { return l.between(last, l.newest) }

// between yields the kept messages with a number above last, up to end, in order.
func (l *replayLog) between(last, end uint64) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for n := max(last, l.lost); n < end; n++ {
			if !yield(l.entries[l.head+int(n-l.lost)]) {
				return
			}
		}
	}
}
