package star

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Snapshot is the whole state of a channel at one moment. It shares no memory with
// the channel. It is plain data: encoding/json and encoding/gob can encode all of it.
// Effects that were not taken yet are not part of it. Only tests use it so far: a hub
// does not write its channels down.
//
// Every list in it has a fixed order, so that equal channels have equal snapshots.
type Snapshot struct {
	Name string
	// Created and Ended are the state in the channel's life cycle. The fields below
	// Stopped are set only for a channel that was created and has not ended.
	Created, Ended bool
	Stopped        bool

	// MasterTimeout is X of rule 3, for this channel.
	MasterTimeout time.Duration
	Master        MemberSnapshot
	// Slaves and Banned are in the order of the names. Away has the names of the
	// slaves without a connection, the earliest deadline first.
	Slaves []MemberSnapshot
	Away   []string
	Banned []string
	// Down has the messages of the master, Up the messages of the slaves.
	Down, Up ReplaySnapshot
	// Confirmed is the number up to which the master is known to have the messages of Up.
	Confirmed uint64
	// RosterStale: the master was not told of changes of its slaves, and is to be told the
	// list of them.
	RosterStale bool
	// MasterExpired: what the service has granted the master has expired, and the master has
	// no connection since.
	MasterExpired bool
	// Joins counts the memberships of slaves there have ever been.
	Joins uint64
	// Requests are the master's open requests, in the order of their numbers.
	Requests []RequestSnapshot
}

// MemberSnapshot is a master or a slave.
type MemberSnapshot struct {
	Name string
	// Hash is the hash of the resume secret, and Pending of one that is not confirmed, or
	// zero.
	Hash, Pending Hash
	// Holder is the client that holds the membership, since the epoch Since, and Newcomer
	// one that has taken it over and was not heard of since. Repeatable tells that the create or
	// join can be repeated that has made the membership at Entered.
	Holder, Newcomer HolderSnapshot
	Since            uint64
	Repeatable       bool
	Entered          time.Time
	// Expires is until when the service has let the member in, or the zero time. Data is the
	// service's own.
	Expires  time.Time
	Data     []byte
	State    wire.State
	Deadline time.Time
	Epoch    uint64
	// Attached: the member was on a connection.
	Attached bool
	// Highest is the ref of the member's newest send. Answers are the answers to its
	// latest sends, the oldest first.
	Highest uint64
	Answers []AnswerSnapshot
	// Asks are the numbers of a slave's open requests.
	Asks []uint64
	// Start is for slaves: the number of the newest message before the slave joined.
	// LostPrivate is for slaves: the number of the newest message for this slave alone
	// that is no longer kept.
	Start       uint64
	LostPrivate uint64
	// Given is the number of the newest message that the member was given on an attachment
	// before the present one. Repaid is when the bytes that it was given twice are
	// forgotten, in milliseconds of Unix time.
	Given  uint64
	Repaid int64
	// CatchingUp and Confirms are for members that were on a connection: the member has
	// been given the messages up to Fed, and those after it are to be fed from the log; and
	// it has confirmed what has arrived.
	CatchingUp bool
	Fed        uint64
	Confirms   bool
	// IsNewcomer and Heard are for these too: the client is the Newcomer, and a frame of it
	// has come.
	IsNewcomer, Heard bool
	// Number is for slaves: the number of the membership. Told is for slaves: the state
	// that the master's connection was last told, or zero.
	Number uint64
	Told   wire.State
}

// HolderSnapshot is a client that holds a membership: the hash of its instance, or zero,
// and the ref by which it has entered last.
type HolderSnapshot struct {
	Instance Hash
	Ref      uint64
}

// AnswerSnapshot is how a send was answered: with its number Seq and the number of
// Slaves that it was queued to, or with a Refusal.
type AnswerSnapshot struct {
	Ref     uint64
	Seq     uint64
	Slaves  uint32
	Refusal *wire.Cause
	// Content is the checksum of what was sent, or zero where the client has an instance.
	Content uint32
}

// ReplaySnapshot is the replay log of one direction.
type ReplaySnapshot struct {
	// Newest is the number of the message added last. Lost is the number of the newest
	// message that is no longer kept. LostCommon is the number of the newest message
	// that is no longer kept and was for everybody.
	Newest, Lost, LostCommon uint64
	// Kept are the messages from Lost+1 to Newest.
	Kept []MessageSnapshot
}

// MessageSnapshot is one message that is kept for replay.
type MessageSnapshot struct {
	From string
	// To is the one slave that the message is for, or empty. The slave may have left.
	To      string
	Asks    bool
	Reply   uint64
	Payload wire.Payload
}

