package websocket

import (
	"sync"
	"syscall"
	"time"

	"github.com/lectern-go/lectern/internal/linked"
	"github.com/lectern-go/lectern/transport"
)

// A poller waits for the messages of all connections of a handler that are
// sockets of the system, in one goroutine at a time. A goroutine for each connection, as
// the attendant has one, takes 2.8 KB more: its stack, and what the runtime knows
// of it.
//
// It waits by an epoll of its own, edge-triggered: it is told once that something
// has come, and one of a crew then reads, by the same code as elsewhere, until
// nothing is left. In the middle of a message that goroutine waits for the rest. It
// is the poller that notices silence meanwhile.
//
// There are an epoll and its crew while there are connections.
type poller struct {
	probeAfter, giveUp time.Duration
	started            time.Time // times are counted from here
	open               func() (*epoll, error)

	mu     sync.Mutex
	epoll  *epoll // nil where there are no connections
	quiet  list   // those of which nothing is known but their silence
	probed list   // those that were sent a ping
	// wakeAt is when who waits wakes by itself, at latest; zero where it does not.
	wakeAt time.Duration
}

// polled is what the poller knows of a serving. Its lock covers it.
type polled struct {
	epoll   *epoll // nil before the poller has it
	slot    uint32
	since   time.Duration // when the waiting or the ping began
	list    *list         // that it is in; nil while a goroutine has it
	links   linked.Links[*serving]
	watched bool // the epoll has it; not once it has been forgotten
	again   bool // something has happened meanwhile
	ends    bool // it closes, and did wait
	hungUp  bool // the peer has ended its sending, or sent urgent data, before which a read ends too
	ended   bool // the same, as whoever reads knows it; not covered by the lock
}

// A list is ordered by the beginning of the waiting.
type list = linked.List[*serving]

// Links makes servings elements of a list.
func (s *serving) Links() *linked.Links[*serving] { return &s.polled.links }

// maxPings is how many connections are probed before the poller looks again for
// what has come.
const maxPings = 64

func newPoller(options transport.ConnOptions) *poller {
	return &poller{probeAfter: options.ProbeAfter, giveUp: options.GiveUp, started: time.Now(), open: newEpoll}
}

func (p *poller) now() time.Duration { return time.Since(p.started) }

// canTake reports whether add may be called for the conn.
func (p *poller) canTake(c *conn) bool { return c.socket.ahead.raw != nil }

// add has the poller wait for the connection from now on, or, where its first
// message is there already and it has begun so, the crew read it. It reports false
// where the system does not let it.
func (p *poller) add(s *serving, began bool) bool {
	p.mu.Lock()
	if p.epoll == nil {
		if err := p.start(); err != nil {
			p.mu.Unlock()
			return false
		}
	}
	e := p.epoll
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLPRI | syscall.EPOLLRDHUP | edgeTriggered}
	event.Fd, event.Pad = e.take(s)
	if !began {
		p.wait(s, &p.quiet)
	}
	p.mu.Unlock()

	if err := e.add(s, &event); err != nil && (began || p.takeUp(s)) {
		p.forget(s) // it is the caller's again, and not of one who was started because it closes
		return false
	}
	// Closing may have begun before.
	if began || s.conn.socket.isClosing() && p.takeUp(s) {
		e.crew.add(s)
	}
	return true
}

// takeUp takes a connection that waits, and reports whether it does.
func (p *poller) takeUp(s *serving) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	waits := s.polled.list != nil
	if waits {
		p.handOut(s)
	}
	return waits
}

// park is called when nothing is left to read. It reports false where something
// has happened meanwhile, and the caller has to go on.
func (p *poller) park(s *serving) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.polled.again {
		p.handOut(s)
		return false
	}
	p.wait(s, &p.quiet)
	return true
}

// closing is told that the conn closes. Who closes it reads what still comes, and
// needs nobody beside it until that is over.
func (p *poller) closing(s *serving) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.polled.watched {
		p.expectEnd(s)
	}
}

// expectEnd has whoever has the connection look again, and closed start somebody
// where nobody has it. The lock is held.
func (p *poller) expectEnd(s *serving) {
	if s.polled.list == nil {
		s.polled.again = true
		return
	}
	p.unlist(s)
	s.polled.ends = true
}

// closed has a goroutine find that the conn is closed, where none would.
func (p *poller) closed(s *serving) {
	p.mu.Lock()
	e, ends := s.polled.epoll, s.polled.ends
	s.polled.ends = false
	p.mu.Unlock()
	if ends {
		e.crew.add(s)
	}
}

