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

// Snapshot is all of a channel's state at one moment. It shares nothing with the
// channel, and is plain: encoding/json and encoding/gob write it down whole. Effects
// that were not taken by then are not part of it.
//
// Every list in it has one order, so that equal channels have equal snapshots.
type Snapshot struct {
	Name string
	// Created and Ended tell where the channel stands. The fields below Stopped are
	// those of a channel that was created and has not ended.
	Created, Ended bool
	Stopped        bool

	// MasterTimeout is X of rule 3, for this channel.
	MasterTimeout time.Duration
	Master        MemberSnapshot
	// Slaves and Banned are in the order of the names; Away are the slaves without a
	// connection, the longest away first.
	Slaves []MemberSnapshot
	Away   []string
	Banned []string
	// Down is what the master sent, Up what the slaves sent. UpSeen is the number of
	// the newest of Up that was handed to a connection of the master.
	Down, Up ReplaySnapshot
	UpSeen   uint64
	// Accepted is what was accepted for the master on its present attachment.
	Accepted Load
	// Requests are the master's open ones, in the order of their numbers.
	Requests []RequestSnapshot
}

// MemberSnapshot is a master or a slave.
type MemberSnapshot struct {
	Name     string
	Hash     Hash
	State    wire.State
	Deadline time.Time
	Epoch    uint64
	// Attached tells that the member was on a connection.
	Attached bool
	// Highest is the ref of its newest send. Answers are those to its latest, the
	// oldest first.
	Highest uint64
	Answers []AnswerSnapshot
	// Asks are the numbers of a slave's requests that are not answered.
	Asks []uint64
	// Start and LostPrivate are a slave's: the number of the newest message before
	// it joined, and of the newest for it alone that is no longer kept.
	Start       uint64
	LostPrivate uint64
}

// AnswerSnapshot is how a send was answered: by its number, or by Refusal.
type AnswerSnapshot struct {
	Ref     uint64
	Seq     uint64
	Slaves  uint64
	Refusal *wire.Cause
}

// ReplaySnapshot is one direction's log.
type ReplaySnapshot struct {
	// Newest is the number of the message added last. Lost is that of the newest
	// that is no longer kept, LostCommon of the newest of these for everybody.
	Newest, Lost, LostCommon uint64
	// Kept are the messages from Lost+1 to Newest.
	Kept []MessageSnapshot
}

// MessageSnapshot is a message that is kept.
type MessageSnapshot struct {
	From string
	// To is the one slave that it is for, or empty. The slave may have left.
	To      string
	Asks    bool
	Reply   uint64
	Payload wire.Payload
}

// RequestSnapshot is an open request of the master: To is the one slave that was
// asked, or empty; then Answered are those who have answered, by their names.
type RequestSnapshot struct {
	Seq      uint64
	To       string
	Awaited  int
	Answered []string
}

// Snapshot is the channel's state at present.
func (c *Channel) Snapshot() Snapshot {
	s := Snapshot{Name: c.name, Created: c.life != vacant, Ended: c.life == gone, Stopped: c.stopped}
	if c.life != open {
		return s
	}
	s.MasterTimeout, s.UpSeen, s.Accepted = c.timeout, c.upSeen, c.accepted
	s.Master = c.master.snapshot()
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		s.Slaves = append(s.Slaves, c.slaves[name].snapshot())
	}
	for m := c.waiting.first; m != nil; m = m.next {
		s.Away = append(s.Away, m.name)
	}
	s.Banned = slices.Sorted(maps.Keys(c.banned))
	s.Down, s.Up = c.down.snapshot(), c.up.snapshot()
	for _, q := range c.questions {
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
		Name: m.name, Hash: m.hash, State: m.state, Deadline: m.deadline, Epoch: m.epoch, Attached: m.at != nil,
		Highest: m.answers.highest, Asks: slices.Clone(m.asks), Start: m.start, LostPrivate: m.lostPrivate,
	}
	for known := range m.answers.oldestFirst() {
		given := AnswerSnapshot{Ref: known.ref, Seq: known.seq, Slaves: known.slaves}
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

// Restore is the channel that the snapshot was taken of, under the same limits or
// others. It goes on as the original one would.
//
// attached gives the attachment for each member that was on a connection: a new one,
// with its Line. Where it returns nil, the member has lost its connection now, of
// which nobody is told. No effects come of a restore.
//
// The error says what in the snapshot does not fit together.
func Restore(s Snapshot, limits *Limits, now time.Time, attached func(role wire.Role, username string) *Attachment) (*Channel, error) {
	c := New(s.Name, limits)
	c.stopped = s.Stopped
	switch {
	case s.Ended:
		c.life = gone
		return c, nil
	case !s.Created:
		return c, nil
	}
	c.life = open
	c.timeout, c.upSeen, c.accepted = s.MasterTimeout, s.UpSeen, s.Accepted
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
		c.restoreRequests(s), c.restoreAway(s), c.restoreReplay(&c.down, s.Down), c.restoreReplay(&c.up, s.Up),
	); err != nil {
		return nil, err
	}
	c.reattach(s, now, attached)
	return c, nil
}

