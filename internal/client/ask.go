package client

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file has what callers do with inquiries: they send one, wait for its answers, and
// give it up.

// giveUp ends an inquiry that no caller waits for any more, and tells the hub.
func (m *Membership) giveUp(q *inquiry) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if m.inquiries[q.seq] != q || m.err != nil {
		return
	}
	delete(m.inquiries, q.seq)
	m.withdraw(q.seq)
}

// withdraw tells the hub that no answer to the message of that number is wanted any more,
// over as many connections as necessary. The lock is held.
func (m *Membership) withdraw(seq uint64) {
	frame := wire.Frame{Type: wire.Withdraw, Channel: m.channel, Request: seq}
	m.enqueue(&request{frame: frame, outsideWindow: true, answered: make(chan wire.Frame, 1)})
}

// inquire sends a message that asks, and returns its inquiry after the hub has accepted
// the message.
func (m *Membership) inquire(ctx context.Context, frame wire.Frame, of string) (*inquiry, error) {
	q := &inquiry{of: of}
	q.answers.limit = m.client.options.Inbox.Bytes
	q.answers.changed = make(chan struct{}, 1)
	frame.Asks = true
	if left := frame.Expires(); left > 0 {
		q.end = time.Now().Add(wire.FromMilliseconds(left))
	}
	if _, err := m.sendAs(ctx, &request{frame: frame, asks: q, settle: m.settleInquiry}); err != nil {
		return nil, err
	}
	return q, nil
}

// settleInquiry opens the inquiry of a message that the hub has accepted, and withdraws it
// at once where its caller has given up. The lock is held.
func (m *Membership) settleInquiry(r *request, answer wire.Frame) wire.Frame {
	if answer.Type == wire.Ack {
		m.onAccepted(r.asks, answer.Seq, r.retransmitted)
		if r.abandoned {
			delete(m.inquiries, answer.Seq)
			m.withdraw(answer.Seq)
		}
	}
	if !m.retransmitsInquiry() {
		m.earlyAnswers = nil
	}
	return answer
}

// Ask sends the frame to the member of, and waits for its answer.
func (m *Membership) Ask(ctx context.Context, frame wire.Frame, of string) Answer {
	q, err := m.inquire(ctx, frame, of)
	if err != nil {
		return Answer{Err: err}
	}
	defer m.giveUp(q)
	for given := range m.answersTo(ctx, q) {
		return given
	}
	return Answer{Err: m.client.public(wire.ErrNoSuchSlave.With("it is not known whether it answers"))} // not reached: answersTo yields once for each member
}

// Gather sends the frame to every slave, and yields one Answer for each of them.
func (m *Membership) Gather(ctx context.Context, frame wire.Frame) iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		q, err := m.inquire(ctx, frame, "")
		if err != nil {
			yield(Answer{Err: err})
			return
		}
		defer m.giveUp(q)
		for given := range m.answersTo(ctx, q) {
			if !yield(given) {
				return
			}
		}
	}
}

// answersTo yields the Answer of each member as soon as it is known. When the context or
// the membership ends, it yields an error for each member that has not answered.
func (m *Membership) answersTo(ctx context.Context, q *inquiry) iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		pause := verifyPause
		later := time.NewTimer(pause)
		later.Stop()
		defer later.Stop()
		for {
			waiting, last := q.answers.take()
			for _, given := range waiting {
				if !yield(given) {
					return
				}
			}
			if last {
				return
			}
			if q.answers.takeRefused() {
				later.Reset(pause)
				pause *= 2
			}
			var why error
			select {
			case <-q.answers.changed:
				continue
			case <-later.C:
				m.verifyAgain(q)
				continue
			case <-ctx.Done():
				why = ctx.Err()
			case <-m.done:
				why = m.err
			}
			m.abandon(q, why)
		}
	}
}

// abandon gives the inquiry up, and queues the error why for each member that has not
// answered.
func (m *Membership) abandon(q *inquiry, why error) {
	m.giveUp(q)
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(q.awaited)) {
		q.resolve(Answer{From: name, Err: why})
	}
	if q.unknown {
		q.answers.add(Answer{Err: why})
	}
	q.answers.finish()
}
