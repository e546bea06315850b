package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Create makes the user the master of the channel. This is the only way to create a
// channel (rule 1). It works once: a second Create is refused, also while the master
// is away (rule 7), unless it repeats the first one. asked is the timeout that the master
// asks for, or zero.
func (c *Channel) Create(now time.Time, a *Attachment, e Entry, username string, asked time.Duration) error {
	if taken, err := c.takeSeat(now, a, e, username); taken || err != nil {
		return err
	}
	if c.life == open && username == c.master.name && c.repeats(now, c.master, a, e) {
		return c.enterAgain(now, a, c.master, e)
	}
	if c.life != vacant {
		return c.exists(now)
	}
	m := &member{name: username, role: wire.Master}
	if err := c.checkEntry(m, e); err != nil {
		return err
	}
	if e.Terms != nil {
		c.terms = *e.Terms
	}
	if e.Door != 0 {
		c.needDoor().mode = e.Door
	}
	c.timeout = c.terms.masterTimeout(c.limits)
	if asked > 0 && asked < c.timeout {
		c.timeout = asked
	}
	c.open(m, c.limits.Replay)
	c.master.enter(now, e)
	c.recordCreated()
	c.touch(m, true)
	c.setGrant(c.master, e.Grant)
	c.enterWith(m, e)
	c.attach(a, c.master, e, 0, 0)
	created := c.createdFrame(e)
	c.sendFrame(a, &created)
	c.change(Created, c.master, a, nil, "")
	c.count(Channels, "", 1)
	return nil
}

// open makes it a channel of that master, who is not on a connection yet, which keeps so many messages.
func (c *Channel) open(m *member, replay Bound) {
	c.life = open
	c.slaves = make(map[string]*member)
	c.down.bound, c.up.bound = replay, replay
	c.up.holds = replay.Messages > 0
	c.master = m
	m.answers.limit = wire.MasterAnswers
}

// Join makes the user a slave of the channel. The master must have created the
// channel before (rule 2). expect is the name that the user expects the master to
// have, or empty. A Join that repeats the one that has made the membership gets that
// membership. Where it is to be let in first, the error is ErrKnock (door.go).
func (c *Channel) Join(now time.Time, a *Attachment, e Entry, username, expect string) error {
	if c.life != open {
		return wire.ErrNoSuchChannel
	}
	if c.JoinsAsMaster(now, a, e, username) && !e.Grant.TakeOver {
		return c.joinAsMaster(now, a, e)
	}
	if expect != "" && expect != c.master.name {
		return wire.ErrWrongMaster
	}
	if taken, err := c.takeSeat(now, a, e, username); taken || err != nil {
		return err
	}
	if _, ok := c.banned[username]; ok {
		return wire.ErrBanned
	}
	switch m := c.slaves[username]; {
	case m != nil && c.repeats(now, m, a, e):
		return c.enterAgain(now, a, m, e)
	case m != nil && c.wasLeftBy(m, a, e):
		c.removeSlave(m, "left", wire.ErrLeft)
	case m != nil:
		return taken(now, m)
	case username == c.master.name:
		return wire.ErrNameTaken
	}
	k := c.knockOf(username)
	switch {
	case k != nil && !k.isFollowedBy(e):
		return wire.ErrNameTaken
	case c.doorMode() == wire.DoorLocked:
		return wire.ErrLocked
	case k != nil && k.e.sameAttributes(e):
		return ErrKnock // it keeps its place, for which it needs no room
	}
	m := &member{name: username, role: wire.Slave}
	if err := c.checkSlave(m, e); err != nil {
		return err
	}
	if c.doorMode() == wire.DoorKnock {
		return ErrKnock
	}
	c.comeIn(now, a, m, e)
	return nil
}

// checkSlave returns why there is no room for a new slave, or nil.
func (c *Channel) checkSlave(m *member, e Entry) error {
	if len(c.slaves) >= c.terms.maxSlaves(c.limits) {
		return wire.ErrChannelFull
	}
	return c.checkEntry(m, e)
}

// comeIn makes a new member a slave of the channel, which checkSlave.
func (c *Channel) comeIn(now time.Time, a *Attachment, m *member, e Entry) {
	c.joins++
	m.number, m.start = c.joins, c.down.newest
	m.answers.limit = wire.SlaveAnswers
	m.enter(now, e)
	c.addSlave(m)
	c.touch(m, true)
	c.setGrant(m, e.Grant)
	c.enterWith(m, e)
	c.attach(a, m, e, m.start, 0)
	c.sendJoined(now, a, e, nil)
	c.tellMaster(m, "")
	c.replay(a)
	c.change(SlaveJoined, m, a, nil, "")
	c.count(Joins, "", 1)
	c.count(Slaves, "", 1)
}

