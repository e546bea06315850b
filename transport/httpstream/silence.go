package httpstream

import (
	"time"

	"github.com/lectern-go/lectern/transport"
)

// A silence is what a dialled connection knows of its server's. The conn's lock covers it.
type silence struct {
	timer *time.Timer // nil where nobody is watched
	over  bool
	heard time.Time // when something has come last
	stage int       // as in lives
	took  uint64    // bytes of bodies that were taken when the server was probed
}

// hear is told that the server has given a sign of life.
func (c *dialled) hear() {
	if c.silence.over || c.options.ProbeAfter <= 0 {
		return
	}
	c.heard, c.stage = time.Now(), quiet
	if c.timer == nil {
		c.timer = time.AfterFunc(c.options.ProbeAfter, c.watch)
	}
}

func (s *silence) stop() {
	s.over = true
	if s.timer != nil {
		s.timer.Stop()
	}
}

// watch is called by the timer.
func (c *dialled) watch() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.silence.over {
		return
	}
	looking := min(longestLooking, c.options.GiveUp/8)
	probe := c.heard.Add(c.options.ProbeAfter)
	end := probe.Add(c.options.GiveUp)
	look := end.Add(-looking)
	now := time.Now()
	next := probe
	switch {
	case c.stage == quiet && !now.Before(probe):
		c.stage, c.silence.took = probed, c.took.Load()
		c.answer = true
		c.changed.Broadcast()
		next = now.Add(look.Sub(probe)) // it has that time, however late this is
	case c.stage == probed:
		c.stage = looked
		next = now.Add(looking)
	case c.stage == looked && c.posting && c.took.Load() != c.silence.took:
		// What was written before crosses the link.
		c.heard, c.stage = now, quiet
		next = now.Add(c.options.ProbeAfter)
	case c.stage == looked:
		c.fail(transport.ErrSilent)
		return
	}
	c.timer.Reset(next.Sub(now))
}
