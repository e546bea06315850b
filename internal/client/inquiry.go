package client

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// inquiry is a request of this member on its way to its answers. What is known
// of it is under the client's lock; the answers that were not taken yet have a
// lock of their own.
type inquiry struct {
	// of is the one member that is asked; empty: every slave there is.
	of string
	// seq is the request's number, zero until the hub has accepted it.
	seq uint64
	// awaited are those who are to answer.
	awaited map[string]struct{}
	// unknown: the awaited are not known yet, because the hub accepted the
	// request on a connection that was lost before it told so.
	unknown bool
	// verifying is the ref of the question who is still to answer, while it is
	// under way.
	verifying uint64
	// stale: messages were lost since that was asked, so that it must be asked
	// again.
	stale bool
	// gap: messages were lost while the request was open.
	gap bool

	answers answerQueue
}

// part ends the part of one who was asked.
func (q *inquiry) part(given Answer) {
	delete(q.awaited, given.From)
	q.answers.add(given)
}

// closeIfAnswered ends the inquiry once nobody is awaited any more.
func (m *Membership) closeIfAnswered(q *inquiry) {
	if len(q.awaited) == 0 && !q.unknown {
		delete(m.inquiries, q.seq)
		q.answers.finish()
	}
}

// accepted is told that the hub has numbered the request. Its place in the
// stream is the moment of sending: those in the roster now are those asked.
func (m *Membership) accepted(q *inquiry, seq uint64, repeated bool) {
	q.seq = seq
	if m.inquiries == nil {
		m.inquiries = make(map[uint64]*inquiry)
	}
	m.inquiries[seq] = q
	q.awaited = make(map[string]struct{})
	q.unknown = repeated && q.of == ""
	switch {
	case q.of != "":
		q.awaited[q.of] = struct{}{}
	case !repeated:
		for name := range m.slaves {
			q.awaited[name] = struct{}{}
		}
	}
	for _, message := range m.early {
		if message.ReplyTo == seq {
			q.answeredBy(message)
		}
	}
	if repeated {
		m.verify(q)
	}
	m.closeIfAnswered(q)
}

// verify asks the hub who is still to answer. Its answer is behind every answer
// that the hub has sent before.
func (m *Membership) verify(q *inquiry) {
	c := m.client
	c.lastRef++
	q.verifying, q.stale = c.lastRef, false
	c.push(&wire.Frame{Type: wire.Awaiting, Ref: q.verifying, Channel: m.channel, Request: q.seq})
}

// verifyPause is how long after a first refusal the hub is asked again. It
// doubles with each, since those that come too fast count against the rate too.
const verifyPause = time.Second

// verifyAgain asks once more, unless that is under way, or will be done on the
// next connection.
func (m *Membership) verifyAgain(q *inquiry) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if m.inquiries[q.seq] == q && m.attached && q.verifying == 0 {
		m.verify(q)
	}
}

// verifyAll does so for every request that is open.
func (m *Membership) verifyAll() {
	for _, seq := range slices.Sorted(maps.Keys(m.inquiries)) {
		m.verify(m.inquiries[seq])
	}
}

// verified takes the hub's word on who is still to answer, and reports whether
// the frame is that.
func (m *Membership) verified(frame *wire.Frame) bool {
	for _, q := range m.inquiries {
		if q.verifying != frame.Ref {
			continue
		}
		q.verifying = 0
		if why := refusalIn(frame); why != nil && passes(why) {
			q.answers.refuse()
			return true
		}
		q.unknown = false
		if frame.Type != wire.Awaiting {
			m.closeIfAnswered(q)
			return true // refused; who is awaited stays as it was
		}
		listed := make(map[string]struct{}, len(frame.Members))
		for _, member := range frame.Members {
			listed[member.Username] = struct{}{}
		}
		for _, name := range slices.Sorted(maps.Keys(q.awaited)) {
			if _, still := listed[name]; still {
				continue
			}
			given := Answer{From: name, Err: m.client.public(wire.ErrNoSuchSlave.With(name + " has left"))}
			if q.gap || m.role == wire.Slave {
				given = Answer{From: name, Lost: true}
			}
			q.part(given)
		}
		q.awaited = listed
		m.closeIfAnswered(q)
		if q.stale && m.inquiries[q.seq] == q {
			m.verify(q)
		}
		return true
	}
	return false
}

