package httpstream

import "encoding/base64"

// maxWindowMessages and maxWindowBytes bound what was written and has not been acknowledged.
// One message that is larger alone is taken.
const (
	maxWindowMessages = 1024
	maxWindowBytes    = 128 << 10
	// An acknowledgement is asked for when so much was written to the carrier and lacks one.
	askedMessages = maxWindowMessages / 2
	askedBytes    = maxWindowBytes / 2
)

// A window has the messages that are on their way to the peer and that it has not said to
// have: it may ask for them again. They have the numbers from acked + 1 on.
type window struct {
	messages [][]byte
	acked    uint64
	bytes    int
	// ackedSize is the size in bytes of the events that were acknowledged.
	ackedSize uint64
}

// last is the number of the last message.
func (w *window) last() uint64 { return w.acked + uint64(len(w.messages)) }

// fits reports whether these messages, of so many bytes, may be added.
func (w *window) fits(count, bytes int) bool {
	if len(w.messages) == 0 && count <= 1 {
		return true
	}
	return len(w.messages)+count <= maxWindowMessages && w.bytes+bytes <= maxWindowBytes
}

// add takes a message, which is the window's from now on.
func (w *window) add(message []byte) {
	w.messages = append(w.messages, message)
	w.bytes += len(message)
}

// message is the one of the number, which is in the window.
func (w *window) message(id uint64) []byte { return w.messages[id-w.acked-1] }

// acknowledge takes out all messages up to that number, which is not above last, and reports
// whether there were any.
func (w *window) acknowledge(id uint64) bool {
	if id <= w.acked {
		return false
	}
	count := int(id - w.acked)
	for i, message := range w.messages[:count] {
		w.ackedSize += uint64(eventSize(w.acked+1+uint64(i), message))
		w.bytes -= len(message)
		w.messages[i] = nil
	}
	w.acked = id
	if w.messages = w.messages[count:]; len(w.messages) == 0 {
		w.messages = nil
	}
	return true
}

// sizeTo is the size in bytes of all events up to that number, since the first.
func (w *window) sizeTo(id uint64) uint64 {
	size := w.ackedSize
	for next := w.acked + 1; next <= id; next++ {
		size += uint64(eventSize(next, w.message(next)))
	}
	return size
}

// A cursor says how far a carrier is: it has had all messages up to a number, and so many bytes
// of the event behind them.
type cursor struct {
	id     uint64
	offset int
	// at is the size in bytes of all that, since the connection began.
	at uint64
}

// cursorAt is that of a carrier that has all up to the number.
func (w *window) cursorAt(id uint64) cursor { return cursor{id: id, at: w.sizeTo(id)} }

// behind is how many bytes the cursor has not had, at most, where that is not more than enough.
func (w *window) behind(at *cursor, enough int) int {
	size := 0
	for id := at.id + 1; id <= w.last() && size < enough; id++ {
		size += eventHead + base64.StdEncoding.EncodedLen(len(w.message(id))) + len(eventTail)
	}
	return size
}

// fill appends what is behind the cursor, as far as it fits into dst, and moves the cursor on.
func (w *window) fill(dst []byte, at *cursor) []byte {
	var e event
	for at.id < w.last() && cap(dst)-len(dst) >= leastPart {
		e.set(at.id+1, w.message(at.id+1))
		before := len(dst)
		dst, at.offset = e.appendPart(dst, at.offset)
		at.at += uint64(len(dst) - before)
		if at.offset < e.size() {
			break
		}
		at.id, at.offset = at.id+1, 0
	}
	return dst
}
