package star

import (
	"iter"

	"github.com/lectern-go/lectern/internal/wire"
)

// replayLog numbers the messages of one direction of a channel. It keeps the latest
// of them for replay to members that come back.
type replayLog struct {
	bound Bound
	// newest is the number of the message added last; the first is 1.
	newest uint64
	// lost is the number of the newest message that is no longer kept. lostCommon is
	// the number of the newest message that is no longer kept and was for everybody.
	lost, lostCommon uint64
	// entries[head:] are the messages lost+1 to newest.
	entries []entry
	head    int
	bytes   int
}

// entry is one message that is kept.
type entry struct {
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
	for l.over(l.kept(), l.bytes) {
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

// over reports whether so many messages of so many bytes are over the bound. One
// message alone may have more bytes than the bound, but a bound of no messages keeps
// none.
func (l *replayLog) over(messages, bytes int) bool {
	return messages > l.bound.Messages || messages > 1 && bytes > l.bound.Bytes
}

// wouldLose tells what lost would be after a message of that size was added. Where
// the bound keeps no messages, that is the number of the added message itself.
func (l *replayLog) wouldLose(size int) uint64 {
	messages, bytes := l.kept()+1, l.bytes+size+entryOverhead
	lost := l.lost
	for i := l.head; l.over(messages, bytes); i++ {
		lost++
		if i == len(l.entries) {
			break
		}
		messages--
		bytes -= l.entries[i].size + entryOverhead
	}
	return lost
}

// after yields the kept messages with a number above last, in order.
func (l *replayLog) after(last uint64) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		first := l.head
		if last > l.lost {
			first += int(last - l.lost)
		}
		for i := first; i < len(l.entries); i++ {
			if !yield(l.entries[i]) {
				return
			}
		}
	}
}