// RequestSnapshot is an open request of the master.
type RequestSnapshot struct {
	Seq uint64
	// To is the one slave that was asked. Empty: all slaves were asked.
	To string
	// Awaited is the number of slaves that have not answered yet.
	Awaited int
	// Answered are the names of the slaves that have answered, in order. It is used
	// only where all slaves were asked.
	Answered []string
}

// Snapshot returns the present state of the channel.
func (c *Channel) Snapshot() Snapshot {
	s := Snapshot{Name: c.name, Created: c.life != vacant, Ended: c.life == ended, Stopped: c.stopped}
	if c.life != open {
		return s
	}
	s.MasterTimeout, s.Confirmed = c.timeout, c.up.confirmed
	s.RosterStale, s.Joins, s.MasterExpired = c.rosterStale, c.joins, c.masterExpired
	s.Master = c.master.snapshot()
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		s.Slaves = append(s.Slaves, c.slaves[name].snapshot())
	}
	for m := c.away.first; m != nil; m = m.next {
		s.Away = append(s.Away, m.name)
	}
	s.Banned = slices.Sorted(maps.Keys(c.banned))
	s.Down, s.Up = c.down.snapshot(), c.up.snapshot()
	for _, q := range c.requests {
		r := RequestSnapshot{Seq: q.seq, Awaited: q.awaited}
		if q.to != nil {
			r.To = q.to.name
		}
		for m := range q.answered {
			r.Answered = append(r.Answered, m.name)
		}
		slices.Sort(r.Answered)
		s.Requests = append(s.Requests, r)
	}
	return s
}

func (m *member) snapshot() MemberSnapshot {
	s := MemberSnapshot{
		Name: m.name, Hash: m.hash, Holder: HolderSnapshot{m.holder.instance, m.holder.ref}, Since: m.since, State: m.state, Deadline: m.deadline, Epoch: m.epoch, Attached: m.attachment != nil,
		Highest: m.answers.highest, Asks: slices.Clone(m.openRequests), Start: m.start, LostPrivate: m.lostPrivate,
		Given: m.given, Repaid: m.repaid, Number: m.number, Told: m.told,
	}
	if a := m.attachment; a != nil {
		s.Confirms, s.IsNewcomer, s.Heard = a.confirms, a.newcomer, a.heard
		if s.CatchingUp = a.catchingUp; a.catchingUp {
			s.Fed = a.fed
		}
	}
	if m.grant != nil {
		s.Expires, s.Data = m.grant.Expires, bytes.Clone(m.grant.Data)
	}
	if e := m.entering; e != nil {
		s.Pending, s.Repeatable, s.Entered = e.secret, e.repeatable, e.at
		s.Newcomer = HolderSnapshot{e.newcomer.instance, e.newcomer.ref}
	}
	for known := range m.answers.oldestFirst() {
		given := AnswerSnapshot{Ref: known.ref, Seq: known.seq, Slaves: known.slaves, Content: known.content}
		if known.refusal != nil {
			given.Refusal = &wire.Cause{Code: known.refusal.Code, Text: known.refusal.Text}
		}
		s.Answers = append(s.Answers, given)
	}
	return s
}

func (l *replayLog) snapshot() ReplaySnapshot {
	s := ReplaySnapshot{Newest: l.newest, Lost: l.lost, LostCommon: l.lostCommon}
	for e := range l.after(l.lost) {
		frame := e.packet.Frame()
		kept := MessageSnapshot{
			From: frame.From, Asks: frame.Request != 0, Reply: frame.Reply,
			Payload: wire.Payload{Kind: frame.Payload.Kind, Data: bytes.Clone(frame.Payload.Data)},
		}
		if e.to != nil {
			kept.To = e.to.name
		}
		s.Kept = append(s.Kept, kept)
	}
	return s
}

