package star

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// piecesIn is the reverse of pieces. err is the first thing that was wrong; from then on there
// is nothing left to read, and what is returned means nothing.
type piecesIn struct {
	rest []byte
	err  error
}

func (d *piecesIn) fail(err error) {
	if d.err == nil {
		d.err = err
	}
	d.rest = nil
}

func (d *piecesIn) take(n uint64) []byte {
	if n > uint64(len(d.rest)) {
		d.fail(errCut)
		return nil
	}
	taken := d.rest[:n]
	d.rest = d.rest[n:]
	return taken
}

func (d *piecesIn) byte() byte {
	if taken := d.take(1); taken != nil {
		return taken[0]
	}
	return 0
}

func (d *piecesIn) number() uint64 { return varint(d, binary.Uvarint) }
func (d *piecesIn) signed() int64  { return varint(d, binary.Varint) }

func varint[N uint64 | int64](d *piecesIn, read func([]byte) (N, int)) N {
	n, size := read(d.rest)
	if size <= 0 {
		d.fail(errCut)
		return 0
	}
	d.take(uint64(size))
	return n
}

// atMost is a number that is not above the limit.
func (d *piecesIn) atMost(limit uint64) uint64 {
	n := d.number()
	if n > limit {
		d.fail(fmt.Errorf("there is the number %d where none is above %d", n, limit))
		return 0
	}
	return n
}

// small is a number as it may be in frames: one more is no overflow.
func (d *piecesIn) small() uint64 { return d.atMost(wire.MaxNumber) }

func (d *piecesIn) cause() *wire.Cause {
	return &wire.Cause{Code: wire.Code(d.text()), Text: d.text()}
}

// count is a number of things that follow, each of at least one byte.
func (d *piecesIn) count() int {
	n := d.number()
	if n > uint64(len(d.rest)) {
		d.fail(errCut)
		return 0
	}
	return int(n)
}

// bytes is shared with the part.
func (d *piecesIn) bytes() []byte { return d.take(d.number()) }
func (d *piecesIn) text() string  { return string(d.bytes()) }

func (d *piecesIn) name() string {
	name := d.text()
	if !wire.Sendable(name) {
		d.fail(fmt.Errorf("%s is no name", wire.Quote(name)))
	}
	return name
}

func (d *piecesIn) optionalName() string {
	if len(d.rest) > 0 && d.rest[0] == 0 {
		d.take(1)
		return ""
	}
	return d.name()
}

func (d *piecesIn) hash() (h Hash) {
	copy(h[:], d.take(uint64(len(h))))
	return h
}

