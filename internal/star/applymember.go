package star

import (
	"bytes"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file takes how a member is now, in the place of what it was.

// member takes who a member is and where it is. One that is not there yet is new.
func (a *applying) member() {
	c := a.c
	number, name, flags := a.small(), a.name(), a.byte()
	has := func(bit int) bool { return flags&(1<<bit) != 0 }
	hash, since, start, lostPrivate := a.hash(), a.small(), a.small(), a.small()
	var instance, pending Hash
	var newcomer holder
	var grant Grant
	var handed *HandedSnapshot
	if has(0) {
		instance = a.hash()
	}
	if has(1) {
		pending = a.hash()
	}
	if has(2) {
		newcomer = holder{a.hash(), a.small()}
	}
	if has(3) {
		grant = Grant{Expires: a.instant(), Data: bytes.Clone(a.bytes())}
		if !has(4) {
			grant.Data = nil
		}
	}
	if has(5) {
		if handed = new(HandedSnapshot); number == 0 {
			*handed = a.handedOver()
		}
	}
	if a.err != nil {
		return
	}
	m := c.numbered(number)
	switch newest := c.log(roleOf(number)).newest; {
	case m == nil && (name == c.master.name || c.slaves[name] != nil) || m != nil && m.name != name:
		a.wrong("the membership %d of %s is another one's", number, wire.Quote(name))
		return
	case start > newest || lostPrivate > newest:
		a.wrong("%s has numbers of messages that there are not", wire.Quote(name))
		return
	case m == nil:
		m = &member{name: name, role: wire.Slave, number: number}
		m.answers.limit = wire.SlaveAnswers
		c.addSlave(m)
		c.joins = max(c.joins, number)
	}
	m.hash, m.holder.instance, m.since, m.start, m.lostPrivate = hash, instance, since, start, lostPrivate
	expired := c.masterExpired
	grant.Asked = true
	c.setGrant(m, grant)
	c.masterExpired = expired // a grant that is as it was has still expired
	e := m.needExtras()
	e.newcomer, e.secret = newcomer, pending
	e.setHanded(handed, name)
	a.seat(m)
}

// handedOver is what the master has of a hand-over.
func (a *applying) handedOver() (s HandedSnapshot) {
	s.By, s.Hash, s.Pending = a.name(), a.hash(), a.hash()
	for _, n := range []*uint64{&s.Until, &s.Epoch, &s.Start, &s.LostPrivate, &s.Number} {
		*n = a.small()
	}
	if a.byte() != 0 {
		s.Repeatable = repeatableNow
	}
	if newest := a.c.down.newest; max(s.Until, s.Start, s.LostPrivate) > newest {
		a.wrong("its master has numbers of messages from before that there are not")
	}
	return s
}

// repeatableNow stands for a time that is in no record, until TakeOver.
const repeatableNow = 1

// setHanded sets what the member of that name has of a hand-over. The membership from before stays
// the same one, since messages are for it.
func (e *extras) setHanded(s *HandedSnapshot, name string) {
	switch {
	case s == nil:
		e.handed = nil
	case e.handed == nil || e.handed.slave == nil:
		e.handed = s.handed(name)
	default:
		slave := e.handed.slave
		slave.hash, slave.lostPrivate, slave.repeatable = s.Hash, s.LostPrivate, s.Repeatable
		slave.needExtras().secret = s.Pending
	}
}

// seat takes where the member is.
func (a *applying) seat(m *member) {
	flags, states := a.byte(), a.byte()
	has := func(bit int) bool { return flags&(1<<bit) != 0 }
	roster := wire.RosterList
	if states&seatRoster != 0 {
		roster = wire.Roster(a.byte())
	}
	epoch, ref, given := a.small(), a.small(), a.small()
	at := &Attachment{Line: noLine{}, member: m, who: m, epoch: epoch, catchingUp: has(2), confirms: has(3), newcomer: has(4), heard: has(5)}
	if has(1) {
		hub := Hub(a.hash())
		at.Hub = &hub
	}
	if at.catchingUp {
		at.fed = a.small()
	}
	var floor uint64
	var asked *askedAgain
	if has(7) {
		floor = a.small()
		if a.byte() != 0 {
			asked = &askedAgain{last: a.small(), left: a.numbers()}
		}
	}
	state, told := wire.State(states&3), wire.State(states>>seatToldShift&3)
	cutOff, declared := states&seatCutOff != 0, states&seatDeclared != 0
	at.switching = states&seatSwitching != 0
	if state > wire.StateAway || roster > wire.RosterCount || cutOff && has(0) || declared && !cutOff {
		a.wrong("%s is in no state", wire.Quote(m.name))
	}
	if a.err != nil {
		return
	}
	if !at.heard && m.extra().newcomer == (holder{}) {
		at.newcomer = false // in the middle of a transition: nobody is the newcomer any more
	}
	m.told, m.roster, m.epoch, m.holder.ref, m.given = told, roster, epoch, ref, given
	if m.repeatable = 0; has(6) {
		m.repeatable = repeatableNow
	}
	e := m.needExtras()
	if e.cutOff, e.declared = nil, declared; cutOff {
		e.cutOff = at
	}
	if e.floor, e.asked = floor, asked; *e == (extras{}) {
		m.extras = nil
	}
	a.place(m, state, at, has(0))
}

// place puts the member on an attachment, or on none. Between two records of one transition one that is on
// none may not be away yet, and is listed so already.
func (a *applying) place(m *member, state wire.State, at *Attachment, attached bool) {
	c := a.c
	was, isAway := m.attachment, c.isAway(m)
	m.state, m.deadline, m.attachment = state, time.Time{}, nil
	if attached {
		m.attachment = at
	}
	if m.role == wire.Master {
		return
	}
	if was != nil {
		c.connected--
	}
	switch {
	case attached && isAway:
		c.away.remove(m)
	case !attached && !isAway:
		c.away.add(m)
	}
	if attached {
		c.connected++
	}
}

// numbers is the reverse of pieces.numbers.
func (d *piecesIn) numbers() (numbers []uint64) {
	last := uint64(0)
	for range d.count() {
		last += uint64(d.signed())
		numbers = append(numbers, last)
	}
	return numbers
}
