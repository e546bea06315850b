package client

import (
	"context"

	"github.com/lectern-go/lectern/internal/wire"
)

// Switch joins the channel of the frame under the same name and leaves this one, in a
// single step. Where the join is refused, the user stays in this channel. What arrives for
// the new membership goes to the inbox.
func (m *Membership) Switch(ctx context.Context, frame wire.Frame, inbox inbox) (*Membership, error) {
	if !wire.ValidName(frame.Channel) {
		return nil, m.client.public(wire.BadName("channel", frame.Channel))
	}
	if frame.Expect != "" && !wire.Sendable(frame.Expect) {
		return nil, m.client.public(wire.BadName("master", frame.Expect))
	}
	next := newMembership(m.client, wire.Slave, frame.Channel, inbox)
	if err := m.client.claim(frame.Channel); err != nil {
		return nil, err
	}
	defer m.client.unclaim(frame.Channel)
	frame.Instance = m.client.instance
	next.ownToken = frame.Token != ""
	var err error
	if frame.Token, err = m.client.tokenFor(ctx, wire.Join, frame.Channel, m.username, frame.Token); err != nil {
		return nil, err
	}
	next.token = frame.Token
	settle := func(r *request, answer wire.Frame) wire.Frame {
		if answer.Type != wire.Joined {
			return answer
		}
		if why := m.client.alreadyIn(&answer); why != nil {
			m.end(wire.ErrLeft.With("switched to another channel"))
			return wire.Frame{Type: wire.Error, Ref: answer.Ref, Code: string(why.Code), Reason: why.Text}
		}
		m.switchTo(next, &answer, r.abandoned)
		return answer
	}
	if _, err := m.do(ctx, &request{frame: frame, enters: next, settle: settle}); err != nil {
		return nil, err
	}
	return next, nil
}

// switchTo ends this membership in favour of the next one. Where the caller of the switch
// has given up, the next one ends too. The lock is held.
func (m *Membership) switchTo(next *Membership, joined *wire.Frame, abandoned bool) {
	m.client.enter(next, joined)
	next.owned, m.owned = m.owned, false // the client belongs to the next membership now
	m.end(wire.ErrLeft.With("switched to another channel"))
	if abandoned {
		m.client.push(&wire.Frame{Type: wire.Leave, Channel: next.channel})
		next.end(wire.ErrLeft)
	}
}

// repeatSwitch repeats a switch that was written on an earlier connection and has no answer,
// and reports whether there is one. It comes before the membership is resumed: where the
// hub has carried the switch out, there is nothing to resume. The lock is held.
func (m *Membership) repeatSwitch() bool {
	for _, r := range m.pending {
		if r.frame.Type == wire.Join && r.written {
			m.write(r)
			m.repeating = r.frame.Ref
			return true
		}
	}
	return false
}

// onSwitchNotRepeated is called when the hub refuses a repeated switch: the first one has
// not arrived, or was refused. The membership is resumed, and the switch sent anew. A
// transient refusal tells nothing of that: the switch is repeated on the next connection. The
// lock is held.
func (m *Membership) onSwitchNotRepeated(why *wire.Cause) {
	if isTransient(why) {
		m.client.tryLater()
		return
	}
	m.repeating = 0
	m.resume()
}