func (d *piecesIn) instant() time.Time {
	n := d.signed()
	if n == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func (d *piecesIn) terms() Terms {
	t := d.anyTerms()
	if t == (Terms{}) {
		d.fail(errTerms)
	}
	return t
}

func (d *piecesIn) anyTerms() (t Terms) {
	flags := d.byte()
	t.HasMasterTimeout = flags&1 != 0
	t.MasterTimeout = time.Duration(d.signed())
	// What is unbounded where an int is larger is so here.
	t.MaxSlaves = int(min(d.number(), math.MaxInt))
	if flags > 1 || t.MasterTimeout < 0 || t.MasterTimeout != 0 && !t.HasMasterTimeout {
		d.fail(errTerms)
	}
	return t
}

// bound is one of messages. What is unbounded where an int is larger is so here.
func (d *piecesIn) bound() Bound {
	return Bound{Messages: int(min(d.number(), math.MaxInt)), Bytes: int(min(d.number(), math.MaxInt))}
}

var errTerms = errors.New("the service has said of a channel what is not known here")

func (d *piecesIn) member(limit int) (s MemberSnapshot) {
	s.Name = d.name()
	flags := d.byte()
	has := func(bit int) bool { return flags&(1<<bit) != 0 }
	s.State, s.Told = wire.State(d.byte()), wire.State(d.byte())
	s.Hash = d.hash()
	s.Deadline = d.instant()
	for _, n := range []*uint64{&s.Epoch, &s.Since, &s.Number, &s.Start, &s.LostPrivate, &s.Given, &s.Highest} {
		*n = d.number()
	}
	if has(0) {
		s.Repeatable = d.signed()
	}
	for bit, h := range []*HolderSnapshot{&s.Holder, &s.Newcomer} {
		if has(1 + bit) {
			*h = HolderSnapshot{d.hash(), d.number()}
		}
	}
	if has(3) {
		s.Pending = d.hash()
	}
	if has(4) {
		s.Expires = d.instant()
		if data := d.bytes(); has(6) {
			s.Data = data
		}
	}
	if has(5) {
		s.Repaid = d.signed()
	}
	last := uint64(0)
	for range d.openings(limit) {
		last += uint64(d.signed())
		s.Asks = append(s.Asks, last)
	}
	s.Answers = d.answers(d.openings(limit))
	if n := len(s.Answers); n > 0 && s.Answers[n-1].Ref > s.Highest {
		d.fail(fmt.Errorf("%s has an answer to a later send than its last", wire.Quote(s.Name)))
	}
	return s
}

// openings is how many requests or answers of a member follow, which has at most so many.
func (d *piecesIn) openings(limit int) int {
	if n := d.count(); n <= limit {
		return n
	}
	d.fail(fmt.Errorf("a member has more than %d open requests, or answers to its sends", limit))
	return 0
}

func (d *piecesIn) answers(n int) []AnswerSnapshot {
	answers := make([]AnswerSnapshot, 0, n)
	last := AnswerSnapshot{}
	for range n {
		given := AnswerSnapshot{Ref: last.Ref + d.number()}
		seq := last.Seq + uint64(d.signed())
		given.Slaves, given.Content = uint32(d.atMost(math.MaxUint32)), uint32(d.atMost(math.MaxUint32))
		if d.byte() != 0 {
			given.Refusal = &wire.Cause{Code: wire.Code(d.text()), Text: d.text()}
		} else {
			last.Seq, given.Seq = seq, seq
		}
		if given.Ref <= last.Ref {
			d.fail(errors.New("a member's refs do not rise"))
		}
		last.Ref = given.Ref
		answers = append(answers, given)
	}
	return answers
}

// aside is what a message has that few have.
func (d *piecesIn) aside() (kept MessageSnapshot) {
	flags := d.byte()
	if kept.Former = flags&4 != 0; flags == 0 || flags > 7 {
		d.fail(errors.New("a message has aside what is not known here"))
	}
	if flags&1 != 0 {
		kept.Topic = d.topic()
	}
	if flags&2 != 0 {
		kept.Expires, kept.End = d.expires()
	}
	return kept
}

func (d *piecesIn) topic() string {
	topic := d.name()
	if len(topic) > wire.MaxShortName {
		d.fail(fmt.Errorf("the topic %s is too long", wire.Quote(topic)))
	}
	return topic
}

// expires is for how long a message is worth something, and until when.
func (d *piecesIn) expires() (time.Duration, time.Time) {
	expires, end := wire.FromMilliseconds(d.atMost(wire.MaxExpires)), d.instant()
	if expires == 0 || end.IsZero() {
		d.fail(errors.New("a message that expires does not say when"))
	}
	return expires, end
}

func (d *piecesIn) message() (kept MessageSnapshot) {
	flags := d.byte()
	kept.Asks = flags&1 != 0
	kept.From = d.optionalName() // the service has none
	if flags&2 != 0 {
		kept.To = d.name()
	}
	kept.Reply = d.number()
	kept.Payload = d.payload(kept.From, kept.Reply, kept.Asks)
	return kept
}

// payload is that of a message, which answers reply, or nothing where that is zero.
func (d *piecesIn) payload(from string, reply uint64, asks bool) wire.Payload {
	payload := wire.Payload{Kind: wire.PayloadKind(d.byte()), Data: d.bytes()}
	switch payload.Kind {
	case wire.TextPayload, wire.DataPayload, wire.BytesPayload:
	case wire.FailedPayload:
		if reply == 0 || asks || !wire.ValidFailure(payload.Data) {
			d.fail(fmt.Errorf("a message of %s says no to nothing, or not in words", wire.Quote(from)))
		}
	default:
		d.fail(fmt.Errorf("a message of %s has no kind", wire.Quote(from)))
	}
	return payload
}

// recordedMessage is what recordMessage has written of a message that was accepted: to or from the
// membership of, where it has one.
type recordedMessage struct {
	seq, of        uint64
	hasOf, service bool
	msg            Message
	given          answer
}

func (d *piecesIn) recordedMessage() (r recordedMessage) {
	r.seq = d.small()
	flags := d.byte()
	has := func(bit int) bool { return flags&(1<<bit) != 0 }
	r.service, r.msg.Asks = has(0), has(2)
	if r.hasOf = has(1); r.hasOf {
		r.of = d.small()
	}
	if has(3) {
		r.msg.ReplyTo = d.small()
	}
	if has(4) {
		r.msg.Topic = d.topic()
	}
	if has(5) {
		r.msg.Expires, r.msg.End = d.expires()
	}
	if has(6) {
		r.given.ref = d.small()
	}
	if has(7) {
		r.given.content = uint32(d.atMost(math.MaxUint32))
	}
	r.msg.Payload = d.payload("a record", r.msg.ReplyTo, r.msg.Asks)
	return r
}
