package star

import (
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// question is a request of the master whose answers are awaited. A slave's is
// no more than a number among its member.asks, since the master alone can
// answer it.
type question struct {
	seq uint64
	// to is the one slave that was asked, or nil: all who were members.
	to *member
	// awaited counts those who are still to answer.
	awaited int
	// answered are the members who have answered, where all were asked.
	answered map[*member]struct{}
}

// awaits reports whether the slave was asked and has not answered. Who joined
// later was not asked, whatever its name.
func (q *question) awaits(m *member) bool {
	if q.to != nil {
		return q.to == m
	}
	_, answered := q.answered[m]
	return m.start < q.seq && !answered
}

// ask opens a request of the master, unless there is nobody to answer it.
func (c *Channel) ask(seq uint64, to *member) {
	q := &question{seq: seq, to: to, awaited: 1}
	if to == nil {
		q.awaited, q.answered = len(c.slaves), make(map[*member]struct{})
	}
	if q.awaited > 0 {
		c.questions = append(c.questions, q)
	}
}

// question is the master's open request of that number, or nil.
func (c *Channel) question(seq uint64) *question {
	for _, q := range c.questions {
		if q.seq == seq {
			return q
		}
	}
	return nil
}

// settle takes one slave off those who are to answer.
func (c *Channel) settle(q *question, m *member) {
	if q.answered != nil {
		q.answered[m] = struct{}{}
	}
	if q.awaited--; q.awaited == 0 {
		c.forgetQuestion(q)
	}
}

// forgetQuestion ends a request of the master.
func (c *Channel) forgetQuestion(q *question) {
	c.questions = slices.DeleteFunc(c.questions, func(other *question) bool { return other == q })
}

// silence ends the parts that a slave has in open requests, as it leaves.
func (c *Channel) silence(m *member) {
	for _, q := range slices.Clone(c.questions) {
		if q.awaits(m) {
			c.settle(q, m)
		}
		delete(q.answered, m)
	}
}

// mayAnswer is why an answer is not awaited, or nil. to is the one who gets it,
// where the master answers.
func (c *Channel) mayAnswer(m, to *member, seq uint64) error {
	if m.role == wire.Slave {
		if q := c.question(seq); q != nil && q.awaits(m) {
			return nil
		}
		return wire.ErrNoSuchRequest
	}
	if to == nil {
		return wire.ErrNoSuchRequest.With("an answer goes to the slave that has asked")
	}
	if !slices.Contains(to.asks, seq) {
		return wire.ErrNoSuchRequest
	}
	return nil
}

// mayConverse is why a message that asks or answers is refused, or nil.
func (c *Channel) mayConverse(m, to *member, msg Message) error {
	if msg.ReplyTo != 0 {
		if err := c.mayAnswer(m, to, msg.ReplyTo); err != nil {
			return err
		}
	}
	if msg.Asks {
		return c.mayAsk(m)
	}
	return nil
}

// answer keeps account of an answer that has been accepted.
func (c *Channel) answer(m, to *member, seq uint64) {
	if m.role == wire.Slave {
		c.settle(c.question(seq), m)
		return
	}
	to.asks = without(to.asks, seq)
}

// mayAsk is why a member cannot ask at present, or nil: as many requests may be
// open as answers of it are remembered.
func (c *Channel) mayAsk(m *member) error {
	open := len(m.asks)
	if m.role == wire.Master {
		open = len(c.questions)
	}
	if open >= int(m.answers.limit) {
		return wire.ErrBusy.With("too many requests are open")
	}
	return nil
}

// Withdraw ends a request of a member, which awaits no more answers to it.
func (c *Channel) Withdraw(a *Attachment, ref, seq uint64) error {
	if err := a.stale(); err != nil {
		return err
	}
	m := a.member
	if m.role == wire.Slave {
		if !slices.Contains(m.asks, seq) {
			return wire.ErrNoSuchRequest
		}
		m.asks = without(m.asks, seq)
	} else {
		q := c.question(seq)
		if q == nil {
			return wire.ErrNoSuchRequest
		}
		c.forgetQuestion(q)
	}
	c.acknowledge(a, ref)
	return nil
}

// forgetRequests ends all requests of a member.
func (c *Channel) forgetRequests(m *member) {
	m.asks = nil
	if m.role == wire.Master {
		c.questions = nil
	}
}

// Awaiting tells a member whose answers to a request of its own are awaited.
func (c *Channel) Awaiting(a *Attachment, ref, seq uint64) error {
	if err := a.stale(); err != nil {
		return err
	}
	answer := &wire.Frame{Type: wire.Awaiting, Ref: ref, Channel: c.name, Request: seq, HasMembers: true}
	if m := a.member; m.role == wire.Slave {
		if slices.Contains(m.asks, seq) {
			answer.Members = []wire.Member{{Username: c.master.name, State: c.master.state}}
		}
	} else if q := c.question(seq); q != nil {
		answer.Members = c.roster(q.awaits)
	}
	return c.tellList(a, answer)
}

func without(numbers []uint64, n uint64) []uint64 {
	return slices.DeleteFunc(numbers, func(other uint64) bool { return other == n })
}
