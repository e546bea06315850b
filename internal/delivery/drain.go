package delivery

import (
	"time"

	"github.com/lectern-go/lectern/internal/star"
)

// This file waits for a master that does not keep up.

// awaitDrain tells the rules once all that waits for the master now has been taken to be
// written, or the connection has ended. Until then it costs a goroutine, of which a seat
// has one at a time. The outbox wakes it.
func (c *Channel) awaitDrain(s *Seat) {
	if c.awaited.Swap(s.Epoch()) == s.Epoch() {
		return // a goroutine waits, and decides after this
	}
	c.config.Goroutines.Add(1)
	go func() {
		defer c.config.Goroutines.Done()
		if room := s.line.out.Room(); room != nil {
			<-room
		}
		c.awaited.CompareAndSwap(s.Epoch(), 0)
		c.drained(s)
	}()
}

// drained tells the rules that nothing of what waited for the master waits any more.
func (c *Channel) drained(s *Seat) {
	c.Decide(func(rules *star.Channel, _ time.Time) { rules.Drained(&s.Attachment) })
}

// heldUp returns the seat of the channel's master if the master cannot get a message of
// size bytes from the slave at present. Otherwise it returns nil. unlisted: it is because
// the master has to be told its list first.
func (c *Channel) heldUp(slave *Seat, size int) (master *Seat, unlisted bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.rules.Master()
	if at == nil || c.rules.MembershipEnded(&slave.Attachment) || !c.rules.MustWait(&slave.Attachment, size) {
		return nil, false
	}
	return seatOf(at), c.rules.Unlisted(&slave.Attachment)
}
