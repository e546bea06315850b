package hub

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/linked"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

const (
	// maxWaiting bounds how many wait at a hub, for channels and at doors together.
	maxWaiting = 10_000
	// maxWaitingFor bounds how many wait for one channel that does not exist.
	maxWaitingFor = wire.MaxKnocks
)

// wait is a join that has no answer yet: its channel does not exist, or its door is not open.
// The fields but c and the ref do not change.
type wait struct {
	session *session
	// seat becomes the membership. It is none of the session's seats before.
	seat *seat
	*entering
	// entry has the ref of the answer.
	entry star.Entry
	// ends is when it has waited too long for the channel, or zero.
	ends time.Time
	// c is the channel at whose door it waits, or nil while there is none.
	c     *delivery.Channel
	links linked.Links[*wait]
}

// Links makes waits elements of the list.
func (w *wait) Links() *linked.Links[*wait] { return &w.links }

// extra is how many seats more than MaxChannelsPerConnection its connection may have: one that is left once it is in.
func (w *wait) extra() int {
	if w.previous != nil {
		return 1
	}
	return 0
}

// waits are those who wait at a hub. Whoever takes a wait out of it decides what becomes of the
// wait. Its lock may be taken under a session's or a channel's, and that of an outbox under it.
type waits struct {
	timeout time.Duration // none where not positive
	due     func()        // called by the timer, which is counted by counter
	counter *sync.WaitGroup

	// count is how many there are, to be read without the lock.
	count atomic.Int64

	mu sync.Mutex
	// of has all of them by their sessions, and channels those that wait for a channel, in
	// their order. list has the latter in the order in which their time ends.
	of       map[*session][]*wait
	channels map[string][]*wait
	list     linked.List[*wait]
	timer    *time.Timer
	armed    bool // the timer may fire
	stopped  bool
}

// add adds one that waits, at the door of c, or for the channel where that is nil. tell is called
// under the lock where it waits for the channel: it tells the peer.
func (l *waits) add(w *wait, c *delivery.Channel, tell func()) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.stopped:
		return wire.ErrShuttingDown
	case l.count.Load() >= maxWaiting, c == nil && len(l.channels[w.channel]) >= maxWaitingFor:
		return wire.ErrBusy.With("as many wait already as may: try again later")
	}
	if l.of == nil {
		l.of, l.channels = make(map[*session][]*wait), make(map[string][]*wait)
	}
	l.count.Add(1)
	l.of[w.session] = append(l.of[w.session], w)
	if w.c = c; c != nil {
		return nil
	}
	l.channels[w.channel] = append(l.channels[w.channel], w)
	tell()
	if l.timeout > 0 {
		w.ends = w.entry.Since.Add(l.timeout)
		if l.list.Append(w); !l.armed {
			l.arm(time.Until(w.ends))
		}
	}
	return nil
}

// arm is called under the lock.
func (l *waits) arm(after time.Duration) {
	if l.armed = !l.stopped; !l.armed {
		return
	}
	l.counter.Add(1)
	if l.timer == nil {
		l.timer = time.AfterFunc(after, l.due)
	} else {
		l.timer.Reset(after)
	}
}

// take takes the wait of the seat out, or returns nil where it was taken.
func (l *waits) take(s *session, seat *delivery.Seat) *wait {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.of[s] {
		if &w.seat.Seat == seat {
			l.remove(w)
			return w
		}
	}
	return nil
}

// at is the wait of the seat, or nil.
func (l *waits) at(s *session, seat *delivery.Seat) *wait {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.of[s] {
		if &w.seat.Seat == seat {
			return w
		}
	}
	return nil
}

// setRefAt is setRef for the wait of the seat, at a door.
func (l *waits) setRefAt(s *session, seat *delivery.Seat, ref uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.of[s] {
		if &w.seat.Seat == seat && ref != 0 {
			w.entry.Ref = ref
		}
	}
}

