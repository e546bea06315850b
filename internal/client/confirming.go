package client

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file tells the hub what has arrived. What a master has not confirmed, the hub keeps
// for it, and takes no more of its slaves when that is too much.

// confirmAfter is how long a message may be unconfirmed, where not so many come that it is
// confirmed earlier.
const confirmAfter = time.Second

// confirming is what a master has not confirmed yet.
type confirming struct {
	// maxMessages and maxBytes are the hub's: after so many messages, or bytes of payload,
	// they are to be confirmed. Zero: the hub needs no confirmation.
	maxMessages, maxBytes uint64
	messages, bytes       uint64
	// timer confirms what was not confirmed in time. armed: it may fire.
	timer *time.Timer
	armed bool
}

// begin takes what the answer says, and starts anew: a resume has told what has arrived.
func (c *confirming) begin(answer *wire.Frame) {
	c.maxMessages, c.maxBytes = answer.ConfirmMessages, answer.ConfirmBytes
	c.messages, c.bytes = 0, 0
}

// confirm tells the hub what has arrived. Where it is the first frame of an attachment, the
// hub takes this client for the one that holds the membership by it. A master sends one
// then in any case: from it on, its confirmations alone count. The lock is held.
func (m *Membership) confirm() {
	m.confirming.messages, m.confirming.bytes = 0, 0
	if m.epoch == 0 {
		return // a hub of before instances does not know of this
	}
	frame := wire.Frame{Type: wire.Ping, Channel: m.channel, Seen: m.last, HasSeen: true}
	if m.shows {
		frame.Epoch = m.epoch
	}
	m.link.push(&frame)
}

// confirmsBy reports whether a request is to tell what has arrived, and notes that it does.
func (m *Membership) confirmsBy(frame *wire.Frame) bool {
	if m.confirming.messages == 0 || frame.Type == wire.Join || frame.Channel != m.channel {
		return false
	}
	m.confirming.messages, m.confirming.bytes = 0, 0
	return true
}

// onUnconfirmed counts a message that has arrived. The lock is held.
func (m *Membership) onUnconfirmed(bytes int) {
	c := &m.confirming
	if c.maxMessages == 0 || !m.attached {
		return
	}
	c.messages++
	c.bytes += uint64(bytes)
	switch {
	case c.messages >= c.maxMessages || c.bytes >= c.maxBytes:
		m.confirm()
	case !c.armed:
		c.armed = true
		m.client.goroutines.Add(1)
		if c.timer == nil {
			c.timer = time.AfterFunc(confirmAfter, m.confirmLate)
		} else {
			c.timer.Reset(confirmAfter)
		}
	}
}

// confirmLate is called by the timer.
func (m *Membership) confirmLate() {
	defer m.client.goroutines.Done()
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	m.confirming.armed = false
	if m.attached && m.confirming.messages > 0 {
		m.confirm()
	}
}

// stopConfirming stops the timer. The lock is held.
func (m *Membership) stopConfirming() {
	if m.confirming.armed && m.confirming.timer.Stop() {
		m.confirming.armed = false
		m.client.goroutines.Done()
	}
}
