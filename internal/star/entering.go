package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Create makes the asking user the master of the channel. It is the only way in
// which a channel comes into being (rule 1), and it works once: a second one is
// refused, also while the master is away (rule 7).
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
	c.tell(a, &created)
	c.count(ChannelsOpen, "", 1)
	return nil
}

// Join lets a user in as a slave, into a channel that its master has created
// before (rule 2).
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
	m := &member{name: username, role: wire.Slave, hash: secret.Hash, start: c.down.newest}
	m.answers.limit = wire.SlaveAnswers
	c.slaves[username] = m
	c.welcome(now, a, m, ref, secret)
	c.tellMaster(c.slaveFrame(m, ""))
	c.note("slave joined", m)
	c.count(Joins, "", 1)
	c.count(Slaves, "", 1)
	return nil
}

// Again answers a create or join that its own connection repeats: the same
// answer, and no second membership.
func (c *Channel) Again(now time.Time, a *Attachment, ref uint64, secret Secret) error {
	if err := a.stale(); err != nil {
		return err
	}
	c.tellJoined(now, a, ref, secret)
	return nil
}

// welcome attaches a slave and tells it where it is.
func (c *Channel) welcome(now time.Time, a *Attachment, m *member, ref uint64, secret Secret) {
	c.attach(a, m)
	c.tellJoined(now, a, ref, secret)
}

// tellJoined tells a slave that it is in, and one that comes while the master is
// away for how long it will wait (rule 4).
func (c *Channel) tellJoined(now time.Time, a *Attachment, ref uint64, secret Secret) {
	joined := c.joinedFrame(a.member, ref, secret)
	c.tell(a, &joined)
	if c.master.state == wire.StateAway {
		c.tell(a, c.masterFrame(now))
	}
}

// Resume brings a member back on a new connection. Only the holder of its
// secret can do that (rule 7). An older connection of the member, however alive,
// is told that it has been replaced. What the member has missed since the number
// last follows, as far as it is kept.
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
	if m.at != nil && m.at.Line.Connection() == a.Line.Connection() {
		// A replay is beyond the queue's bounds, so there is one at a time.
		if waiting, _ := m.at.Line.Waiting(); waiting > 0 {
			return wire.ErrBusy.With("too much waits for you already")
		}
	}
	last = max(last, m.start)
	if ref != 0 && ref <= m.answers.highest {
		// Not the client that was here before, whose refs would go on: none of
		// its sends may be taken for one that was answered already, and nobody
		// waits for the answers to what the other one has asked.
		m.answers = answers{limit: m.answers.limit}
		c.forgetRequests(m)
	}
	wasAway := m.state == wire.StateAway
	if m.at == nil && m.role == wire.Slave {
		c.waiting.remove(m)
	}
	if old := c.detach(m); old != nil && old.Line.Connection() != a.Line.Connection() {
		c.emit(Effect{Kind: Release, To: old, End: wire.ErrReplaced.With("the membership was taken over by a newer connection")})
	}
	c.note("member resumed", m)
	c.count(Resumes, m.role.String(), 1)
	if m.role == wire.Master {
		c.attach(a, m)
		answer := c.createdFrame(ref, secret)
		answer.Gap = c.up.lost > last
		if c.up.kept() > 0 {
			answer.Seq = c.up.newest
		}
		answer.Members, answer.HasMembers = c.roster(nil), true
		// However long the list is, it must get through.
		c.emit(Effect{Kind: SendReplay, To: a, Packet: wire.NewPacket(&answer)})
		c.upSeen = c.up.newest
		if wasAway {
			c.tellAll(c.masterFrame(now))
		}
	} else {
		c.welcome(now, a, m, ref, secret)
		if missed := c.missedBy(m, last); missed > 0 {
			c.tell(a, &wire.Frame{Type: wire.Gap, Channel: c.name, Missed: missed})
			c.count(Dropped, LabelReplay, int64(missed))
		}
		if wasAway {
			c.tellMaster(c.slaveFrame(m, ""))
		}
	}
	for entry := range kept.after(last) {
		if entry.to == nil || entry.to == m {
			c.emit(Effect{Kind: SendReplay, To: a, Packet: entry.packet})
		}
	}
	return nil
}

// missedBy counts what a slave that has seen the number last, and comes back,
// will never get. It is zero exactly when nothing for it is missing; else it may
// count numbers that others were addressed with.
func (c *Channel) missedBy(m *member, last uint64) uint64 {
	if max(c.down.lostCommon, m.lostPrivate) <= last {
		return 0
	}
	return c.down.lost - last
}