// takeSeat gives the client the membership of that name, in its role, where the service has
// said so and there is one. Whoever has had it is told that it was replaced, and its secret
// is worth nothing any more. The client gets what is kept from when the member has entered,
// and the attributes with which it enters are the member's, beside those that it had.
func (c *Channel) takeSeat(now time.Time, a *Attachment, e Entry, username string) (taken bool, err error) {
	if !e.Grant.TakeOver || c.life != open {
		return false, nil
	}
	m := c.slaves[username]
	if username == c.master.name {
		m = c.master
	}
	if m == nil || m.isLate(a, e) {
		return false, nil
	}
	if err := c.checkAgain(now, m); err != nil {
		return false, err
	}
	if err := c.checkEntry(m, e); err != nil {
		return false, err
	}
	m.hash, m.repeatable = e.Secret.Hash, 0
	if m.extras != nil {
		m.extras.newcomer, m.extras.secret = holder{}, Hash{}
	}
	c.shown(m)
	m.holder, m.since = holder{e.Instance, e.Ref}, m.epoch+1
	c.touch(m, true)
	c.forgetClient(m)
	c.setGrant(m, e.Grant)
	c.changeGrant(m, e.Grant)
	c.changeAttributes(m, e.Attributes)
	c.reattachMember(now, a, m, e, 0, 0, TakenOver)
	return true, nil
}

// enterAgain gives a client the membership that its earlier create or join has made, with a
// new secret and what is kept since then.
func (c *Channel) enterAgain(now time.Time, a *Attachment, m *member, e Entry) error {
	if err := c.checkAgain(now, m); err != nil {
		return err
	}
	if err := c.checkGrant(m, e.Grant); err != nil {
		return err
	}
	m.enterAgain(e)
	c.touch(m, true)
	c.setGrant(m, e.Grant)
	c.changeGrant(m, e.Grant)
	c.reattachMember(now, a, m, e, 0, 0, EnteredAgain)
	return nil
}

// Repeated reports whether a Join of that name would repeat one that has made a
// membership.
func (c *Channel) Repeated(now time.Time, a *Attachment, e Entry, username string) bool {
	m := c.slaves[username]
	return c.life == open && m != nil && c.repeats(now, m, a, e) || c.JoinsAsMaster(now, a, e, username)
}

// RepeatJoin answers a join that the same connection sends again: with the same secret,
// the state of the master as it is now, and without a second membership.
func (c *Channel) RepeatJoin(now time.Time, a *Attachment, e Entry) error {
	if err := a.stale(); err != nil {
		return err
	}
	c.sendJoined(now, a, e, nil)
	return nil
}

// sendJoined tells a slave that it is a member, and its own attributes where there are any
// that it may not know. While the master is away, it also
// tells the slave how long the channel still waits for the master (rule 4).
func (c *Channel) sendJoined(now time.Time, a *Attachment, e Entry, own *wire.Attributes) {
	joined := c.joinedFrame(a, e)
	joined.SetAttributes(own)
	c.sendFrame(a, &joined)
	if c.master.state == wire.StateAway {
		c.sendFrame(a, c.masterFrame(now))
	}
}

// Resume brings a member back on a new connection. Only a holder of the member's
// secret can do that (rule 7), and none that another client has followed (mayResume). If
// the member has an older connection, even a live one, that connection is told that it has
// been replaced. last is the number of the newest message that the member has; the later
// messages are replayed, as far as they are kept (catchup.go). known is up to which number it
// knows the attributes of others, or zero where it does not say.
func (c *Channel) Resume(now time.Time, a *Attachment, e Entry, username string, last, known uint64) error {
	m, err := c.findHeld(username, e)
	if err != nil {
		return err
	}
	log, former := c.log(m.role), m.wasHeldBy(e)
	if former {
		log = &c.down
	}
	ahead := max(last, known)
	if ahead > log.newest && !c.mayBeAhead(ahead, log.newest) {
		return ErrAhead
	}
	if err := c.mayResume(m, a, e); err != nil {
		return err
	}
	if m.expired(now) && !e.Grant.Asked {
		return errGrantExpired
	}
	if err := c.checkAgain(now, m); err != nil {
		return err
	}
	if m.onSameConnection(a) {
		// The beginning of a replay, and the master's list, are not bounded by the queue's
		// limits, so they may be in the queue once.
		if waiting, _ := m.attachment.Line.Waiting(); waiting > 0 {
			return wire.ErrBusy.With("too much waits for you already: take it, and resume again later")
		}
	}
	if err := c.checkGrant(m, e.Grant); err != nil {
		return err
	}
	if former {
		c.comeUp(m, log, e.Epoch, ahead)
		c.resumeFormer(now, a, m, e, last, 0)
		return nil
	}
	c.shown(m)
	c.comeUp(m, log, e.Epoch, ahead)
	c.takeOver(m, e)
	c.setGrant(m, e.Grant)
	c.changeGrant(m, e.Grant)
	c.count(Resumes, m.role.String(), 1)
	c.reattachMember(now, a, m, e, last, known, Resumed)
	return nil
}

