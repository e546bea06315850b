package lectern

import "github.com/lectern-go/lectern/internal/wire"

// The transitions by which messages pass through a Channel (rules 5 and 6).

// send numbers a message and passes it on: from a slave to its master alone
// (rule 5), from the master to one slave or to all of its channel (rule 6). A
// send that is recognised by its ref is answered as the first time.
func (c *Channel) send(a *attachment, msg message) error {
	if err := a.stale(); err != nil {
		return err
	}
	m := a.member
	if msg.ref != 0 {
		if known, ok := m.answers.find(msg.ref); ok {
			return c.answerAgain(a, known)
		}
		if msg.ref <= m.answers.highest {
			return ErrBadFrame.with("the ref has been used before, or refs do not rise")
		}
	}
	var given answer
	var err error
	switch {
	case msg.refusal != nil:
		err = msg.refusal
	case m.role == wire.Slave:
		given, err = c.sendUp(m, msg)
	default:
		given, err = c.sendDown(msg)
	}
	if err == nil {
		c.count(MessagesReceived, m.role.String(), 1)
		c.count(BytesReceived, m.role.String(), int64(len(msg.payload.Data)))
	}
	given.ref = msg.ref
	if err != nil {
		given.refusal = asRefusal(err, ErrBadFrame)
	}
	if msg.ref != 0 {
		m.answers.add(given)
		if err == nil {
			c.tell(a, given.ack())
		}
	}
	return err
}

func (c *Channel) answerAgain(a *attachment, known answer) error {
	if known.refusal != nil {
		return known.refusal
	}
	c.tell(a, known.ack())
	return nil
}

// sendUp is a slave's message to its master (rule 5). It is refused with busy
// where it could only be taken by dropping one that the master has not got.
func (c *Channel) sendUp(m *member, msg message) (answer, error) {
	if msg.hasTo {
		return answer{}, ErrForbidden.with("a slave sends to its master only")
	}
	if err := c.mayConverse(m, nil, msg); err != nil {
		return answer{}, err
	}
	size := len(msg.payload.Data)
	master := c.master.at
	if master == nil && c.up.wouldLose(size) > c.upSeen {
		return answer{}, ErrBusy.with("the master is away and no more can be kept for it")
	}
	if master != nil && master.full(size) {
		return answer{}, ErrBusy.with("the master does not keep up")
	}
	seq := c.up.newest + 1
	p := newPacket(c.messageFrame(m.name, seq, msg))
	c.up.add(entry{packet: p, size: size})
	if master != nil {
		c.upSeen = seq
		master.expect(size)
		c.emit(effect{kind: sendOne, to: master, packet: p})
	}
	if msg.replyTo != 0 {
		c.answer(m, nil, msg.replyTo)
	}
	if msg.asks {
		m.asks = append(m.asks, seq)
	}
	return answer{seq: seq}, nil
}

// sendDown is the master's message to one slave or to all (rule 6).
func (c *Channel) sendDown(msg message) (answer, error) {
	var to *member
	if msg.hasTo {
		if to = c.slaves[msg.to]; to == nil {
			return answer{}, ErrNoSuchSlave
		}
	}
	if err := c.mayConverse(c.master, to, msg); err != nil {
		return answer{}, err
	}
	seq := c.down.newest + 1
	frame := c.messageFrame(c.master.name, seq, msg)
	frame.Private = to != nil
	p := newPacket(frame)
	c.down.add(entry{packet: p, size: len(msg.payload.Data), to: to})
	if msg.replyTo != 0 {
		c.answer(c.master, to, msg.replyTo)
	}
	if msg.asks {
		c.ask(seq, to)
	}
	switch {
	case to == nil:
		c.emit(effect{kind: sendAll, packet: p})
		return answer{seq: seq, slaves: uint64(c.connected)}, nil
	case to.at != nil:
		c.emit(effect{kind: sendOne, to: to.at, packet: p})
		return answer{seq: seq, slaves: 1}, nil
	}
	return answer{seq: seq}, nil
}
