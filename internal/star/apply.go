package star

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file takes the records of a channel that another one decides (record.go). It decides
// nothing itself: it asks for no room and no time, and has no effects.

// UnknownRecord is the error for a record of a kind that is not known here, without which the
// channel cannot go on: another version has written it.
type UnknownRecord struct{ Kind byte }

func (e *UnknownRecord) Error() string {
	return fmt.Sprintf("star: a record of the kind %d is not known here, and cannot be passed over", e.Kind&^(recordCritical|recordShared))
}

var (
	errRecords    = errors.New("star: the channel records, and applies no records")
	errNotCreated = errors.New("star: a record of a channel that was not created, or has ended")
	errTwice      = errors.New("star: a channel is created that is there already")
	errLong       = errors.New("star: a record is longer than its kind")
)

// Apply takes the next record of the channel. The members of a channel to which records are applied
// are all elsewhere (Elsewhere), and it must not be asked for a decision before TakeOver.
// Behind its end it takes no record but that of a new channel of the same name.
//
// An error says that the record is not the next one, or damaged, or of another version
// (UnknownRecord). The channel is of no use then.
func (c *Channel) Apply(r Record) error {
	if c.recorder != nil {
		return errRecords
	}
	before := len(c.effects)
	a := applying{c: c, piecesIn: piecesIn{rest: []byte(r)}}
	a.record(a.byte())
	clear(c.effects[before:])
	c.effects = c.effects[:before]
	if len(a.rest) > 0 { // nothing is left where something was wrong
		return errLong
	}
	return a.err
}

// applying is a record that is being applied.
type applying struct {
	c *Channel
	piecesIn
}

func (a *applying) record(kind byte) {
	known := kind&recordCritical != 0 || kind == recordPresence || kind == recordOver
	switch {
	case kind == recordCreated:
		a.created()
	case a.c.life != open && known:
		a.fail(errNotCreated)
	default:
		a.change(kind)
	}
}

func (a *applying) change(kind byte) {
	c := a.c
	switch kind {
	case recordEnded:
		if why := a.cause(); a.err == nil {
			c.end(why)
		}
	case recordDown, recordUp:
		a.message(kind)
	case recordHanded:
		a.handed()
	case recordMutedAll, recordException, recordBanned:
		a.named(kind)
	case recordAttribute, recordReset, recordMasterAttribute, recordMasterReset:
		a.attribute(kind)
	case recordMember:
		a.member()
	case recordSeat:
		if m := a.of(); m != nil {
			a.seat(m)
		}
	case recordChannel:
		a.own()
	case recordAnswered, recordAnswers:
		a.answered(kind)
	case recordExpired:
		if at := a.instant(); a.err == nil {
			c.down.expire(at)
			c.up.expire(at)
		}
	case recordListed:
		for _, m := range c.slaves {
			m.told = m.state
		}
	case recordPage:
		if after, last := a.small(), a.small(); a.err == nil {
			c.showPage(after, last)
		}
	case recordShown:
		c.hidden = true
		c.showHidden()
	case recordConfirmed, recordHeld:
		a.confirmed(kind)
	case recordPassed:
		a.passed()
	case recordGone, recordForgotten, recordKnows, recordClosed, recordUnanswered:
		a.step(kind)
	case recordGivenOver:
		g := givenOver{by: a.name(), to: a.name(), hash: a.hash(), instance: a.hash(), ref: a.small(), membership: a.small()}
		if a.err == nil {
			c.addGivenOver(g)
		}
	default:
		if kind&recordCritical != 0 {
			a.fail(&UnknownRecord{Kind: kind})
		}
		a.rest = nil // it is for somebody else
	}
}

// wrong notes what cannot be.
func (a *applying) wrong(format string, args ...any) {
	a.fail(fmt.Errorf("star: channel %s: "+format, append([]any{wire.Quote(a.c.name)}, args...)...))
}

// of is the member that the record is of, or nil where there is none: then that is wrong.
func (a *applying) of() *member {
	number := a.small()
	if a.err != nil {
		return nil
	}
	m := a.c.numbered(number)
	if m == nil {
		a.wrong("there is no membership %d", number)
	}
	return m
}

