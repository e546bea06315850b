package engineio

import (
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/linked"
	"github.com/lectern-go/lectern/transport"
)

// heartbeats send pings to the sessions of protocol 4 and wait for their pongs, and wait for the
// pings of those of protocol 3: a list for each of these, in the order of time, and one timer
// for all. A ping is sent every interval, whatever else comes: a client goes by that.
//
// Before a silent session is given up, what lies in the system's buffers has a moment to be
// read: it may be this process that stood still.
type heartbeats struct {
	interval, timeout time.Duration
	look              time.Duration // a part of the timeout
	endless           bool          // nobody is given up
	started           time.Time     // times are counted from here

	mu    sync.Mutex
	lists [4]linked.List[*Session]
	timer *time.Timer
	wake  time.Duration // when the timer fires; zero where it does not
	done  sync.Cond     // signalled when the sweep has done with sessions
}

// A beat is what the heartbeats know of a session; their lock covers it.
type beat struct {
	links linked.Links[*Session]
	since time.Duration
	state beatState
	swept bool   // the sweep has it, and no list
	owed  uint8  // pongs that are still to come
	alive bool   // an answer has come meanwhile
	taken uint64 // how much was taken when the ping was sent
}

type beatState uint8

const (
	unlisted  beatState = iota
	resting             // until the next ping
	pinged              // until the pong
	listening           // until the ping of a client of protocol 3
	looking             // for the last moment
)

// Links makes sessions elements of the lists.
func (s *Session) Links() *linked.Links[*Session] { return &s.beat.links }

func (h *heartbeats) init(options transport.ConnOptions) {
	h.started = time.Now()
	h.done.L = &h.mu
	h.interval, h.timeout = options.ProbeAfter, options.GiveUp
	if h.endless = h.interval <= 0; h.endless {
		h.interval, h.timeout = transport.DefaultProbeAfter, transport.DefaultGiveUp
	}
	h.look = min(time.Second, h.timeout/5)
}

func (h *heartbeats) now() time.Duration { return time.Since(h.started) }

// patience is how long a session stays in the state.
func (h *heartbeats) patience(state beatState) time.Duration {
	switch state {
	case resting:
		return h.interval
	case pinged:
		return h.timeout - h.look
	case listening:
		return h.interval + h.timeout - h.look
	}
	return h.look
}

func (h *heartbeats) list(state beatState) *linked.List[*Session] { return &h.lists[state-1] }

// add begins with a session.
func (h *heartbeats) add(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.enter(s, s.begin(), h.now())
}

// begin is the state after a sign of life.
func (s *Session) begin() beatState {
	if s.version == 3 {
		return listening
	}
	return resting
}

// enter puts a session that is in no list behind all others of the state. The lock is held.
func (h *heartbeats) enter(s *Session, state beatState, since time.Duration) {
	s.beat.state, s.beat.since = state, since
	h.list(state).Append(s)
	if due := since + h.patience(state); h.wake == 0 || due < h.wake {
		h.arm(due)
	}
}

func (h *heartbeats) leave(s *Session) {
	if s.beat.state != unlisted {
		h.list(s.beat.state).Remove(s)
		s.beat.state = unlisted
	}
}

// arm has the timer fire then. The lock is held.
func (h *heartbeats) arm(due time.Duration) {
	h.wake = due
	wait := max(due-h.now(), 0)
	if h.timer == nil {
		h.timer = time.AfterFunc(wait, h.sweep)
	} else {
		h.timer.Reset(wait)
	}
}

// remove ends the heartbeats of a session. Nothing is done with it any more when it returns.
func (h *heartbeats) remove(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s.beat.swept {
		h.done.Wait()
	}
	h.leave(s)
	for i := range h.lists {
		if h.lists[i].First() != nil {
			return
		}
	}
	if h.timer != nil && h.timer.Stop() {
		h.wake = 0
	}
}

// ponged is told of a pong, and reports whether it was asked for.
func (h *heartbeats) ponged(s *Session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.beat.owed == 0 {
		return false
	}
	s.beat.owed--
	h.restart(s, resting)
	return true
}

// heard is told of the ping of a client of protocol 3.
func (h *heartbeats) heard(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.restart(s, listening)
}

// handed is told that a poll fetches the ping: the time for the answer runs from then on.
func (h *heartbeats) handed(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.beat.state == pinged && !s.beat.swept {
		h.restart(s, pinged)
	}
}

// restart begins the state anew. The lock is held.
func (h *heartbeats) restart(s *Session, state beatState) {
	switch {
	case s.beat.swept:
		s.beat.alive = true
	case s.beat.state != unlisted:
		h.leave(s)
		h.enter(s, state, h.now())
	}
}

// late reports whether a session's time was up by the clock, whatever the timer has done: a poll
// that comes then is too late.
func (h *heartbeats) late(s *Session) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	end := s.beat.since
	switch s.beat.state {
	case resting:
		end += h.interval + h.timeout
	case pinged:
		end += h.timeout
	case looking:
		end += h.look
	default:
		return false
	}
	return !h.endless && h.now() >= end && !s.turn.IsTaken()
}

// sweep is called by the timer.
func (h *heartbeats) sweep() {
	h.mu.Lock()
	now := h.now()
	var due []*Session
	for state := resting; state <= looking; state++ {
		patience := h.patience(state)
		for s := h.list(state).First(); s != nil && s.beat.since+patience <= now; s = h.list(state).First() {
			h.list(state).Remove(s)
			s.beat.swept = true
			due = append(due, s)
		}
	}
	h.mu.Unlock()
	for _, s := range due {
		h.judge(s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.wake = 0
	for state := resting; state <= looking; state++ {
		if s := h.list(state).First(); s != nil {
			if end := s.beat.since + h.patience(state); h.wake == 0 || end < h.wake {
				h.wake = end
			}
		}
	}
	if h.wake != 0 {
		h.arm(h.wake)
	}
}

// judge does what is due about one session, which is in no list meanwhile.
func (h *heartbeats) judge(s *Session) {
	state, since := s.beat.state, s.beat.since
	switch state {
	case resting:
		state, since = pinged, since+h.interval
		if h.ping(s) {
			since = h.now()
		}
	case pinged, listening:
		state, since = looking, since+h.patience(state)
	case looking:
		since = h.now()
		switch {
		case s.came.Load() || s.turn.IsTaken():
			// It is there, or this side has not read what it may have sent. It is asked once
			// more at once: a client of version 4 goes by the pings.
			if state = s.begin(); state == resting {
				state = pinged
				h.ping(s)
			}
		case !h.endless && !s.moves():
			s.fail(transport.ErrSilent)
		}
	}
	if state != looking {
		s.came.Store(false)
	}
	taken := s.Taken()
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.beat.alive { // the answer has overtaken this
		s.beat.alive, state, since = false, s.begin(), h.now()
	}
	s.beat.swept, s.beat.taken = false, taken
	h.enter(s, state, since)
	h.done.Broadcast()
}

// ping sends a ping, and reports whether it is on its way.
func (h *heartbeats) ping(s *Session) bool {
	h.mu.Lock()
	s.beat.owed = min(s.beat.owed, 254) + 1
	h.mu.Unlock()
	return s.interject(engine(string(packetPing)))
}

// moves reports whether what was written before still crosses the link: a ping behind it has to
// wait for that.
func (s *Session) moves() bool {
	ws := s.ws.Load()
	return ws != nil && ws.Underway() && ws.Taken() != s.beat.taken
}
