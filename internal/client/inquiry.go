package client

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// inquiry is a message of this member that other members have to answer, from the moment
// when it is sent until all answers have arrived. (The users call it a request; in this
// package, a request is an operation that the hub answers.) The client's lock guards its
// fields. answers has a lock of its own.
type inquiry struct {
	// of is the one member that is asked. Empty: all slaves are asked.
	of string
	// seq is the number of the message. It is zero until the hub has accepted it.
	seq uint64
	// awaited are the members that have not answered yet: the numbers of their memberships
	// by their names. A number is zero where it is not known.
	awaited map[string]uint64
	// unknown: awaited is not known yet. The hub accepted the message on a connection
	// that was lost before the hub's answer arrived.
	unknown bool
	// listed are those that the hub has told of so far who have not answered, while it tells them in pages.
	listed map[string]uint64
	// verifying is the ref of an Awaiting frame, by which the client asks the hub who
	// has not answered yet. It is zero while no such frame is without an answer.
	verifying uint64
	// stale: messages were lost after that frame was sent, so the hub must be asked
	// again.
	stale bool
	// gap: messages were lost while the inquiry was open.
	gap bool
	// end is when the inquiry's message expires, by the clock of this side, and with it the
	// inquiry. At the hub that is a little later. Zero: it does not.
	end time.Time
	// refused: the hub has refused for now to tell who has not answered yet.
	refused bool
	// group is the Gather that it is of, where that tells whom it asks, or nil.
	group *gathering

	answers answerQueue
}

// resolve ends the wait for the answer of one member. The lock is held.
func (q *inquiry) resolve(given Answer) {
	delete(q.awaited, given.From)
	delete(q.listed, given.From)
	if q.unknown && q.group != nil {
		q.group.early = append(q.group.early, given.From)
	}
	q.queue().add(given)
}

// closeIfAnswered ends the inquiry when no answer is awaited any more. The lock is held.
func (m *Membership) closeIfAnswered(q *inquiry) {
	if len(q.awaited) == 0 && !q.unknown {
		delete(m.inquiries, q.seq)
		switch {
		case q.isNewcomers():
			q.group.onNewcomerAnswered(q)
		case q.group == nil || !q.group.how.Newcomers:
			q.answers.finish()
		default:
			q.group.endIfOver()
		}
	}
}

// onAccepted is called when the hub has numbered the message. In the stream of frames, the
// hub's ack is at the moment of sending: the slaves that are there now are the slaves that
// were asked. The lock is held.
func (m *Membership) onAccepted(q *inquiry, seq uint64, repeated bool) {
	q.seq = seq
	if m.inquiries == nil {
		m.inquiries = make(map[uint64]*inquiry)
	}
	m.inquiries[seq] = q
	q.awaited = make(map[string]uint64)
	q.unknown = (repeated || m.counted()) && q.of == ""
	switch {
	case repeated && q.of != "":
		q.awaited[q.of] = 0
	case q.of != "":
		q.awaited[q.of] = m.membershipOf(q.of)
	case !q.unknown:
		q.awaited = m.present()
	}
	if !q.unknown {
		q.begins(m)
	}
	for _, message := range m.earlyAnswers {
		if message.ReplyTo == seq {
			q.answeredBy(message)
		}
	}
	if repeated || q.unknown {
		m.verify(q)
	}
	m.closeIfAnswered(q)
}

// onReply handles a message that answers an inquiry, and reports whether it does. An
// answer that no caller waits for any more is dropped. The lock is held.
func (m *Membership) onReply(message Message) bool {
	if message.ReplyTo == 0 {
		return false
	}
	if q := m.inquiries[message.ReplyTo]; q != nil {
		q.answeredBy(message)
		m.closeIfAnswered(q)
	} else if m.hasUnnumbered() {
		m.earlyAnswers = append(m.earlyAnswers, message)
	}
	return true
}

// hasUnnumbered reports whether the hub has not answered the message of an inquiry yet. Answers to the inquiry may
// arrive before its number is known: where the message was retransmitted, and where the channel moves to another
// hub. The lock is held.
func (m *Membership) hasUnnumbered() bool {
	return slices.ContainsFunc(m.pending, func(r *request) bool { return r.asks != nil })
}

// answeredBy takes an answer to the inquiry. The lock is held.
func (q *inquiry) answeredBy(message Message) {
	if _, ok := q.awaited[message.From]; ok || q.unknown {
		q.resolve(Answer{From: message.From, Message: message})
	}
}

// onTooLate is told that the time of an inquiry is over. Those who are listed have answered in
// time, which is still to come. The lock is held.
func (m *Membership) onTooLate(frame *wire.Frame) {
	q := m.inquiries[frame.Request]
	if q == nil || q.unknown || frame.Code != string(wire.ErrTooLate.Code) {
		return // where it is unknown who was asked, the hub is being asked for that
	}
	listed := make(map[string]bool, len(frame.Members))
	for i := range frame.Members {
		listed[frame.Members[i].Username] = true
	}
	for _, name := range slices.Sorted(maps.Keys(q.awaited)) {
		if !listed[name] {
			q.resolve(m.tooLate(name))
		}
	}
	m.closeIfAnswered(q)
}

// tooLate is the part of one that has not answered in time.
func (m *Membership) tooLate(name string) Answer {
	return Answer{From: name, Err: m.client.public(wire.ErrTooLate.With(name + " has not answered in time"))}
}

// membershipOf is the number of the membership that a slave of that name has now, though
// the user may not have been told yet. It is zero where it is not known. The lock is held.
func (m *Membership) membershipOf(name string) uint64 {
	number := m.slaves[name].number
	for _, slave := range m.departed {
		if slave.Username == name {
			number = slave.number
		}
	}
	return number
}

// awaits reports whether the inquiry waits for the slave, which has left, and not for
// another one that has its name now. Where that is not known yet, the hub is being asked, and
// its answer decides. The lock is held.
func (q *inquiry) awaits(slave Presence) bool {
	number, awaited := q.awaited[slave.Username]
	if number == 0 {
		return awaited && q.verifying == 0
	}
	return slave.number == 0 || slave.number == number
}

// onSlaveLeft ends the wait for all answers of a slave that has left. The lock is held.
func (m *Membership) onSlaveLeft(slave Presence) {
	for _, q := range m.inquiries {
		if number, listed := q.listed[slave.Username]; listed && (slave.number == 0 || slave.number == number) {
			delete(q.listed, slave.Username)
		}
		if q.awaits(slave) {
			err := m.client.public(wire.ErrNoSuchSlave.With(slave.Username + " has left: " + slave.Reason))
			if slave.Reason == string(wire.ErrExpired.Code) {
				err = fmt.Errorf("%w: %w", err, m.client.public(wire.ErrExpired))
			}
			q.resolve(Answer{From: slave.Username, Err: err})
			m.closeIfAnswered(q)
		}
	}
}

// onAnswersLost is called for a gap, in which answers may have been. It asks the hub for
// each open inquiry who has not answered yet. The lock is held.
func (m *Membership) onAnswersLost() {
	for _, seq := range slices.Sorted(maps.Keys(m.inquiries)) {
		q := m.inquiries[seq]
		q.gap = true
		if q.verifying != 0 {
			q.stale = true // there can be many gaps: one Awaiting frame at a time
		} else {
			m.verify(q)
		}
	}
	for _, r := range m.pending {
		if r.asks != nil && r.written {
			// The hub may have accepted it already, and its answer may be lost.
			r.asks.gap = true
		}
	}
}