// reattachMember brings a member back on the connection of the attachment, and gives it what
// it has missed after number last, but nothing from before it entered, and the attributes
// that have changed after number known.
func (c *Channel) reattachMember(now time.Time, a *Attachment, m *member, e Entry, last, known uint64, how ChangeKind) {
	last = max(last, m.start)
	if m.role == wire.Master {
		c.reattachMaster(now, a, e, last, known, how)
	} else {
		c.reattachSlave(now, a, m, e, last, known, how)
	}
}

// findHeld returns the member of that name if the entry shows its secret.
func (c *Channel) findHeld(username string, e Entry) (*member, error) {
	if c.life != open {
		return nil, wire.ErrResumeFailed
	}
	m := c.master
	if username != m.name {
		m = c.slaves[username]
	}
	if m == nil || !m.matches(e.Secret.Hash) && !m.wasHeldBy(e) {
		return nil, wire.ErrResumeFailed
	}
	return m, nil
}

// reattachMaster brings the master back on the connection of the attachment, and gives it
// the list of its slaves, the messages after number last and the attributes after known.
func (c *Channel) reattachMaster(now time.Time, a *Attachment, e Entry, last, known uint64, how ChangeKind) {
	m := c.master
	c.showHidden()
	wasAway := m.state == wire.StateAway
	c.release(m, a)
	c.attach(a, m, e, last, known)
	c.change(how, m, a, nil, "")
	answer := c.createdFrame(e)
	answer.SetAttributes(ownAttributes(a, how))
	c.confirm(last)
	c.hold(last)
	answer.Gap = c.up.lostCommon > last || c.up.passed.has(last)
	answer.Seq = c.up.last(m.start)
	c.listIn(&answer)
	c.listDoor(&answer)
	c.markListed(&answer)
	// The roster may be longer than the queue's limits, and must be delivered
	// in any case.
	c.emit(Effect{Kind: SendReplay, To: a, Packet: wire.NewPacket(&answer)})
	c.tellReset(a, known)
	c.countAgain(now, m, last, listSize(answer.Members)+attributesSize(answer.Attributes())+c.doorBytes())
	if wasAway {
		c.tellMasterState(now)
	}
	c.replay(a)
}

// reattachSlave brings a slave back on the connection of the attachment, and gives it the
// messages after number last and the attributes after known.
func (c *Channel) reattachSlave(now time.Time, a *Attachment, m *member, e Entry, last, known uint64, how ChangeKind) {
	wasAway := m.state == wire.StateAway
	c.release(m, a)
	c.attach(a, m, e, last, known)
	c.change(how, m, a, nil, "")
	own := ownAttributes(a, how)
	c.sendJoined(now, a, e, own)
	c.tellReset(a, known)
	c.countAgain(now, m, last, attributesSize(own))
	if wasAway {
		c.tellMaster(m, "")
	}
	c.replay(a)
}

// release takes the member off the connection that it is on, which is told so unless it is
// the one of the attachment. What waits there for one whose grant expires is dropped: it could
// be written after that. Who has the membership now gets it.
func (c *Channel) release(m *member, a *Attachment) {
	if m.attachment == nil && m.role == wire.Slave {
		c.away.remove(m)
	}
	if old := c.detach(m); old != nil && old.Line.Connection() != a.Line.Connection() {
		if !m.granted().Expires.IsZero() {
			c.emit(Effect{Kind: Discard, To: old})
		}
		c.putOut(old, wire.ErrReplaced.With("the membership was taken over by a newer connection"))
	}
}

// missedBy counts the messages after number last that the slave m can never get,
// because they are no longer kept. It is zero exactly when no message for m is lost.
// Otherwise the count may include messages that were for other slaves alone. newest is the
// number of the newest that was for m.
func (c *Channel) missedBy(m *member, last uint64) (missed, newest uint64) {
	newest = max(c.down.lostCommon, m.lostPrivate)
	if newest <= last {
		return 0, 0
	}
	return max(c.down.lost, newest) - last, newest
}