// reply takes in a message that answers a request, and reports whether it is one.
// An answer that nobody waits for any more is dropped.
func (m *Membership) reply(message Message) bool {
	if message.ReplyTo == 0 {
		return false
	}
	if q := m.inquiries[message.ReplyTo]; q != nil {
		q.answeredBy(message)
		m.closeIfAnswered(q)
	} else if m.asksAgain() {
		m.early = append(m.early, message)
	}
	return true
}

// asksAgain reports whether a request was sent again and is not answered yet.
// Answers to it may come before its number is known.
func (m *Membership) asksAgain() bool {
	return slices.ContainsFunc(m.pending, func(r *request) bool { return r.asks != nil && r.repeated })
}

func (q *inquiry) answeredBy(message Message) {
	if _, ok := q.awaited[message.From]; ok || q.unknown {
		q.part(Answer{From: message.From, Message: message})
	}
}

// departs ends the parts of a slave that has left.
func (m *Membership) departs(slave Presence) {
	for _, q := range m.inquiries {
		if _, ok := q.awaited[slave.Username]; ok {
			q.part(Answer{From: slave.Username, Err: m.client.public(wire.ErrNoSuchSlave.With(slave.Username + " has left: " + slave.Reason))})
			m.closeIfAnswered(q)
		}
	}
}

// lost is told of a gap, in which answers may have been.
func (m *Membership) lost() {
	for _, seq := range slices.Sorted(maps.Keys(m.inquiries)) {
		q := m.inquiries[seq]
		q.gap = true
		if q.verifying != 0 {
			q.stale = true // gaps can be many: one question at a time
		} else {
			m.verify(q)
		}
	}
	for _, r := range m.pending {
		if r.asks != nil && r.written {
			// It may have been accepted, and answered, before.
			r.asks.gap = true
		}
	}
}

// giveUp ends an inquiry that nobody waits for any more, and sees to it that
// the hub is told.
func (m *Membership) giveUp(q *inquiry) {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if m.inquiries[q.seq] != q || m.err != nil {
		return
	}
	delete(m.inquiries, q.seq)
	m.withdraw(q.seq)
}

// withdraw tells the hub, over as many connections as it takes, that a request
// is over.
func (m *Membership) withdraw(seq uint64) {
	frame := wire.Frame{Type: wire.Withdraw, Channel: m.channel, Request: seq}
	m.enqueue(&request{frame: frame, outside: true, answered: make(chan wire.Frame, 1)})
}

// inquire sends a request and returns the inquiry once the hub has accepted it.
func (m *Membership) inquire(ctx context.Context, frame wire.Frame, of string) (*inquiry, error) {
	q := &inquiry{of: of}
	q.answers.limit = m.client.options.Inbox.Bytes
	q.answers.changed = make(chan struct{}, 1)
	frame.Asks = true
	if _, err := m.sendAs(ctx, &request{frame: frame, asks: q}); err != nil {
		return nil, err
	}
	return q, nil
}

// Ask sends a request to one member and waits for its answer.
func (m *Membership) Ask(ctx context.Context, frame wire.Frame, of string) Answer {
	q, err := m.inquire(ctx, frame, of)
	if err != nil {
		return Answer{Err: err}
	}
	defer m.giveUp(q)
	for given := range m.answersTo(ctx, q) {
		return given
	}
	return Answer{Err: m.client.public(wire.ErrNoSuchSlave)} // not reached: one asked is one yielded
}

// Gather sends a request to every slave and yields what becomes of each part.
func (m *Membership) Gather(ctx context.Context, payload wire.Payload) iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		q, err := m.inquire(ctx, wire.Frame{Payload: payload}, "")
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

// answersTo yields each part of the inquiry as it ends. When the context or the
// membership ends, it ends the parts that are left.
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
				why = m.client.public(m.err)
			}
			m.abandon(q, why)
		}
	}
}

// abandon ends the parts of an inquiry that are left.
func (m *Membership) abandon(q *inquiry, why error) {
	m.giveUp(q)
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(q.awaited)) {
		q.part(Answer{From: name, Err: why})
	}
	if q.unknown {
		q.answers.add(Answer{Err: why})
	}
	q.answers.finish()
}
