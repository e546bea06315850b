package star

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file writes a channel down, and importing.go reads it. What is written is made of
// pieces: the head, and then a piece for each slave, banned name, message and request. A
// piece begins with its kind. Numbers are varints, and a text is its length and its bytes.
// Pieces are gathered into parts, so that neither who writes nor who reads needs memory for
// a whole channel.

// The kinds of pieces. These numbers are in files: they do not change, and are not used
// again.
const (
	pieceHead    = 1
	pieceSlave   = 2
	pieceBanned  = 3
	pieceDown    = 4
	pieceUp      = 5
	pieceRequest = 6
	// pieceAside is before a message that has what few have. A hub of before there was any
	// refuses the file by it, and does not take the message for one without.
	pieceAside = 7
	// pieceGoneDown and pieceGoneUp are messages that have expired.
	pieceGoneDown = 8
	pieceGoneUp   = 9
	pieceEnding   = 10
	// pieceTerms is before the head of a channel of which the service has said something. A hub
	// of before there was that refuses the file by it.
	pieceTerms = 12
	// pieceAsked is behind the slaves, for a member that is given again what it was asked.
	pieceAsked = 14
	// pieceSkipped is how many numbers no message has: those that are the next in the log of
	// the kind of piece that it names, or where that has the bit skippedBefore, those up to
	// the newest message that is no longer kept. A log without any has no such piece.
	pieceSkipped  = 15
	skippedBefore = 0x80
	// pieceAttribute is an attribute, behind all slaves and in the order of the numbers of its
	// direction.
	pieceAttribute = 16
	// pieceVoice is that all slaves are muted, where it has no name, and first where it is there.
	// With a name it is an exception. A hub of before there were any refuses the file by it.
	pieceVoice = 17
	// pieceDoor is behind the head of a channel whose door is not open, or has not always been.
	pieceDoor = 18
	// pieceHanded is what a member has of a hand-over, behind the slaves, and pieceGivenOver a
	// hand-over that its master can repeat. A hub of before there was any refuses the file by it.
	pieceHanded    = 20
	pieceGivenOver = 21
	// pieceSeat is where a member is that is on a connection, behind all others. It is in no file: a
	// channel in a file has no connections.
	pieceSeat = 22
	// pieceReplay is before the head of a channel that is recorded: it keeps as many messages wherever
	// records are applied to it. In a file it says nothing.
	pieceReplay = 23
)

// PartSize is about the size in bytes of one part. A part with one long message is larger.
const PartSize = 32 << 10

// Parts writes down the state of a channel that is to go on elsewhere. It yields one part after
// the other, which the receiver must not keep: they are made in the buffer, which may be nil, where
// it is large enough. All members must have lost their connections, unless the channel is for an
// Import that takes it as decided elsewhere. A channel that does not exist has no parts.
func (c *Channel) Parts(buffer []byte, yield func(part []byte) bool) {
	if c.life != open {
		return
	}
	p := pieces{yield: yield, part: buffer[:0]}
	p.terms(c.terms)
	if c.recorder != nil || c.up.bound != c.limits.Replay {
		p.begin(pieceReplay)
		p.bound(c.up.bound)
	}
	p.head(c)
	if c.door != nil {
		p.begin(pieceDoor)
		p.byte(byte(c.door.mode))
		p.number(c.door.knocks)
	}
	slaves := c.inOrder()
	for _, m := range slaves {
		p.begin(pieceSlave)
		p.member(m)
	}
	p.asked(c.master)
	for _, m := range slaves {
		p.asked(m)
	}
	p.handOvers(c, slaves)
	p.attributes(&c.down.changes)
	p.attributes(&c.up.changes)
	for _, name := range slices.Sorted(maps.Keys(c.banned)) {
		p.begin(pieceBanned)
		p.text(name)
	}
	p.voice(&c.voice)
	p.log(pieceDown, pieceGoneDown, &c.down)
	p.former = c.isFormer
	p.log(pieceUp, pieceGoneUp, &c.up)
	for _, q := range c.requests {
		r := q.snapshot()
		p.begin(pieceRequest)
		p.number(r.Seq)
		p.text(r.To)
		p.number(uint64(r.Awaited))
		p.count(len(r.Answered))
		for _, name := range r.Answered {
			p.text(name)
		}
	}
	for _, e := range c.endings.snapshot(c) {
		p.begin(pieceEnding)
		p.text(e.Username)
		p.number(e.Seq)
		p.instant(e.At)
	}
	for _, m := range append(slaves, c.master) {
		if m.attachment != nil || m.extra().cutOff != nil {
			p.begin(pieceSeat)
			p.text(m.name)
			p.seat(m)
		}
	}
	p.flush()
}

