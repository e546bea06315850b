package client

import (
	"cmp"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// questions are the messages that have asked this member and that it has not answered, as far
// as it knows. It is not told that a request was withdrawn: who answers that one is told so, and
// then it is known. They are in the order of their numbers, and bounded as the inbox is: the oldest
// are forgotten. The client's lock guards them.
type questions struct {
	open  []Message
	bytes int
}

func (q *questions) find(seq uint64) (int, bool) {
	return slices.BinarySearchFunc(q.open, seq, func(m Message, seq uint64) int { return cmp.Compare(m.Seq, seq) })
}

// add adds a message that asks, unless it is there.
func (q *questions) add(m Message, bound QueueLimit) {
	i, known := q.find(m.Seq)
	if known {
		return
	}
	q.open = slices.Insert(q.open, i, m)
	q.bytes += len(m.Payload.Data) + eventOverhead
	for len(q.open) > bound.Messages || len(q.open) > 1 && q.bytes > bound.Bytes {
		q.removeAt(0)
	}
}

func (q *questions) removeAt(i int) {
	q.bytes -= len(q.open[i].Payload.Data) + eventOverhead
	if q.open = slices.Delete(q.open, i, i+1); len(q.open) == 0 {
		q.open = nil
	}
}

// remove removes the question of that number, if it is there.
func (q *questions) remove(seq uint64) {
	if i, known := q.find(seq); known {
		q.removeAt(i)
	}
}

// removeFrom removes those of a member that has left, up to the number.
func (q *questions) removeFrom(name string, last uint64) {
	for i := len(q.open) - 1; i >= 0; i-- {
		if m := &q.open[i]; m.From == name && m.Seq <= last {
			q.removeAt(i)
		}
	}
}

// onAnsweredQuestion is called when the hub has answered a send. Whether it was accepted, or its
// answer is not awaited any more, the question is not open. The lock is held.
func (m *Membership) onAnsweredQuestion(send, answer *wire.Frame) {
	switch {
	case send.Reply == 0:
	case answer.Type == wire.Ack, answer.Code == string(wire.ErrNoSuchRequest.Code), answer.Code == string(wire.ErrNoSuchSlave.Code):
		m.questions.remove(send.Reply)
	}
}

// OpenRequests are the messages that ask this member and that it has not answered, in the order
// of their numbers, but for those that still wait in its inbox, and those that have expired. After the end there are none.
func (m *Membership) OpenRequests() []Message {
	m.client.mu.Lock()
	defer m.client.mu.Unlock()
	if m.err != nil {
		return nil
	}
	waiting := m.inbox.firstWaiting()
	return slices.DeleteFunc(slices.Clone(m.questions.open), func(q Message) bool { return waiting != 0 && q.Seq >= waiting || q.expired() })
}
