package star

import (
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what a hand-over leaves with its two members, until each has shown that it knows
// what it has become: by a frame with the new epoch, or by the new secret.
//
// What comes from one before that is refused with role_changed: it may have been sent for what
// the member was. So a message that was meant for the master alone never becomes one to all, and
// a slave's leave never ends the channel (rules 5 and 6). And the member may not have been told,
// since its connection was lost. A successor comes back by the secret of the slave that it was
// then (resumeFormer), and a former master that stays repeats its hand-over.

// handed is what a member has of a hand-over. It is zero for a former master that stays.
type handed struct {
	// slave is the membership that the new master had.
	slave *member
	// until is the number of the newest message to slaves from before, and by the name of the
	// former master.
	until uint64
	by    string
}

// givenOver is a hand-over by its master, which can repeat it.
type givenOver struct {
	by, to     string
	hash       Hash // of the secret that it had as the master
	instance   Hash
	ref        uint64
	membership uint64 // the number of that which it has as a slave, or zero: it has left
}

// maxGivenOver is how many hand-overs of a channel can be repeated: the latest ones.
const maxGivenOver = 8

// unshown reports whether the member has not shown that it knows what it has become.
func (m *member) unshown() bool { return m.extras != nil && m.extras.handed != nil }

// shown notes that the member knows what it has become.
func (c *Channel) shown(m *member) {
	if !m.unshown() {
		return
	}
	c.givenOver = slices.DeleteFunc(c.givenOver, func(g givenOver) bool { return g.membership != 0 && g.membership == m.number })
	if m.extras.handed = nil; *m.extras == (extras{}) {
		m.extras = nil
	}
	c.step(recordKnows, m.number)
}

// Show notes the epoch that a frame of the member shows. It is part of that frame, and comes
// before the frame's own transition.
func (c *Channel) Show(a *Attachment, epoch uint64) error {
	if err := a.stale(); err != nil {
		return err
	}
	switch {
	case epoch > a.epoch:
		return errEpochTooHigh
	case epoch == a.epoch:
		c.shown(a.member)
	}
	return nil
}

var errEpochTooHigh = wire.ErrBadFrame.With("epoch: the member has not come so far")

// keepGivenOver notes a hand-over, so that it can be repeated where it has a ref.
func (c *Channel) keepGivenOver(former, stays *member, h *HandOver) {
	if h.Ref == 0 {
		return
	}
	g := givenOver{by: former.name, to: h.To, hash: former.hash, instance: former.holder.instance, ref: h.Ref}
	if stays != nil {
		g.membership = stays.number
	}
	c.addGivenOver(g)
	c.recordGivenOver(g)
}

func (c *Channel) addGivenOver(g givenOver) {
	if c.givenOver = append(c.givenOver, g); len(c.givenOver) > maxGivenOver {
		c.givenOver = slices.Delete(c.givenOver, 0, 1)
	}
}

// RepeatHandOver is nil for a hand-over that its master sends again on another connection, because
// it did not get the answer. One that stays is answered again, and is on this connection from now
// on, with the secret e.Fresh; the caller answers one that has left. Where it has become the master
// again meanwhile, it is told that too, with the secret next. e.Secret is the one that it had as the
// master, which is of no other use.
func (c *Channel) RepeatHandOver(now time.Time, a *Attachment, e Entry, next Secret, username, to string, stay bool) error {
	m, was, err := c.repeatsHandOver(a, e, username, to, stay)
	if err != nil || !stay {
		return err
	}
	if m.expired(now) && !e.Grant.Asked {
		return wire.ErrUnauthorized.With("what the service has granted has expired: show a fresh token")
	}
	if err := c.checkAgain(now, m); err != nil {
		return err
	}
	if err := c.checkGrant(m, e.Grant); err != nil {
		return err
	}
	was.hash = e.Fresh.Hash
	c.touch(m, true)
	if m.role == wire.Master {
		c.resumeFormer(now, a, m, Entry{Instance: e.Instance, Secret: e.Fresh, Fresh: next, Grant: e.Grant, Roster: m.roster}, 0, e.Ref)
		return nil
	}
	c.setGrant(m, e.Grant)
	c.changeGrant(m, e.Grant)
	c.reattachSlave(now, a, m, Entry{Secret: e.Fresh, Instance: e.Instance, Roster: m.roster}, m.start, 0, EnteredAgain)
	c.acknowledge(a, e.Ref)
	return nil
}

// repeatsHandOver returns who has handed over by what the entry repeats: as what it is there now, and
// the slave's membership that it got by that, both nil where it did not stay.
func (c *Channel) repeatsHandOver(a *Attachment, e Entry, username, to string, stay bool) (m, was *member, err error) {
	i := slices.IndexFunc(c.givenOver, func(g givenOver) bool {
		return g.by == username && g.to == to && (g.membership != 0) == stay && g.ref == e.Ref && g.instance == e.Instance && g.hash.matches(e.Secret.Hash)
	})
	if i < 0 {
		return nil, nil, wire.ErrNotAMember
	}
	if !stay {
		return nil, nil, nil
	}
	m, was = c.slaves[username], c.slaves[username]
	if username == c.master.name && c.master.unshown() {
		m, was = c.master, c.master.extras.handed.slave
	}
	if was == nil || was.number != c.givenOver[i].membership {
		return nil, nil, wire.ErrNotAMember // it has left since
	}
	if m.attachment != nil && m.attachment.isAfter(a) {
		return nil, nil, wire.ErrReplaced.With("the client has come back on another connection since")
	}
	return m, was, nil
}

// StayedAsMaster reports whether a hand-over of one that stays, which is sent again, is that of the master: it has become that
// again.
func (c *Channel) StayedAsMaster(a *Attachment, e Entry, username, to string) bool {
	m, _, err := c.repeatsHandOver(a, e, username, to, true)
	return err == nil && m == c.master
}

// StayedOn is Resumable for a hand-over of one that stays, which is sent again: it comes back by that.
func (c *Channel) StayedOn(now time.Time, a *Attachment, e Entry, username, to string) (g Grant, fresh bool, err error) {
	m, _, err := c.repeatsHandOver(a, e, username, to, true)
	if err != nil {
		return Grant{}, false, err
	}
	return m.granted(), m.expired(now), nil
}

// RevokeStayed is Revoke for one that is StayedOn.
func (c *Channel) RevokeStayed(a *Attachment, e Entry, username, to, reason string) bool {
	m, _, err := c.repeatsHandOver(a, e, username, to, true)
	if err != nil || (e.Instance == Hash{}) {
		return false
	}
	c.revoke(m, reason)
	return true
}

// Promoted reports whether the entry shows the secret that the master has had as a slave, and
// which still stands for it: then Resume needs a fresh one.
func (c *Channel) Promoted(e Entry, username string) bool {
	return c.life == open && username == c.master.name && c.master.wasHeldBy(e)
}

// wasHeldBy reports whether the entry is that of a client which has not been told that it is the
// master: it is the one that was the slave, and shows the secret of that.
func (m *member) wasHeldBy(e Entry) bool {
	return m.unshown() && m.extras.handed.slave != nil && e.Instance == m.holder.instance && m.extras.handed.slave.matches(e.Secret.Hash)
}

// JoinsAsMaster reports whether a Join of that name repeats the one by which the master has come in
// as the slave that it was: it was told neither. Then Join needs a fresh secret.
func (c *Channel) JoinsAsMaster(now time.Time, a *Attachment, e Entry, username string) bool {
	if c.life != open || username != c.master.name || !c.master.unshown() || c.master.isLate(a, e) {
		return false
	}
	slave := c.master.extras.handed.slave
	return e.Instance == c.master.holder.instance && c.isRepeatable(now, slave)
}

// joinAsMaster brings the master back whose Join JoinsAsMaster.
func (c *Channel) joinAsMaster(now time.Time, a *Attachment, e Entry) error {
	m := c.master
	if err := c.checkAgain(now, m); err != nil {
		return err
	}
	if err := c.checkGrant(m, e.Grant); err != nil {
		return err
	}
	slave := m.extras.handed.slave
	slave.keepSecret()
	slave.needExtras().secret = e.Secret.Hash
	c.resumeFormer(now, a, m, e, 0, 0)
	return nil
}

// resumeFormer brings the master back on a connection, for a client that has not been told that
// it is. It is told as if its connection had not been lost: it is the slave, gets what it has
// missed as that after number last, and then is the master. handedOver is the ref of its own
// hand-over that it repeats, or zero.
func (c *Channel) resumeFormer(now time.Time, a *Attachment, m *member, e Entry, last, handedOver uint64) {
	h := m.extras.handed
	c.sendFrame(a, &wire.Frame{
		Type: wire.Joined, Ref: e.Ref, Channel: c.name, Username: m.name, Secret: e.Secret.Text, Epoch: h.slave.epoch,
		Master:        wire.Member{Username: h.by, State: wire.StateOnline},
		MasterTimeout: wire.Milliseconds(c.timeout), HasMasterTimeout: true,
	})
	c.acknowledge(a, handedOver)
	given := c.feedFormer(a, h, max(last, h.slave.start))
	c.payAgain(now, m, &c.down, given.Bytes+given.Messages*entryOverhead)
	m.holder.ref = max(m.holder.ref, e.Ref)
	e.Ref, e.Secret = 0, e.Fresh
	m.hash = e.Secret.Hash
	c.touch(m, true)
	c.setGrant(m, e.Grant)
	c.changeGrant(m, e.Grant)
	c.count(Resumes, m.role.String(), 1)
	c.reattachMaster(now, a, e, m.start, 0, Resumed)
	// They are on the way to the master's connection, as if they were for it.
	c.accepted.Messages += given.Messages
	c.accepted.Bytes += given.Bytes
}

// feedFormer gives the new master what it has missed as the slave that it was. It is no more than
// the log keeps, and comes at once: what follows is for the master.
func (c *Channel) feedFormer(a *Attachment, h *handed, last uint64) (given Load) {
	last = min(last, h.until)
	missed, newest := c.missedBy(h.slave, last)
	c.tellMissed(a, min(missed, h.until-last), min(newest, h.until))
	expired := uint64(0)
	for e := range c.down.between(max(last, c.down.lost), h.until) {
		switch {
		case !e.isFor(h.slave):
		case e.packet == nil:
			expired, newest = expired+1, e.seq
		default:
			c.tellExpired(a, expired, newest)
			expired = 0
			given.Messages++
			given.Bytes += e.size
			c.emit(Effect{Kind: SendReplay, To: a, Packet: e.packet})
		}
	}
	c.tellExpired(a, expired, newest)
	return given
}