// inOrder are the slaves: those that are away in the order in which their deadlines come, and then
// the others in the order in which they have joined.
func (c *Channel) inOrder() []*member {
	slaves := make([]*member, 0, len(c.slaves)+1)
	for m := c.away.first; m != nil; m = m.next {
		slaves = append(slaves, m)
	}
	away := len(slaves)
	for _, m := range c.slaves {
		if m.attachment != nil {
			slaves = append(slaves, m)
		}
	}
	slices.SortFunc(slaves[away:], func(a, b *member) int { return cmp.Compare(a.number, b.number) })
	return slaves
}

// pieces is a writer of pieces.
type pieces struct {
	yield func(part []byte) bool
	part  []byte
	done  bool
	// former reports whether a message of slaves is from one that is one no more.
	former func(frame *wire.Frame) bool
}

// begin begins a new piece.
func (p *pieces) begin(kind byte) {
	if len(p.part) >= PartSize {
		p.flush()
	}
	p.byte(kind)
}

// flush yields the part, which is not empty, unless no more is wanted.
func (p *pieces) flush() {
	if !p.done {
		p.done = !p.yield(p.part)
	}
	p.part = p.part[:0]
}

func (p *pieces) byte(b byte)        { p.part = append(p.part, b) }
func (p *pieces) number(n uint64)    { p.part = binary.AppendUvarint(p.part, n) }
func (p *pieces) signed(n int64)     { p.part = binary.AppendVarint(p.part, n) }
func (p *pieces) count(n int)        { p.number(uint64(n)) }
func (p *pieces) hash(h Hash)        { p.part = append(p.part, h[:]...) }
func (p *pieces) text(text string)   { p.count(len(text)); p.part = append(p.part, text...) }
func (p *pieces) bytes(bytes []byte) { p.count(len(bytes)); p.part = append(p.part, bytes...) }

// latest is the last instant that can be written, in the year 2262. A later one, such as that
// of a grant for ever, becomes this one.
var latest = time.Unix(0, math.MaxInt64)

// instant writes nanoseconds of Unix time, by the wall clock: the machine may be another.
func (p *pieces) instant(t time.Time) {
	switch {
	case t.IsZero():
		p.signed(math.MinInt64)
	case t.After(latest):
		p.signed(math.MaxInt64)
	default:
		p.signed(t.UnixNano())
	}
}

func (p *pieces) flags(flags ...bool) {
	var bits byte
	for i, flag := range flags {
		if flag {
			bits |= 1 << i
		}
	}
	p.byte(bits)
}

// numbers writes numbers that mostly rise as their distances.
func (p *pieces) numbers(numbers []uint64) {
	p.count(len(numbers))
	last := uint64(0)
	for _, n := range numbers {
		p.signed(int64(n - last))
		last = n
	}
}

func (p *pieces) terms(t Terms) {
	if t == (Terms{}) {
		return
	}
	p.begin(pieceTerms)
	p.anyTerms(t)
}

func (p *pieces) anyTerms(t Terms) {
	p.flags(t.HasMasterTimeout)
	p.signed(int64(t.MasterTimeout))
	p.number(uint64(t.MaxSlaves))
}

func (p *pieces) bound(b Bound) {
	p.count(max(b.Messages, 0))
	p.count(max(b.Bytes, 0))
}

func (p *pieces) head(c *Channel) {
	p.begin(pieceHead)
	p.text(c.name)
	p.signed(int64(c.timeout))
	p.flags(c.rosterStale, c.masterExpired)
	p.number(c.joins)
	p.count(len(c.slaves))
	p.count(len(c.banned))
	p.count(len(c.requests))
	for _, l := range []*replayLog{&c.down, &c.up} {
		p.number(l.newest)
		p.number(l.lost)
		p.number(l.lostCommon)
	}
	p.number(c.up.confirmed)
	p.member(c.master)
}

