package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Create makes the user the master of the channel. This is the only way to create a
// channel (rule 1). It works once: a second Create is refused, also while the master
// is away (rule 7). asked is the timeout that the master asks for, or zero.
func (c *Channel) Create(now time.Time, a *Attachment, ref uint64, username string, secret Secret, asked time.Duration) error {
	if c.life != vacant {
		return wire.ErrChannelExists
	}
	c.life = open
	c.timeout = c.limits.MasterTimeout
	if asked > 0 && asked < c.timeout {
		c.timeout = asked
	}
	c.slaves = make(map[string]*member)
	c.down.bound, c.up.bound = c.limits.Replay, c.limits.Replay
	c.master = &member{name: username, role: wire.Master, hash: secret.Hash}
	c.master.answers.limit = wire.MasterAnswers
	c.attach(a, c.master)
	created := c.createdFrame(ref, secret)
	c.sendFrame(a, &created)
	c.count(Channels, "", 1)
	return nil
}

// Join makes the user a slave of the channel. The master must have created the
// channel before (rule 2). expect is the name that the user expects the master to
// have, or empty.
func (c *Channel) Join(now time.Time, a *Attachment, ref uint64, username, expect string, secret Secret) error {
	if c.life != open {
		return wire.ErrNoSuchChannel
	}
	if expect != "" && expect != c.master.name {
		return wire.ErrWrongMaster
	}
	if _, ok := c.banned[username]; ok {
		return wire.ErrBanned
	}
	if c.slaves[username] != nil || username == c.master.name {
		return wire.ErrNameTaken
	}
	if len(c.slaves) >= c.limits.MaxSlaves {
		return wire.ErrChannelFull
	}
	c.joins++
	m := &member{name: username, role: wire.Slave, hash: secret.Hash, number: c.joins, start: c.down.newest}
	m.answers.limit = wire.SlaveAnswers
	c.slaves[username] = m
	c.attachSlave(now, a, m, ref, secret)
	c.tellMaster(m, "")
	c.logChange("slave joined", m, a, nil)
	c.count(Joins, "", 1)
	c.count(Slaves, "", 1)
	return nil
}

// RepeatJoin answers a join that the same connection sends again: with the same secret,
// the state of the master as it is now, and without a second membership.
func (c *Channel) RepeatJoin(now time.Time, a *Attachment, ref uint64, secret Secret) error {
	if err := a.stale(); err != nil {
		return err
	}
	c.sendJoined(now, a, ref, secret)
	return nil
}

// attachSlave attaches a slave and sends it the joined frame.
func (c *Channel) attachSlave(now time.Time, a *Attachment, m *member, ref uint64, secret Secret) {
	c.attach(a, m)
	c.sendJoined(now, a, ref, secret)
}

// sendJoined tells a slave that it is a member. While the master is away, it also
// tells the slave how long the channel still waits for the master (rule 4).
func (c *Channel) sendJoined(now time.Time, a *Attachment, ref uint64, secret Secret) {
	joined := c.joinedFrame(a.member, ref, secret)
	c.sendFrame(a, &joined)
	if c.master.state == wire.StateAway {
		c.sendFrame(a, c.masterFrame(now))
	}
}

// Resume brings a member back on a new connection. Only the holder of the member's
// secret can do that (rule 7). If the member has an older connection, even a live
// one, that connection is told that it has been replaced. last is the number of the
// newest message that the member has; the later messages are replayed, as far as
// they are kept.
func (c *Channel) Resume(now time.Time, a *Attachment, ref uint64, username string, secret Secret, last uint64) error {
	if c.life != open {
		return wire.ErrResumeFailed
	}
	m, kept := c.master, &c.up
	if username != m.name {
		m, kept = c.slaves[username], &c.down
	}
	if m == nil || !m.hash.matches(secret.Hash) || last > kept.newest {
		return wire.ErrResumeFailed
	}
	if m.attachment != nil && m.attachment.Line.Connection() == a.Line.Connection() {
		// A replay is not bounded by the queue's limits, so only one replay may be
		// in the queue at a time.
		if waiting, _ := m.attachment.Line.Waiting(); waiting > 0 {
			return wire.ErrBusy.With("too much waits for you already: take it, and resume again later")
		}
	}
	last = max(last, m.start)
	if ref != 0 && ref <= m.answers.highest {
		// This is another client than before: the refs of the same client would go
		// on rising. A send of the new client must not be taken for an earlier send
		// that has the same ref. And the new client does not wait for answers to the
		// requests of the earlier client.
		m.answers = answers{limit: m.answers.limit}
		c.closeRequests(m)
	}
	wasAway := m.state == wire.StateAway
	if m.attachment == nil && m.role == wire.Slave {
		c.away.remove(m)
	}
	if old := c.detach(m); old != nil && old.Line.Connection() != a.Line.Connection() {
		c.emit(Effect{Kind: Release, To: old, End: wire.ErrReplaced.With("the membership was taken over by a newer connection")})
	}
	c.logChange("member resumed", m, a, nil)
	c.count(Resumes, m.role.String(), 1)
	if m.role == wire.Master {
		c.attach(a, m)
		answer := c.createdFrame(ref, secret)
		answer.Gap = c.up.lost > last
		if c.up.kept() > 0 {
			answer.Seq = c.up.newest
		}
		answer.Members, answer.HasMembers = c.entries(nil), true
		c.markTold()
		// The roster may be longer than the queue's limits, and must be delivered
		// in any case.
		c.emit(Effect{Kind: SendReplay, To: a, Packet: wire.NewPacket(&answer)})
		c.upSeen = c.up.newest
		if wasAway {
			c.sendFrameToSlaves(c.masterFrame(now))
		}
	} else {
		c.attachSlave(now, a, m, ref, secret)
		if missed := c.missedBy(m, last); missed > 0 {
			c.sendFrame(a, &wire.Frame{Type: wire.Gap, Channel: c.name, Missed: missed})
			c.count(MessagesDropped, LabelReplay, int64(missed))
		}
		if wasAway {
			c.tellMaster(m, "")
		}
	}
	for entry := range kept.after(last) {
		if entry.to == nil || entry.to == m {
			c.emit(Effect{Kind: SendReplay, To: a, Packet: entry.packet})
		}
	}
	return nil
}

// missedBy counts the messages after number last that the slave m can never get,
// because they are no longer kept. It is zero exactly when no message for m is lost.
// Otherwise the count may include messages that were for other slaves alone.
func (c *Channel) missedBy(m *member, last uint64) uint64 {
	if max(c.down.lostCommon, m.lostPrivate) <= last {
		return 0
	}
	return c.down.lost - last
}
