package client

import (
	"context"
	"fmt"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// Switch joins the channel of the frame under the same name and leaves this one, in a
// single step. Where the join is refused, the user stays in this channel. What arrives for
// the new membership goes to the inbox. Where an earlier switch from here was given up and
// yet made, Switch joins.
func (m *Membership) Switch(ctx context.Context, joining Joining, inbox inbox) (*Membership, error) {
	frame := joining.Frame
	if !wire.ValidName(frame.Channel) {
		return nil, m.client.public(wire.BadName("channel", frame.Channel))
	}
	if frame.Expect != "" && !wire.Sendable(frame.Expect) {
		return nil, m.client.public(wire.BadName("master", frame.Expect))
	}
	if err := checkAttributes(&frame); err != nil {
		return nil, m.client.public(err)
	}
	c := m.client
	next := newMembership(c, wire.Slave, frame.Channel, inbox)
	next.ownToken = frame.Token != ""
	next.entersWith(&frame)
	asked := frame
	entry, err := c.claim(ctx, next, &asked)
	if err != nil {
		return nil, err
	}
	if entry.adopted {
		return next, nil
	}
	c.showsItself(&frame)
	if frame.Token, err = c.tokenFor(ctx, wire.Join, frame.Channel, m.username, frame.Token); err != nil {
		entry.release()
		return nil, err
	}
	next.token = frame.Token
	if m.hasSwitched() {
		frame.From = ""
		if _, err = c.callWaiting(ctx, frame, next, joining.Waiting); err != nil {
			return nil, err
		}
		m.handOver(next)
		return next, nil
	}
	entry.waiting = newWaiting(joining.Waiting)
	r := &request{frame: frame, enters: entry, settle: func(r *request, answer wire.Frame) wire.Frame {
		return m.settleSwitch(r, next, answer)
	}}
	_, err = m.do(ctx, r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if !slices.Contains(m.pending, r) && !next.leaving {
			entry.finish()
		}
		return nil, err // what is left is undone, by the answer
	}
	if err = c.settle(ctx, entry, nil); err != nil {
		m.switched, m.owned, next.owned = true, next.owned, false
		return nil, fmt.Errorf("%w: %w", c.options.ErrSendUnknown, err)
	}
	return next, nil
}

// settleSwitch does what the answer to a switch to the next membership brings about. The
// lock is held.
func (m *Membership) settleSwitch(r *request, next *Membership, answer wire.Frame) wire.Frame {
	if answer.Type != wire.Joined {
		r.enters.finishIf(r.abandoned)
		return answer
	}
	if why := m.client.alreadyIn(&answer); why != nil {
		m.end(wire.ErrLeft.With("switched to another channel"))
		r.enters.finishIf(r.abandoned)
		return wire.Frame{Type: wire.Error, Ref: answer.Ref, Code: string(why.Code), Reason: why.Text}
	}
	if again := r.enters.adopter(); r.abandoned && again != nil {
		again.adopted, again.member.announced = true, r.retransmitted
		m.switchTo(again.member, &answer, false)
		r.enters.finish()
		return answer
	}
	next.announced = r.retransmitted
	m.switchTo(next, &answer, r.abandoned)
	return answer
}

// switchTo ends this membership in favour of the next one. Where the caller of the switch
// has given up, the next one is left too. The lock is held.
func (m *Membership) switchTo(next *Membership, joined *wire.Frame, abandoned bool) {
	next.leaving = abandoned
	m.client.enter(next, joined, m.talks())
	if m.switched = abandoned; !abandoned {
		next.owned, m.owned = m.owned, false // the client belongs to the next membership now
	}
	m.end(wire.ErrLeft.With("switched to another channel"))
	if abandoned {
		next.leave()
	}
}

// hasSwitched reports whether the membership has ended by a switch that its caller had given
// up. Nothing is left to switch from then, and another switch is a join.
func (m *Membership) hasSwitched() bool {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	return m.switched
}

// handOver lets the next membership own the client, if this one does.
func (m *Membership) handOver(next *Membership) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	next.owned, m.owned = m.owned, false
}

// dropSwitches removes the switches and hand-overs that their callers have given up. It is called when the
// membership was resumed: the hub has not carried them out. The lock is held.
func (m *Membership) dropSwitches() {
	for _, r := range slices.Clone(m.pending) {
		if r.abandoned && (r.enters != nil || r.frame.Type == wire.HandOver) {
			m.remove(r)
			r.enters.finish()
		}
	}
}

// repeatSwitch repeats a switch or a hand-over that was written on an earlier connection and has no answer,
// and reports whether there is one. It comes before the membership is resumed: where the
// hub has carried the switch out, there is nothing to resume. The lock is held.
func (m *Membership) repeatSwitch() bool {
	r := m.writtenSwitch()
	if r == nil {
		return false
	}
	m.repeat(r)
	return true
}

// repeat writes the switch or hand-over on the newest connection. The lock is held.
func (m *Membership) repeat(r *request) {
	m.asked = m.client.link
	m.write(r, m.asked)
	m.repeating = r.frame.Ref
}

// repeatSwitchAgain is repeatSwitch behind a resume that was refused, though the repetition before it was
// too: the hub may have carried the first one out in between, since it has read it late from the
// connection that was lost, or it was another one that it has carried out. Each is tried once. The lock is held.
func (m *Membership) repeatSwitchAgain() bool {
	i := slices.IndexFunc(m.pending, func(r *request) bool { return r.repeatsFirst() && !r.again })
	if i < 0 {
		return false
	}
	m.pending[i].again = true
	m.repeat(m.pending[i])
	return true
}

// writtenSwitch is a switch, or a hand-over, that was written and has no answer, or nil. The lock is
// held.
func (m *Membership) writtenSwitch() *request {
	if i := slices.IndexFunc(m.pending, (*request).repeatsFirst); i >= 0 {
		return m.pending[i]
	}
	return nil
}

// onSwitchNotRepeated is called when the hub refuses a repeated switch: the first one has
// not arrived, or was refused. The membership is resumed, and the switch sent anew. A
// transient refusal tells nothing of that: the switch is repeated on the next connection. The
// lock is held.
func (m *Membership) onSwitchNotRepeated(why *wire.Cause) {
	if isTransient(why) {
		for _, r := range m.pending {
			r.again = false // on the next connection each is repeated again
		}
		m.asked.tryLater()
		return
	}
	m.repeating = 0
	m.resume()
}
