package client

import (
	"context"
	"fmt"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// request is an operation of a member that awaits the hub's answer. It survives
// the connection: after a resume it is sent again, under the same ref.
type request struct {
	frame   wire.Frame
	written bool
	// repeated: it has been written on more than one connection.
	repeated bool
	// abandoned: nobody waits any more. It keeps its place in the window until
	// it is answered or the connection is lost.
	abandoned bool
	// outside: it has no place in the window, since the hub remembers no answer
	// of it. Withdrawals are; there are no more of them than open inquiries.
	outside bool
	// enters is the membership that a switch leads to.
	enters *Membership
	// asks is the inquiry that a message opens.
	asks     *inquiry
	answered chan wire.Frame
}

// do sends a request and waits for its answer, over as many connections as it
// takes.
func (m *Membership) do(ctx context.Context, r *request) (wire.Frame, error) {
	select {
	case m.window <- struct{}{}:
	case <-ctx.Done():
		return wire.Frame{}, ctx.Err()
	case <-m.done:
		return wire.Frame{}, m.client.public(m.err)
	}
	c := m.client
	r.answered = make(chan wire.Frame, 1)
	c.mu.Lock()
	if m.err != nil {
		c.mu.Unlock()
		<-m.window
		return wire.Frame{}, m.client.public(m.err)
	}
	if r.enters == nil {
		r.frame.Channel = m.channel
	}
	m.enqueue(r)
	c.mu.Unlock()

	var cause error
	select {
	case answer := <-r.answered:
		return answer, m.refusal(r, &answer)
	case <-ctx.Done():
		cause = ctx.Err()
	case <-m.done:
		cause = m.client.public(m.err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case answer := <-r.answered:
		return answer, m.refusal(r, &answer)
	default:
	}
	r.abandoned = true
	if !r.written {
		m.remove(r)
		return wire.Frame{}, cause
	}
	return wire.Frame{}, fmt.Errorf("%w: %w", m.client.options.ErrSendUnknown, cause)
}

// refusal is the error that the request's answer carries, if it is one.
func (m *Membership) refusal(r *request, answer *wire.Frame) error {
	why := refusalIn(answer)
	if why == nil {
		return nil
	}
	err := m.client.public(why)
	if r.repeated && why.Code == wire.ErrNotAMember.Code {
		// A switch was sent again before it, and has worked only then. The first
		// time the request may have been carried out.
		return fmt.Errorf("%w: %w", m.client.options.ErrSendUnknown, err)
	}
	return err
}

// enqueue makes the request the next one that is sent. It has a place in the
// window, or is outside of it.
func (m *Membership) enqueue(r *request) {
	m.client.lastRef++
	r.frame.Ref = m.client.lastRef
	m.pending = append(m.pending, r)
	if m.attached {
		m.write(r)
	}
}

func (m *Membership) write(r *request) {
	r.repeated = r.repeated || r.written
	r.written = true
	m.client.push(&r.frame)
}

func (m *Membership) remove(r *request) {
	if i := slices.Index(m.pending, r); i >= 0 {
		m.pending = slices.Delete(m.pending, i, i+1)
		if !r.outside {
			<-m.window
		}
	}
}

// answer gives a frame to the request that it answers, and reports whether
// there is one.
func (m *Membership) answer(frame *wire.Frame) bool {
	if m.verified(frame) {
		return true
	}
	for _, r := range m.pending {
		if r.frame.Ref != frame.Ref {
			continue
		}
		m.remove(r)
		if r.repeated && r.frame.Type == wire.Kick && frame.Code == string(wire.ErrNoSuchSlave.Code) {
			// The kick that was sent before the connection was lost has worked.
			*frame = wire.Frame{Type: wire.Ack, Ref: frame.Ref, Channel: m.channel}
		}
		if r.enters != nil && frame.Type == wire.Joined {
			m.client.enter(r.enters, frame)
			r.enters.owned, m.owned = m.owned, false // the client is the next one's now
			m.end(wire.ErrLeft.With("switched to another channel"))
			if r.abandoned {
				m.client.push(&wire.Frame{Type: wire.Leave, Channel: r.enters.channel})
				r.enters.end(wire.ErrLeft)
			}
		}
		if r.asks != nil && frame.Type == wire.Ack {
			m.accepted(r.asks, frame.Seq, r.repeated)
			if r.abandoned {
				delete(m.inquiries, frame.Seq)
				m.withdraw(frame.Seq)
			}
		}
		if r.asks != nil && !m.asksAgain() {
			m.early = nil
		}
		r.answered <- *frame
		return true
	}
	return false
}

// Send sends a message as the frame says, and returns its number once the hub has
// accepted it. The payload must not change any more.
func (m *Membership) Send(ctx context.Context, frame wire.Frame) (uint64, error) {
	return m.sendAs(ctx, &request{frame: frame})
}

// sendAs sends the message of a request that has been prepared.
func (m *Membership) sendAs(ctx context.Context, r *request) (uint64, error) {
	r.frame.Type = wire.Send
	answer, err := m.do(ctx, r)
	return answer.Seq, err
}

// Do is an operation that is answered by a mere acknowledgement.
func (m *Membership) Do(ctx context.Context, frame wire.Frame) error {
	_, err := m.do(ctx, &request{frame: frame})
	return err
}

// Switch joins the channel under the same name and leaves this one in a single step:
// where the join is refused, the user stays here. What arrives for the new membership
// goes to the inbox.
func (m *Membership) Switch(ctx context.Context, frame wire.Frame, inbox inbox) (*Membership, error) {
	if !wire.ValidName(frame.Channel) {
		return nil, m.client.public(wire.ErrBadName)
	}
	next := newMembership(m.client, wire.Slave, frame.Channel, inbox)
	if err := m.client.claim(frame.Channel); err != nil {
		return nil, err
	}
	defer m.client.unclaim(frame.Channel)
	if _, err := m.do(ctx, &request{frame: frame, enters: next}); err != nil {
		return nil, err
	}
	return next, nil
}
