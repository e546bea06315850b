package star

import (
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what a member is given again that was asked of it. A client that comes back by
// the ticket of another one, such as a page that was loaded again, does not have the questions
// that the other one has taken and not answered: its last covers them. So it gets those that
// are still open, in front of what it has missed. The same client, which has them, does not
// get them again.
//
// It may not have got all of them when its connection is lost. So it gets them once more as
// long as it comes back with no later message than at first: what it is given is in order.
// The answer by which it comes back says whether there are any, and an asked frame that it has
// them all: some of them may not be given after all, because they were answered meanwhile.

// askedAgain is what a member is given again.
type askedAgain struct {
	// last is the number of the newest message that the client had.
	last uint64
	// left are the numbers of the questions that are still to be given on the present
	// attachment, in order.
	left []uint64
}

// askAgain finds what the member is to be given again on the attachment, which it has just
// entered with the messages up to last. It returns the bytes of it, each message with
// entryOverhead.
func (c *Channel) askAgain(a *Attachment, last uint64) (bytes int) {
	m := a.member
	known := m.extra().asked
	if known == nil && !a.newcomer {
		return 0
	}
	var open []uint64
	if a.newcomer || last <= known.last {
		open = c.asked(m, last)
	}
	if len(open) == 0 {
		if known != nil {
			m.extras.asked = nil // it has all of what it was asked
		}
		return 0
	}
	m.needExtras().asked = &askedAgain{last, open}
	return c.askedBytes(m)
}

// askedBytes is the size of the questions that the member is still to be given again, each with
// entryOverhead.
func (c *Channel) askedBytes(m *member) (bytes int) {
	again := m.extra().asked
	if again == nil {
		return 0
	}
	for _, seq := range again.left {
		if e := c.log(m.role).entry(seq); e != nil {
			bytes += e.size + entryOverhead
		}
	}
	return bytes
}

// asked lists the questions up to number last that the member has been asked and not answered,
// and that are kept, in order.
func (c *Channel) asked(m *member, last uint64) (open []uint64) {
	add := func(seq uint64) {
		if seq <= last && c.log(m.role).entry(seq) != nil {
			open = append(open, seq)
		}
	}
	if m.role == wire.Slave {
		for _, q := range c.requests {
			if q.awaits(m) {
				add(q.seq)
			}
		}
		return open
	}
	for _, slave := range c.slaves {
		for _, seq := range slave.openRequests {
			add(seq)
		}
	}
	slices.Sort(open)
	return open
}

// isAsked reports whether the message asks the member, which has not answered it yet.
func (c *Channel) isAsked(m *member, question *wire.Frame) bool {
	if m.role == wire.Slave {
		q := c.request(question.Seq)
		return q != nil && q.awaits(m)
	}
	slave := c.slaves[question.From]
	return slave != nil && slices.Contains(slave.openRequests, question.Seq)
}

// isAskedAgain reports whether there are questions that the member is still to be given again.
func (m *member) isAskedAgain() bool {
	again := m.extra().asked
	return again != nil && len(again.left) > 0
}

// feedAsked queues the next questions that the member is given again, as feed does with
// messages, and tells it when it has all. It returns how many they were, and their size, and
// reports whether none is left.
func (c *Channel) feedAsked(a *Attachment, bytes int) (messages, size int, all bool) {
	m := a.member
	if !m.isAskedAgain() {
		return 0, 0, true
	}
	again := m.extras.asked
	for len(again.left) > 0 {
		e := c.log(m.role).entry(again.left[0])
		if e != nil && c.isAsked(m, e.packet.Frame()) {
			messages++
			if size += e.size + entryOverhead; messages > 1 && (messages > feedMessages || size > bytes) {
				return messages, size, false
			}
			c.giveReplay(a, e)
		}
		again.left = again.left[1:]
	}
	again.left = nil
	c.sendFrame(a, &wire.Frame{Type: wire.Asked, Channel: c.name})
	return messages, size, true
}