// takeBack takes out a wait for a channel, and reports whether it was there: the channel may
// have come.
func (l *waits) takeBack(w *wait) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	there := w.c == nil && slices.Contains(l.of[w.session], w)
	if there {
		l.remove(w)
	}
	return there
}

// takeAll takes out all waits of the session.
func (l *waits) takeAll(s *session) []*wait {
	if l.count.Load() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.of[s])
	for _, w := range all {
		l.remove(w)
	}
	return all
}

// remove is called under the lock.
func (l *waits) remove(w *wait) {
	l.count.Add(-1)
	if of := slices.DeleteFunc(l.of[w.session], func(other *wait) bool { return other == w }); len(of) > 0 {
		l.of[w.session] = of
	} else {
		delete(l.of, w.session)
	}
	l.removeFor(w)
}

// removeFor takes a wait out of those that wait for its channel. It is called under the lock.
func (l *waits) removeFor(w *wait) {
	if w.c != nil {
		return
	}
	if rest := slices.DeleteFunc(l.channels[w.channel], func(other *wait) bool { return other == w }); len(rest) > 0 {
		l.channels[w.channel] = rest
	} else {
		delete(l.channels, w.channel)
	}
	if l.list.Has(w) {
		l.list.Remove(w)
	}
}

// arrived are those who have waited for the channel until now, in their order. They are about to
// be at its door. prepare, where it is not nil, is called with each before anybody else can find that.
func (l *waits) arrived(c *delivery.Channel, now time.Time, prepare func(*wait)) []*wait {
	if l.count.Load() == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := slices.Clone(l.channels[c.Name()])
	all = slices.DeleteFunc(all, func(w *wait) bool { return !w.ends.IsZero() && !now.Before(w.ends) })
	for _, w := range all {
		if prepare != nil {
			prepare(w)
		}
		l.removeFor(w)
		w.c = c
	}
	return all
}

// any reports whether somebody waits for the channel.
func (l *waits) any(channel string) bool {
	if l.count.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.channels[channel]) > 0
}

// find returns the wait that the session has in the channel, or nil, and its channel, or nil
// while there is none.
func (l *waits) find(s *session, channel string) (*wait, *delivery.Channel) {
	if l.count.Load() == 0 {
		return nil, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, w := range l.of[s] {
		if w.channel == channel {
			return w, w.c
		}
	}
	return nil, nil
}

// leads reports whether the session waits to leave the seat of the attachment for another channel.
func (l *waits) leads(s *session, from *star.Attachment) bool {
	if l.count.Load() == 0 {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.of[s], func(w *wait) bool { return w.leaves(from) })
}

// number is how many waits the session has.
func (l *waits) number(s *session) int {
	if l.count.Load() == 0 {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.of[s])
}

// setRef has the answer be to another frame, and reports whether the wait is at the door of c, or is
// for the channel where that is nil, and was not taken. tell is as for add.
func (l *waits) setRef(w *wait, c *delivery.Channel, ref uint64, tell func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if w.c != c || !slices.Contains(l.of[w.session], w) {
		return false
	}
	if ref != 0 {
		w.entry.Ref = ref
	}
	if tell != nil {
		tell()
	}
	return true
}

// over takes out those that have waited too long for a channel. It is called when the timer has
// fired, and starts it again for those that are left.
func (l *waits) over() (over []*wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	first := l.list.First()
	for ; first != nil && !now.Before(first.ends); first = l.list.First() {
		over = append(over, first)
		l.remove(first)
	}
	l.armed = false
	if first != nil {
		l.arm(first.ends.Sub(now))
	}
	return over
}

// stop takes out all that wait for a channel, and lets nobody wait any more.
func (l *waits) stop() (left []*wait) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopped = true
	if l.armed && l.timer.Stop() {
		l.armed = false
		l.counter.Done()
	}
	for _, all := range l.channels {
		left = append(left, all...)
	}
	for _, w := range left {
		l.remove(w)
	}
	return left
}
