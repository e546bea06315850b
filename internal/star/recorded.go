package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file has what is in the records of steps, and of members. apply.go reads it.

func (c *Channel) recordCreated() {
	if c.recorder == nil {
		return
	}
	c.recorder.last = ownNumbers{joins: c.joins, door: byte(wire.DoorOpen)}
	p := &c.recorder.p
	c.recorder.writes(recordCreated)
	p.text(c.name)
	p.text(c.master.name)
	p.signed(int64(c.timeout))
	p.anyTerms(c.terms)
	p.bound(c.up.bound)
	p.number(c.joins)
	c.kept()
}

func (c *Channel) recordEnded(why *wire.Cause) {
	if c.recorder == nil {
		return
	}
	p := c.steps(recordEnded)
	p.text(string(why.Code))
	p.text(why.Text)
	c.kept()
}

// recordMessage records a message that was accepted, down to a slave or to all, or up, with its
// answer. of is who it is to or from, and nil for a message to all and for the service's to the
// master. The service's messages have no answer.
func (c *Channel) recordMessage(kind byte, of *member, msg *Message, given answer, service bool) {
	if c.recorder == nil {
		return
	}
	p := c.steps(kind)
	p.number(given.seq)
	p.flags(service, of != nil, msg.Asks, msg.ReplyTo != 0, msg.Topic != "", !msg.End.IsZero(), given.ref != 0, given.content != 0)
	if of != nil {
		p.number(of.number)
	}
	if msg.ReplyTo != 0 {
		p.number(msg.ReplyTo)
	}
	if msg.Topic != "" {
		p.text(msg.Topic)
	}
	if !msg.End.IsZero() {
		p.number(wire.Milliseconds(msg.Expires))
		p.instant(msg.End)
	}
	if given.ref != 0 {
		p.number(given.ref)
	}
	if given.content != 0 {
		p.number(uint64(given.content))
	}
	p.byte(byte(msg.Payload.Kind))
	p.bytes(msg.Payload.Data)
	c.kept()
}

// recordSent records what has become of a message that a member has sent.
func (c *Channel) recordSent(m *member, msg *Message, given answer, err error) {
	switch {
	case err != nil:
		c.recordAnswered(m, given, err)
	case m.role == wire.Slave:
		c.recordMessage(recordUp, m, msg, given, false)
	case msg.HasTo:
		c.recordMessage(recordDown, c.slaves[msg.To], msg, given, false)
	default:
		c.recordMessage(recordDown, nil, msg, given, false)
	}
}

// recordAnswered records an answer to anything else that a member has sent.
func (c *Channel) recordAnswered(m *member, given answer, err error) {
	if c.recorder == nil || given.ref == 0 {
		return
	}
	p := c.steps(recordAnswered)
	p.number(m.number)
	p.number(given.ref)
	p.number(given.seq)
	p.number(uint64(given.content))
	p.flags(err != nil)
	if err != nil {
		refusal := err.(*wire.Cause)
		p.text(string(refusal.Code))
		p.text(refusal.Text)
	}
	c.kept()
}

// recordAnswers records all answers that are remembered of the member.
func (c *Channel) recordAnswers(m *member) {
	if c.recorder == nil {
		return
	}
	s := m.snapshot()
	p := c.steps(recordAnswers)
	p.number(m.number)
	p.number(s.Highest)
	p.answers(s.Answers)
	c.kept()
}

// recordPresence records that slaves are told the state of the master.
func (c *Channel) recordPresence() {
	if c.recorder == nil {
		return
	}
	c.recorder.writes(recordPresence)
	c.recorder.p.number(uint64(c.master.state))
	c.kept()
}

// putOut tells one that its seat is over, and why.
func (c *Channel) putOut(a *Attachment, why *wire.Cause) {
	c.emit(Effect{Kind: Release, To: a, End: why})
	if c.recorder == nil {
		return
	}
	p := &c.recorder.p
	c.recorder.writes(recordOver)
	p.number(a.member.number)
	p.number(a.epoch)
	p.text(string(why.Code))
	p.text(why.Text)
	c.kept()
}

func (c *Channel) recordHanded(slave *member) {
	if c.recorder == nil {
		return
	}
	p := c.steps(recordHanded)
	p.number(slave.number)
	p.text(slave.name)
	c.kept()
}

