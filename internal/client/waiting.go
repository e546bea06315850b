package client

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is a join, or a switch, that is not answered yet: its user waits for the channel, or
// at its door.

// Joining is what a join or a switch asks for.
type Joining struct {
	wire.Frame
	// Waiting is told what the user waits for, in the goroutine of the call, or nil.
	Waiting func(Waiting)
}

// Waiting is what a user waits for.
type Waiting struct {
	For wire.WaitingFor
	// Master is who lets the user in, where there is one.
	Master Presence
}

// waiting is the state of a join that the hub has told to wait. The client's lock guards it.
type waiting struct {
	// on is the connection on which it waits, or nil. channel is how the hub calls the channel.
	on      *link
	channel string
	now     Waiting
	// news has what the caller was not told yet: the newest. It is nil where nobody wants to
	// know. The caller's goroutine takes it, and calls caller, which does not change.
	news   chan Waiting
	caller func(Waiting)
}

// isPatient reports whether the call is a join that a hub has told to wait, and whose caller has not given
// up. It outlasts whatever time no hub can be reached, as a seat does that is away: but nobody has
// set it a limit, so that how long it may take is for its caller's context to say.
func (k *call) isPatient() bool { return k.waited && !k.givenUp }

// newWaiting is the state of what nobody has told to wait.
func newWaiting(tell func(Waiting)) waiting {
	if tell == nil {
		return waiting{}
	}
	return waiting{news: make(chan Waiting, 1), caller: tell}
}

// tell has the caller be told what it waits for now.
func (w *waiting) tell() {
	if w.news == nil {
		return
	}
	select {
	case <-w.news:
	default:
	}
	w.news <- w.now
}

// take takes what the frame says of what the user waits for.
func (w *waiting) take(l *link, frame *wire.Frame, now time.Time) {
	w.on, w.channel = l, frame.Channel
	w.now = Waiting{For: frame.Entering().For}
	if frame.Master.State != 0 {
		w.now.Master = presenceOf(frame.Master.Username, frame.Master.State, frame.Timeout, now)
	}
	w.tell()
}

// isAt reports whether it waits at the door of that channel, on that connection.
func (w *waiting) isAt(l *link, channel string) bool {
	return w.on == l && w.channel == channel && w.now.For == wire.ForDoor
}

// presenceOf is the state of a master, which still has so many milliseconds where it is away.
func presenceOf(username string, state wire.State, timeout uint64, now time.Time) Presence {
	p := Presence{Username: username, State: state, Since: now}
	if state == wire.StateAway {
		p.Deadline = now.Add(wire.FromMilliseconds(timeout))
	}
	return p
}

// onWaiting handles a waiting frame of the connection: the answer to a call or a switch takes its
// time. What its caller has given up is taken back. The lock is held.
func (c *Client) onWaiting(l *link, frame *wire.Frame) {
	c.onFirstAnswer(l, frame)
	for _, k := range c.calls {
		if k.frame.Ref == frame.Ref && k.link == l {
			k.waited, k.losses, k.stoppedAt = true, 0, time.Time{} // the connection is not lost because of the call
			if k.waiting.take(l, frame, time.Now()); k.givenUp {
				c.takeBack(&k.waiting)
			}
			return
		}
	}
	for _, m := range c.memberships {
		if r := m.writtenSwitch(); r != nil && r.frame.Ref == frame.Ref && m.talksOn(l) {
			if r.enters.waiting.take(l, frame, time.Now()); r.abandoned {
				c.takeBack(&r.enters.waiting)
			}
			return
		}
	}
}

// takeBack has the hub let nobody in any more who waits, where it has told so. The join is
// answered then as well: by left, or as if it had come before. The lock is held.
func (c *Client) takeBack(w *waiting) {
	if w.on != nil {
		w.on.push(&wire.Frame{Type: wire.Leave, Ref: c.nextRef(), Channel: w.channel})
		w.on = nil
	}
}

// onMasterOfDoor handles the presence of a master at whose door somebody waits. The lock is held.
func (c *Client) onMasterOfDoor(l *link, frame *wire.Frame) {
	at := func(w *waiting) {
		if w.isAt(l, frame.Channel) {
			w.now.Master = presenceOf(frame.Username, frame.State, frame.Timeout, time.Now())
			w.tell()
		}
	}
	for _, k := range c.calls {
		at(&k.waiting)
	}
	for _, m := range c.memberships {
		if r := m.writtenSwitch(); r != nil && r.enters != nil { // else it is a hand-over
			at(&r.enters.waiting)
		}
	}
}

// asRefusal is the answer to a join that is none of a hub that lets the user in: where it has
// waited, the channel has ended, or the wait was taken back.
func asRefusal(answer *wire.Frame) wire.Frame {
	switch answer.Type {
	case wire.Closed:
		return wire.Frame{Type: wire.Error, Ref: answer.Ref, Channel: answer.Channel, Code: answer.Code, Reason: answer.Reason}
	case wire.Left:
		return wire.Frame{Type: wire.Error, Ref: answer.Ref, Channel: answer.Channel, Code: string(wire.ErrLeft.Code)}
	}
	return *answer
}