func (a *applying) created() {
	c := a.c
	name, master, timeout, terms, replay, joins := a.name(), a.name(), time.Duration(a.signed()), a.anyTerms(), a.bound(), a.small()
	switch {
	case a.err != nil:
	case c.life == open:
		a.fail(errTwice)
	case name != c.name:
		a.wrong("the records are those of channel %s", wire.Quote(name))
	case timeout < 0:
		a.wrong("it waits for less than no time")
	default:
		// Nothing is left of the one before.
		*c = Channel{name: c.name, limits: c.limits, effects: c.effects, timeout: timeout, terms: terms, joins: joins}
		c.open(&member{name: master, role: wire.Master, state: wire.StateAway}, replay)
	}
}

// message takes a message that was accepted, with its answer.
func (a *applying) message(kind byte) {
	c := a.c
	r := a.recordedMessage()
	var of *member
	if r.hasOf && a.err == nil {
		if of = c.numbered(r.of); of == nil {
			a.wrong("there is no membership %d", r.of)
		}
	}
	if a.err != nil {
		return
	}
	seq, service, msg, given := r.seq, r.service, r.msg, r.given
	l, from, to := &c.down, c.master, of
	if kind == recordUp {
		l, from, to = &c.up, of, nil
	}
	switch {
	case of == c.master || kind == recordUp && service != (of == nil):
		a.wrong("message %d is from nobody, or to nobody", seq)
	case seq <= l.newest:
		a.wrong("there is a message %d already", seq)
	case service && (msg.Asks || msg.ReplyTo != 0 || given != answer{}):
		a.wrong("message %d of the service is one of a member", seq)
	case given.ref != 0 && given.ref <= from.answers.highest:
		a.wrong("message %d has the ref %d behind %d", seq, given.ref, from.answers.highest)
	case msg.ReplyTo != 0 && c.checkAnswer(from, to, msg.ReplyTo) != nil:
		a.wrong("message %d answers what nobody has asked", seq)
	default:
		l.skipTo(seq - 1)
		c.accept(kind, service, from, to, &msg, given)
	}
}

// accept is what has become of a message that was accepted. given has the ref of its answer.
func (c *Channel) accept(kind byte, service bool, from, to *member, msg *Message, given answer) {
	var known answer
	switch {
	case kind == recordUp && service:
		c.giveUp("", 0, msg)
	case kind == recordUp:
		known = c.acceptUp(from, msg)
	case service:
		c.giveDown("", msg, to)
	default:
		known = c.acceptDown(msg, to)
	}
	if given.ref != 0 {
		known.ref, known.content = given.ref, given.content
		from.answers.add(known)
	}
}

// handed takes that a slave has become the master. What else it is follows, as of any member.
func (a *applying) handed() {
	c := a.c
	slave, name := a.of(), a.name()
	switch {
	case a.err != nil:
		return
	case slave == c.master || slave.attachment == nil || slave.name != name:
		a.wrong("%s becomes the master, and is no slave, or away", wire.Quote(name))
		return
	}
	former, at := c.master, slave.attachment
	former.attachment = nil
	c.closeRequests(former)
	c.leaveAsSuccessor(slave)
	m := c.promoted(former, at, max(former.epoch, slave.epoch))
	c.master, c.masterExpired = m, false
	c.passOver(slave)
	former.bequeath(m)
}

func (a *applying) named(kind byte) {
	c := a.c
	on, name := a.byte() != 0, a.optionalName()
	switch {
	case a.err != nil:
	case kind == recordMutedAll:
		c.voice = voice{all: on}
	case name == "":
		a.wrong("a name is empty")
	case kind == recordBanned:
		c.ban(name)
	case on:
		c.voice.except(name)
	default:
		delete(c.voice.exceptions, name)
	}
}

// attribute takes a change of an attribute, or a reset.
func (a *applying) attribute(kind byte) {
	c := a.c
	m, key, seq := a.of(), a.text(), a.small()
	var value wire.Payload
	isReset, fixed := kind&^recordShared == recordReset, false
	if !isReset {
		fixed = a.byte() != 0
		if value = (wire.Payload{Kind: wire.PayloadKind(a.byte()), Data: a.bytes()}); value.Kind == wire.NoPayload && len(value.Data) == 0 {
			value.Data = nil
		}
	}
	if a.err != nil {
		return
	}
	l := c.sent(m.role)
	switch {
	case (m == c.master) != (kind&recordShared != 0):
		a.wrong("an attribute of %s is one of another role", wire.Quote(m.name))
	case wire.ShortNameProblem(key) != "" || value.Kind > wire.BytesPayload || value.Kind == wire.NoPayload && value.Data != nil:
		a.wrong("the attribute %s has no key, or no value", wire.Quote(key))
	case seq <= l.newest:
		a.wrong("there is a change %d already", seq)
	case isReset && m.attribute(key) == nil:
		a.wrong("%s has no attribute %s", wire.Quote(m.name), wire.Quote(key))
	default:
		l.skipTo(seq - 1)
		if isReset {
			c.reset(m, m.attribute(key))
		} else {
			c.put(m, key, value, fixed)
		}
	}
}