// Restore returns a channel in the state of the snapshot, under the same limits or
// others. It goes on as the original channel would.
//
// Restore calls attached for each member that was on a connection. attached returns a
// new attachment with its Line. Or it returns nil: then the member loses its
// connection now, and nobody is told. The only effects of a restore admit the attached
// slaves to the audience, and await that a master can be told its roster.
//
// The error says which parts of the snapshot contradict each other.
func Restore(s Snapshot, limits *Limits, now time.Time, attached func(role wire.Role, username string) *Attachment) (*Channel, error) {
	c := New(s.Name, limits)
	c.stopped = s.Stopped
	switch {
	case s.Ended:
		c.life = ended
		return c, nil
	case !s.Created:
		return c, nil
	}
	c.life = open
	c.timeout = s.MasterTimeout
	c.rosterStale, c.joins = s.RosterStale, s.Joins
	c.slaves = make(map[string]*member, len(s.Slaves))
	c.master = s.Master.member(wire.Master, wire.MasterAnswers)
	for _, slave := range s.Slaves {
		if c.slaves[slave.Name] != nil || slave.Name == c.master.name {
			return nil, fmt.Errorf("star: snapshot of %q: two members are named %q", s.Name, slave.Name)
		}
		c.slaves[slave.Name] = slave.member(wire.Slave, wire.SlaveAnswers)
	}
	for _, name := range s.Banned {
		if c.banned == nil {
			c.banned = make(map[string]struct{}, len(s.Banned))
		}
		c.banned[name] = struct{}{}
	}
	if err := errors.Join(
		c.checkNumbers(), c.restoreRequests(s), c.restoreAway(s), c.restoreReplay(&c.down, s.Down), c.restoreUp(s),
	); err != nil {
		return nil, err
	}
	c.restoreGrants(s)
	c.reattach(s, now, attached)
	return c, nil
}

func (c *Channel) restoreGrants(s Snapshot) {
	restore := func(m *member, s *MemberSnapshot) {
		c.setGrant(m, Grant{Asked: true, Expires: s.Expires, Data: bytes.Clone(s.Data)})
	}
	restore(c.master, &s.Master)
	for i := range s.Slaves {
		restore(c.slaves[s.Slaves[i].Name], &s.Slaves[i])
	}
	c.masterExpired = s.MasterExpired
}

func (s *MemberSnapshot) member(role wire.Role, limit int32) *member {
	m := &member{
		name: s.Name, role: role, hash: s.Hash, holder: holder{s.Holder.Instance, s.Holder.Ref}, since: s.Since, state: s.State, deadline: s.Deadline, epoch: s.Epoch,
		openRequests: slices.Clone(s.Asks), start: s.Start, lostPrivate: s.LostPrivate,
		given: s.Given, repaid: s.Repaid, number: s.Number, told: s.Told,
	}
	if e := (entering{newcomer: holder{s.Newcomer.Instance, s.Newcomer.Ref}, secret: s.Pending, repeatable: s.Repeatable, at: s.Entered}); e != (entering{}) {
		m.entering = &e
	}
	m.answers.limit = limit
	for _, given := range s.Answers {
		known := answer{ref: given.Ref, seq: given.Seq, slaves: given.Slaves, content: given.Content}
		if given.Refusal != nil {
			known.refusal = given.Refusal.With(given.Refusal.Text) // shared with nobody
		}
		m.answers.add(known)
	}
	m.answers.highest = s.Highest
	return m
}

// checkNumbers returns an error where two slaves have one number, or one that was not
// given yet.
func (c *Channel) checkNumbers() error {
	seen := make(map[uint64]struct{}, len(c.slaves))
	for name, m := range c.slaves {
		seen[m.number] = struct{}{}
		if m.number == 0 || m.number > c.joins {
			return fmt.Errorf("star: snapshot of %q: %q has the number %d of %d", c.name, name, m.number, c.joins)
		}
	}
	if len(seen) < len(c.slaves) {
		return fmt.Errorf("star: snapshot of %q: two slaves have one number", c.name)
	}
	return nil
}

func (c *Channel) restoreRequests(s Snapshot) error {
	newest := uint64(0)
	for _, r := range s.Requests {
		if r.Seq <= newest || r.Seq > s.Down.Newest {
			return fmt.Errorf("star: snapshot of %q: request %d is listed twice, out of order, or was never sent", s.Name, r.Seq)
		}
		newest = r.Seq
		q := &request{seq: r.Seq, awaited: r.Awaited}
		awaited := 1
		if r.To != "" {
			if q.to = c.slaves[r.To]; q.to == nil || len(r.Answered) > 0 {
				return fmt.Errorf("star: snapshot of %q: request %d is to %q, who is no slave or has answered", s.Name, r.Seq, r.To)
			}
		} else {
			q.answered = make(map[*member]struct{}, len(r.Answered))
			for _, name := range r.Answered {
				m := c.slaves[name]
				if m == nil {
					return fmt.Errorf("star: snapshot of %q: request %d is answered by %q, who is no slave", s.Name, r.Seq, name)
				}
				q.answered[m] = struct{}{}
			}
			awaited = len(c.roster(q.awaits))
		}
		if r.Awaited != awaited || awaited == 0 {
			return fmt.Errorf("star: snapshot of %q: request %d awaits %d answers, but %d can come", s.Name, r.Seq, r.Awaited, awaited)
		}
		c.requests = append(c.requests, q)
	}
	return nil
}

