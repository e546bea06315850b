package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file has the transition Send, by which messages pass through a Channel (rules
// 5 and 6).

// Message is a message that a member sends. Its payload must not change any more.
type Message struct {
	Ref     uint64 // zero: no answer is wanted
	To      string
	HasTo   bool
	Asks    bool   // the message is a request, which wants answers
	ReplyTo uint64 // the number of the request that this message answers, or zero
	Topic   string // what the message is about, or empty
	// Expires is for how long the message is worth something, and End the instant from which
	// on it is worth nothing any more: by the hub's clock, Expires after it has come. Both
	// are zero where it does not expire.
	Expires time.Duration
	End     time.Time
	Payload wire.Payload
	// Refusal is set where the caller refuses the message, for a reason that the
	// channel does not know. Send then remembers the refusal under the ref.
	Refusal *wire.Cause
}

// IsOver reports whether the message is worth nothing any more.
func (msg *Message) IsOver(now time.Time) bool { return !msg.End.IsZero() && !now.Before(msg.End) }

// Send numbers a message and delivers it: from a slave to its master alone (rule 5),
// from the master to one slave or to all slaves of its channel (rule 6). A
// retransmitted send, which is recognised by its ref, is answered as the first time.
func (c *Channel) Send(a *Attachment, msg Message) error {
	err := c.Hear(a)
	if !a.current() {
		return err
	}
	m := a.member
	var given answer
	given.ref = msg.Ref
	if msg.Ref != 0 {
		if m.holder.instance == (Hash{}) {
			given.content = contentOf(&msg)
		}
		if err != nil {
			return c.recallUnheard(a, given, err)
		}
		if answered, err := c.recall(a, given); answered {
			return err
		}
	}
	switch {
	case err != nil:
		return err
	case c.isStopped():
		return stoppedBefore(msg.Refusal)
	}
	content := given.content
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
		c.countTopic(msg.Topic)
	}
	given.ref, given.content = msg.Ref, content
	if c.recorder != nil {
		c.recordSent(m, &msg, given, err)
	}
	return c.remember(a, given, err)
}

// recall answers what was sent under the ref of given before, if it was answered, and reports
// whether it was. What cannot be told from something else is refused.
func (c *Channel) recall(a *Attachment, given answer) (answered bool, err error) {
	answers := &a.member.answers
	if known, ok := answers.find(given.ref); ok {
		if known.content != given.content {
			return true, wire.ErrBadFrame.With("ref: another message was sent under it before")
		}
		return true, c.answerAgain(a, known)
	}
	if given.ref <= answers.highest {
		return true, wire.ErrBadFrame.With("ref: it has been used before, or refs do not rise")
	}
	return false, nil
}

// recallUnheard answers what is sent again by a member that is not heard (unshown.go), where it was
// answered before it became what it is: err is for what was not.
func (c *Channel) recallUnheard(a *Attachment, given answer, err error) error {
	if known, ok := a.member.answers.find(given.ref); ok && known.content == given.content {
		return c.answerAgain(a, known)
	}
	return err
}

// remember keeps the answer under its ref, if there is one, and gives it to the member. It
// returns err, which is the refusal or nil.
func (c *Channel) remember(a *Attachment, given answer, err error) error {
	if err != nil {
		given.refusal = err.(*wire.Cause) // as all refusals of the rules are
	}
	if given.ref != 0 {
		a.member.answers.add(given)
		if err == nil {
			c.sendFrame(a, given.ack())
		}
	}
	return err
}

// stoppedBefore is the refusal of what came after Stop, which may have another one.
func stoppedBefore(refusal *wire.Cause) error {
	if refusal != nil {
		return refusal
	}
	return wire.ErrShuttingDown
}

// Again is the refusal of what was sent before, and refused then: it says nothing of what the peer
// sends now.
type Again struct{ cause *wire.Cause }

func (r Again) Error() string { return r.cause.Error() }
func (r Again) Unwrap() error { return r.cause }

// answerAgain gives a retransmitted send the answer that is known.
func (c *Channel) answerAgain(a *Attachment, known answer) error {
	if known.refusal != nil {
		return Again{known.refusal}
	}
	c.sendFrame(a, known.ack())
	return nil
}

// checkSend returns whom the message of a member is for, where that is one slave, or why a rule
// refuses it.
func (c *Channel) checkSend(m *member, msg *Message) (to *member, err error) {
	switch {
	case msg.HasTo && m.role == wire.Slave:
		return nil, wire.ErrForbidden.With("to: a slave sends to its master only, and without it")
	case msg.HasTo:
		if to = c.slaves[msg.To]; to == nil {
			return nil, wire.ErrNoSuchSlave
		}
	}
	if err := c.checkVoice(m, msg); err != nil {
		return nil, err
	}
	return to, c.checkRequestAndAnswer(m, to, msg)
}

// sendUp sends a slave's message to its master (rule 5). It refuses with busy where the
// queue of the master's connection is full, and where the log could only take the message
// by dropping one that the master is not known to have got (confirming.go).
func (c *Channel) sendUp(m *member, msg Message) (answer, error) {
	if _, err := c.checkSend(m, &msg); err != nil {
		return answer{}, err
	}
	size := len(msg.Payload.Data)
	if c.master.attachment == nil && c.keptFull(size) {
		return answer{}, wire.ErrBusy.With("the master is away and no more can be kept for it: send it again later, under a new ref")
	}
	if c.master.attachment != nil && c.MustWait(m.attachment, size) {
		return answer{}, wire.ErrBusy.With("the master does not keep up: send it again later, under a new ref")
	}
	return c.acceptUp(m, &msg), nil
}

