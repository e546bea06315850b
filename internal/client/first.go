package client

import (
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// This file is about the call that is sent with the handshake of a connection. Some
// proxies lose what comes with the answer to the handshake, and so the hub's answer to
// the call. So it is awaited for a time only. Then the call is repeated on the next one,
// plainly.

// firstWait is how long the answer to a call that was sent with the handshake is awaited
// from when the connection is made.
const firstWait = 5 * time.Second

// firstSent is a call that was sent with the handshake and is not answered yet.
type firstSent struct {
	call  *call
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
	if k.link != nil || k.frame.Type == wire.Resume || k.frame.Token != "" && !mayHoldToken {
		return nil
	}
	k.along = true
	c.renew(k)
	return k
}

// awaitFirst begins to wait for the answer to the call, which was sent with the handshake
// of the connection. The lock is held.
func (c *Client) awaitFirst(l *link, k *call) {
	c.goroutines.Add(1)
	l.first = &firstSent{call: k, timer: time.AfterFunc(firstWait, func() {
		defer c.goroutines.Done()
		c.mu.Lock()
		defer c.mu.Unlock()
		if l.first != nil {
			c.onFirstLate(l)
		}
	})}
}

// stopFirst ends the waiting. The lock is held.
func (c *Client) stopFirst(l *link) {
	if l.first != nil && l.first.timer.Stop() {
		c.goroutines.Done()
	}
	l.first = nil
}

// onFirstLate is called when the answer has not come in time. The call is sent on the next
// connection, by which the hub knows it, and no call is sent with a handshake any more. What
// a call has entered that nobody wants any more is left; then the connection stays for the
// others that there are. The lock is held.
func (c *Client) onFirstLate(l *link) {
	c.plain = true
	k := l.first.call
	l.first = nil
	if k.givenUp {
		c.leaveUnanswered(k, l)
	}
	if slices.Contains(c.calls, k) {
		k.link = nil
	} else if len(c.calls)+len(c.memberships) > 0 || c.someWait() {
		return
	}
	l.out.Close(transport.Reason{Code: transport.Idle, Text: "no answer to what came with the handshake"})
}

// onFirstAnswer ends the waiting where the frame is the answer. The lock is held.
func (c *Client) onFirstAnswer(l *link, frame *wire.Frame) {
	if l.first != nil && l.first.call.frame.Ref == frame.Ref {
		c.stopFirst(l)
	}
}
