package websocket

import (
	"math"
	"time"
)

// arrival is the watch over the message that is on its way, by what is asked of
// the net.Conn: it costs nothing where a message comes whole. A peer could else
// hold a connection, and what its message takes up, for as long as it likes: with
// a byte now and then, which is a sign of life, or with frames that carry
// nothing, which no limit to the size of a message ends.
//
// It belongs to the reading goroutine.
type arrival struct {
	timeout time.Duration // none where not positive
	room    int           // the size of the buffer that frames are read into
	limit   int           // of size

	inside bool      // the first frame of a message has begun, and its last has not ended
	begun  time.Time // when the reading had to wait for the rest of it; zero before
	size   int       // how many bytes were read since the last one ended
}

// readAhead is the size in bytes of the buffer that the framing library reads
// into, where it is not the http.Server's.
const readAhead = 4 << 10

// framingSlack is how many bytes beside a message may come before it ends:
// what is read ahead of and behind it, and control frames.
const framingSlack = 64 << 10

// setLimit takes the limit to the size of messages. In frames of one byte each a
// message takes up seven times its size. What is larger by far does not end.
func (a *arrival) setLimit(frameLimit int) {
	a.limit = math.MaxInt
	if frameLimit < (math.MaxInt-framingSlack)/7 {
		a.limit = 7*frameLimit + framingSlack
	}
}

// next is called before a message is read.
func (a *arrival) next() {
	a.inside, a.begun, a.size = false, time.Time{}, 0
}

// control is called for each control frame. Between messages it ends what had
// begun; within one it changes nothing.
func (a *arrival) control() {
	if !a.inside {
		a.next()
	}
}

// deadline returns when the message that is arriving has to be complete, zero
// where none is. It is called as more is about to be read, into so many bytes:
// they are fewer than there is room for where the beginning of a frame is there
// already.
func (a *arrival) deadline(into int, now time.Time) time.Time {
	switch {
	case a.timeout <= 0:
		return time.Time{}
	case !a.inside && into >= a.room:
		a.begun = time.Time{}
		return a.begun
	case a.begun.IsZero():
		a.begun = now
	}
	return a.begun.Add(a.timeout)
}

// excessive reports whether more has come than any message takes up.
func (a *arrival) excessive() bool {
	return a.timeout > 0 && a.inside && a.size > a.limit
}
