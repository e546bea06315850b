package client

import (
	"context"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what a client that goes on by the ticket of another one is asked again, the list of its slaves, and its own
// attributes, which the other one has set. The hub tells both with, or right behind, the answer by
// which the membership is entered.

// onGiven takes what the answer says of that. Where it says nothing, all has come: of a membership
// that was lost meanwhile the hub knows how far it has got. The lock is held.
func (m *Membership) onGiven(answer *wire.Frame) {
	if answer.Attributes() != nil {
		m.own = nil
		m.entersWith(answer)
	}
	switch {
	case !answer.Asks:
		m.onAllAsked()
	case m.asking == nil:
		m.asking = make(chan struct{})
	}
}

// onAllAsked is called when the member has all that it is asked again. The lock is held.
func (m *Membership) onAllAsked() {
	if m.asking != nil {
		close(m.asking)
		m.asking = nil
	}
}

// onListed is told of each list of a master's slaves, or page of one, whether there is more of it. The lock is held.
func (m *Membership) onListed(more bool) {
	switch {
	case more && m.listing == nil:
		m.listing = make(chan struct{})
	case !more && m.listing != nil:
		close(m.listing)
		m.listing = nil
	}
}

// afterAsked returns the membership when it has all that it is asked again, and all of a list of its slaves, over as many connections
// as necessary, or has ended. Where ctx ends first, what was entered is undone.
func (m *Membership) afterAsked(ctx context.Context) (*Membership, error) {
	c := m.client
	for {
		c.mu.Lock()
		coming := m.asking
		if coming == nil {
			coming = m.listing
		}
		c.mu.Unlock()
		if coming == nil {
			return m, nil
		}
		select {
		case <-coming:
			continue
		case <-m.done:
			return m, nil // the handle says why
		case <-ctx.Done():
		}
		break
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e := m.entry
	if e == nil {
		return m, nil // it has another role, and the handle says so
	}
	e.entered = false // who enters the channel next waits until this is undone
	e.undoEntered()
	return nil, ctx.Err()
}
