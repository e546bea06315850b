package poll

import (
	"sync"
	"syscall"
	"time"

	"github.com/lectern-go/lectern/internal/linked"
)

// A Poller waits for what arrives on all connections of a handler that are
// sockets of the system, in one goroutine at a time. A goroutine for each connection
// takes 2.8 KB more: its stack, and what the runtime knows of it.
//
// It waits by an epoll of its own, edge-triggered: it is told once that something
// has come, and one of a crew then reads, by the same code as elsewhere, until
// nothing is left. In the middle of a message that goroutine waits for the rest. It
// is the poller that notices silence meanwhile.
//
// There are an epoll and its crew while there are connections.
//
// Its methods are for any goroutine; those that have an entry as an argument do nothing
// with it but what they say, so that who waits is told once of each thing.
type Poller[W Waiter] struct {
	probeAfter, giveUp time.Duration
	started            time.Time // times are counted from here
	open               func() (*epoll[W], error)

	mu     sync.Mutex
	epoll  *epoll[W] // nil where there are no connections
	quiet  list[W]   // those of which nothing is known but their silence
	probed list[W]   // those that were sent a probe
	// wakeAt is when who waits wakes by itself, at latest; zero where it does not.
	wakeAt time.Duration
}

// An Entry is what the poller knows of a connection, which keeps it. The poller's lock
// covers it.
type Entry[W Waiter] struct {
	epoll   *epoll[W] // nil before the poller has it
	waiter  W
	since   time.Duration // when the waiting or the probe began
	links   linked.Links[*Entry[W]]
	slot    uint32
	place   place
	watched bool // the epoll has it; not once it has been forgotten
	again   bool // something has happened meanwhile
	ends    bool // it closes, and did wait
	hungUp  bool // the peer has ended its sending, or sent urgent data, before which a read ends too
	ended   bool // the same, as whoever reads knows it; not covered by the lock
}

// A place is where the poller has an entry.
type place uint8

const (
	nowhere place = iota // a goroutine has it
	inQuiet
	inProbed
)

// A list is ordered by the beginning of the waiting.
type list[W Waiter] = linked.List[*Entry[W]]

// Links makes entries elements of a list.
func (e *Entry[W]) Links() *linked.Links[*Entry[W]] { return &e.links }

// Ended reports, to who reads, whether the peer had ended its sending as the reading
// began.
func (e *Entry[W]) Ended() bool { return e.ended }

// maxPings is how many connections are probed before the poller looks again for
// what has come.
const maxPings = 64

// New returns a poller that has a connection probed when it was silent for probeAfter,
// never where that is not positive, and gives it up when nothing has come giveUp later.
func New[W Waiter](probeAfter, giveUp time.Duration) *Poller[W] {
	return &Poller[W]{probeAfter: probeAfter, giveUp: giveUp, started: time.Now(), open: newEpoll[W]}
}

func (p *Poller[W]) now() time.Duration { return time.Since(p.started) }

// Exists reports whether the system has what a Poller needs.
func (p *Poller[W]) Exists() bool { return true }

// Len is for how many connections the poller waits, and whether the system does so for it.
func (p *Poller[W]) Len() (connections int, waiting bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.epoll == nil {
		return 0, false
	}
	return p.epoll.used, true
}

// Starve has every further Add find that the system has nothing to wait by left, which is
// for tests of what follows from that.
func (p *Poller[W]) Starve() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = func() (*epoll[W], error) { return nil, syscall.EMFILE }
}

// Add has the poller wait for the connection from now on, or, where its first
// message is there already and it has begun so, the crew read it. It reports false
// where the system does not let it.
func (p *Poller[W]) Add(s *Entry[W], waiter W, began bool) bool {
	p.mu.Lock()
	s.waiter = waiter
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
		p.wait(s, inQuiet)
	}
	p.mu.Unlock()

	if err := e.add(s, &event); err != nil && (began || p.takeUp(s)) {
		p.Forget(s) // it is the caller's again, and not of one who was started because it closes
		return false
	}
	// Closing may have begun before.
	if began || waiter.IsClosing() && p.takeUp(s) {
		e.crew.add(s)
	}
	return true
}

// takeUp takes a connection that waits, and reports whether it does.
func (p *Poller[W]) takeUp(s *Entry[W]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	waits := s.place != nowhere
	if waits {
		p.handOut(s)
	}
	return waits
}

// Park is called when nothing is left to read. It reports false where something
// has happened meanwhile, and the caller has to go on.
func (p *Poller[W]) Park(s *Entry[W]) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.again {
		p.handOut(s)
		return false
	}
	p.wait(s, inQuiet)
	return true
}

// Closing is told that the connection closes. Who closes it reads what still comes, and
// needs nobody beside it until that is over.
func (p *Poller[W]) Closing(s *Entry[W]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.watched {
		p.expectEnd(s)
	}
}

