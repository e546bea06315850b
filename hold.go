package lectern

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
	members []*attachment
	present map[*attachment]struct{}
}

func (c *crowd) add(a *attachment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.present[a]; ok {
		return
	}
	if c.present == nil {
		c.present = make(map[*attachment]struct{})
	}
	c.present[a] = struct{}{}
	c.members = append(c.members, a)
}

func (c *crowd) take() []*attachment {
	c.mu.Lock()
	defer c.mu.Unlock()
	members := c.members
	c.members, c.present = nil, nil
	return members
}

// depth is how many messages wait for the peer, and whether that, in messages or
// bytes, is more than half of what may.
func (s *session) depth() (messages int, crowded bool) {
	messages, bytes := s.out.Waiting()
	limit := s.hub.policy.Outbox
	return messages, messages > limit.Messages/2 || bytes > limit.Bytes/2
}

// hold keeps a sender back, for SlowHold, until its message finds room at those
// who get it, for at most HoldTime. It runs in the connection's reader, which is
// what holds the peer back.
func (s *session) hold(a *attachment, size int) {
	if a.member.role == wire.Slave {
		s.holdSlave(a, size)
		return
	}
	// Who is slow is known once what was sent before has been queued.
	a.channel.flush()
	crowd := a.channel.crowd.take()
	if len(crowd) == 0 {
		return
	}
	ctx, done := s.waiting()
	defer done()
	late := time.NewTimer(s.hub.policy.HoldTime)
	defer late.Stop()
	overdue := false
	for _, slow := range crowd {
		_, crowded := slow.session.depth()
		if !crowded {
			continue
		}
		room := slow.session.out.Room()
		if room == nil {
			continue
		}
		if overdue {
			slow.session.tooSlow()
			continue
		}
		select {
		case <-room:
		case <-ctx.Done():
			return
		case <-late.C:
			overdue = true
			slow.session.tooSlow()
		}
	}
}

// holdSlave waits until the master's outbox has room. A slave that was held for
// nothing is not held again for as long, so that its connection is read often
// enough.
func (s *session) holdSlave(a *attachment, size int) {
	now := time.Now()
	if now.Before(s.unheld) {
		return
	}
	var late *time.Timer
	var ctx context.Context
	for {
		master := a.channel.presentMaster()
		if master == nil || !master.full(size) {
			return
		}
		room := master.session.out.Room()
		if room == nil {
			return
		}
		if late == nil {
			late = time.NewTimer(s.hub.policy.HoldTime)
			defer late.Stop()
			var done func()
			ctx, done = s.waiting()
			defer done()
		}
		select {
		case <-room:
		case <-ctx.Done():
			return
		case <-late.C:
			s.unheld = time.Now().Add(s.hub.policy.HoldTime)
			return
		}
	}
}

// presentMaster is the attachment of the channel's master, if it has one.
func (c *Channel) presentMaster() *attachment {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life != open {
		return nil
	}
	return c.master.at
}
