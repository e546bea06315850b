package star

import "github.com/lectern-go/lectern/internal/wire"

// The transitions by which messages pass through a Channel (rules 5 and 6).

// Message is a send on its way. Its payload must not change any more.
type Message struct {
	Ref     uint64 // zero: no answer is wanted
	To      string
	HasTo   bool
	Asks    bool
	ReplyTo uint64 // the number of the request that this answers, or zero
	Payload wire.Payload
	// Refusal is set where the message is refused for a reason that is not the
	// channel's, so that its ref is remembered with that answer.
	Refusal *wire.Cause
}

// send numbers a message and passes it on: from a slave to its master alone
// (rule 5), from the master to one slave or to all of its channel (rule 6). A
// send that is recognised by its ref is answered as the first time.
func (c *Channel) Send(a *Attachment, msg Message) error {
	if err := a.stale(); err != nil {
		return err
	}
	m := a.member
	if msg.Ref != 0 {
		if known, ok := m.answers.find(msg.Ref); ok {
			return c.answerAgain(a, known)
		}
		if msg.Ref <= m.answers.highest {
			return wire.ErrBadFrame.With("the ref has been used before, or refs do not rise")
		}
	}
	var given answer
	var err error
	if c.stopped && msg.Refusal == nil {
		msg.Refusal = wire.ErrShuttingDown
	}
	switch {
	case msg.Refusal != nil:
		err = msg.Refusal
	case m.role == wire.Slave:
		given, err = c.sendUp(m, msg)
	default:
		given, err = c.sendDown(msg)
	}
	if err == nil {
		c.count(MessagesReceived, m.role.String(), 1)
		c.count(BytesReceived, m.role.String(), int64(len(msg.Payload.Data)))
	}
	given.ref = msg.Ref
	if err != nil {
		given.refusal = err.(*wire.Cause) // as all refusals of the rules are
	}
	if msg.Ref != 0 {
		m.answers.add(given)
		if err == nil {
			c.tell(a, given.ack())
		}
	}
	return err
}

func (c *Channel) answerAgain(a *Attachment, known answer) error {
	if known.refusal != nil {
		return known.refusal
	}
	c.tell(a, known.ack())
	return nil
}

// sendUp is a slave's message to its master (rule 5). It is refused with busy
// where it could only be taken by dropping one that the master has not got.
func (c *Channel) sendUp(m *member, msg Message) (answer, error) {
	if msg.HasTo {
		return answer{}, wire.ErrForbidden.With("a slave sends to its master only")
	}
	if err := c.mayConverse(m, nil, msg); err != nil {
		return answer{}, err
	}
	size := len(msg.Payload.Data)
	master := c.master.at
	if master == nil && c.up.wouldLose(size) > c.upSeen {
		return answer{}, wire.ErrBusy.With("the master is away and no more can be kept for it")
	}
	if master != nil && c.MasterFull(size) {
		return answer{}, wire.ErrBusy.With("the master does not keep up")
	}
	seq := c.up.newest + 1
	p := wire.NewPacket(c.messageFrame(m.name, seq, msg))
	c.up.add(entry{packet: p, size: size})
	if master != nil {
		c.upSeen = seq
		c.accepted.Messages++
		c.accepted.Bytes += size
		c.emit(Effect{Kind: SendOne, To: master, Packet: p})
	}
	if msg.ReplyTo != 0 {
		c.answer(m, nil, msg.ReplyTo)
	}
	if msg.Asks {
		m.asks = append(m.asks, seq)
	}
	return answer{seq: seq}, nil
}

// MasterFull reports whether a message with a payload of size bytes would be too
// much for the master at present. It is for a channel whose master has an
// attachment.
func (c *Channel) MasterFull(size int) bool {
	return c.master.at.Line.Full(size, c.accepted)
}

// sendDown is the master's message to one slave or to all (rule 6).
func (c *Channel) sendDown(msg Message) (answer, error) {
	var to *member
	if msg.HasTo {
		if to = c.slaves[msg.To]; to == nil {
			return answer{}, wire.ErrNoSuchSlave
		}
	}
	if err := c.mayConverse(c.master, to, msg); err != nil {
		return answer{}, err
	}
	seq := c.down.newest + 1
	frame := c.messageFrame(c.master.name, seq, msg)
	frame.Private = to != nil
	p := wire.NewPacket(frame)
	c.down.add(entry{packet: p, size: len(msg.Payload.Data), to: to})
	if msg.ReplyTo != 0 {
		c.answer(c.master, to, msg.ReplyTo)
	}
	if msg.Asks {
		c.ask(seq, to)
	}
	switch {
	case to == nil:
		c.emit(Effect{Kind: SendAll, Packet: p})
		return answer{seq: seq, slaves: uint64(c.connected)}, nil
	case to.at != nil:
		c.emit(Effect{Kind: SendOne, To: to.at, Packet: p})
		return answer{seq: seq, slaves: 1}, nil
	}
	return answer{seq: seq}, nil
}
