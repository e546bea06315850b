package delivery

import (
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// sendStats counts what was sent, for the Observer: messages, their bytes, and the
// depth of the longest queue among their receivers before.
type sendStats struct{ messages, bytes, depth int }

func (s *sendStats) add(more sendStats) {
	s.messages += more.messages
	s.bytes += more.bytes
	s.depth = max(s.depth, more.depth)
}

// checkDepth returns how many messages wait for a slave already. With SlowHold it adds
// a slave above the high-water mark to the slow slaves. Where nobody uses either, it
// returns zero without looking.
func (c *Channel) checkDepth(s *Seat) (depth int) {
	if !c.config.Observed && c.config.Slow != SlowHold || s.Role() != wire.Slave {
		return 0
	}
	depth, high := s.line.depth()
	if high && c.config.Slow == SlowHold {
		c.slow.add(slowSeat{Seat: s})
	}
	return depth
}

// observeSent tells the Observer about messages that were sent. Private messages do
// not count for QueueDepth.
func (c *Channel) observeSent(to wire.Role, sent sendStats, private bool) {
	if !c.config.Observed || sent.messages == 0 {
		return
	}
	c.config.Observer.Add(star.MessagesSent, to.String(), int64(sent.messages))
	c.config.Observer.Add(star.BytesSent, to.String(), int64(sent.bytes))
	if to == wire.Slave && !private {
		c.config.Observer.Observe(star.QueueDepth, float64(sent.depth))
	}
}
