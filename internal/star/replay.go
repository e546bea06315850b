package star

import (
	"iter"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// replayLog numbers the messages of one direction of a channel, and the changes of
// attributes, which are not in it (attributes.go). It keeps the latest messages for replay to
// members that come back.
type replayLog struct {
	bound Bound
	// holds: a message above confirmed is kept in any case. Who adds must ask room first.
	// So is the log of what slaves send, unless the bound keeps nothing.
	holds bool
	// confirmed is the number up to which the receiver is known to have everything, and
	// unconfirmed is how much there is above it.
	confirmed   uint64
	unconfirmed Load
	// newest is the number that was given last; the first is 1. skipped is how many numbers
	// no message has.
	newest, skipped uint64
	// passed are numbers that were passed over because the log may have lost what had them (ahead.go).
	passed passed
	// lost is the number of the newest message that is no longer kept. lostCommon is
	// the number of the newest message that is no longer kept and was for everybody.
	lost, lostCommon uint64
	// entries[head:] are the messages after lost, in the order of their numbers.
	entries []entry
	head    int
	bytes   int
	// soonest is when the first of them expires, or earlier, and zero where none does.
	soonest time.Time
	// changes are the attributes whose changes have numbers of this direction.
	changes changeList
}

// entry is one message that is kept.
type entry struct {
	// packet is nil where the message has expired. It keeps its number and its place then, of
	// which who gets the others is told (expiring.go).
	packet *wire.Packet
	// size is the size of the payload in bytes.
	size int
	// to is the one slave that the message is for. Nil: it is for everybody, or for
	// the master. Of slaves' messages, it is nobody, with the sender's name, where the master
	// is not to get it, since it has sent it itself.
	to *member
	// seq is the message's number, which add gives it.
	seq uint64
}

// entryOverhead is how many bytes a message counts in Bound.Bytes beside its payload,
// for the names and numbers around it.
const entryOverhead = 64

// add gives the message the next number and keeps it. It removes the oldest messages
// that are over the bound.
func (l *replayLog) add(e entry) {
	l.newest++
	e.seq = l.newest
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

// skip takes the next number for something else than a message.
func (l *replayLog) skip() uint64 {
	l.newest++
	l.skipped++
	return l.newest
}

// skipTo skips the numbers up to this one, which is not below newest.
func (l *replayLog) skipTo(number uint64) {
	l.skipped += number - l.newest
	l.newest = number
}

// confirm notes that the receiver has everything up to the number, which is not above
// newest. It reports whether that is news.
func (l *replayLog) confirm(number uint64) bool {
	if !l.holds || number <= l.confirmed {
		return false
	}
	// What is not confirmed is kept, so it is in entries.
	for e := range l.between(l.confirmed, number) {
		l.unconfirmed.Messages--
		l.unconfirmed.Bytes -= e.size + entryOverhead
	}
	l.confirmed = number
	l.passOver()
	l.trim()
	return true
}

// passOver takes for confirmed what comes next and is for nobody: a master does not get what it
// has sent as a slave.
func (l *replayLog) passOver() {
	for e := range l.after(l.confirmed) {
		if e.to == nil {
			return
		}
		l.unconfirmed.Messages--
		l.unconfirmed.Bytes -= e.size + entryOverhead
		l.confirmed = e.seq
	}
}

// hold holds what is kept above the number, though it was confirmed: the receiver says that it
// does not have it.
func (l *replayLog) hold(number uint64) {
	number = max(number, l.lost)
	for e := range l.between(number, l.confirmed) {
		l.unconfirmed.Messages++
		l.unconfirmed.Bytes += e.size + entryOverhead
	}
	l.confirmed = min(number, l.confirmed)
	l.passOver()
}

// room reports whether a message of that size can be added, and no more is unconfirmed
// then than the bound.
func (l *replayLog) room(size int, bound Bound) bool {
	return !l.holds || !bound.exceeded(l.unconfirmed.Messages+1, l.unconfirmed.Bytes+size+entryOverhead)
}

// trim removes the oldest messages that are over the bound.
func (l *replayLog) trim() {
	for l.bound.exceeded(l.kept(), l.bytes) {
		oldest := &l.entries[l.head]
		if l.holds && oldest.seq > l.confirmed {
			break
		}
		l.lost = oldest.seq
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

// last is the number of the newest message above start that is kept for the master, or of a newer attribute, or
// zero.
func (l *replayLog) last(start uint64) (last uint64) {
	if l.changes.last != nil {
		last = l.changes.last.seq
	}
	for i := len(l.entries) - 1; i >= l.head && l.entries[i].seq > max(start, last); i-- {
		if l.entries[i].to == nil { // else it is the master's own
			return l.entries[i].seq
		}
	}
	return last
}

// kept is the number of messages that are kept.
func (l *replayLog) kept() int { return len(l.entries) - l.head }

// exceeded reports whether so many messages of so many bytes are over the bound. One
// message alone may have more bytes than the bound, but a bound of no messages keeps
// none.
func (b Bound) exceeded(messages, bytes int) bool {
	return messages > b.Messages || messages > 1 && bytes > b.Bytes
}

// entry is the message of that number, or nil where it is not kept, or has expired. No message
// has the number zero.
func (l *replayLog) entry(seq uint64) *entry {
	if i := l.index(seq - 1); i < len(l.entries) && l.entries[i].seq == seq && l.entries[i].packet != nil {
		return &l.entries[i]
	}
	return nil
}

// after yields the kept messages with a number above last, in order.
func (l *replayLog) after(last uint64) iter.Seq[entry] { return l.between(last, l.newest) }

// between yields the kept messages with a number above last, up to end, in order.
func (l *replayLog) between(last, end uint64) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := l.index(last); i < len(l.entries) && l.entries[i].seq <= end; i++ {
			if !yield(l.entries[i]) {
				return
			}
		}
	}
}

// index is where the kept messages with a number above last begin.
func (l *replayLog) index(last uint64) int {
	i, _ := slices.BinarySearchFunc(l.entries[l.head:], last, func(e entry, last uint64) int {
		if e.seq > last {
			return 1
		}
		return -1
	})
	return l.head + i
}