func (s *MemberSnapshot) member(role wire.Role, limit int32) *member {
	m := &member{
		name: s.Name, role: role, hash: s.Hash, state: s.State, deadline: s.Deadline, epoch: s.Epoch,
		asks: slices.Clone(s.Asks), start: s.Start, lostPrivate: s.LostPrivate,
	}
	m.answers.limit = limit
	for _, given := range s.Answers {
		m.answers.add(answer{ref: given.Ref, seq: given.Seq, slaves: given.Slaves, refusal: given.Refusal})
	}
	m.answers.highest = s.Highest
	return m
}

func (c *Channel) restoreRequests(s Snapshot) error {
	for _, r := range s.Requests {
		q := &question{seq: r.Seq, awaited: r.Awaited}
		if r.To != "" {
			if q.to = c.slaves[r.To]; q.to == nil {
				return fmt.Errorf("star: snapshot of %q: request %d is to %q, who is no slave", s.Name, r.Seq, r.To)
			}
		} else {
			q.answered = make(map[*member]struct{}, len(r.Answered))
		}
		for _, name := range r.Answered {
			m := c.slaves[name]
			if m == nil {
				return fmt.Errorf("star: snapshot of %q: request %d is answered by %q, who is no slave", s.Name, r.Seq, name)
			}
			q.answered[m] = struct{}{}
		}
		c.questions = append(c.questions, q)
	}
	return nil
}

func (c *Channel) restoreAway(s Snapshot) error {
	for _, name := range s.Away {
		m := c.slaves[name]
		if m == nil || m.previous != nil || c.waiting.first == m {
			return fmt.Errorf("star: snapshot of %q: %q is away, and is no slave or is listed twice", s.Name, name)
		}
		c.waiting.add(m)
	}
	return nil
}

func (c *Channel) restoreReplay(l *replayLog, s ReplaySnapshot) error {
	if s.Lost+uint64(len(s.Kept)) != s.Newest {
		return fmt.Errorf("star: snapshot of %q: messages %d to %d are kept, but there are %d", c.name, s.Lost+1, s.Newest, len(s.Kept))
	}
	*l = replayLog{bound: c.limits.Replay, newest: s.Lost, lost: s.Lost, lostCommon: s.LostCommon}
	for _, kept := range s.Kept {
		msg := Message{Asks: kept.Asks, ReplyTo: kept.Reply, Payload: wire.Payload{
			Kind: kept.Payload.Kind, Data: bytes.Clone(kept.Payload.Data),
		}}
		seq := l.newest + 1
		frame := c.messageFrame(kept.From, seq, msg)
		e := entry{size: len(msg.Payload.Data)}
		if kept.To != "" {
			frame.Private = true
			// It may be for one who has left, and not for who has the name now.
			if e.to = c.slaves[kept.To]; e.to == nil || e.to.start >= seq {
				e.to = &member{name: kept.To}
			}
		}
		e.packet = wire.NewPacket(frame)
		l.add(e)
	}
	return nil
}

// reattach gives the members their connections back, or has them away from now on.
func (c *Channel) reattach(s Snapshot, now time.Time, attached func(role wire.Role, username string) *Attachment) {
	back := func(m *member) bool {
		a := attached(m.role, m.name)
		if a != nil {
			a.member, a.epoch, m.at = m, m.epoch, a
		}
		return a != nil
	}
	if s.Master.Attached && !back(c.master) && c.master.state != wire.StateAway {
		c.master.state, c.master.deadline = wire.StateAway, now.Add(c.timeout)
	}
	for _, slave := range s.Slaves {
		if !slave.Attached {
			continue
		}
		m := c.slaves[slave.Name]
		if back(m) {
			c.connected++
			continue
		}
		m.state, m.deadline = wire.StateAway, now.Add(c.limits.SlaveTimeout)
		c.waiting.add(m)
	}
}
