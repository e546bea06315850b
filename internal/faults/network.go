package faults

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// ErrRefused is the error of a dial that a plan refuses.
var ErrRefused = errors.New("faults: refused")

// ErrWrite is the error of a Write that a plan lets fail.
var ErrWrite = errors.New("faults: writing failed")

// Network is the faulty network between those who dial through it and those
// whom they reach. It owns the goroutines that carry its connections, and is
// safe for concurrent use. It belongs to the bubble that it is used in.
type Network struct {
	plan     func() Plan
	liveness time.Duration
	carrying sync.WaitGroup

	mu    sync.Mutex
	links map[*link]struct{}
	calm  bool
}

// New is a network that asks plan what will happen to each connection that is
// dialled. Calls of plan do not overlap. The liveness is how long a Silence
// lasts at the level of messages until both ends lose the connection; beneath
// netconn and websocket these notice by themselves.
func New(liveness time.Duration, plan func() Plan) *Network {
	return &Network{plan: plan, liveness: liveness, links: make(map[*link]struct{})}
}

// Calm ends all faults: connections to which something has happened or would
// still happen are cut, and from now on nothing happens to any.
func (n *Network) Calm() {
	n.mu.Lock()
	n.calm = true
	links := slices.Collect(maps.Keys(n.links))
	n.mu.Unlock()
	for _, l := range links {
		l.calm()
	}
}

// Cut cuts every connection that there is, as the end of a process on one side
// of the network does. Others can be dialled after it.
func (n *Network) Cut() {
	n.mu.Lock()
	links := slices.Collect(maps.Keys(n.links))
	n.mu.Unlock()
	for _, l := range links {
		l.cut()
	}
}

// Close cuts every connection and returns when nothing is carried any more.
// Nobody may dial after it.
func (n *Network) Close() {
	n.Cut()
	n.carrying.Wait()
}

func (n *Network) next() Plan {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.calm {
		return nil
	}
	return n.plan()
}

// link is one connection: two ends of the network, and the plan for it.
type link struct {
	network *Network
	began   time.Time
	// sever breaks both ends as a reset does, end ends them without one, and
	// finish lets go of what has ended.
	sever, end, finish func()
	// liveness is how long a Silence lasts, or zero for ever.
	liveness time.Duration
	// broken is closed when the connection is cut or ended, done when nothing is
	// carried any more.
	broken, done chan struct{}
	breaking     sync.Once

	// tooLarge: the far end has refused a message over its limit.
	tooLarge atomic.Bool

	mu      sync.Mutex
	planned Plan
	touched bool
	passed  [2]int
	silent  [2]bool
	// silentUntil is when the latest Silence is noticed, where anybody but the
	// ends has to.
	silentUntil time.Time
	delay       [2]time.Duration
	// writable is how many more bytes the dialling side may write, or -1.
	writable int
	failFrom time.Time
}

func (n *Network) newLink(plan Plan) *link {
	l := &link{
		network: n, began: time.Now(),
		broken: make(chan struct{}), done: make(chan struct{}), writable: -1,
	}
	for _, f := range plan {
		if f.Kind == FailWrite {
			l.writable, l.failFrom = f.After, l.began.Add(f.At)
			continue
		}
		l.planned = append(l.planned, f)
	}
	return l
}

// carry runs the two directions until both have ended.
func (n *Network) carry(l *link, up, down func()) {
	n.mu.Lock()
	n.links[l] = struct{}{}
	n.mu.Unlock()
	n.carrying.Go(func() {
		var directions sync.WaitGroup
		directions.Go(up)
		directions.Go(down)
		directions.Wait()
		l.sitOut()
		close(l.done)
		l.finish()
		n.mu.Lock()
		delete(n.links, l)
		n.mu.Unlock()
	})
	n.carrying.Go(l.watch)
}

// watch lets happen what depends on the time alone.
func (l *link) watch() {
	l.mu.Lock()
	var due Plan
	waiting := l.planned[:0]
	for _, f := range l.planned {
		if f.After == 0 && f.Kind != Stall && f.Kind != Delay {
			due = append(due, f)
		} else {
			waiting = append(waiting, f)
		}
	}
	l.planned = waiting
	l.mu.Unlock()
	for len(due) > 0 {
		first := 0
		for i := range due {
			if due[i].At < due[first].At {
				first = i
			}
		}
		if !l.wait(time.Until(l.began.Add(due[first].At))) {
			return
		}
		l.happen(due[first])
		due = append(due[:first], due[first+1:]...)
	}
}

// wait lets time pass. It reports false where the connection breaks or ends
// meanwhile.
func (l *link) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.broken:
	case <-l.done:
	}
	return false
}

// step tells how many of the next size bytes pass in the direction, and what
// happens then, if anything.
func (l *link) step(d Direction, size int) (int, *Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, bytes := -1, 0
	for i, f := range l.planned {
		left := max(f.After-l.passed[d], 0)
		if f.Direction == d && left <= size && time.Since(l.began) >= f.At && (first < 0 || left < bytes) {
			first, bytes = i, left
		}
	}
	if first < 0 {
		l.passed[d] += size
		return size, nil
	}
	f := l.planned[first]
	l.planned = append(l.planned[:first:first], l.planned[first+1:]...)
	l.passed[d] += bytes
	return bytes, &f
}

// happen lets a fault happen, and reports whether the connection goes on.
func (l *link) happen(f Fault) bool {
	l.mu.Lock()
	l.touched = true
	l.mu.Unlock()
	switch f.Kind {
	case Cut:
		l.cut()
		return false
	case End:
		l.breaking.Do(func() { close(l.broken) })
		l.end()
		return false
	case Stall:
		return l.wait(f.For)
	case Delay:
		l.mu.Lock()
		l.delay[f.Direction] = f.For
		l.mu.Unlock()
	case Silence:
		l.mu.Lock()
		l.silent[f.Direction] = true
		l.silentUntil = time.Now().Add(l.liveness)
		l.mu.Unlock()
		if l.liveness > 0 {
			l.network.carrying.Go(l.sitOut)
		}
	}
	return true
}

// sitOut waits until a Silence is noticed, and cuts the connection then. Until
// then nobody is told that the other end has closed.
func (l *link) sitOut() {
	l.mu.Lock()
	until := l.silentUntil
	l.mu.Unlock()
	if l.liveness > 0 && !until.IsZero() && l.wait(time.Until(until)) {
		l.cut()
	}
}

func (l *link) cut() {
	l.breaking.Do(func() { close(l.broken) })
	l.sever()
}

func (l *link) calm() {
	l.mu.Lock()
	faulty := l.touched || len(l.planned) > 0 || l.writable >= 0
	l.mu.Unlock()
	if faulty {
		l.cut()
	}
}

func (l *link) isSilent(d Direction) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.silent[d]
}

// holdUp waits for as long as a Delay says.
func (l *link) holdUp(d Direction) bool {
	l.mu.Lock()
	delay := l.delay[d]
	l.mu.Unlock()
	return delay == 0 || l.wait(delay)
}

// mayWrite tells how many of the next bytes the dialling side can write before
// its writing fails.
func (l *link) mayWrite(size int) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writable < 0 {
		return size, nil
	}
	if l.writable >= size {
		l.writable -= size
		return size, nil
	}
	if time.Now().Before(l.failFrom) {
		return size, nil
	}
	size = l.writable
	l.writable = 0
	return size, ErrWrite
}
