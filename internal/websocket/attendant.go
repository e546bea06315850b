package websocket

import (
	"errors"
	"os"
	"time"
)

// An attendant waits for the messages of a connection that no poller has, by two
// goroutines of which there is one at a time: one that waits, and one that reads
// and handles what has come. Waiting takes so few and small frames that a stack of
// 2 KB does; handling takes one of 8 KB, which a goroutine for both would not
// give back.
//
// The one that waits holds the reading of the conn.
type attendant struct {
	serving *serving
	since   time.Time // when the waiting began
}

// park is called when nothing is left to read. It reports false where the conn
// closes, and the caller has to find that.
func (a *attendant) park() bool {
	a.since = time.Now()
	return a.serving.conn.reading.Take() && a.waitOn()
}

// waitOn is park for who holds the reading, which is given back where it reports
// false.
func (a *attendant) waitOn() bool {
	c := a.serving.conn
	if !c.socket.setReadDeadline(a.since.Add(a.patience()), time.Time{}) {
		c.reading.GiveBack()
		return false
	}
	go a.wait()
	return true
}

// patience is how long it waits before somebody takes a last look at a silent peer.
func (a *attendant) patience() time.Duration {
	s := a.serving.conn.socket
	return s.options.ProbeAfter - s.lookingTime()
}

func (a *attendant) wait() {
	s := a.serving.conn.socket
	err := s.ahead.wait(s.Conn)
	go a.handle(err)
}

// handle is told what the waiting has ended with.
func (a *attendant) handle(err error) {
	c := a.serving.conn
	late := errors.Is(err, os.ErrDeadlineExceeded)
	if late {
		c.socket.stale = true
	} else if err != nil {
		c.socket.ahead.err = err
	}
	c.socket.ahead.fresh = len(c.socket.ahead.data)
	how := untilNothing
	switch {
	case !late:
		c.reading.GiveBack()
	case c.socket.options.ProbeAfter > 0 && time.Since(a.since) >= a.patience():
		how = overdue
		c.reading.GiveBack()
	case a.waitOn():
		return // the deadline was one from before
	}
	a.serving.read(how, false)
}
