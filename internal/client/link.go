package client

import (
	"errors"
	"slices"
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
				continue // a newer hub's, and not for us
			}
			return err
		}
		c.mu.Lock()
		c.handle(&frame)
		c.mu.Unlock()
	}
}

// handle takes one frame of the hub to where it belongs. The lock is held.
func (c *Client) handle(frame *wire.Frame) {
	m := c.memberships[frame.Channel]
	switch frame.Type {
	case wire.Message:
		if m != nil {
			m.message(frame)
		}
	case wire.Presence:
		if m != nil {
			m.presence(frame, time.Now())
		}
	case wire.Gap:
		if m != nil {
			m.gap(frame.Missed)
		}
	case wire.Shutdown:
		c.announced = min(wire.FromMilliseconds(frame.Timeout), maxSpread)
	case wire.Closed:
		if m != nil {
			m.end(&wire.Cause{Code: wire.Code(frame.Code), Text: frame.Reason})
		}
	default:
		if frame.Ref != 0 {
			c.answer(frame)
		}
	}
}

// answer takes an answer to what it answers.
func (c *Client) answer(frame *wire.Frame) {
	for _, k := range c.calls {
		if k.answeredBy(frame) {
			c.removeCall(k)
			result := callResult{answer: *frame}
			if why := refusalIn(frame); why != nil {
				result.err = c.public(why)
			} else if k.enters != nil {
				result.err = c.enterAs(k.enters, frame)
			}
			k.result <- result
			return
		}
	}
	for _, m := range c.memberships {
		if m.resuming == frame.Ref {
			c.resumed(m, frame)
			return
		}
	}
	if m := c.memberships[frame.Channel]; m != nil && m.answer(frame) {
		return
	}
	// An ack names no channel, and the answer to a switch the one it leads to.
	for _, m := range c.memberships {
		if m.answer(frame) {
			return
		}
	}
	if _, ok := c.forsaken[frame.Ref]; ok {
		delete(c.forsaken, frame.Ref)
		c.letGo()
		return
	}
	if (frame.Type == wire.Created || frame.Type == wire.Joined) && frame.Ref != c.left && !c.awaited(frame) {
		// The call that asked for it has been given up.
		c.push(&wire.Frame{Type: wire.Leave, Channel: frame.Channel})
	}
}

// resumed is the hub's answer to a membership's resume.
func (c *Client) resumed(m *Membership, frame *wire.Frame) {
	switch why := refusalIn(frame); {
	case why == nil:
		m.entered(frame, time.Now())
		m.attach()
	case passes(why):
		c.link.out.Close(transport.Reason{Code: transport.Idle, Text: "trying again later"})
	default:
		m.end(why)
	}
}

// letGo gives up the connection, so that a membership on it that nobody here
// wants is away, and can be resumed elsewhere. The others come back.
func (c *Client) letGo() {
	if c.link != nil {
		c.link.out.Close(transport.Reason{Code: transport.Idle, Text: "a resume was given up"})
	}
}

func (c *Client) endAll(why *wire.Cause) {
	for _, m := range c.memberships {
		m.end(why)
	}
}

// failLargest gives up the largest message that was not answered: the hub has
// closed the connection because of one that was too large, so if any is, it is
// this one, and it must not be sent again.
func (c *Client) failLargest() {
	var owner *Membership
	var largest *request
	for _, m := range c.memberships {
		for _, r := range m.pending {
			if r.written && (largest == nil || len(r.frame.Payload.Data) > len(largest.frame.Payload.Data)) {
				owner, largest = m, r
			}
		}
	}
	if largest != nil {
		owner.remove(largest)
		largest.answered <- wire.Frame{Type: wire.Error, Code: string(wire.ErrTooLarge.Code)}
	}
}

// passing are refusals that say nothing about the membership or its requests.
var passing = []*wire.Cause{wire.ErrBusy, wire.ErrShuttingDown, wire.ErrRateLimited}

func passes(why *wire.Cause) bool {
	return slices.ContainsFunc(passing, func(p *wire.Cause) bool { return why.Code == p.Code })
}

// refusalIn is why an answer refuses, or nil where it does not.
func refusalIn(answer *wire.Frame) *wire.Cause {
	if answer.Type != wire.Error {
		return nil
	}
	return &wire.Cause{Code: wire.Code(answer.Code), Text: answer.Reason}
}