// forget ends the waiting for the connection, if there is any, and for anything
// where it was the last.
func (p *poller) forget(s *serving) {
	p.mu.Lock()
	if !s.polled.watched {
		p.mu.Unlock()
		return
	}
	p.expectEnd(s) // closing may have been before it was added
	s.polled.watched = false
	e := s.polled.epoll
	e.release(s.polled.slot)
	last := e.used == 0
	if last {
		p.epoll, p.wakeAt = nil, 0
	}
	p.mu.Unlock()
	if last {
		e.stop()
	}
}

// wait puts a connection that no goroutine has at the end of the list. The lock
// is held.
func (p *poller) wait(s *serving, l *list) {
	s.polled.since = p.now()
	s.polled.list = l
	l.Append(s)
	patience := p.giveUp
	if l == &p.quiet {
		if patience = p.probeAfter; patience <= 0 {
			return
		}
	}
	// Mostly it wakes earlier already, because of others.
	if end := s.polled.since + patience; p.wakeAt == 0 || end < p.wakeAt {
		p.wake(end)
	}
}

// handOut gives a connection to the goroutine that is to read from it. The lock
// is held.
func (p *poller) handOut(s *serving) {
	p.unlist(s)
	s.polled.again, s.polled.ended = false, s.polled.hungUp
}

func (p *poller) unlist(s *serving) {
	if s.polled.list != nil {
		s.polled.list.Remove(s)
		s.polled.list = nil
	}
}

// due is when something is to be done about a silence; zero for never. The lock
// is held.
func (p *poller) due() time.Duration {
	var due time.Duration
	if s := p.quiet.First(); s != nil && p.probeAfter > 0 {
		due = s.polled.since + p.probeAfter
	}
	if s := p.probed.First(); s != nil {
		if end := s.polled.since + p.giveUp; due == 0 || end < due {
			due = end
		}
	}
	return due
}

// wake has who waits wake then. The lock is held.
func (p *poller) wake(at time.Duration) {
	p.wakeAt = at
	var deadline time.Time
	if at != 0 {
		deadline = p.started.Add(at)
	}
	_ = p.epoll.file.SetReadDeadline(deadline)
}

// start makes the epoll and its crew. The lock is held.
func (p *poller) start() error {
	e, err := p.open()
	if err != nil {
		return err
	}
	e.crew = newCrew(func() ([]*serving, error) { return p.poll(e) })
	p.epoll = e
	return nil
}

// poll waits for those to which something has happened, and returns those of them
// that no goroutine has. Meanwhile it does what is due about silence.
func (p *poller) poll(e *epoll) ([]*serving, error) {
	clear(e.ready)
	for {
		p.sweep(e)
		n, err := e.wait(e.events[:])
		if err != nil {
			return nil, err
		}
		if e.ready = p.ready(e, e.events[:n], e.ready[:0]); len(e.ready) > 0 {
			return e.ready, nil
		}
	}
}

// ready takes those to which something has happened, and that no goroutine has.
func (p *poller) ready(e *epoll, events []syscall.EpollEvent, ready []*serving) []*serving {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range events {
		s := e.find(events[i].Fd, events[i].Pad)
		if s == nil {
			continue
		}
		if events[i].Events&(syscall.EPOLLPRI|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			s.polled.hungUp = true
		}
		if s.polled.list == nil {
			s.polled.again = true
			continue
		}
		p.handOut(s)
		ready = append(ready, s)
	}
	return ready
}

// sweep ends those that have given no sign of life though they were probed, and
// probes those that have been silent for long.
func (p *poller) sweep(e *epoll) {
	p.mu.Lock()
	now := p.now()
	if p.epoll != e || p.wakeAt == 0 || now < p.wakeAt {
		p.mu.Unlock()
		return
	}
	var silent, quiet []*serving
	for s := p.probed.First(); s != nil && s.polled.since+p.giveUp <= now; s = p.probed.First() {
		p.handOut(s)
		silent = append(silent, s)
	}
	for s := p.quiet.First(); s != nil && s.polled.since+p.probeAfter <= now && len(quiet) < maxPings; s = p.quiet.First() {
		p.handOut(s)
		quiet = append(quiet, s)
	}
	p.wake(p.due())
	p.mu.Unlock()
	for _, s := range silent {
		go func() {
			s.conn.giveUp()
			s.runNow()
		}()
	}
	for _, s := range quiet {
		s.conn.ping(time.Now().Add(p.giveUp / 2))
		p.pinged(s)
	}
}

// pinged waits for an answer to the ping, unless something has happened
// meanwhile.
func (p *poller) pinged(s *serving) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.polled.again {
		p.handOut(s)
		go s.runNow()
		return
	}
	p.wait(s, &p.probed)
}
