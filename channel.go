package lectern

import (
	"fmt"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Channel is one star: a master, its slaves, and the seven rules between them.
//
// All seven rules are decided here, by the transitions below and nowhere else:
// create, join, resume, send, leave, lose, away, back, kick, members, withdraw,
// awaiting, expire, end. They alone write the channel's state. A transition is called with the
// channel's lock held, is told the time, and only decides: what is to be sent
// and closed it appends to the effects, which are carried out in the same order
// after the lock is released (delivery.go). It does no I/O and calls nobody, so
// that each rule can be tested as a table (channel_test.go).
//
// A transition that returns an error has changed nothing.
type Channel struct {
	name string
	// policy is the hub's and does not change.
	policy *Policy

	delivery

	// The state, under delivery.mu.

	life life
	// timeout is X of rule 3, for this channel.
	timeout time.Duration
	master  *member
	slaves  map[string]*member
	// connected counts the slaves that have a connection at present.
	connected int
	// waiting lists the slaves without a connection, the longest away first.
	waiting awayList
	banned  map[string]struct{}
	// down keeps what the master sent, up what the slaves sent. upSeen is the
	// number of the newest of up that was handed to a connection of the master.
	down, up replayLog
	upSeen   uint64
	// questions are the master's open requests, in the order of their numbers.
	questions []*question
}

// life is where a channel stands. It only ever goes forward.
type life uint8

const (
	// vacant: known to the hub by name, but not created yet.
	vacant life = iota
	open
	gone
)

// create makes the asking user the master of the channel. It is the only way in
// which a channel comes into being (rule 1), and it works once: a second one is
// refused, also while the master is away (rule 7).
func (c *Channel) create(now time.Time, a *attachment, ref uint64, username string, asked time.Duration) error {
	if c.life != vacant {
		return ErrChannelExists
	}
	c.life = open
	c.timeout = c.policy.MasterTimeout
	if asked > 0 && asked < c.timeout {
		c.timeout = asked
	}
	c.slaves = make(map[string]*member)
	c.down.bound, c.up.bound = c.policy.Replay, c.policy.Replay
	c.master = &member{name: username, role: wire.Master, secret: newSecret()}
	c.master.answers.limit = masterAnswers
	c.attach(a, c.master)
	created := c.createdFrame(ref)
	c.tell(a, &created)
	c.count(ChannelsOpen, "", 1)
	return nil
}

// join lets a user in as a slave, into a channel that its master has created
// before (rule 2).
func (c *Channel) join(now time.Time, a *attachment, ref uint64, username, expect string) error {
	if c.life != open {
		return ErrNoSuchChannel
	}
	if expect != "" && expect != c.master.name {
		return ErrWrongMaster
	}
	if _, ok := c.banned[username]; ok {
		return ErrBanned
	}
	if c.slaves[username] != nil || username == c.master.name {
		return ErrNameTaken
	}
	if len(c.slaves) >= c.policy.MaxSlaves {
		return ErrChannelFull
	}
	m := &member{name: username, role: wire.Slave, secret: newSecret(), start: c.down.newest}
	m.answers.limit = slaveAnswers
	c.slaves[username] = m
	c.welcome(now, a, m, ref)
	c.tellMaster(c.slaveFrame(m, ""))
	c.note("slave joined", m)
	c.count(Joins, "", 1)
	c.count(Slaves, "", 1)
	return nil
}

// again answers a create or join that its own connection repeats: the same
// answer, and no second membership.
func (c *Channel) again(now time.Time, a *attachment, ref uint64) error {
	if err := a.stale(); err != nil {
		return err
	}
	c.tellJoined(now, a, ref)
	return nil
}

// welcome attaches a slave and tells it where it is.
func (c *Channel) welcome(now time.Time, a *attachment, m *member, ref uint64) {
	c.attach(a, m)
	c.tellJoined(now, a, ref)
}

// tellJoined tells a slave that it is in, and one that comes while the master is
// away for how long it will wait (rule 4).
func (c *Channel) tellJoined(now time.Time, a *attachment, ref uint64) {
	joined := c.joinedFrame(a.member, ref)
	c.tell(a, &joined)
	if c.master.state == wire.StateAway {
		c.tell(a, c.masterFrame(now))
	}
}

// resume brings a member back on a new connection. Only the holder of its
// secret can do that (rule 7). An older connection of the member, however alive,
// is told that it has been replaced. What the member has missed since the number
// last follows, as far as it is kept.
func (c *Channel) resume(now time.Time, a *attachment, ref uint64, username, given string, last uint64) error {
	if c.life != open {
		return ErrResumeFailed
	}
	m, kept := c.master, &c.up
	if username != m.name {
		m, kept = c.slaves[username], &c.down
	}
	if m == nil || !m.secret.matches(given) || last > kept.newest {
		return ErrResumeFailed
	}
	if m.at != nil && m.at.session == a.session {
		// A replay is beyond the queue's bounds, so there is one at a time.
		if waiting, _ := a.session.out.Waiting(); waiting > 0 {
			return ErrBusy.with("too much waits for you already")
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
	if old := c.detach(m); old != nil && old.session != a.session {
		c.emit(effect{kind: release, to: old, end: ErrReplaced.with("the membership was taken over by a newer connection")})
	}
	c.note("member resumed", m)
	c.count(Resumes, m.role.String(), 1)
	if m.role == wire.Master {
		c.attach(a, m)
		answer := c.createdFrame(ref)
		answer.Gap = c.up.lost > last
		if c.up.kept() > 0 {
			answer.Seq = c.up.newest
		}
		answer.Members, answer.HasMembers = c.roster(nil), true
		// However long the list is, it must get through.
		c.emit(effect{kind: sendReplay, to: a, packet: newPacket(&answer)})
		c.upSeen = c.up.newest
		if wasAway {
			c.tellAll(c.masterFrame(now))
		}
	} else {
		c.welcome(now, a, m, ref)
		if missed := c.missedBy(m, last); missed > 0 {
			c.tell(a, &wire.Frame{Type: wire.Gap, Channel: c.name, Missed: missed})
			c.count(Dropped, labelReplay, int64(missed))
		}
		if wasAway {
			c.tellMaster(c.slaveFrame(m, ""))
		}
	}
	for entry := range kept.after(last) {
		if m.role == wire.Master || entry.to == nil || entry.to == m {
			c.emit(effect{kind: sendReplay, to: a, packet: entry.packet})
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

// leave ends a membership on purpose. With the master the channel ends.
func (c *Channel) leave(now time.Time, a *attachment, ref uint64) error {
	if err := a.stale(); err != nil {
		return err
	}
	m := a.member
	if m.role == wire.Slave {
		c.drop(m, "left", "left")
	} else {
		c.detach(m)
		c.end(ErrMasterLeft)
	}
	c.tell(a, &wire.Frame{Type: wire.Left, Ref: ref, Channel: c.name})
	return nil
}

// lose is told that an attachment's connection has ended without a leave. The
// member is away from now on, unless it has a newer attachment (rule 3 starts to
// count here).
func (c *Channel) lose(now time.Time, a *attachment) {
	if c.life != open || !a.current() {
		return
	}
	m := a.member
	c.detach(m)
	c.note("member lost its connection", m)
	c.count(Lost, m.role.String(), 1)
	if m.role == wire.Master {
		c.becomeAway(now)
		return
	}
	m.state = wire.StateAway
	m.deadline = now.Add(c.policy.SlaveTimeout)
	c.waiting.add(m)
	c.tellMaster(c.slaveFrame(m, ""))
	c.expire(now)
}

// away is the master's word that it is not there, though it is connected.
func (c *Channel) away(now time.Time, a *attachment, ref uint64) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	c.becomeAway(now)
	return nil
}

// becomeAway starts the master's time, unless it is running already.
func (c *Channel) becomeAway(now time.Time) {
	if c.master.state == wire.StateAway {
		return
	}
	c.master.state = wire.StateAway
	c.master.deadline = now.Add(c.timeout)
	if c.timeout > 0 {
		c.tellAll(c.masterFrame(now))
	}
	c.expire(now)
}

// back is the master's word that it is there again.
func (c *Channel) back(now time.Time, a *attachment, ref uint64) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	if c.master.state == wire.StateAway {
		c.master.state = wire.StateOnline
		c.master.deadline = time.Time{}
		c.tellAll(c.masterFrame(now))
	}
	return nil
}

// kick removes a slave, and with ban keeps its name out for the channel's life.
func (c *Channel) kick(a *attachment, ref uint64, to string, ban bool, reason string) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	if err := c.mayRemove(to, ban); err != nil {
		return err
	}
	c.acknowledge(a, ref)
	c.remove(to, ban, reason)
	return nil
}

// mayRemove is why nobody of that name can be removed or banned, or nil.
func (c *Channel) mayRemove(name string, ban bool) error {
	if name == c.master.name || c.slaves[name] == nil && !ban {
		return ErrNoSuchSlave
	}
	if _, ok := c.banned[name]; ban && !ok && len(c.banned) >= c.policy.MaxSlaves {
		return ErrChannelFull.with("no more names can be banned")
	}
	return nil
}

// remove takes a slave out against its will, and with ban keeps its name out.
func (c *Channel) remove(name string, ban bool, reason string) {
	if ban {
		if c.banned == nil {
			c.banned = make(map[string]struct{})
		}
		c.banned[name] = struct{}{}
	}
	m := c.slaves[name]
	if m == nil {
		return
	}
	at := m.at
	told := reason
	if told == "" {
		told = "kicked"
	}
	c.drop(m, told, "kicked")
	if at != nil {
		c.emit(effect{kind: release, to: at, end: ErrKicked.with(reason)})
	}
}

// members answers the master with its slaves.
func (c *Channel) members(a *attachment, ref uint64) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	return c.tellList(a, &wire.Frame{Type: wire.Members, Ref: ref, Channel: c.name, Members: c.roster(nil), HasMembers: true})
}

// status tells anybody whether the channel exists and how its master is (rule 4).
func (c *Channel) status(now time.Time, ref uint64) *wire.Frame {
	frame := &wire.Frame{Type: wire.Status, Ref: ref, Channel: c.name, Exists: c.life == open, HasExists: true}
	if frame.Exists {
		frame.Master = wire.Member{Username: c.master.name, State: c.master.state}
		frame.Timeout, frame.HasTimeout = c.timeLeft(now)
	}
	return frame
}

// expire carries out what is due: slaves whose time is over leave, and with the
// master's time the channel ends (rule 3). The lock's holder calls it before
// every transition, so that a tie is decided by the stored times, never by which
// goroutine came first.
//
// Nobody's time runs out while the hub shuts down: those whose connections are
// closed after their master's would be told something else than shutdown.
func (c *Channel) expire(now time.Time) {
	if c.life != open || c.hub.closing.Load() {
		return
	}
	for m := c.waiting.first; m != nil && !now.Before(m.deadline); m = c.waiting.first {
		c.drop(m, "timeout", "timeout")
	}
	if c.master.state == wire.StateAway && !now.Before(c.master.deadline) {
		c.end(ErrMasterDown.with(fmt.Sprintf("the master was away for %v", c.timeout)))
	}
}

// due is when expire has something to do next, if ever.
func (c *Channel) due() (time.Time, bool) {
	var due time.Time
	if c.life != open {
		return due, false
	}
	if c.waiting.first != nil {
		due = c.waiting.first.deadline
	}
	if d := c.master.deadline; c.master.state == wire.StateAway && (due.IsZero() || d.Before(due)) {
		due = d
	}
	return due, !due.IsZero()
}

// end closes the channel: everybody is told why, and let go (rule 3).
func (c *Channel) end(why *Error) {
	if c.life != open {
		return
	}
	c.life = gone
	slaves := int64(len(c.slaves))
	c.count(Leaves, string(why.Code), slaves)
	c.count(Slaves, "", -slaves)
	c.count(ChannelsOpen, "", -1)
	c.emit(effect{kind: releaseAll, end: why})
	if master := c.detach(c.master); master != nil {
		c.emit(effect{kind: release, to: master, end: why})
	}
	for _, m := range c.slaves {
		m.at = nil
	}
	c.connected = 0
	c.slaves, c.banned, c.questions = nil, nil, nil
	c.waiting = awayList{}
	c.down, c.up = replayLog{}, replayLog{}
	c.emit(effect{kind: forget, end: why, since: c.master.deadline})
}

// drop takes a slave out of the channel and tells the master the reason. label
// is the reason for the Observer.
func (c *Channel) drop(m *member, reason, label string) {
	if c.detach(m) == nil {
		c.waiting.remove(m)
	}
	delete(c.slaves, m.name)
	c.silence(m)
	m.state = wire.StateLeft
	c.note("slave left", m)
	c.count(Leaves, label, 1)
	c.count(Slaves, "", -1)
	c.tellMaster(c.slaveFrame(m, reason))
}

func (c *Channel) mustBeMaster(a *attachment) error {
	if err := a.stale(); err != nil {
		return err
	}
	if a.member.role != wire.Master {
		return ErrForbidden.with("only the master may do that")
	}
	return nil
}
