package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the backpressure of SlowHold: while receivers are slow, the connection
// of the sender is not read.

// slowSet has the slaves of a channel whose outboxes are above the high-water mark, and those that are catching up. The
// deliverer adds slaves. The reader that is held back because of them takes them out, but for those that are
// catching up: who feeds one takes it out when that has ended.
// mu guards the other fields.
type slowSet struct {
	mu    sync.Mutex
	seats []slowSeat
	// present has the index of each in seats.
	present map[slowSeat]int
}

// slowSeat is a slave that its master waits for.
type slowSeat struct {
	*Seat
	// catchingUp: the slave has not caught up yet (star.AwaitDrain). Its master waits
	// until the outbox is empty, and the next part of what it has missed is in it.
	catchingUp bool
}

// progress is closed when it is worth looking at the slave again, and nil where its master need not wait for it.
func (s slowSeat) progress() <-chan struct{} {
	if s.catchingUp {
		return s.nextTurn()
	}
	if _, high := s.line.depth(); high {
		return s.line.out.Room()
	}
	return nil
}

// closeSlow closes the connection, unless the peer has taken all and it is the hub that has not gone on yet.
func (s slowSeat) closeSlow() {
	if s.line.out.Room() != nil {
		s.line.CloseSlow()
	}
}

func (set *slowSet) add(s slowSeat) {
	set.mu.Lock()
	defer set.mu.Unlock()
	set.insert(s)
}

// insert is add with the lock held.
func (set *slowSet) insert(s slowSeat) {
	if _, ok := set.present[s]; ok {
		return
	}
	if set.present == nil {
		set.present = make(map[slowSeat]int)
	}
	set.present[s] = len(set.seats)
	set.seats = append(set.seats, s)
}

func (set *slowSet) remove(s slowSeat) {
	set.mu.Lock()
	defer set.mu.Unlock()
	i, ok := set.present[s]
	if !ok {
		return
	}
	last := len(set.seats) - 1
	set.seats[i] = set.seats[last]
	set.present[set.seats[i]] = i
	set.seats[last] = slowSeat{}
	set.seats = set.seats[:last]
	delete(set.present, s)
}

func (set *slowSet) empty() bool {
	set.mu.Lock()
	defer set.mu.Unlock()
	return len(set.seats) == 0
}

// take returns all, and takes out those that are not catching up.
func (set *slowSet) take() []slowSeat {
	set.mu.Lock()
	defer set.mu.Unlock()
	all := set.seats
	set.seats, set.present = nil, nil
	for _, s := range all {
		if s.catchingUp {
			set.insert(s)
		}
	}
	return all
}

// depth is how many messages wait for the peer, and whether the outbox is above its
// high-water mark: half of its limit in messages or in bytes.
func (l *Line) depth() (messages int, high bool) {
	messages, bytes := l.out.Depth()
	limit := &l.config.Outbox
	return messages, messages > limit.Messages/2 || bytes > limit.Bytes/2
}

// Hold holds back the sender of a message of size bytes, for SlowHold: it waits until
// the outboxes of the receivers have room, but for at most HoldTimeout. It runs in the
// reader of the sender's connection, so that nothing is read from the peer meanwhile.
// Where Hold must wait, it calls waitContext for the context to wait with, and calls
// done at the end.
func (s *Seat) Hold(size int, waitContext func() (ctx context.Context, done func())) {
	if s.Role() == wire.Slave {
		s.holdSlave(size, waitContext)
		return
	}
	s.channel.HoldForSlaves(waitContext)
}

// HoldForSlaves holds back the sender of a message to slaves, see Seat.Hold.
func (c *Channel) HoldForSlaves(waitContext func() (ctx context.Context, done func())) {
	if c.delivered() && c.slow.empty() {
		return
	}
	ctx, done := waitContext()
	defer done()
	// The slow slaves are known only after the earlier messages have been queued.
	if c.Flush(ctx) != nil {
		return
	}
	slowSlaves := c.slow.take()
	if len(slowSlaves) == 0 {
		return
	}
	late := time.NewTimer(c.config.HoldTimeout)
	defer late.Stop()
	overdue := false
	for _, slow := range slowSlaves {
		progress := slow.progress()
		if progress == nil {
			continue
		}
		if overdue {
			slow.closeSlow()
			continue
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return
		case <-late.C:
			overdue = true
			slow.closeSlow()
		}
	}
}

// holdSlave holds back a slave until there is room for the master. When it has waited
// for HoldTimeout in vain, it does not hold this connection again for the same time, so
// that the connection is read often enough.
func (s *Seat) holdSlave(size int, waitContext func() (ctx context.Context, done func())) {
	config := s.line.config
	if time.Since(config.Started) < s.line.noHoldUntil {
		return
	}
	var late *time.Timer
	var ctx context.Context
	for {
		room := s.channel.heldUp(s, size)
		if room == nil {
			return
		}
		if late == nil {
			late = time.NewTimer(config.HoldTimeout)
			defer late.Stop()
			var done func()
			ctx, done = waitContext()
			defer done()
		}
		select {
		case <-room:
		case <-ctx.Done():
			return
		case <-late.C:
			s.line.noHoldUntil = time.Since(config.Started) + config.HoldTimeout
			return
		}
	}
}

// heldUp returns nil if the channel's master can get a message of size bytes from the slave
// at present, or if nothing is known by which that would become better. Otherwise it
// returns what is closed when it is worth trying again.
func (c *Channel) heldUp(slave *Seat, size int) (room <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.rules.Master()
	if at == nil || c.rules.MembershipEnded(&slave.Attachment) || !c.rules.MustWait(&slave.Attachment, size) {
		return nil
	}
	master := seatOf(at)
	if room = master.line.out.Room(); room != nil {
		return room
	}
	if !c.rules.AwaitRoom(&slave.Attachment, size) {
		return nil
	}
	if c.room == nil {
		c.room = make(chan struct{})
	}
	return c.room
}

// roomMade wakes those that wait for room.
func (c *Channel) roomMade() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.room != nil {
		close(c.room)
		c.room = nil
	}
}
