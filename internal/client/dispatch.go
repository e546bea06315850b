package client

import (
	"errors"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
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
		c.handle(l, &frame)
		c.madeProgress()
		entered := len(l.unstored) > 0
		c.mu.Unlock()
		if entered {
			c.storeTickets(l)
		}
	}
}

// handle dispatches one frame of the hub. What is for a membership that has moved to another
// connection is not taken. The lock is held.
func (c *Client) handle(l *link, frame *wire.Frame) {
	m := c.memberships[frame.Channel]
	if m != nil && m.link != l && (m.link != nil || m.asked != l) {
		m = nil
	}
	switch frame.Type {
	case wire.Message:
		if m != nil {
			m.onMessage(frame)
		}
	case wire.Attribute:
		if m != nil {
			m.onAttribute(frame)
		}
	case wire.Reset:
		if m != nil {
			m.onReset(frame)
		}
	case wire.Muted:
		if m != nil && m.role == wire.Slave {
			m.setMuted(frame.Muted, true)
		}
	case wire.Asked:
		if m != nil {
			m.onAllAsked()
		}
	case wire.Presence:
		if m != nil {
			m.onPresence(frame, time.Now())
		} else if frame.Role == wire.Master {
			c.onMasterOfDoor(l, frame)
		}
	case wire.Waiting:
		c.onWaiting(l, frame)
	case wire.Knock:
		if m != nil {
			m.onKnock(frame)
		}
	case wire.Gap:
		if m != nil {
			m.onGap(frame.Missed, frame.Seq)
		}
	case wire.Shutdown:
		l.shutdown, l.spread = true, min(wire.FromMilliseconds(frame.Timeout), maxSpread)
		c.startMoving()
	case wire.Closed:
		if frame.Ref != 0 {
			c.onAnswer(l, frame) // of a join that has waited
		} else if m != nil {
			m.onClosed(&wire.Cause{Code: wire.Code(frame.Code), Text: frame.Reason})
		}
		c.goOnMoving()
	case wire.Members:
		if frame.Ref != 0 {
			c.onAnswer(l, frame)
		} else if m != nil {
			m.onRoster(frame, time.Now())
		}
	default:
		if frame.Ref != 0 {
			c.onAnswer(l, frame)
		} else if frame.Type == wire.Awaiting && m != nil {
			m.onTooLate(frame)
		} else if (frame.Type == wire.Created || frame.Type == wire.Joined) && m != nil {
			m.onRoleChanged(l, frame)
		}
		c.goOnMoving()
	}
}

// onAnswer gives an answer to the call, the resume, the request or the inquiry with the
// same ref. The lock is held.
func (c *Client) onAnswer(l *link, frame *wire.Frame) {
	c.onFirstAnswer(l, frame)
	for _, k := range c.calls {
		if k.frame.Ref == frame.Ref {
			*frame = asRefusal(frame)
			if c.callsAgain(k, l, frame) {
				return
			}
			c.removeCall(k)
			if k.enters != nil {
				k.enters.remade = k.frame.Type == wire.Create && k.writes > 1
			}
			if k.givenUp {
				c.undo(k, frame, l)
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
				result.err = c.enterAs(k.enters, frame, l)
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
			c.onResumed(m, l, frame)
			return
		}
		if m.repeating == frame.Ref && frame.Type == wire.Error {
			m.onSwitchNotRepeated(refusalIn(frame))
			return
		}
	}
	if named != nil && named.onAnswer(l, frame) {
		return
	}
	// An ack has no channel, and the answer to a switch has the channel that was entered.
	for _, m := range c.memberships {
		if m.onAnswer(l, frame) {
			return
		}
	}
	if e := l.leaves[frame.Ref]; e != nil {
		delete(l.leaves, frame.Ref)
		e.finish()
		return
	}
	// The membership from which this client has switched has ended meanwhile, and the switch with it: nobody wants what it
	// leads to.
	into := func(k *call) bool { return k.frame.Channel == frame.Channel }
	if frame.Type == wire.Joined && named == nil && !slices.ContainsFunc(c.calls, into) {
		l.push(&wire.Frame{Type: wire.Leave, Ref: c.nextRef(), Channel: frame.Channel})
	}
}

// onResumed handles the hub's answer to the resume of a membership on the connection. Where it
// has another one still, a refusal changes nothing. Otherwise a transient refusal closes the
// connection, to try again on the next one, and so does that of a hub that does not have the
// membership, where another one may. Any other refusal ends the membership. The lock is held.
func (c *Client) onResumed(m *Membership, l *link, frame *wire.Frame) {
	m.resuming, m.asked = 0, nil
	switch why := refusalIn(frame); {
	case why == nil:
		m.removeAbandoned()
		m.link, m.attached, m.stays, m.shows = l, false, nil, false
		m.onEntered(frame, time.Now())
		c.attach(m)
	case m.link != nil:
		m.stays = l
		c.onNotMoved(l)
	case isTransient(why):
		m.notNow, m.nowhere = why, nil
		l.tryLater()
	case why.Code == wire.ErrHubLost.Code && m.nowhere.add(l) < c.places:
		m.notNow, m.lackedBy = why, l
		c.onNotMoved(l) // what else is here is not disturbed
	case why.Code == wire.ErrResumeFailed.Code && m.repeatSwitchAgain():
	case m.leaving:
		m.end(wire.ErrLeft) // the hub has carried out the leave, and its answer was lost
	default:
		m.end(why)
	}
}

// endAll ends all memberships. The lock is held.
func (c *Client) endAll(why *wire.Cause) {
	for _, m := range c.memberships {
		m.end(why)
	}
}
