package client

import (
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// This file is about the call that is sent with the handshake of a connection. Some
// proxies lose what comes with the answer to the handshake, and so the hub's answer to
// the call. So it is awaited for a time only. Then what the call may have entered is
// left, on the same connection, and the call is sent again on the next one, plainly.

// firstWait is how long the answer to a call that was sent with the handshake is awaited
// from when the connection is made.
const firstWait = 5 * time.Second

// firstSent is a call that was sent with the handshake and is not answered yet.
type firstSent struct {
	call *call
	// undo is the ref of the leave by which what the call has entered is left. It is zero
	// until the call has waited for long enough.
	undo uint64
	// timer is for the answer to the call, then for that to the leave.
	timer *time.Timer
}

// firstCall is the call that can be sent with the handshake of a new connection, or nil.
// There is none while there are memberships, which are resumed first. A resume is never
// sent so: its secret must not be in a handshake, which others may write to a log. Nor is
// a token, unless mayHoldToken.
func (c *Client) firstCall(mayHoldToken bool) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.plain || len(c.memberships) > 0 || len(c.calls) == 0 {
		return nil
	}
	k := c.calls[0]
	if k.frame.Type == wire.Resume || k.frame.Token != "" && !mayHoldToken {
		return nil
	}
	return k
}

// awaitFirst begins to wait for the answer to the call, which was sent with the handshake
// of the connection. The lock is held.
func (c *Client) awaitFirst(l *link, k *call) {
	l.first = &firstSent{call: k}
	c.setFirstTimer(l, firstWait)
}

// setFirstTimer makes the timer of the connection's first call. The lock is held.
func (c *Client) setFirstTimer(l *link, wait time.Duration) {
	c.goroutines.Add(1)
	l.first.timer = time.AfterFunc(wait, func() {
		defer c.goroutines.Done()
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.first != nil && c.link == l {
			c.onFirstLate(l)
		}
	})
}

// stopFirst ends the waiting. The lock is held.
func (c *Client) stopFirst(l *link) {
	if l.first != nil && l.first.timer.Stop() {
		c.goroutines.Done()
	}
	l.first = nil
}

// onFirstLate is called when the answer has not come in time, and again when that to the
// leave has not. The lock is held.
func (c *Client) onFirstLate(l *link) {
	k := l.first.call
	if l.first.undo != 0 || k.enters == nil {
		c.tryPlainly(l)
		return
	}
	if c.memberships[k.frame.Channel] != nil || c.othersEnter(k) {
		// Its caller has given up, and what it has entered is wanted by another one, who
		// has been answered on this connection or will be.
		c.plain = true
		c.stopFirst(l)
		return
	}
	c.lastRef++
	l.first.undo = c.lastRef
	c.push(&wire.Frame{Type: wire.Leave, Ref: l.first.undo, Channel: k.frame.Channel})
	c.setFirstTimer(l, leaveWait)
}

// othersEnter reports whether another call enters the channel of the call. The lock is
// held.
func (c *Client) othersEnter(k *call) bool {
	return slices.ContainsFunc(c.calls, func(other *call) bool {
		return other != k && other.enters != nil && other.frame.Channel == k.frame.Channel
	})
}

// tryPlainly closes the connection. The call is sent on the next one, and no call is sent
// with a handshake any more. Where nobody wants the call any more, the connection stays
// for the others that there are. The lock is held.
func (c *Client) tryPlainly(l *link) {
	c.plain = true
	k := l.first.call
	c.stopFirst(l)
	if slices.Contains(c.calls, k) {
		k.written = false
		c.setRef(&k.frame) // it is no repetition there
	} else if len(c.calls)+len(c.memberships) > 0 {
		return
	}
	l.out.Close(transport.Reason{Code: transport.Idle, Text: "no answer to what came with the handshake"})
}

// onFirstAnswer takes the hub's answers to the first call and to the leave behind it, and
// reports whether nothing else is to be done with the frame. The lock is held.
func (c *Client) onFirstAnswer(frame *wire.Frame) bool {
	l := c.link
	if l == nil || l.first == nil {
		return false
	}
	switch {
	case frame.Ref == l.first.undo:
		c.tryPlainly(l)
		return true
	case frame.Ref == l.first.call.frame.Ref && l.first.undo == 0:
		c.stopFirst(l)
		return false
	}
	return frame.Ref == l.first.call.frame.Ref // too late: it is being left
}
