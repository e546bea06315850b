package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// readFor bounds one read of a hole. What it has got by then is kept.
	readFor = 5 * time.Second

	// fillPause is the first pause after a read that got nothing, and fillPauseMax the longest.
	fillPause    = 100 * time.Millisecond
	fillPauseMax = time.Second
)

// start has run look again. The lock is held, and the Follower is not closed.
func (f *Follower) start() {
	if !f.active {
		f.active = true
		f.running.Go(f.run)
		return
	}
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// filling is what run knows of the hole that it is at.
type filling struct {
	pause  time.Duration // after the last read, which got nothing; 0: it got something
	again  time.Time     // not before
	doubts int           // how many reads in a row said that what is missing is gone
}

// run delivers and fills for as long as there is something to.
func (f *Follower) run() {
	var hole filling
	for {
		s := f.next(&hole)
		switch {
		case s.ended:
			return
		case s.lost != nil:
			f.lost(s.lost)
			return
		case s.until > 0:
			f.fill(s.after, s.until, &hole)
		case s.wait > 0:
			f.sleep(s.wait)
		default:
			f.hand(s.group)
		}
	}
}

// tailStep is what run does next.
type tailStep struct {
	ended        bool // there is nothing
	lost         error
	wait         time.Duration
	after, until cluster.Position // of the hole that is to be filled
	group        cluster.Group    // that is to be delivered
}

func (f *Follower) next(hole *filling) (s tailStep) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		s.lost, f.fault = f.fault, nil
		s.ended = s.lost == nil
		return s
	}
	for len(f.waiting) > 0 && f.waiting[0].Position <= f.taken {
		f.shift()
	}
	now := time.Now()
	switch {
	case len(f.waiting) > 0 && f.waiting[0].Before == f.taken:
		s.group = f.shift()
		f.taken, f.nonce = s.group.Position, s.group.Nonce
		*hole = filling{}
		return s
	case len(f.waiting) > 0 && f.waiting[0].Before < f.taken:
		s.lost = broken(f.taken, f.waiting[0])
		f.over, f.waiting = true, nil
		return s
	case len(f.waiting) > 0:
		// The tail is in order, so it will not bring what is missing: there is nothing to wait for.
		s.until = f.waiting[0].Before
	case f.known > f.taken:
		s.until = f.known
		s.wait = f.due.Sub(now)
	default:
		f.active = false
		s.ended = true
		return s
	}
	if s.wait = max(s.wait, hole.again.Sub(now)); s.wait > 0 {
		s.until = 0
	}
	s.after = f.taken
	return s
}

// shift takes out the first that waits. The lock is held.
func (f *Follower) shift() cluster.Group {
	g := f.waiting[0]
	f.waiting[0] = cluster.Group{}
	f.bytes -= len(g.Body)
	if f.waiting = f.waiting[1:]; len(f.waiting) == 0 {
		f.waiting = nil
	}
	return g
}

func broken(after cluster.Position, g cluster.Group) error {
	return fmt.Errorf("%w: the group at %d follows the one at %d, and is read after %d", ErrBroken, g.Position, g.Before, after)
}

// hand delivers what next has taken out.
func (f *Follower) hand(g cluster.Group) {
	f.deliver(g)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.at = g.Position
}

// sleep waits, until there is something new.
func (f *Follower) sleep(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-f.wake:
	case <-f.ctx.Done():
	}
}

// fill reads what is missing, as far as it gets it in one go, and delivers it.
func (f *Follower) fill(after, until cluster.Position, hole *filling) {
	got, err := f.read(after, until)
	for _, g := range got {
		if !f.take(g) {
			return
		}
		f.hand(g)
	}
	if len(got) > 0 {
		*hole = filling{}
	}
	if err == nil {
		return
	}
	switch {
	case errors.Is(err, cluster.ErrClosed):
		f.end(err)
	case errors.Is(err, cluster.ErrGone), errors.Is(err, ErrBroken):
		// Nodes let groups go each by its own clock, so one may have none where others have: it is believed when it
		// was seen a few times.
		if hole.doubts++; hole.doubts == holeTries {
			f.end(err)
		}
	default:
		hole.doubts = 0
	}
	hole.pause = min(max(2*hole.pause, fillPause), fillPauseMax)
	hole.again = time.Now().Add(hole.pause)
}

// take is the step from one group to the next, and tells whether there is one.
func (f *Follower) take(g cluster.Group) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return false
	}
	f.taken, f.nonce = g.Position, g.Nonce
	return true
}

func (f *Follower) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail(err)
}

// read reads the Shared groups after one position up to another, or the first of them. With an error it has read as
// far as it says, and each follows the one before it.
func (f *Follower) read(after, until cluster.Position) (got []cluster.Group, err error) {
	ctx, cancel := context.WithTimeout(f.ctx, readFor)
	defer cancel()
	f.mu.Lock()
	if f.over || len(f.waiting) > 0 && f.waiting[0].Before == after {
		f.mu.Unlock()
		return nil, nil // it was filled meanwhile
	}
	f.enough = cancel
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.enough = nil
	}()
	bytes := 0
	for g, err := range f.log.Read(ctx, f.key, cluster.Shared, after, until) {
		if err != nil {
			return got, err
		}
		if g.Before != after {
			return got, broken(after, g)
		}
		got = append(got, g)
		after = g.Position
		if bytes += len(g.Body); len(got) == tailGroups || bytes >= tailBytes {
			return got, nil
		}
	}
	if after < until {
		return got, io.ErrUnexpectedEOF
	}
	return got, nil
}
