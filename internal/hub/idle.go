package hub

import (
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/linked"
	"github.com/lectern-go/lectern/transport"
)

// idlers are a hub's connections that hold no membership, in the order in which
// that began, and so in which they are closed when it lasts for too long. One timer
// does for all of them, and is left to fire though nobody may be due then: one for
// each connection, which few would let fire, takes 1 % of a join.
//
// Its lock may be taken under a session's, and nothing is called under it.
type idlers struct {
	limit   time.Duration // none where not positive
	due     func()        // called by the timer, which is counted by counter
	counter *sync.WaitGroup
	started time.Time // times are counted from here

	mu      sync.Mutex
	list    linked.List[*session]
	timer   *time.Timer
	armed   bool // the timer may fire
	stopped bool // it is not to fire any more
}

// idling is what the idlers know of a session; their lock covers it.
type idling struct {
	links linked.Links[*session]
	since time.Duration
}

// Links makes sessions elements of the list.
func (s *session) Links() *linked.Links[*session] { return &s.idle.links }

// add puts a session that is not listed at the end.
func (i *idlers) add(s *session) {
	if i.limit <= 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	s.idle.since = time.Since(i.started)
	i.list.Append(s)
	if !i.armed {
		i.arm(i.limit)
	}
}

func (i *idlers) remove(s *session) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.list.Has(s) {
		i.list.Remove(s)
	}
}

// has reports whether the session is listed, and so not due.
func (i *idlers) has(s *session) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.list.Has(s)
}

// arm is called under the lock.
func (i *idlers) arm(after time.Duration) {
	if i.armed = !i.stopped; !i.armed {
		return
	}
	i.counter.Add(1)
	if i.timer == nil {
		i.timer = time.AfterFunc(after, i.due)
	} else {
		i.timer.Reset(after)
	}
}

// take takes those whose time is over off the list. It is called when the timer has
// fired, and starts it again for those that are left.
func (i *idlers) take() []*session {
	i.mu.Lock()
	defer i.mu.Unlock()
	var over []*session
	now := time.Since(i.started)
	first := i.list.First()
	for ; first != nil && now-first.idle.since >= i.limit; first = i.list.First() {
		over = append(over, first)
		i.list.Remove(first)
	}
	i.armed = false
	if first != nil {
		i.arm(i.limit - (now - first.idle.since))
	}
	return over
}

// stop lets nobody's time end any more.
func (i *idlers) stop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped = true
	if i.armed && i.timer.Stop() {
		i.armed = false
		i.counter.Done()
	}
}

// endIdle closes the connections whose time without a membership is over.
func (h *Hub) endIdle() {
	defer h.goroutines.Done()
	for _, s := range h.idlers.take() {
		s.endIdle()
	}
}

// endIdle is called for a session that has been taken off the list. One that is
// listed again has held a membership meanwhile.
func (s *session) endIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.hub.idlers.has(s):
	case s.waits():
	case s.seats.count() == 0:
		s.closeIdle()
	default:
		s.overdue = true // it is decided by what comes of the seat
	}
}

// closeIdle closes the connection. The lock is held.
func (s *session) closeIdle() {
	s.ending = true
	s.Out().Close(transport.Reason{Code: transport.Idle, Text: "no membership"})
}
