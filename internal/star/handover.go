package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how the mastership goes from one member to another (rule 7): by the master's own
// word, or the service's. It is one transition, so there is one master at each moment.
//
// The two get new memberships on the connections on which they are, with new secrets, and with an
// epoch above all that either has had. What comes from them is refused until a frame shows that
// epoch (unshown.go). What the successor has missed of what slaves have sent, it gets as a master
// does that has resumed.

// HandOver is what a hand-over is made of.
type HandOver struct {
	// To is the successor's name, and From the attachment on which it was when the service was
	// asked (Successor). Grant is what the service has said of it.
	To    string
	From  *Attachment
	Grant Grant
	// New is an attachment on the connection of From, for the master to be, and Secret its
	// secret.
	New    *Attachment
	Secret Secret
	// Stays is an attachment on the connection of the master, by which it goes on as a slave, and
	// StaysSecret its secret. Nil: it leaves.
	Stays       *Attachment
	StaysSecret Secret
	// Ref is that of the master's frame.
	Ref uint64
}

// Successor returns where the slave is that is to be the master, and what the service has granted
// it. a is the attachment of the master, or nil where it is the service that wants it.
func (c *Channel) Successor(a *Attachment, to string) (at *Attachment, g Grant, err error) {
	if a != nil {
		if err := c.mustBeMaster(a); err != nil {
			return nil, Grant{}, err
		}
	}
	switch {
	case c.life != open:
		return nil, Grant{}, wire.ErrNoSuchChannel
	case c.isStopped():
		return nil, Grant{}, wire.ErrShuttingDown
	}
	switch m := c.slaves[to]; {
	case to == c.master.name:
		return nil, Grant{}, errSuccessorIsMaster
	case c.knockOf(to) != nil:
		return nil, Grant{}, errSuccessorWaits
	case m == nil:
		return nil, Grant{}, wire.ErrNoSuchSlave
	case m.attachment == nil:
		return nil, Grant{}, errSuccessorAway
	case m.attachment.switching:
		return nil, Grant{}, ErrSwitching
	case m.attachment.catchingUp:
		return nil, Grant{}, errSuccessorBehind
	default:
		return m.attachment, m.granted(), nil
	}
}

var (
	errSuccessorIsMaster = wire.ErrNoSuchSlave.With("to: it is the master already")
	errSuccessorWaits    = wire.ErrNoSuchSlave.With("to: it waits at the door, and only a slave can be the master: let it in first")
	errSuccessorAway     = wire.ErrNoSuchSlave.With("to: the slave is away, and only one that is connected can be the master: try again when it is back")
	// ErrSwitching refuses a hand-over to a slave that is about to leave (Switching).
	ErrSwitching       = wire.ErrBusy.With("to: the slave is about to leave for another channel")
	errSuccessorBehind = wire.ErrBusy.With("to: the slave is still being sent what it has missed: try again when it has got that")
)

// Switching notes that the slave of the attachment is about to join another channel and to leave this
// one then, or that it is not any more. Meanwhile it is not made the master: it would be that of a
// channel that it does not know to be in. The error is that of its frame, where the slave is not one
// any more.
func (c *Channel) Switching(a *Attachment, on bool) error {
	err := a.stale()
	if err == nil && a.member.unshown() {
		err = wire.ErrRoleChanged
	}
	if err == nil && a.switching != on {
		a.switching = on
		c.touch(a.member, false)
	}
	return err
}

// ErrMoved refuses a hand-over to a slave that is on another connection than the one for which
// the service was asked.
var ErrMoved = wire.ErrBusy.With("to: the slave has changed its connection meanwhile: try again")

// HandOver makes a slave the master. The former master goes on as a slave, or leaves. a is its
// attachment, or nil where it is the service that wants it: then it leaves.
func (c *Channel) HandOver(now time.Time, a *Attachment, h HandOver) error {
	at, _, err := c.Successor(a, h.To)
	if err != nil {
		return err
	}
	if at != h.From {
		return ErrMoved
	}
	former, slave := c.master, at.member
	if a != nil {
		if err := c.checkAgain(now, former); err != nil {
			return err
		}
	}
	if err := c.checkGrant(former, h.Grant); err != nil {
		return err
	}
	epoch := max(former.epoch, slave.epoch)
	was := c.detach(former)
	c.closeRequests(former)
	c.leaveAsSuccessor(slave)
	m := c.promoted(former, at, epoch)
	c.master, c.masterExpired = m, false
	c.recordHanded(slave)
	c.touch(m, true)
	c.refuseExpecting()
	if !h.Grant.Asked {
		h.Grant = slave.granted()
		h.Grant.Asked = true
	}
	c.setGrant(m, h.Grant)
	c.passOver(slave)
	c.showHidden()
	e := Entry{Secret: h.Secret, Instance: m.holder.instance, Roster: m.roster}
	c.attach(h.New, m, e, m.start, 0)
	how := byService
	if a != nil {
		how = byMaster
	}
	c.change(HandedOver, m, h.New, nil, how)
	c.tellMasterState(now)
	c.inheritAttributes(former, m, h.Grant)
	var stays *member
	if a != nil && h.Stays != nil {
		stays = c.demoted(former, h.StaysSecret, epoch)
	}
	c.tellSuccessor(now, h.New, m, e)
	if a != nil {
		c.keepGivenOver(former, stays, &h)
	}
	switch {
	case stays != nil:
		c.enterFormer(now, h.Stays, stays, Entry{Secret: h.StaysSecret, Instance: stays.holder.instance, Roster: stays.roster}, h.Ref)
	case was != nil:
		c.acknowledge(was, h.Ref)
		c.putOut(was, wire.ErrHandedOver.With(wire.Quote(m.name)+" is the master now"))
	}
	return nil
}

