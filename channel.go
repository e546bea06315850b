package lectern

import (
	"fmt"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Channel is one star: a master, its slaves, and the seven rules between them.
//
// All seven rules are decided here, by the transitions below and nowhere else:
// create, join, resume, send, leave, lose, away, back, kick, members, expire,
// end. They alone write the channel's state. A transition is called with the
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
	c.tell(a, c.createdFrame(ref))
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
	return nil
}

// again answers a create or join that its own connection repeats: the same
// answer, and no second membership.
func (c *Channel) again(now time.Time, a *attachment, ref uint64) error {
	if err := a.stale(); err != nil {
		return err
	}
	c.tell(a, c.joinedFrame(a.member, ref))
	c.tellTimeLeft(now, a)
	return nil
}

// welcome attaches a slave and tells it where it is.
func (c *Channel) welcome(now time.Time, a *attachment, m *member, ref uint64) {
	c.attach(a, m)
	c.tell(a, c.joinedFrame(m, ref))
	c.tellTimeLeft(now, a)
}

// tellTimeLeft tells a slave that comes while the master is away for how long
// it will wait (rule 4).
func (c *Channel) tellTimeLeft(now time.Time, a *attachment) {
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
	last = max(last, m.start)
	if ref != 0 && ref <= m.answers.highest {
		// Not the client that was here before, whose refs would go on: none of
		// its sends may be taken for one that was answered already.
		m.answers = answers{limit: m.answers.limit}
	}
	wasAway := m.state == wire.StateAway
	if m.at == nil && m.role == wire.Slave {
		c.waiting.remove(m)
	}
	if old := c.detach(m); old != nil && old.session != a.session {
		c.emit(effect{kind: release, to: old, end: ErrReplaced.with("the membership was taken over by a newer connection")})
	}
	c.note("member resumed", m)
	if m.role == wire.Master {
		c.attach(a, m)
		answer := c.createdFrame(ref)
		answer.Seq, answer.Gap = c.up.newest, c.up.lost > last
		answer.Members, answer.HasMembers = c.roster(), true
		c.tell(a, answer)
		c.upSeen = c.up.newest
		if wasAway {
			c.tellAll(c.masterFrame(now))
		}
	} else {
		c.welcome(now, a, m, ref)
		if missed := c.missedBy(m, last); missed > 0 {
			c.tell(a, &wire.Frame{Type: wire.Gap, Channel: c.name, Missed: missed})
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

// send numbers a message and passes it on: from a slave to its master alone
// (rule 5), from the master to one slave or to all of its channel (rule 6). A
// send that is recognised by its ref is answered as the first time.
func (c *Channel) send(a *attachment, msg message) error {
	if err := a.stale(); err != nil {
		return err
	}
	m := a.member
	if msg.ref != 0 {
		if known, ok := m.answers.find(msg.ref); ok {
			return c.answerAgain(a, known)
		}
		if msg.ref <= m.answers.highest {
			return ErrBadFrame.with("the ref has been used before, or refs do not rise")
		}
	}
	var given answer
	var err error
	if m.role == wire.Slave {
		given, err = c.sendUp(m, msg)
	} else {
		given, err = c.sendDown(msg)
	}
	given.ref = msg.ref
	if err != nil {
		given.refusal = asRefusal(err, ErrBadFrame)
	}
	if msg.ref != 0 {
		m.answers.add(given)
		if err == nil {
			c.tell(a, given.ack())
		}
	}
	return err
}

func (c *Channel) answerAgain(a *attachment, known answer) error {
	if known.refusal != nil {
		return known.refusal
	}
	c.tell(a, known.ack())
	return nil
}

// sendUp is a slave's message to its master (rule 5). It is refused with busy
// where it could only be taken by dropping one that the master has not got.
func (c *Channel) sendUp(m *member, msg message) (answer, error) {
	if msg.hasTo {
		return answer{}, ErrForbidden.with("a slave sends to its master only")
	}
	size := len(msg.payload.Data)
	master := c.master.at
	if master == nil && c.up.wouldLose(size) > c.upSeen {
		return answer{}, ErrBusy.with("the master is away and no more can be kept for it")
	}
	if master != nil && master.full(size) {
		return answer{}, ErrBusy.with("the master does not keep up")
	}
	seq := c.up.newest + 1
	p := newPacket(c.messageFrame(m.name, seq, msg))
	c.up.add(entry{packet: p, size: size})
	if master != nil {
		c.upSeen = seq
		c.emit(effect{kind: sendOne, to: master, packet: p})
	}
	return answer{seq: seq}, nil
}

// sendDown is the master's message to one slave or to all (rule 6).
func (c *Channel) sendDown(msg message) (answer, error) {
	var to *member
	if msg.hasTo {
		if to = c.slaves[msg.to]; to == nil {
			return answer{}, ErrNoSuchSlave
		}
	}
	seq := c.down.newest + 1
	frame := c.messageFrame(c.master.name, seq, msg)
	frame.Private = to != nil
	p := newPacket(frame)
	c.down.add(entry{packet: p, size: len(msg.payload.Data), to: to})
	switch {
	case to == nil:
		c.emit(effect{kind: sendAll, packet: p})
		return answer{seq: seq, slaves: uint64(c.connected)}, nil
	case to.at != nil:
		c.emit(effect{kind: sendOne, to: to.at, packet: p})
		return answer{seq: seq, slaves: 1}, nil
	}
	return answer{seq: seq}, nil
}

// leave ends a membership on purpose. With the master the channel ends.
func (c *Channel) leave(now time.Time, a *attachment, ref uint64) error {
	if err := a.stale(); err != nil {
		return err
	}
	m := a.member
	if m.role == wire.Slave {
		c.drop(m, "left")
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
	m := c.slaves[to]
	if to == c.master.name || m == nil && !ban {
		return ErrNoSuchSlave
	}
	if ban {
		if _, ok := c.banned[to]; !ok && len(c.banned) >= c.policy.MaxSlaves {
			return ErrChannelFull.with("no more names can be banned")
		}
		if c.banned == nil {
			c.banned = make(map[string]struct{})
		}
		c.banned[to] = struct{}{}
	}
	c.acknowledge(a, ref)
	if m != nil {
		at := m.at
		if reason == "" {
			reason = "kicked"
		}
		c.drop(m, reason)
		if at != nil {
			c.emit(effect{kind: release, to: at, end: ErrKicked.with(reason)})
		}
	}
	return nil
}

// members answers the master with its slaves.
func (c *Channel) members(a *attachment, ref uint64) error {
	if err := c.mustBeMaster(a); err != nil {
		return err
	}
	c.tell(a, &wire.Frame{Type: wire.Members, Ref: ref, Channel: c.name, Members: c.roster(), HasMembers: true})
	return nil
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
func (c *Channel) expire(now time.Time) {
	if c.life != open {
		return
	}
	for m := c.waiting.first; m != nil && !now.Before(m.deadline); m = c.waiting.first {
		c.drop(m, "timeout")
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
	c.emit(effect{kind: releaseAll, end: why})
	if master := c.detach(c.master); master != nil {
		c.emit(effect{kind: release, to: master, end: why})
	}
	for _, m := range c.slaves {
		m.at = nil
	}
	c.connected = 0
	c.slaves, c.banned = nil, nil
	c.waiting = awayList{}
	c.down, c.up = replayLog{}, replayLog{}
	c.emit(effect{kind: forget, end: why})
}

// drop takes a slave out of the channel and tells the master.
func (c *Channel) drop(m *member, reason string) {
	if c.detach(m) == nil {
		c.waiting.remove(m)
	}
	delete(c.slaves, m.name)
	m.state = wire.StateLeft
	c.note("slave left", m)
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