// acceptUp gives a message of a slave to its master, with what it asks and answers.
func (c *Channel) acceptUp(m *member, msg *Message) answer {
	seq := c.giveUp(m.name, m.number, msg)
	if msg.ReplyTo != 0 {
		c.recordAnswer(m, nil, msg.ReplyTo)
	}
	if msg.Asks {
		m.openRequests = append(m.openRequests, seq)
		c.awaitEnd(m, seq, msg.End)
	}
	return answer{seq: seq}
}

// keptFull reports whether a message of that size cannot be kept for a master that is away.
func (c *Channel) keptFull(size int) bool { return c.up.bound.Messages == 0 || c.logFull(size) }

// giveUp numbers a message that is accepted for the master, and gives it to it. membership is the
// number of the sender's, or zero for the service.
func (c *Channel) giveUp(from string, membership uint64, msg *Message) (seq uint64) {
	size := len(msg.Payload.Data)
	seq = c.up.newest + 1
	p := c.upPacket(from, membership, seq, msg)
	c.up.add(entry{packet: p, size: size})
	if master := c.master.attachment; master != nil && !master.catchingUp {
		c.accepted.Messages++
		c.accepted.Bytes += size
		c.emit(Effect{Kind: SendOne, To: master, Packet: p})
	}
	return seq
}

// upPacket is a message to the master. It is a function of its own, so that its frame is not on
// the stack while the line is asked: the reader's stack is small, and to let it grow takes
// longer than all the rest.
//
//go:noinline
func (c *Channel) upPacket(from string, membership, seq uint64, msg *Message) *wire.Packet {
	frame := messageFrame(c.name, from, seq, msg)
	frame.Number = membership // it is not written: it is for who looks for the sender's messages (passOver)
	return newPacket(&frame, msg.End)
}

// MustWait reports whether the master, which must have an attachment, can at present get
// no message of size bytes from the slave of the attachment a: its queue or the log has no
// room, or the list that tells that the slave is there has to come before the message.
func (c *Channel) MustWait(a *Attachment, size int) bool {
	return c.Unlisted(a) || c.masterFull(size)
}

// masterFull reports whether the queue of the master, which must have an attachment, or the log
// has no room for a message of size bytes.
func (c *Channel) masterFull(size int) bool {
	master := c.master.attachment
	return !master.catchingUp && master.Line.Full(size, c.accepted) || c.logFull(size)
}

// AwaitRoom asks for a RoomMade when the reason of MustWait may be gone. It returns false
// where there will be none: where it is the queue of the master that has no room.
func (c *Channel) AwaitRoom(a *Attachment, size int) bool {
	awaited := c.Unlisted(a) || c.logFull(size)
	c.roomAwaited = c.roomAwaited || awaited
	return awaited
}

// roomMade wakes those that wait for room.
func (c *Channel) roomMade() {
	if c.roomAwaited {
		c.roomAwaited = false
		c.emit(Effect{Kind: RoomMade})
	}
}

// Unlisted reports whether the master, which must have an attachment, still has to be told
// that the slave of the attachment is there.
func (c *Channel) Unlisted(a *Attachment) bool {
	return a.member.told != wire.StateOnline || c.listed > 0 && a.member.number > c.listed
}

// sendDown sends the master's message to one slave or to all (rule 6).
func (c *Channel) sendDown(msg Message) (answer, error) {
	to, err := c.checkSend(c.master, &msg)
	if err != nil {
		return answer{}, err
	}
	if msg.Asks && c.rosterStale {
		// The master takes those in its list for those that are asked, so it is told the
		// list first.
		if c.inPages() || c.listed > 0 {
			return answer{}, errListed
		}
		if err := c.sendRoster(0); err != nil {
			return answer{}, err
		}
	}
	return c.acceptDown(&msg, to), nil
}

// acceptDown gives a message of the master to one slave or to all, with what it asks and answers.
func (c *Channel) acceptDown(msg *Message, to *member) answer {
	given := c.giveDown(c.master.name, msg, to)
	if msg.ReplyTo != 0 {
		c.recordAnswer(c.master, to, msg.ReplyTo)
	}
	if msg.Asks {
		c.openRequest(given.seq, to)
		c.awaitEnd(c.master, given.seq, msg.End)
	}
	return given
}

// giveDown numbers a message that is accepted for one slave, or for all, and gives it to them.
func (c *Channel) giveDown(from string, msg *Message, to *member) answer {
	seq := c.down.newest + 1
	p := downPacket(c.name, from, seq, msg, to != nil)
	c.down.add(entry{packet: p, size: len(msg.Payload.Data), to: to})
	switch {
	case to == nil:
		c.emit(Effect{Kind: SendAll, Packet: p})
		return answer{seq: seq, slaves: uint32(c.connected)}
	case to.attachment == nil:
		return answer{seq: seq}
	case !to.attachment.catchingUp:
		c.emit(Effect{Kind: SendOne, To: to.attachment, Packet: p})
	}
	return answer{seq: seq, slaves: 1}
}
