package client

import (
	"errors"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// This file moves the memberships to another connection while they still have one: a hub that
// shuts down announces that it will close it, and another hub takes its place. The goroutine
// that has dialled goes on reading, until the old connection ends; another one makes the new
// connection, by run, and reads from that.
//
// Each membership moves by the answer to its resume on the new connection. Until then it is on
// the old one, and stays there if it is refused. The old connection is closed when nothing is
// left on it. Where it ends before, what is left is resumed on the new one.

// startMoving starts to make the next connection, where the hub on the newest one shuts down.
// There are at most two at a time: where the memberships are moving already, it is begun when
// the older one has ended. The lock is held.
func (c *Client) startMoving() {
	l := c.link
	if l == nil || !l.shutdown || l.handedOn || len(c.links) > 1 || c.over() != nil || c.hubIsOver() {
		return
	}
	l.handedOn = true
	failures, limit := 0, l.spread
	if time.Since(l.began) < stableAfter {
		failures = l.failures + 1
		if l.worked {
			failures = min(failures, 2) // one move comes at once, and the pause before others does not grow
		}
		if failures > 1 {
			limit = c.backoff(failures-1, l.spread)
		}
	}
	c.goroutines.Add(1)
	go c.run(failures, limit)
}

// wasStopped reports whether the connection, which may be nil, has ended in order after it had
// worked.
func (c *Client) wasStopped(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return l != nil && l.shutdown && l.worked
}

// isHandedOn reports whether another goroutine makes the connection that follows this one.
func (c *Client) isHandedOn(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return l.handedOn
}

// announcedSpread is the time over which a hub closes its connections that has announced that
// it shuts down: on a connection that there is still, or on this one, which has ended so. It
// is zero where there is none.
func (c *Client) announcedSpread(l *link, err error) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.links) > 0 {
		return c.links[0].spread
	}
	if l != nil && c.isOfShutdown(err) {
		return l.spread
	}
	return 0
}

// isOfShutdown reports whether a connection was refused, or has ended, because the hub shuts
// down. Another one may take its place.
func (c *Client) isOfShutdown(err error) bool {
	var closed *transport.CloseError
	if errors.As(err, &closed) {
		return closed.Reason.Code == transport.Shutdown
	}
	return errors.Is(err, c.public(wire.ErrShuttingDown))
}

// goOnMoving asks for what is not on the newest connection yet, and closes an older one on which
// nothing is left. The reason is not left, so that the hub takes nothing for a leave. The lock
// is held.
func (c *Client) goOnMoving() {
	if len(c.links) < 2 || c.closed {
		return
	}
	c.bringAll()
	for _, l := range c.links {
		if c.link != nil && l != c.link && !c.uses(l) {
			l.out.Close(transport.Reason{Code: transport.Idle, Text: "moved to another connection"})
		}
	}
}

// bringAll is bring for all memberships. The lock is held.
func (c *Client) bringAll() {
	for _, m := range c.memberships {
		m.bring()
	}
}

// bring asks for the membership on the newest connection, unless it is there, is being asked
// for, or was refused there and has another one, or its hub does not have it. It waits for the ticket to be stored and for
// the answer to a switch, which come on the connection that it has. The lock is held.
func (m *Membership) bring() {
	l := m.client.link
	switch {
	case l == nil || m.link == l || m.asked != nil:
	case m.lackedBy == l:
	case m.link == nil:
		if !m.repeatSwitch() {
			m.resume()
		}
	case m.stays == l || !m.attached || m.writtenSwitch() != nil:
	default:
		m.resume()
	}
}

// onNotMoved is called when a membership that has another connection was refused on this one.
// Where nothing else is there, it is tried again on the next one. The lock is held.
func (c *Client) onNotMoved(l *link) {
	if !c.uses(l) {
		l.tryLater()
	}
}

// onClosed ends the membership, as the hub says. Where it was replaced while it moves, it is by
// its own resume, of which the hub that it leaves knows. The lock is held.
func (m *Membership) onClosed(why *wire.Cause) {
	if why.Code == wire.ErrReplaced.Code && m.asked != nil && m.asked != m.link {
		m.lose(time.Now())
		return
	}
	m.end(why)
}

// onLinkEnded is called when a connection has ended. Where there is a newer one, the membership is
// asked for there, and its user is told only if it does not get there. The lock is held.
func (m *Membership) onLinkEnded(l *link, now time.Time) {
	if m.asked == l {
		m.asked, m.resuming, m.repeating = nil, 0, 0
	}
	switch {
	case !m.isLostWith(l):
	case m.client.link != nil:
		m.lose(now)
	default:
		m.onDisconnected(now)
	}
}
