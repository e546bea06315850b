package httpstream

import (
	"time"

	"github.com/lectern-go/lectern/internal/linked"
	"github.com/lectern-go/lectern/transport"
)

// lives are the connections of a handler by how long ago their clients have given a sign of life:
// a request. There is one timer for all of them. The handler's lock covers it, and the life of each
// connection.
//
// A client that was silent for long is asked for a sign of life, where there is a stream to ask on,
// and is given up where none comes. Before it is, there is a time in which nothing is decided: it
// may be this side that has stood still, and what the client has sent lies there.
type lives struct {
	handler *handler
	stages  [stages]stage
	timer   *time.Timer
	wakeAt  time.Time // zero where the timer does not run
}

// The stages of a silence.
const (
	quiet = iota
	probed
	looked
	stages
)

// A stage has those connections that wait for as long as it lasts, in the order in which they
// have begun to.
type stage struct {
	lasts time.Duration
	list  linked.List[*conn]
}

// A life is what lives know of a connection.
type life struct {
	stage int
	since time.Time
	links linked.Links[*conn]
	in    bool // one of the lists

	taken uint64 // conn.Taken when it was probed; the conn's lock covers it
}

// Links makes conns elements of a list.
func (c *conn) Links() *linked.Links[*conn] { return &c.alive.links }

// longestLooking is how long a last look lasts at most.
const longestLooking = 250 * time.Millisecond

func (l *lives) init(h *handler) {
	l.handler = h
	looking := min(longestLooking, h.options.GiveUp/8)
	l.stages[quiet].lasts = h.options.ProbeAfter
	l.stages[probed].lasts = h.options.GiveUp - looking
	l.stages[looked].lasts = looking
}

func (l *lives) add(c *conn) { l.move(c, quiet) }

func (l *lives) heard(c *conn) {
	if c.alive.in {
		l.move(c, quiet)
	}
}

func (l *lives) remove(c *conn) {
	if c.alive.in {
		l.stages[c.alive.stage].list.Remove(c)
		c.alive.in = false
	}
	for i := range l.stages {
		if l.stages[i].list.First() != nil {
			return
		}
	}
	if l.timer != nil {
		l.timer.Stop()
		l.timer, l.wakeAt = nil, time.Time{}
	}
}

// move puts the connection at the end of a stage's list.
func (l *lives) move(c *conn, to int) {
	if l.handler.options.ProbeAfter <= 0 {
		return // nobody is given up
	}
	if c.alive.in {
		l.stages[c.alive.stage].list.Remove(c)
	}
	c.alive.stage, c.alive.since, c.alive.in = to, time.Now(), true
	l.stages[to].list.Append(c)
	if end := c.alive.since.Add(l.stages[to].lasts); l.wakeAt.IsZero() || end.Before(l.wakeAt) {
		l.wake(end)
	}
}

// wake has sweep called then.
func (l *lives) wake(at time.Time) {
	l.wakeAt = at
	if l.timer == nil {
		l.timer = time.AfterFunc(time.Until(at), l.sweep)
	} else {
		l.timer.Reset(time.Until(at))
	}
}

// sweep does what is due. It is called by the timer.
func (l *lives) sweep() {
	h := l.handler
	var ask, silent []*conn
	h.mu.Lock()
	now := time.Now()
	for i := range l.stages {
		s := &l.stages[i]
		for c := s.list.First(); c != nil && !now.Before(c.alive.since.Add(s.lasts)); c = s.list.First() {
			switch i {
			case quiet:
				ask = append(ask, c)
				l.move(c, probed)
			case probed:
				l.move(c, looked)
			case looked:
				silent = append(silent, c)
				l.move(c, quiet) // until it is known to be silent
			}
		}
	}
	l.wakeAt = time.Time{}
	for i := range l.stages {
		if c := l.stages[i].list.First(); c != nil {
			if end := c.alive.since.Add(l.stages[i].lasts); l.wakeAt.IsZero() || end.Before(l.wakeAt) {
				l.wakeAt = end
			}
		}
	}
	if !l.wakeAt.IsZero() {
		l.wake(l.wakeAt)
	}
	h.mu.Unlock()
	for _, c := range ask {
		c.probe()
	}
	for _, c := range silent {
		c.giveUp()
	}
}

// probe asks the client for a sign of life.
func (c *conn) probe() {
	taken := c.Taken()
	c.mu.Lock()
	c.alive.taken = taken
	sends := c.post != nil
	c.ask()
	c.pump()
	if sends { // and is not silent, however long that is held up
		c.handler.heard(c)
	}
}

// giveUp ends the reading because the client is silent, unless it does something.
func (c *conn) giveUp() {
	taken, underway := c.progress()
	c.mu.Lock()
	silent := c.post == nil && !(underway && taken != c.alive.taken)
	c.mu.Unlock()
	if silent {
		c.endReading(transport.ErrSilent)
	}
}
