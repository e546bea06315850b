package star

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Snapshot is the whole state of a channel at one moment. It shares no memory with
// the channel. It is plain data: encoding/json and encoding/gob can encode all of it.
// Effects that were not taken yet are not part of it, nor is who waits at the door: they are no
// members, and knock again. A hub that is exported writes its
// channels down a part at a time (Parts).
//
// Every list in it has a fixed order, so that equal channels have equal snapshots.
type Snapshot struct {
	Name string
	// Created and Ended are the state in the channel's life cycle. The fields below
	// Stopped are set only for a channel that was created and has not ended.
	Created, Ended bool
	// Stopped is when Stop was called, or the zero time.
	Stopped time.Time

	// MasterTimeout is X of rule 3, for this channel.
	MasterTimeout time.Duration
	// Terms are what the service has said of this channel.
	Terms Terms
	// Replay bounds what it keeps in each direction.
	Replay Bound
	Master MemberSnapshot
	// Slaves and Banned are in the order of the names. Away has the names of the
	// slaves without a connection, the earliest deadline first.
	Slaves []MemberSnapshot
	Away   []string
	Banned []string
	// Muted: slaves are muted that are no Exceptions, which are the names of those that are as the
	// others are not, the oldest first.
	Muted      bool
	Exceptions []string
	// Door is what becomes of who joins. Knocks counts those who have ever waited there.
	Door   wire.Door
	Knocks uint64
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
	// GivenOver are the hand-overs that their masters can repeat, the oldest first.
	GivenOver []GivenOverSnapshot
	// Requests are the master's open requests, in the order of their numbers.
	Requests []RequestSnapshot
	// Endings are the open requests that end, the earliest first.
	Endings []EndingSnapshot
}

// MemberSnapshot is a master or a slave.
type MemberSnapshot struct {
	Name string
	// Hash is the hash of the resume secret, and Pending of one that is not confirmed, or
	// zero.
	Hash, Pending Hash
	// Holder is the client that holds the membership, since the epoch Since, and Newcomer
	// one that has taken it over and was not heard of since. Repeatable is when the create or
	// join was that has made the membership, in nanoseconds of Unix time, or zero where it
	// cannot be repeated any more.
	Holder, Newcomer HolderSnapshot
	Since            uint64
	Repeatable       int64
	// Expires is until when the service has let the member in, or the zero time. Data is the
	// service's own.
	Expires  time.Time
	Data     []byte
	State    wire.State
	Deadline time.Time
	Epoch    uint64
	// Attached: the member was on a connection, at the Hub where it was said of one.
	Attached bool
	Hub      Hub
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
	// AskedAgain is the number up to which the client is given again what it was asked, as long as
	// it comes back with no later message, or zero. AskedLeft are the numbers of what it is still to
	// be given, on a connection.
	AskedAgain uint64
	AskedLeft  []uint64
	// Attributes are those that the member has, or has had, and the last reset of them, in the
	// order of their numbers.
	Attributes []AttributeSnapshot
	// CatchingUp and Confirms are for members that were on a connection: the member has
	// been given the messages up to Fed, and those after it are to be fed from the log; and
	// it has confirmed what has arrived.
	CatchingUp bool
	Fed        uint64
	// Floor is up to which number it gets no messages while it is fed attributes, or zero.
	Floor    uint64
	Confirms bool
	// Switching: the slave is about to leave for another channel.
	Switching bool
	// CutOff: the member was on a connection, at the Hub, that was lost with it. It may live, and then
	// the member goes on as what is here of it. Declared: a master had said that it is away.
	CutOff, Declared bool
	// Handed is what the member has of a hand-over, or nil.
	Handed *HandedSnapshot
	// IsNewcomer and Heard are for these too: the client is the Newcomer, and a frame of it
	// has come.
	IsNewcomer, Heard bool
	// Number is for slaves: the number of the membership. Told is for slaves: the state
	// that the master's connection was last told, or zero.
	Number uint64
	Told   wire.State
	// Roster is how its client wants to be told of the slaves as their master. It is known of who is on a connection, or
	// was cut off.
	Roster wire.Roster
}

// AttributeSnapshot is an attribute with the number of its last change. Where it was removed,
// the value has no kind. A reset has no key.
type AttributeSnapshot struct {
	Key   string
	Seq   uint64
	Value wire.Payload
	// Fixed: the service has said so.
	Fixed bool
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
	// Skipped is how many numbers up to Lost no message had, and SkippedAfter how many behind
	// the last of Kept.
	Skipped, SkippedAfter uint64
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
	Topic   string
	Payload wire.Payload
	// Expires is for how long it was worth something, and End from when on it is worth
	// nothing. Gone: it has expired, and there is only a To besides.
	Expires time.Duration
	End     time.Time
	Gone    bool
	// Former: it is from a slave that is one no more, though there may be one of its name.
	Former bool
	// Skipped is how many numbers before the message's no message has, back to the message
	// before it or to Lost.
	Skipped uint64
}

