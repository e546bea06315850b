package client

import (
	"errors"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// read handles frames until the connection ends.
func (c *Client) read(l *link) error {
	for {
		data, err := l.conn.Read()
		if err != nil {
			return err
		}
		frame, err := wire.Decode(data)
		if err != nil {
			var bad *wire.DecodeError
			if errors.As(err, &bad) && bad.Code == string(wire.ErrUnsupported.Code) {
				continue // a frame of a newer hub, which this client does not know
			}
			return err
		}
		c.mu.Lock()
		c.handle(&frame)
		c.madeProgress()
		entered := len(c.unstored) > 0
		c.mu.Unlock()
		if entered {
			c.storeTickets()
		}
	}
}

// handle dispatches one frame of the hub. The lock is held.
func (c *Client) handle(frame *wire.Frame) {
	m := c.memberships[frame.Channel]
	switch frame.Type {
	case wire.Message:
		if m != nil {
			m.onMessage(frame)
		}
	case wire.Presence:
		if m != nil {
			m.onPresence(frame, time.Now())
		}
	case wire.Gap:
		if m != nil {
			m.onGap(frame.Missed)
		}
	case wire.Shutdown:
		c.announcedSpread = min(wire.FromMilliseconds(frame.Timeout), maxSpread)
	case wire.Closed:
		if m != nil {
			m.end(&wire.Cause{Code: wire.Code(frame.Code), Text: frame.Reason})
		}
	case wire.Members:
		if m != nil && frame.Ref == 0 {
			m.onRoster(frame, time.Now())
		}
	default:
		if frame.Ref != 0 {
			c.onAnswer(frame)
		}
	}
}

// onAnswer gives an answer to the call, the resume, the request or the inquiry with the
// same ref. The lock is held.
func (c *Client) onAnswer(frame *wire.Frame) {
	c.onFirstAnswer(frame)
	for _, k := range c.calls {
		if k.frame.Ref == frame.Ref {
			c.removeCall(k)
			if k.givenUp {
				c.undo(k, frame)
				return
			}
			if c.entersAgain(k, frame) {
				return
			}
			result := callResult{answer: *frame}
			if why := refusalIn(frame); why != nil {
				result.err = c.public(why)
			} else if k.enters != nil {
				k.enters.announced = k.enters.announced || k.frame.Type == wire.Resume || k.writes > 1
				result.err = c.enterAs(k.enters, frame)
			}
			k.result <- result
			return
		}
	}
	named := c.memberships[frame.Channel]
	if named != nil && named.enteredBy == frame.Ref {
		// The answer comes again, because the frame came to the hub a second time: some
		// proxies pass the first message on and tell the client that nobody has taken it.
		return
	}
	for _, m := range c.memberships {
		if m.resuming == frame.Ref {
			c.onResumed(m, frame)
			return
		}
		if m.repeating == frame.Ref && frame.Type == wire.Error {
			m.onSwitchNotRepeated(refusalIn(frame))
			return
		}
	}
	if named != nil && named.onAnswer(frame) {
		return
	}
	// An ack has no channel, and the answer to a switch has the channel that was entered.
	for _, m := range c.memberships {
		if m.onAnswer(frame) {
			return
		}
	}
	if e := c.leaves[frame.Ref]; e != nil {
		delete(c.leaves, frame.Ref)
		e.finish()
	}
}

// onResumed handles the hub's answer to the resume of a membership. A transient refusal
// closes the connection, to try again on the next one. Any other refusal ends the
// membership. The lock is held.
func (c *Client) onResumed(m *Membership, frame *wire.Frame) {
	switch why := refusalIn(frame); {
	case why == nil:
		m.onEntered(frame, time.Now())
		c.attach(m)
	case isTransient(why):
		m.notNow = why
		c.tryLater()
	case m.leaving:
		m.end(wire.ErrLeft) // the hub has carried out the leave, and its answer was lost
	default:
		m.end(why)
	}
}

// tryLater closes the connection after a transient refusal, to try the same on the next one.
// The lock is held.
func (c *Client) tryLater() {
	c.link.out.Close(transport.Reason{Code: transport.Idle, Text: "trying again later"})
}

// endAll ends all memberships. The lock is held.
func (c *Client) endAll(why *wire.Cause) {
	for _, m := range c.memberships {
		m.end(why)
	}
}
