package client

import (
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is for messages that are worth nothing any more from some instant on. Their time
// begins with the call that sends them: what they say is left is what is left when they are
// written, on each connection. One whose time is over is not written.

// startTime begins the time of a request that is a message which expires. late gets a value
// when it is over, and is nil where the request is none.
func (r *request) startTime() (late <-chan time.Time, stop func()) {
	left := r.frame.Expires()
	if left == 0 {
		return nil, func() {}
	}
	d := wire.FromMilliseconds(left)
	r.end = time.Now().Add(d)
	timer := time.NewTimer(d)
	return timer.C, func() { timer.Stop() }
}

// isLate reports whether the time of the request's message is over.
func (r *request) isLate() bool { return !r.end.IsZero() && !time.Now().Before(r.end) }

// tellLeft writes what is left of its time into the frame of a request that is about to be
// written, and is not late.
func (r *request) tellLeft() {
	if !r.end.IsZero() {
		r.frame.SetExpires(max(wire.Milliseconds(time.Until(r.end)), 1))
	}
}

// tooLate is the error of a message whose time is over.
func (c *Client) tooLate(r *request) error {
	err := c.public(wire.ErrTooLate.With("the time of the message was over before the hub had taken it"))
	if r.written {
		return fmt.Errorf("%w: %w", c.options.ErrSendUnknown, err)
	}
	return err
}

// onLate is called when the time of the request's message is over. One that was written is
// still answered, unless its connection is lost (failLate).
func (m *Membership) onLate(r *request) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if !r.written && slices.Contains(m.pending, r) {
		m.fail(r, m.client.tooLate(r))
	}
}

// failLate fails the requests whose time is over, before the others are written on another
// connection. The lock is held.
func (m *Membership) failLate() {
	for _, r := range slices.Clone(m.pending) {
		if r.isLate() {
			m.fail(r, m.client.tooLate(r))
		}
	}
}

// fail ends a request without an answer. The lock is held.
func (m *Membership) fail(r *request, why error) {
	m.remove(r)
	r.failed = why
	m.failNewcomer(r, why)
	r.answered <- wire.Frame{}
	if !m.hasUnnumbered() {
		m.earlyAnswers = nil
	}
	m.client.madeProgress()
}