func (c *Channel) recordGivenOver(g givenOver) {
	if c.recorder == nil {
		return
	}
	c.steps(recordGivenOver).givenOver(g)
	c.kept()
}

// recordName records a step that has a name, and whether it is so.
func (c *Channel) recordName(kind byte, name string, on bool) {
	if c.recorder == nil {
		return
	}
	p := c.steps(kind)
	p.flags(on)
	p.text(name)
	c.kept()
}

// recordChange records a change of an attribute, or where x has no key, that a reset was made
// because of the key.
func (c *Channel) recordChange(x *attribute, key string) {
	if c.recorder == nil {
		return
	}
	kind := byte(recordAttribute)
	if x.key == "" {
		kind = recordReset
	}
	if x.owner.role == wire.Master {
		kind |= recordShared
	}
	p := c.steps(kind)
	p.number(x.owner.number)
	p.text(key)
	p.number(x.seq)
	if x.key != "" {
		p.flags(x.fixed)
		p.byte(byte(x.value.Kind))
		p.bytes(x.value.Data)
	}
	c.kept()
}

func (c *Channel) recordExpired(now time.Time) {
	if c.recorder == nil {
		return
	}
	c.steps(recordExpired).instant(now)
	c.kept()
}

// identity writes who a member is.
func (p *pieces) identity(m *member) {
	e := m.extra()
	p.text(m.name)
	p.flags(m.holder.instance != Hash{}, e.secret != Hash{}, e.newcomer != holder{}, e.grant != nil, e.grant != nil && e.grant.Data != nil, e.handed != nil)
	p.hash(m.hash)
	p.number(m.since)
	p.number(m.start)
	p.number(m.lostPrivate)
	if m.holder.instance != (Hash{}) {
		p.hash(m.holder.instance)
	}
	if e.secret != (Hash{}) {
		p.hash(e.secret)
	}
	if e.newcomer != (holder{}) {
		p.hash(e.newcomer.instance)
		p.number(e.newcomer.ref)
	}
	if e.grant != nil {
		p.instant(e.grant.Expires)
		p.bytes(e.grant.Data)
	}
	if e.handed != nil && m.role == wire.Master {
		s := e.handed.snapshot()
		p.text(s.By)
		p.hash(s.Hash)
		p.hash(s.Pending)
		for _, n := range []uint64{s.Until, s.Epoch, s.Start, s.LostPrivate, s.Number} {
			p.number(n)
		}
		p.flags(s.Repeatable != 0)
	}
}

// The bits of a seat's states: two of the member's state, two of what is told of it, and these.
const (
	seatSwitching = 1 << 2
	seatCutOff    = 1 << 3 // it is on no connection, and what is here of one is of its last
	seatToldShift = 4
	seatDeclared  = 1 << 6
	seatRoster    = 1 << 7 // there is more to say than what most have
)

func seatStates(m *member, switching bool) byte {
	states := byte(m.state) | byte(m.told)<<seatToldShift
	if switching {
		states |= seatSwitching
	}
	if m.attachment == nil && m.extra().cutOff != nil {
		states |= seatCutOff
		if m.extras.declared {
			states |= seatDeclared
		}
	}
	return states
}

// seat writes where a member is, or where it was when its hub was lost.
func (p *pieces) seat(m *member) {
	a, e := m.attachment, m.extra()
	attached := &Attachment{} // it is not copied: the Index is whoever's who keeps it
	switch {
	case a != nil:
		attached = a
	case e.cutOff != nil:
		attached = e.cutOff
	}
	p.flags(a != nil, attached.Hub != nil, attached.catchingUp, attached.confirms, attached.newcomer, attached.heard, m.repeatable != 0, e.floor != 0 || e.asked != nil)
	states := seatStates(m, attached.switching)
	if (a != nil || e.cutOff != nil) && m.roster != wire.RosterList {
		p.byte(states | seatRoster)
		p.byte(byte(m.roster))
	} else {
		p.byte(states)
	}
	p.number(m.epoch)
	p.number(m.holder.ref)
	p.number(m.given)
	if attached.Hub != nil {
		p.hash(Hash(*attached.Hub))
	}
	if attached.catchingUp {
		p.number(attached.fed)
	}
	if e.floor == 0 && e.asked == nil {
		return
	}
	p.number(e.floor)
	p.flags(e.asked != nil)
	if e.asked != nil {
		p.number(e.asked.last)
		p.numbers(e.asked.left)
	}
}