// expectEnd has whoever has the connection look again, and Closed start somebody
// where nobody has it. The lock is held.
func (p *Poller[W]) expectEnd(s *Entry[W]) {
	if s.place == nowhere {
		s.again = true
		return
	}
	p.unlist(s)
	s.ends = true
}

// Closed has a goroutine find that the connection is closed, where none would.
func (p *Poller[W]) Closed(s *Entry[W]) {
	p.mu.Lock()
	e, ends := s.epoll, s.ends
	s.ends = false
	p.mu.Unlock()
	if ends {
		e.crew.add(s)
	}
}

// Forget ends the waiting for the connection, if there is any, and for anything
// where it was the last.
func (p *Poller[W]) Forget(s *Entry[W]) {
	p.mu.Lock()
	if !s.watched {
		p.mu.Unlock()
		return
	}
	p.expectEnd(s) // Closing may have been before it was added
	s.watched = false
	e := s.epoll
	e.release(s.slot)
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
func (p *Poller[W]) wait(s *Entry[W], in place) {
	s.since = p.now()
	s.place = in
	p.list(in).Append(s)
	patience := p.giveUp
	if in == inQuiet {
		if patience = p.probeAfter; patience <= 0 {
			return
		}
	}
	// Mostly it wakes earlier already, because of others.
	if end := s.since + patience; p.wakeAt == 0 || end < p.wakeAt {
		p.wake(end)
	}
}

// handOut gives a connection to the goroutine that is to read from it. The lock
// is held.
func (p *Poller[W]) handOut(s *Entry[W]) {
	p.unlist(s)
	s.again, s.ended = false, s.hungUp
}

func (p *Poller[W]) unlist(s *Entry[W]) {
	if s.place != nowhere {
		p.list(s.place).Remove(s)
		s.place = nowhere
	}
}

func (p *Poller[W]) list(of place) *list[W] {
	if of == inProbed {
		return &p.probed
	}
	return &p.quiet
}

// due is when something is to be done about a silence; zero for never. The lock
// is held.
func (p *Poller[W]) due() time.Duration {
	var due time.Duration
	if s := p.quiet.First(); s != nil && p.probeAfter > 0 {
		due = s.since + p.probeAfter
	}
	if s := p.probed.First(); s != nil {
		if end := s.since + p.giveUp; due == 0 || end < due {
			due = end
		}
	}
	return due
}

// wake has who waits wake then. The lock is held.
func (p *Poller[W]) wake(at time.Duration) {
	p.wakeAt = at
	var deadline time.Time
	if at != 0 {
		deadline = p.started.Add(at)
	}
	_ = p.epoll.file.SetReadDeadline(deadline)
}

// start makes the epoll and its crew. The lock is held.
func (p *Poller[W]) start() error {
	e, err := p.open()
	if err != nil {
		return err
	}
	e.crew = newCrew(func() ([]*Entry[W], error) { return p.poll(e) })
	p.epoll = e
	return nil
}

// poll waits for those to which something has happened, and returns those of them
// that no goroutine has. Meanwhile it does what is due about silence.
func (p *Poller[W]) poll(e *epoll[W]) ([]*Entry[W], error) {
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
func (p *Poller[W]) ready(e *epoll[W], events []syscall.EpollEvent, ready []*Entry[W]) []*Entry[W] {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range events {
		s := e.find(events[i].Fd, events[i].Pad)
		if s == nil {
			continue
		}
		if events[i].Events&(syscall.EPOLLPRI|syscall.EPOLLRDHUP|syscall.EPOLLHUP|syscall.EPOLLERR) != 0 {
			s.hungUp = true
		}
		if s.place == nowhere {
			s.again = true
			continue
		}
		p.handOut(s)
		ready = append(ready, s)
	}
	return ready
}

// sweep ends those that have given no sign of life though they were probed, and
// probes those that have been silent for long.
func (p *Poller[W]) sweep(e *epoll[W]) {
	p.mu.Lock()
	now := p.now()
	if p.epoll != e || p.wakeAt == 0 || now < p.wakeAt {
		p.mu.Unlock()
		return
	}
	var silent, quiet []*Entry[W]
	for s := p.probed.First(); s != nil && s.since+p.giveUp <= now; s = p.probed.First() {
		p.handOut(s)
		silent = append(silent, s)
	}
	for s := p.quiet.First(); s != nil && s.since+p.probeAfter <= now && len(quiet) < maxPings; s = p.quiet.First() {
		p.handOut(s)
		quiet = append(quiet, s)
	}
	p.wake(p.due())
	p.mu.Unlock()
	for _, s := range silent {
		go func() {
			s.waiter.GiveUp()
			s.waiter.RunNow()
		}()
	}
	for _, s := range quiet {
		s.waiter.Probe(time.Now().Add(p.giveUp / 2))
		p.pinged(s)
	}
}

// pinged waits for an answer to the ping, unless something has happened
// meanwhile.
func (p *Poller[W]) pinged(s *Entry[W]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.again {
		p.handOut(s)
		go s.waiter.RunNow()
		return
	}
	p.wait(s, inProbed)
}
