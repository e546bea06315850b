package delivery

import (
	"context"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// crowd are the slaves of a channel whose outboxes are filling. The deliverer
// adds to it; who is held back because of them takes them off.
type crowd struct {
	mu      sync.Mutex
	members []*Seat
	present map[*Seat]struct{}
}

func (c *crowd) add(s *Seat) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.present[s]; ok {
		return
	}
	if c.present == nil {
		c.present = make(map[*Seat]struct{})
	}
	c.present[s] = struct{}{}
	c.members = append(c.members, s)
}

func (c *crowd) take() []*Seat {
	c.mu.Lock()
	defer c.mu.Unlock()
	members := c.members
	c.members, c.present = nil, nil
	return members
}

// depth is how many messages wait for the peer, and whether that, in messages or
// bytes, is more than half of what may.
func (l *Line) depth() (messages int, crowded bool) {
	messages, bytes := l.out.Waiting()
	limit := &l.config.Outbox
	return messages, messages > limit.Messages/2 || bytes > limit.Bytes/2
}

// Hold keeps the sender of a message of size bytes back, for SlowHold, until the
// message finds room at those who get it, for at most HoldTimeout. It runs in the
// connection's reader, which is what holds the peer back. waiting makes the context
// that it waits with, where it has to, which is given back by done.
func (s *Seat) Hold(size int, waiting func() (ctx context.Context, done func())) {
	if s.Role() == wire.Slave {
		s.holdSlave(size, waiting)
		return
	}
	// Who is slow is known once what was sent before has been queued.
	s.channel.Flush()
	crowd := s.channel.crowd.take()
	if len(crowd) == 0 {
		return
	}
	ctx, done := waiting()
	defer done()
	late := time.NewTimer(s.line.config.HoldTimeout)
	defer late.Stop()
	overdue := false
	for _, slow := range crowd {
		_, crowded := slow.line.depth()
		if !crowded {
			continue
		}
		room := slow.line.out.Room()
		if room == nil {
			continue
		}
		if overdue {
			slow.line.TooSlow()
			continue
		}
		select {
		case <-room:
		case <-ctx.Done():
			return
		case <-late.C:
			overdue = true
			slow.line.TooSlow()
		}
	}
}

// holdSlave waits until the master's outbox has room. A slave that was held for
// nothing is not held again for as long, so that its connection is read often
// enough.
func (s *Seat) holdSlave(size int, waiting func() (ctx context.Context, done func())) {
	config := s.line.config
	if time.Since(config.Started) < s.line.unheld {
		return
	}
	var late *time.Timer
	var ctx context.Context
	for {
		master := s.channel.fullMaster(size)
		if master == nil {
			return
		}
		room := master.line.out.Room()
		if room == nil {
			return
		}
		if late == nil {
			late = time.NewTimer(config.HoldTimeout)
			defer late.Stop()
			var done func()
			ctx, done = waiting()
			defer done()
		}
		select {
		case <-room:
		case <-ctx.Done():
			return
		case <-late.C:
			s.line.unheld = time.Since(config.Started) + config.HoldTimeout
			return
		}
	}
}
