package star

import (
	"iter"

	"github.com/lectern-go/lectern/internal/wire"
)

// attribute is one key of a member: its newest value, or that it was removed. Without a key
// it is that all others of the member which are older have been forgotten, removals too.
type attribute struct {
	owner *member
	key   string
	// seq is the number of its last change.
	seq uint64
	// value has no kind where the key was removed.
	value wire.Payload
	// packet tells a master's attribute to all of its slaves. It is nil for a slave's, which
	// its master alone is told, and until it is needed.
	packet *wire.Packet
	// fixed: the service has said so, and the member cannot change it.
	fixed bool
	// previous and next are the links of the changeList.
	previous, next *attribute
}

// size is what the attribute counts in bytes.
func (x *attribute) size() int { return len(x.key) + len(x.value.Data) }

func (x *attribute) removed() bool { return x.value.Kind == wire.NoPayload }

// is reports whether the attribute has that value.
func (x *attribute) is(value wire.Payload) bool {
	return x.value.Kind == value.Kind && string(x.value.Data) == string(value.Data)
}

// changeList has the attributes of one direction of a channel in the order of their numbers.
// A change takes its attribute to the end.
type changeList struct{ first, last *attribute }

// add adds the attribute at the end, with its new number.
func (l *changeList) add(x *attribute, seq uint64) {
	x.seq, x.packet = seq, nil
	if x.previous = l.last; l.last == nil {
		l.first = x
	} else {
		l.last.next = x
	}
	l.last = x
}

// remove removes an attribute that is in the list.
func (l *changeList) remove(x *attribute) {
	if x.previous == nil {
		l.first = x.next
	} else {
		x.previous.next = x.next
	}
	if x.next == nil {
		l.last = x.previous
	} else {
		x.next.previous = x.previous
	}
	x.previous, x.next = nil, nil
}

// after is the first attribute whose last change has a number above last, or nil. It takes as
// long as there are such attributes.
func (l *changeList) after(last uint64) (first *attribute) {
	for x := l.last; x != nil && x.seq > last; x = x.previous {
		first = x
	}
	return first
}

// all yields the attributes in their order.
func (l *changeList) all() iter.Seq[*attribute] {
	return func(yield func(*attribute) bool) {
		for x := l.first; x != nil; x = x.next {
			if !yield(x) {
				return
			}
		}
	}
}

// bytes is the size of the attributes with a number above last, up to end, each with
// entryOverhead.
func (l *changeList) bytes(last, end uint64) (bytes int) {
	for x := l.after(last); x != nil && x.seq <= end; x = x.next {
		bytes += x.size() + entryOverhead
	}
	return bytes
}
