package delivery

import (
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
)

// tellAttribute executes a Tell, a TellAll or an Untell. What waits of an attribute is
// replaced, so that a receiver that does not keep up gets the newest value and few others. It
// counts in no limit: what waits is bounded by what members may have.
func (c *Channel) tellAttribute(e *star.Effect) {
	of := outbox.Mark{Channel: c, Member: e.Subject(), Key: e.Text}
	switch e.Kind {
	case star.Untell:
		seatOf(e.To).line.out.Unmark(of)
	case star.Tell:
		line := seatOf(e.To).line
		_ = line.out.QueueMark(e.Packet.Bytes(line.form), of, time.Now())
		c.needsFlush(line)
	case star.TellAll:
		c.fanOutBatch()
		now := time.Now()
		var writers writerCount
		for _, r := range c.fanout.audience {
			writing, _ := r.out.PushMark(e.Packet.Bytes(r.form), of, now)
			writers.count(writing)
		}
	}
}
