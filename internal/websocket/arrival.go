package websocket

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// arrival is the watch over the message that is on its way, by what is asked of
// the net.Conn: it costs nothing where a message comes whole. A peer could else
// hold a connection, and what its message takes up, for as long as it likes: with
// a byte now and then, which is a sign of life, or with frames that carry
// nothing, which no limit to the size of a message ends.
//
// It belongs to the reading goroutine, but for the limit.
type arrival struct {
	timeout time.Duration // none where not positive
	limit   atomic.Int64  // to a message; set by any goroutine

	size   int                    // how many bytes were read since the last message or control frame ended
	timer  transport.MessageTimer // runs when the reading has to wait for the rest of this one
	inside bool                   // a message is being read: the header of its first frame is there
}

// framingSlack is how many bytes beside a message may come before it ends:
// what is read ahead of and behind it, and control frames.
const framingSlack = 64 << 10

func (a *arrival) setLimit(bytes int) { a.limit.Store(int64(bytes)) }

// messageLimit is the size in bytes of the largest message.
func (a *arrival) messageLimit() int { return int(a.limit.Load()) }

// wireLimit is how much may come before a message ends. In frames of one byte each a message
// takes up seven times its size. What is larger by far does not end.
func (a *arrival) wireLimit() int {
	if limit := a.messageLimit(); limit < (math.MaxInt-framingSlack)/7 {
		return 7*limit + framingSlack
	}
	return math.MaxInt
}

// next is called before a message is read.
func (a *arrival) next() {
	a.inside, a.timer, a.size = false, transport.MessageTimer{}, 0
}

// control is called for each control frame. Between messages it ends what had
// begun; within one it changes nothing.
func (a *arrival) control() {
	if !a.inside {
		a.next()
	}
}

// deadline returns when what is arriving has to be complete, zero where nothing
// is. It is called as more is about to be read. The part of a header that came
// along with the end of the frame before it is not known here; if that is all,
// the time runs from the next byte on.
func (a *arrival) deadline(now time.Time) time.Time {
	if !a.inside && a.size == 0 {
		return time.Time{}
	}
	return a.timer.Wait(now, a.timeout)
}

// excessive reports whether more has come than any message takes up.
func (a *arrival) excessive() bool {
	return a.timeout > 0 && a.inside && a.size > a.wireLimit()
}