func (c *Channel) restoreAway(s Snapshot) error {
	for _, name := range s.Away {
		m := c.slaves[name]
		if m == nil || m.previous != nil || c.away.first == m {
			return fmt.Errorf("star: snapshot of %q: %q is away, and is no slave or is listed twice", s.Name, name)
		}
		c.away.add(m)
	}
	if !s.Master.Attached && s.Master.State != wire.StateAway {
		return fmt.Errorf("star: snapshot of %q: its master is neither on a connection nor away", s.Name)
	}
	for _, slave := range s.Slaves {
		m := c.slaves[slave.Name]
		if away := m.previous != nil || c.away.first == m; away == slave.Attached {
			return fmt.Errorf("star: snapshot of %q: %q is both on a connection and away, or neither", s.Name, slave.Name)
		}
	}
	return nil
}

// restoreUp restores the log of what slaves have sent.
func (c *Channel) restoreUp(s Snapshot) error {
	if s.Confirmed > s.Up.Newest {
		return fmt.Errorf("star: snapshot of %q: the master has confirmed message %d of %d", s.Name, s.Confirmed, s.Up.Newest)
	}
	c.up.confirmed = s.Confirmed
	if c.up.holds = c.limits.Replay.Messages > 0; c.up.holds {
		c.up.confirmed = max(s.Confirmed, s.Up.Lost) // what is lost was not held
	}
	return c.restoreReplay(&c.up, s.Up)
}

func (c *Channel) restoreReplay(l *replayLog, s ReplaySnapshot) error {
	if s.Lost+uint64(len(s.Kept)) != s.Newest {
		return fmt.Errorf("star: snapshot of %q: messages %d to %d are kept, but there are %d", c.name, s.Lost+1, s.Newest, len(s.Kept))
	}
	l.bound = c.limits.Replay
	l.newest, l.lost, l.lostCommon = s.Lost, s.Lost, s.LostCommon
	for _, kept := range s.Kept {
		msg := Message{Asks: kept.Asks, ReplyTo: kept.Reply, Payload: wire.Payload{
			Kind: kept.Payload.Kind, Data: bytes.Clone(kept.Payload.Data),
		}}
		seq := l.newest + 1
		frame := c.messageFrame(kept.From, seq, msg)
		e := entry{size: len(msg.Payload.Data)}
		if kept.To != "" {
			frame.Private = true
			// The slave may have left, and another slave may have joined later under
			// the same name. The message is not for that other slave.
			if e.to = c.slaves[kept.To]; e.to == nil || e.to.start >= seq {
				e.to = &member{name: kept.To}
			}
		}
		e.packet = wire.NewPacket(frame)
		l.add(e)
	}
	return nil
}

// reattach attaches the members that were on a connection. A member for which attached
// returns nil is away from now on.
func (c *Channel) reattach(s Snapshot, now time.Time, attached func(role wire.Role, username string) *Attachment) {
	back := func(m *member, s MemberSnapshot) bool {
		a := attached(m.role, m.name)
		switch {
		case a != nil:
			a.member, a.epoch, m.attachment = m, m.epoch, a
			a.catchingUp, a.fed, a.confirms, a.newcomer, a.heard = s.CatchingUp, s.Fed, s.Confirms, s.IsNewcomer, s.Heard
			if a.catchingUp {
				c.emit(Effect{Kind: AwaitDrain, To: a})
			}
		case s.CatchingUp:
			m.given = s.Fed
		default:
			m.given = c.log(m.role).newest
		}
		return a != nil
	}
	if s.Master.Attached && !back(c.master, s.Master) && c.master.state != wire.StateAway {
		c.master.state, c.master.deadline = wire.StateAway, now.Add(c.timeout)
	}
	if c.rosterStale && c.master.attachment != nil && !c.master.attachment.catchingUp {
		c.emit(Effect{Kind: AwaitDrain, To: c.master.attachment})
	}
	for _, slave := range s.Slaves {
		if !slave.Attached {
			continue
		}
		m := c.slaves[slave.Name]
		if back(m, slave) {
			c.connected++
			c.admit(m.attachment)
			continue
		}
		m.state, m.deadline = wire.StateAway, now.Add(c.limits.SlaveTimeout)
		c.away.add(m)
	}
	c.away.sort()
}
