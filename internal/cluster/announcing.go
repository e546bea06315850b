package cluster

import (
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// announceAfter is how long after the last Shared group it is announced: each one that
	// comes sooner shows by its Before what is missing in front of it.
	announceAfter = 100 * time.Millisecond

	// An end is announced so many times more, this long apart: within 2 s.
	endRepeats     = 3
	endRepeatAfter = 600 * time.Millisecond
)

// Announcer tells those who follow a key where its last Shared group is, when nothing
// comes that would show it to them. The owner of a channel has one. All its methods may be
// called by any goroutine, and none but Close waits.
//
// An announcement may be lost as a group may. What nobody has been told is found by a follower
// that has heard nothing for long.
type Announcer struct {
	log   cluster.Log
	key   cluster.Key
	alarm alarm

	mu   sync.Mutex
	last cluster.Position
	at   time.Time // when last was told to the Announcer
	set  bool      // the alarm is
	ends bool      // last is the end
	left int       // how often the end has yet to be announced
	done func()
}

// NewAnnouncer makes one for a log whose last Shared group is at this position (0: there is none). It announces
// nothing by itself before there is another one.
func NewAnnouncer(log cluster.Log, key cluster.Key, last cluster.Position) *Announcer {
	a := &Announcer{log: log, key: key, last: last}
	a.alarm.ring = a.ring
	return a
}

// Appended says that a Shared group has been committed at p. It is announced 100 ms later, unless another one has
// come by then.
func (a *Announcer) Appended(p cluster.Position) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ends || p <= a.last {
		return
	}
	a.last, a.at = p, time.Now()
	// A timer that is set is left alone: in a burst that is a group in which nothing is done.
	if !a.set {
		a.set = true
		a.alarm.set(announceAfter)
	}
}

// End says that a Shared group has been committed at p which is the last for ever. It is announced 100 ms later
// and three times more within 2 s, as nothing will ever follow that shows it. After the last time done is called,
// if it is not nil; no Close is needed then, and done must not call it. Where Close comes before, done is never called.
func (a *Announcer) End(p cluster.Position, done func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ends {
		return
	}
	a.last, a.ends, a.left, a.done = p, true, 1+endRepeats, done
	a.alarm.set(announceAfter)
}

// Repeat announces the last Shared group now. The owner of a channel in which little happens calls it now and then (with
// each snapshot), so that followers need not ask the log.
func (a *Announcer) Repeat() {
	a.mu.Lock()
	last := a.last
	a.mu.Unlock()
	a.say(last)
}

func (a *Announcer) ring() {
	a.mu.Lock()
	last, done := a.last, (func())(nil)
	switch wait := announceAfter - time.Since(a.at); {
	case a.ends:
		if a.left--; a.left > 0 {
			a.alarm.set(endRepeatAfter)
		} else {
			done, a.done = a.done, nil
		}
	case wait > 0: // the burst goes on
		last = 0
		a.alarm.set(wait)
	default:
		a.set = false
	}
	a.mu.Unlock()
	a.say(last)
	if done != nil {
		done()
	}
}

// say announces. That it has failed changes nothing: it might also have been lost.
func (a *Announcer) say(last cluster.Position) {
	if last > 0 {
		_ = a.log.Announce(a.key, last)
	}
}

// Close returns when nothing is being announced, and nothing will be but by Repeat.
func (a *Announcer) Close() { a.alarm.stop() }