// EndingSnapshot is an open request that ends at that time: of the member with that name.
type EndingSnapshot struct {
	Username string
	Seq      uint64
	At       time.Time
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
	s.MasterTimeout, s.Terms, s.Confirmed, s.Replay = c.timeout, c.terms, c.up.confirmed, c.up.bound
	s.RosterStale, s.Joins, s.MasterExpired = c.rosterStale, c.joins, c.masterExpired
	s.Master = c.master.snapshot()
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		s.Slaves = append(s.Slaves, c.slaves[name].snapshot())
	}
	for m := c.away.first; m != nil; m = m.next {
		s.Away = append(s.Away, m.name)
	}
	s.Banned = slices.Sorted(maps.Keys(c.banned))
	s.Muted, s.Exceptions = c.voice.all, c.voice.inOrder()
	s.Door, s.Knocks = c.doorMode(), c.knocks()
	s.GivenOver = c.givenOverSnapshots()
	s.Down, s.Up = c.down.snapshot(), c.up.snapshot()
	c.markFormer(&s.Up)
	for _, q := range c.requests {
		s.Requests = append(s.Requests, q.snapshot())
	}
	s.Endings = c.endings.snapshot(c)
	return s
}

func (q *request) snapshot() RequestSnapshot {
	r := RequestSnapshot{Seq: q.seq, Awaited: q.awaited}
	if q.to != nil {
		r.To = q.to.name
	}
	for m := range q.answered {
		r.Answered = append(r.Answered, m.name)
	}
	slices.Sort(r.Answered)
	return r
}

func (l *endings) snapshot(c *Channel) (s []EndingSnapshot) {
	for _, e := range slices.SortedFunc(slices.Values(l.list), ending.compare) {
		if e.valid(c) {
			s = append(s, EndingSnapshot{Username: e.m.name, Seq: e.seq, At: e.at})
		}
	}
	return s
}

func (m *member) snapshot() MemberSnapshot {
	s := MemberSnapshot{
		Name: m.name, Hash: m.hash, Holder: HolderSnapshot{m.holder.instance, m.holder.ref}, Since: m.since, State: m.state, Deadline: m.deadline, Epoch: m.epoch, Attached: m.attachment != nil,
		Highest: m.answers.highest, Asks: slices.Clone(m.openRequests), Start: m.start, LostPrivate: m.lostPrivate,
		Given: m.given, Repaid: m.extra().repaid, Number: m.number, Told: m.told,
	}
	if again := m.extra().asked; again != nil {
		s.AskedAgain, s.AskedLeft = again.last, slices.Clone(again.left)
	}
	a := m.attachment
	if a == nil {
		a = m.extra().cutOff
		s.CutOff, s.Declared = a != nil, m.extra().declared
	}
	if a != nil {
		s.Roster = m.roster
		s.Confirms, s.IsNewcomer, s.Heard, s.Switching = a.confirms, a.newcomer, a.heard, a.switching
		if a.Hub != nil {
			s.Hub = *a.Hub
		}
		if s.CatchingUp = a.catchingUp; a.catchingUp {
			s.Fed = a.fed
		}
	}
	s.Floor, s.Handed = m.extra().floor, m.extra().handed.snapshot()
	s.Attributes = m.extra().attributes.snapshot()
	g, newcomer := m.granted(), m.extra().newcomer
	s.Expires, s.Data = g.Expires, bytes.Clone(g.Data)
	s.Pending, s.Repeatable = m.extra().secret, m.repeatable
	s.Newcomer = HolderSnapshot{newcomer.instance, newcomer.ref}
	for known := range m.answers.oldestFirst() {
		given := AnswerSnapshot{Ref: known.ref, Seq: known.seq, Slaves: known.slaves, Content: known.content}
		if known.refusal != nil {
			given.Refusal = &wire.Cause{Code: known.refusal.Code, Text: known.refusal.Text}
		}
		s.Answers = append(s.Answers, given)
	}
	return s
}

func (of *attributes) snapshot() (all []AttributeSnapshot) {
	if of == nil {
		return nil
	}
	for _, x := range of.all {
		all = append(all, AttributeSnapshot{x.key, x.seq, wire.Payload{Kind: x.value.Kind, Data: bytes.Clone(x.value.Data)}, x.fixed})
	}
	if of.reset != nil {
		all = append(all, AttributeSnapshot{Seq: of.reset.seq})
	}
	slices.SortFunc(all, func(a, b AttributeSnapshot) int { return cmp.Compare(a.Seq, b.Seq) })
	return all
}

func (l *replayLog) snapshot() ReplaySnapshot {
	s := ReplaySnapshot{Newest: l.newest, Lost: l.lost, LostCommon: l.lostCommon, Skipped: l.skipped}
	last := l.lost
	for e := range l.after(l.lost) {
		kept := MessageSnapshot{Gone: e.packet == nil}
		if !kept.Gone {
			frame := e.packet.Frame()
			kept = MessageSnapshot{
				From: frame.From, Asks: frame.Request != 0, Reply: frame.Reply, Topic: frame.Topic(),
				Payload: wire.Payload{Kind: frame.Payload.Kind, Data: bytes.Clone(frame.Payload.Data)},
				Expires: wire.FromMilliseconds(frame.Expires()), End: e.packet.End(),
			}
		}
		if e.to != nil {
			kept.To = e.to.name
		}
		kept.Skipped, last = e.seq-last-1, e.seq
		s.Skipped -= kept.Skipped
		s.Kept = append(s.Kept, kept)
	}
	s.SkippedAfter = l.newest - last
	s.Skipped -= s.SkippedAfter
	return s
}