// By whose word the mastership has gone to another, for HandedOver.
const (
	byMaster  = "master"
	byService = "service"
)

// leaveAsSuccessor ends the membership of the slave that is to be the master. Nobody is told of
// it alone.
func (c *Channel) leaveAsSuccessor(slave *member) {
	c.detach(slave)
	c.deleteSlave(slave)
	c.dropAttributes(slave)
	delete(c.voice.exceptions, slave.name) // nor is it one when it is a slave again
	slave.openRequests = nil
	slave.needExtras().parted = true
	c.count(Leaves, string(wire.ErrHandedOver.Code), 1)
	c.count(Slaves, "", -1)
}

// promoted is the successor as the master.
func (c *Channel) promoted(former *member, at *Attachment, epoch uint64) *member {
	slave := at.member
	m := &member{name: slave.name, role: wire.Master, roster: slave.roster, holder: slave.holder, epoch: epoch, since: epoch + 1, start: c.up.confirmed}
	if !c.up.holds {
		m.start = c.up.newest // nothing is kept
	}
	if m.answers.limit = wire.MasterAnswers; at.newcomer && !at.heard {
		m.holder = slave.extras.newcomer // it is this client that is told
	} else {
		m.answers = slave.answers.upTo(wire.MasterAnswers)
	}
	slave.answers = answers{}
	m.needExtras().handed = &handed{slave: slave, until: c.down.newest, by: former.name}
	m.extras.repaid = max(former.extra().repaid, slave.extra().repaid)
	m.extras.asked = &askedAgain{last: m.start} // what it is to answer, as its former master was
	return m
}

// demoted is the former master as a slave. It is not on its connection yet.
func (c *Channel) demoted(former *member, secret Secret, epoch uint64) *member {
	c.joins++
	m := &member{
		name: former.name, role: wire.Slave, roster: former.roster, state: wire.StateOnline, hash: secret.Hash, holder: former.holder,
		epoch: epoch, since: epoch + 1, number: c.joins, start: c.down.newest,
	}
	m.answers = former.answers.upTo(wire.SlaveAnswers)
	m.needExtras().handed = new(handed)
	m.extras.repaid = former.extra().repaid
	former.needExtras().parted = true
	c.addSlave(m)
	g := former.granted()
	g.Asked = true
	c.setGrant(m, g)
	c.touch(m, true)
	c.recordAnswers(m)
	return m
}

// passOver has the master not get what it has sent itself as the slave that it was.
func (c *Channel) passOver(slave *member) {
	nobody := &member{name: slave.name} // what is lost of it is lost to nobody
	for i := c.up.index(c.up.confirmed); i < len(c.up.entries); i++ {
		e := &c.up.entries[i]
		if e.packet != nil && e.packet.Frame().Number == slave.number {
			e.to = nobody
		}
	}
	c.up.passOver()
}

// inheritAttributes gives the master the attributes of the mastership: those of the former
// master, but for what the service had said of that one, and with what it says of this one.
func (c *Channel) inheritAttributes(former, m *member, g Grant) {
	former.bequeath(m)
	c.changeGrant(m, g)
}

// bequeath gives the attributes of the former master to the master.
func (former *member) bequeath(m *member) {
	of := former.extra().attributes
	if of == nil {
		return
	}
	former.extras.attributes, m.needExtras().attributes = nil, of
	for _, x := range of.all {
		x.owner, x.packet = m, nil
	}
	if of.reset != nil {
		of.reset.owner, of.reset.packet = m, nil
	}
}

// tellSuccessor tells the new master that it is, with the list of its slaves, and gives it what
// the former one has not confirmed.
func (c *Channel) tellSuccessor(now time.Time, a *Attachment, m *member, e Entry) {
	m.hash = e.Secret.Hash
	c.touch(m, true)
	answer := c.createdFrame(e)
	answer.SetAttributes(ownAttributes(a, HandedOver))
	answer.Gap = c.up.lostCommon > m.start
	answer.Seq = c.up.last(m.start)
	c.listIn(&answer)
	c.listDoor(&answer)
	c.markListed(&answer)
	c.emit(Effect{Kind: SendReplay, To: a, Packet: wire.NewPacket(&answer)})
	c.countAgain(now, m, m.start, listSize(answer.Members)+attributesSize(answer.Attributes())+c.doorBytes())
	c.replay(a)
}

// enterFormer tells the former master that it is a slave now, behind which it is told that what
// it has asked for was done.
func (c *Channel) enterFormer(now time.Time, a *Attachment, m *member, e Entry, ref uint64) {
	c.attach(a, m, e, m.start, 0)
	c.sendJoined(now, a, e, nil)
	c.acknowledge(a, ref)
	c.replay(a)
	c.change(SlaveJoined, m, a, nil, "")
	c.count(Joins, "", 1)
	c.count(Slaves, "", 1)
}