// passed takes that numbers were passed over.
func (a *applying) passed() {
	c := a.c
	down, up, places := a.small(), a.small(), a.atMost(passedPlaces)
	switch {
	case a.err != nil:
	case down < c.down.newest || up < c.up.newest:
		a.wrong("numbers are passed over up to %d and %d, behind %d and %d", down, up, c.down.newest, c.up.newest)
	default:
		c.down.pass(down, places)
		c.up.pass(up, places)
	}
}

// own takes the channel's own numbers.
func (a *applying) own() {
	c := a.c
	flags, joins, knocks, mode := a.byte(), a.small(), a.small(), wire.Door(a.byte())
	switch {
	case joins < c.joins || mode < wire.DoorOpen || mode > wire.DoorLocked: // it has no door where it is cut off
		a.wrong("there are fewer memberships than there were, or its door is none")
	default:
		c.rosterStale, c.masterExpired, c.joins = flags&1 != 0, flags&2 != 0, joins
		c.door = nil
		c.restoreDoor(mode, knocks)
	}
}

// answered takes an answer of a member, or all of them.
func (a *applying) answered(kind byte) {
	m := a.of()
	if m == nil {
		return
	}
	if kind == recordAnswers {
		highest, all := a.small(), a.answers(a.openings(int(m.answers.limit)))
		switch n := len(all); {
		case a.err != nil:
		case n > 0 && all[n-1].Ref > highest:
			a.wrong("%s has an answer to a later send than its last", wire.Quote(m.name))
		default:
			m.answers = restoredAnswers(m.answers.limit, highest, all)
		}
		return
	}
	given := answer{ref: a.small(), seq: a.small(), content: uint32(a.atMost(math.MaxUint32))}
	if a.byte() != 0 {
		given.refusal = a.cause()
	}
	switch {
	case a.err != nil:
	case given.ref <= m.answers.highest:
		a.wrong("%s is answered under the ref %d behind %d", wire.Quote(m.name), given.ref, m.answers.highest)
	default:
		m.answers.add(given)
	}
}

// confirmed takes up to which number the master has everything, or from which on it has not.
func (a *applying) confirmed(kind byte) {
	l, number := &a.c.up, a.small()
	switch {
	case a.err != nil:
	case number > l.newest:
		a.wrong("message %d is confirmed of %d", number, l.newest)
	case kind == recordConfirmed:
		l.confirm(number)
	default:
		l.hold(number)
	}
}

// step takes a step of one member.
func (a *applying) step(kind byte) {
	c, m := a.c, a.of()
	if m == nil {
		return
	}
	switch kind {
	case recordForgotten:
		c.forgetClient(m)
	case recordKnows:
		c.shown(m)
	case recordClosed:
		a.closed(m)
	case recordUnanswered:
		a.unanswered(m)
	case recordGone:
		if m == c.master {
			a.wrong("its master is gone alone")
			return
		}
		c.takeOut(m)
	}
}

// unanswered takes that a request does not await the slave any more.
func (a *applying) unanswered(m *member) {
	seq := a.small()
	if a.err != nil {
		return
	}
	if q := a.c.request(seq); m == a.c.master || q == nil || !q.awaits(m) {
		a.wrong("request %d does not await %s", seq, wire.Quote(m.name))
	} else {
		a.c.markAnswered(q, m)
	}
}

// closed takes that a request is over without an answer.
func (a *applying) closed(m *member) {
	c, seq := a.c, a.small()
	q := c.request(seq) // none has the number zero, which there is where it is cut off
	switch {
	case slices.Contains(m.openRequests, seq):
		m.openRequests = without(m.openRequests, seq)
	case m.role == wire.Master && q != nil:
		c.closeRequest(q)
	default:
		a.wrong("request %d of %s is over, and was not open", seq, wire.Quote(m.name))
	}
}
