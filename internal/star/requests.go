package star

import (
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// request is an open request of the master: a message that slaves have to answer.
// For an open request of a slave, its number in member.openRequests is enough, since
// only the master can answer it.
type request struct {
	seq uint64
	// to is the one slave that was asked. Nil: all slaves of that moment were asked.
	to *member
	// awaited is the number of slaves that have not answered yet.
	awaited int
	// answered are the slaves that have answered. It is nil where one slave was asked.
	answered map[*member]struct{}
}

// awaits reports whether the slave was asked and has not answered. A slave that
// joined after the request was not asked, even if it has the name of one that was.
func (q *request) awaits(m *member) bool {
	if q.to != nil {
		return q.to == m
	}
	_, answered := q.answered[m]
	return m.start < q.seq && !answered
}

// isAwaited reports whether the master waits for an answer of the slave.
func (c *Channel) isAwaited(m *member) bool {
	return slices.ContainsFunc(c.requests, func(q *request) bool { return q.awaits(m) })
}

// openRequest opens a request of the master, unless there is no slave to answer it.
func (c *Channel) openRequest(seq uint64, to *member) {
	q := &request{seq: seq, to: to, awaited: 1}
	if to == nil {
		q.awaited, q.answered = len(c.slaves), make(map[*member]struct{})
	}
	if q.awaited > 0 {
		c.requests = append(c.requests, q)
	}
}

// request returns the master's open request of that number, or nil.
func (c *Channel) request(seq uint64) *request {
	for _, q := range c.requests {
		if q.seq == seq {
			return q
		}
	}
	return nil
}

// markAnswered notes that one slave need not answer the request any more. It closes
// the request after the last slave.
func (c *Channel) markAnswered(q *request, m *member) {
	if q.answered != nil {
		q.answered[m] = struct{}{}
	}
	if q.awaited--; q.awaited == 0 {
		c.closeRequest(q)
	}
}

// closeRequest closes a request of the master.
func (c *Channel) closeRequest(q *request) {
	c.requests = slices.DeleteFunc(c.requests, func(other *request) bool { return other == q })
}

// stopAwaiting is for a slave that leaves: no open request awaits its answer any more.
func (c *Channel) stopAwaiting(m *member) {
	for _, q := range slices.Clone(c.requests) {
		if q.awaits(m) {
			c.markAnswered(q, m)
		}
		delete(q.answered, m)
	}
}

// checkAnswer returns why an answer of m to the request seq is refused, or nil. Where
// the master answers, to is the slave that gets the answer.
func (c *Channel) checkAnswer(m, to *member, seq uint64) error {
	if m.role == wire.Slave {
		if q := c.request(seq); q != nil && q.awaits(m) {
			return nil
		}
		return wire.ErrNoSuchRequest
	}
	if to == nil {
		return wire.ErrNoSuchRequest.With("to: an answer goes to the slave that has asked")
	}
	if !slices.Contains(to.openRequests, seq) {
		return wire.ErrNoSuchRequest
	}
	return nil
}

// checkRequestAndAnswer returns why a message that is a request, an answer, or both,
// is refused, or nil.
func (c *Channel) checkRequestAndAnswer(m, to *member, msg *Message) error {
	if msg.ReplyTo != 0 {
		if err := c.checkAnswer(m, to, msg.ReplyTo); err != nil {
			return err
		}
	}
	if msg.Asks {
		return c.checkNewRequest(m)
	}
	return nil
}

// recordAnswer records that the answer of m to the request seq was accepted.
func (c *Channel) recordAnswer(m, to *member, seq uint64) {
	if m.role == wire.Slave {
		c.markAnswered(c.request(seq), m)
		return
	}
	to.openRequests = without(to.openRequests, seq)
}

// checkNewRequest returns why a member cannot open one more request at present, or
// nil. A member may have as many open requests as the channel remembers answers to
// its sends.
func (c *Channel) checkNewRequest(m *member) error {
	open := len(m.openRequests)
	if m.role == wire.Master {
		open = len(c.requests)
	}
	if open >= int(m.answers.limit) {
		return wire.ErrBusy.With("too many requests are open: withdraw one, or wait for an answer")
	}
	return nil
}

// Withdraw closes a request of the member, which does not want more answers to it.
func (c *Channel) Withdraw(a *Attachment, ref, seq uint64) error {
	if err := c.Hear(a); err != nil {
		return err
	}
	m := a.member
	if m.role == wire.Slave {
		if !slices.Contains(m.openRequests, seq) {
			return wire.ErrNoSuchRequest
		}
		m.openRequests = without(m.openRequests, seq)
	} else {
		q := c.request(seq)
		if q == nil {
			return wire.ErrNoSuchRequest
		}
		c.closeRequest(q)
	}
	c.step(recordClosed, m.number, seq)
	c.acknowledge(a, ref)
	return nil
}

// closeRequests closes all requests of a member.
func (c *Channel) closeRequests(m *member) {
	m.openRequests = nil
	if m.role == wire.Master {
		c.requests = nil
	}
}

// Awaiting answers a member with the list of those that have not answered its request
// seq yet. An answer that the member is still to be fed has not been sent to it, so who
// gave it is in the list.
func (c *Channel) Awaiting(a *Attachment, ref, seq uint64, p Page) error {
	if err := c.Hear(a); err != nil {
		return err
	}
	answer := &wire.Frame{Type: wire.Awaiting, Ref: ref, Channel: c.name, Request: seq, HasMembers: true}
	if m := a.member; m.role == wire.Slave {
		if slices.Contains(m.openRequests, seq) {
			answer.Members = []wire.Member{{Username: c.master.name, State: c.master.state}}
		}
	} else if q := c.request(seq); q != nil && p != (Page{}) {
		page, more := c.page(p.After, c.size(p), q.awaits)
		if c.putPage(answer, page, p.After, more); more {
			return c.sendList(a, answer) // the last page has what is to be fed
		}
	} else if q != nil {
		if err := checkRoom(a, q.awaited); err != nil {
			return err
		}
		answer.Members = c.entries(q.awaits)
	}
	answer.Members = append(answer.Members, c.toBeFed(a, seq)...)
	return c.sendList(a, answer)
}

// toBeFed lists the members whose answers to the request seq of the attachment's member are
// in what it is still to be fed.
func (c *Channel) toBeFed(a *Attachment, seq uint64) (members []wire.Member) {
	if !a.catchingUp {
		return nil
	}
	for e := range c.log(a.member.role).after(a.member.floor(a)) {
		if e.packet == nil {
			continue // an answer that has expired is not given
		}
		answer := e.packet.Frame()
		if !e.isFor(a.member) || answer.Reply != seq {
			continue
		}
		from := c.slaves[answer.From]
		switch {
		case a.member.role == wire.Slave:
			members = append(members, wire.Member{Username: c.master.name, State: c.master.state})
		case from == nil || from.start >= seq: // who has answered is no member any more, which no list can say
			members = append(members, wire.Member{Username: answer.From, State: wire.StateAway})
		default:
			members = append(members, wire.Member{Username: from.name, State: from.state, Number: from.number})
		}
	}
	return members
}

// without removes n from the numbers, and returns nil where none is left.
func without(numbers []uint64, n uint64) []uint64 {
	left := slices.DeleteFunc(numbers, func(other uint64) bool { return other == n })
	if len(left) == 0 {
		return nil
	}
	return left
}
