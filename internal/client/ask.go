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

// giveUp ends an inquiry that no caller waits for any more, and those that go with it, and
// tells the hub.
func (m *Membership) giveUp(q *inquiry) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	m.giveUpAll(q)
}

// giveUpAll is giveUp. The lock is held.
func (m *Membership) giveUpAll(q *inquiry) {
	if q.group != nil {
		m.gatherings = slices.DeleteFunc(m.gatherings, func(g *gathering) bool { return g == q.group })
	}
	if m.err != nil {
		return
	}
	for _, each := range q.all() {
		if m.inquiries[each.seq] == each {
			delete(m.inquiries, each.seq)
			m.withdraw(each.seq)
		} else if r := each.group.request(each); r != nil && !r.abandoned {
			// It is withdrawn when the hub has answered.
			if r.abandoned = true; !r.written {
				m.remove(r)
			}
		}
	}
}

// withdraw tells the hub that no answer to the message of that number is wanted any more,
// over as many connections as necessary. The lock is held.
func (m *Membership) withdraw(seq uint64) {
	frame := wire.Frame{Type: wire.Withdraw, Channel: m.channel, Request: seq}
	m.enqueue(&request{frame: frame, outsideWindow: true, answered: make(chan wire.Frame, 1)})
}

// inquire sends a message that asks, and returns its inquiry after the hub has accepted
// the message.
func (m *Membership) inquire(ctx context.Context, frame wire.Frame, of string, group *gathering) (*inquiry, error) {
	q := &inquiry{of: of, group: group}
	if group != nil {
		group.main = q
	}
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
	if !m.hasUnnumbered() {
		m.earlyAnswers = nil
	}
	return answer
}

// Ask sends the frame to the member of, and waits for its answer.
func (m *Membership) Ask(ctx context.Context, frame wire.Frame, of string) Answer {
	q, err := m.inquire(ctx, frame, of, nil)
	if err != nil {
		return Answer{Err: err}
	}
	defer m.giveUp(q)
	for given := range m.answersTo(ctx, q) {
		return given
	}
	return Answer{Err: m.client.public(wire.ErrNoSuchSlave.With("it is not known whether it answers"))} // not reached: answersTo yields once for each member
}

// Gather sends the frame to every slave, and yields one Answer for each of them. With newcomers
// it goes on until its context, the time of the question or the membership ends.
func (m *Membership) Gather(ctx context.Context, frame wire.Frame, how Gathering) iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		var group *gathering
		if how.Asked != nil || how.Newcomers {
			group = &gathering{how: how, question: frame}
			group.question.Type, group.question.Asks = wire.Send, true
			if frame.Aside != nil {
				aside := *frame.Aside // what is left of the time of each is its own
				group.question.Aside = &aside
			}
		}
		q, err := m.inquire(ctx, frame, "", group)
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
// the membership ends, it yields an error for each member that has not answered. Where it is
// told who is asked, answers wait until that is known.
func (m *Membership) answersTo(ctx context.Context, q *inquiry) iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		pause := verifyPause
		later := time.NewTimer(pause)
		later.Stop()
		defer later.Stop()
		ends, stop := q.ends()
		defer stop()
		over, armed := false, false
		for {
			begun := q.group == nil || over || m.hasBegun(q.group)
			var waiting []Answer
			last := false
			if begun {
				waiting, last = q.answers.take()
				m.tellAsked(q.group) // whom these answers are of, in any case
			}
			for _, given := range waiting {
				if !yield(given) {
					return
				}
			}
			if last {
				return
			}
			if q.answers.takeRefused() && !armed { // several may be refused together
				armed = true
				later.Reset(pause)
				pause *= 2
			}
			var why error
			select {
			case m.room(q.group) <- struct{}{}:
				m.askNewcomer(q.group)
				continue
			case <-q.answers.changed:
				continue
			case <-ends:
				m.timeIsOver(q.group)
				continue
			case <-later.C:
				armed = false
				m.verifyAgain(q)
				m.goOn(q.group)
				continue
			case <-ctx.Done():
				why = ctx.Err()
			case <-m.done:
				why = m.err
			}
			m.abandon(q, why)
			over = true
		}
	}
}

// abandon gives the inquiry up, and those that go with it, and queues the error why for each
// member that was asked and has not answered.
func (m *Membership) abandon(q *inquiry, why error) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	m.giveUpAll(q)
	awaited := make(map[string]*inquiry)
	for _, each := range q.all() {
		for name := range each.awaited {
			awaited[name] = each
		}
	}
	for _, name := range slices.Sorted(maps.Keys(awaited)) {
		awaited[name].resolve(Answer{From: name, Err: why})
	}
	if q.unknown {
		q.answers.add(Answer{Err: why})
	}
	q.answers.finish()
}
