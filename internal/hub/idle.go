package hub

import (
	"sync"
	"time"

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

	mu          sync.Mutex
	first, last *session
	timer       *time.Timer
	armed       bool // the timer may fire
	stopped     bool // it is not to fire any more
}

// idling is what the idlers know of a session; their lock covers it.
type idling struct {
	prev, next *session
	since      time.Duration
}

// add puts a session that is not listed at the end.
func (i *idlers) add(s *session) {
	if i.limit <= 0 {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	s.idle = idling{prev: i.last, since: time.Since(i.started)}
	if i.last == nil {
		i.first = s
	} else {
		i.last.idle.next = s
	}
	i.last = s
	if !i.armed {
		i.arm(i.limit)
	}
}

func (i *idlers) remove(s *session) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.lists(s) {
		i.unlist(s)
	}
}

// unlist is called under the lock.
func (i *idlers) unlist(s *session) {
	prev, next := s.idle.prev, s.idle.next
	if prev == nil {
		i.first = next
	} else {
		prev.idle.next = next
	}
	if next == nil {
		i.last = prev
	} else {
		next.idle.prev = prev
	}
	s.idle = idling{}
}

// has reports whether the session is listed, and so not due.
func (i *idlers) has(s *session) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.lists(s)
}

// lists is has under the lock.
func (i *idlers) lists(s *session) bool { return s.idle.prev != nil || i.first == s }

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
	for i.first != nil && now-i.first.idle.since >= i.limit {
		over = append(over, i.first)
		i.unlist(i.first)
	}
	i.armed = false
	if i.first != nil {
		i.arm(i.limit - (now - i.first.idle.since))
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
	if s.seats.count() == 0 && !s.hub.idlers.has(s) {
		s.ending = true
		s.Out().Close(transport.Reason{Code: transport.Idle, Text: "no membership"})
	}
}