// member writes a member. Where it is that is on a connection, pieceSeat says.
func (p *pieces) member(m *member) {
	s := m.snapshot()
	if s.Attached {
		s.State = wire.StateAway
	}
	p.memberSnapshot(&s)
}

func (p *pieces) memberSnapshot(s *MemberSnapshot) {
	p.text(s.Name)
	p.flags(s.Repeatable != 0, s.Holder != HolderSnapshot{}, s.Newcomer != HolderSnapshot{}, s.Pending != Hash{}, !s.Expires.IsZero() || s.Data != nil, s.Repaid != 0, s.Data != nil)
	p.byte(byte(s.State))
	p.byte(byte(s.Told))
	p.hash(s.Hash)
	p.instant(s.Deadline)
	for _, n := range []uint64{s.Epoch, s.Since, s.Number, s.Start, s.LostPrivate, s.Given, s.Highest} {
		p.number(n)
	}
	if s.Repeatable != 0 {
		p.signed(s.Repeatable)
	}
	for _, h := range []HolderSnapshot{s.Holder, s.Newcomer} {
		if h != (HolderSnapshot{}) {
			p.hash(h.Instance)
			p.number(h.Ref)
		}
	}
	if s.Pending != (Hash{}) {
		p.hash(s.Pending)
	}
	if !s.Expires.IsZero() || s.Data != nil {
		p.instant(s.Expires)
		p.bytes(s.Data)
	}
	if s.Repaid != 0 {
		p.signed(s.Repaid)
	}
	p.numbers(s.Asks)
	p.answers(s.Answers)
}

func (p *pieces) answers(answers []AnswerSnapshot) {
	p.count(len(answers))
	last := AnswerSnapshot{}
	for _, given := range answers {
		p.number(given.Ref - last.Ref)
		p.signed(int64(given.Seq - last.Seq))
		p.number(uint64(given.Slaves))
		p.number(uint64(given.Content))
		p.flags(given.Refusal != nil)
		if given.Refusal != nil {
			p.text(string(given.Refusal.Code))
			p.text(given.Refusal.Text)
		} else {
			last.Seq = given.Seq
		}
		last.Ref = given.Ref
	}
}

func (p *pieces) asked(m *member) {
	if again := m.extra().asked; again != nil {
		p.begin(pieceAsked)
		p.text(m.name)
		p.number(again.last)
	}
}

func (p *pieces) attributes(l *changeList) {
	for x := range l.all() {
		p.begin(pieceAttribute)
		p.flags(x.fixed, x.owner.role == wire.Master)
		p.text(x.owner.name)
		p.text(x.key)
		p.number(x.seq)
		p.byte(byte(x.value.Kind))
		p.bytes(x.value.Data)
	}
}

func (p *pieces) voice(v *voice) {
	if v.all {
		p.begin(pieceVoice)
		p.text("")
	}
	for _, name := range v.inOrder() {
		p.begin(pieceVoice)
		p.text(name)
	}
}

func (p *pieces) log(kind, gone byte, l *replayLog) {
	skipped, last := uint64(0), l.lost
	skip := func(n uint64, kind byte) {
		if n > 0 {
			p.begin(pieceSkipped)
			p.byte(kind)
			p.number(n)
			skipped += n
		}
	}
	defer func() {
		skip(l.newest-last, kind)
		skip(l.skipped-skipped, kind|skippedBefore)
	}()
	for e := range l.after(l.lost) {
		skip(e.seq-last-1, kind)
		last = e.seq
		if e.packet == nil {
			p.begin(gone)
			to := ""
			if e.to != nil {
				to = e.to.name
			}
			p.text(to)
			continue
		}
		frame := e.packet.Frame()
		former := kind == pieceUp && p.former(frame)
		if frame.Aside != nil || former {
			p.begin(pieceAside)
			p.flags(frame.Topic() != "", frame.Expires() != 0, former)
			if frame.Topic() != "" {
				p.text(frame.Topic())
			}
			if frame.Expires() != 0 {
				p.number(frame.Expires())
				p.instant(e.packet.End())
			}
		}
		p.begin(kind)
		p.flags(frame.Request != 0, e.to != nil)
		p.text(frame.From)
		if e.to != nil {
			p.text(e.to.name)
		}
		p.number(frame.Reply)
		p.byte(byte(frame.Payload.Kind))
		p.bytes(frame.Payload.Data)
	}
}
