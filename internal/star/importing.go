package star

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Import brings back a channel from the parts that Parts has written, under the limits of
// this hub. It keeps nothing of a part.
//
// What comes is bounded as everything is that a channel may have. What is over a limit is an
// OverLimit. Everything else that is wrong is an error that says what it is.
type Import struct {
	limits     *Limits
	maxPayload int
	behind     time.Duration
	r          *restoration
	// slaves to requests are how many of them are still to come.
	slaves, banned, requests uint64
	// terms are those of the channel.
	terms Terms
	// replay bounds its messages, where another hub decides it.
	replay *Bound
	// aside is what the message has that comes next, or nil.
	aside *MessageSnapshot
	// elsewhere: members may be on connections.
	elsewhere bool
}

// NewImport begins an import. maxPayload bounds the bytes of a payload. behind is by how much
// the clock is behind that by which the channel was written down, or zero.
func NewImport(limits *Limits, maxPayload int, behind time.Duration) *Import {
	return &Import{limits: limits, maxPayload: maxPayload, behind: behind}
}

// Elsewhere says that the channel is one that another hub decides, and that records are applied to
// (Apply): members may be on connections, which are elsewhere, and what the channel has is what the other
// hub allows. It is called before the first part.
func (i *Import) Elsewhere() { i.elsewhere = true }

// OverLimit is the error for a channel that has more of something than a hub allows.
type OverLimit struct {
	// Channel is its name, and What the thing of which there is more than the Limit, with
	// its number.
	Channel, What string
	Limit         int
	// Name is the limit's: MaxSlaves, MaxMessageBytes, Replay.Messages, Replay.Bytes.
	Name string
}

func (e *OverLimit) Error() string {
	return fmt.Sprintf("channel %s has %s, and %s is %d", wire.Quote(e.Channel), e.What, e.Name, e.Limit)
}

var (
	errCut     = errors.New("a piece is cut off")
	errNoHead  = errors.New("it does not begin with the head of a channel")
	errTwoHead = errors.New("a channel has two heads")
	errAside   = errors.New("something is said of a message that does not follow")
)

// Add takes the next part.
func (i *Import) Add(part []byte) error {
	d := &piecesIn{rest: part}
	for len(d.rest) > 0 {
		kind := d.byte()
		var err error
		switch {
		case kind == pieceHead && i.r != nil:
			err = errTwoHead
		case kind == pieceTerms && i.r == nil && i.terms == (Terms{}):
			i.terms = d.terms()
		case kind == pieceReplay && i.r == nil && i.replay == nil:
			bound := d.bound()
			i.replay = &bound
		case kind != pieceHead && i.r == nil:
			err = errNoHead
		case i.aside != nil && kind != pieceDown && kind != pieceUp:
			err = errAside
		default:
			err = i.piece(kind, d)
		}
		if err = errors.Join(d.err, err); err != nil {
			return err
		}
		if i.r != nil && i.r.err != nil {
			return i.r.err
		}
	}
	return nil
}

// Finish returns the channel, in which everybody is away.
func (i *Import) Finish() (*Channel, error) {
	if i.r == nil {
		return nil, errNoHead
	}
	if i.aside != nil {
		return nil, errAside
	}
	if i.slaves+i.banned+i.requests > 0 {
		return nil, fmt.Errorf("channel %s lacks %d of its slaves, %d banned names and %d requests", wire.Quote(i.r.c.name), i.slaves, i.banned, i.requests)
	}
	if err := i.r.finish(); err != nil {
		return nil, err
	}
	i.r.c.away.sort()
	return i.r.c, nil
}

func (i *Import) piece(kind byte, d *piecesIn) error {
	switch kind {
	case pieceHead:
		return i.head(d)
	case pieceSlave:
		s := i.member(d, wire.SlaveAnswers)
		if d.err != nil {
			return nil
		}
		if err := i.expect(&i.slaves, "slaves"); err != nil {
			return err
		}
		if err := i.check(&s, wire.Slave); err != nil {
			return err
		}
		i.r.slave(&s)
		i.r.awaySlave(s.Name)
	case pieceAsked:
		if name, last := d.name(), d.number(); d.err == nil {
			i.r.askedAgain(name, last)
		}
	case pieceDoor:
		return i.door(d)
	case pieceSeat:
		return i.seat(d)
	case pieceHanded:
		return i.handed(d)
	case pieceGivenOver:
		return i.givenOver(d)
	case pieceBanned:
		name := d.name()
		if err := i.expect(&i.banned, "banned names"); err != nil {
			return err
		}
		i.r.c.ban(name)
	case pieceVoice:
		return i.voice(d)
	case pieceDown, pieceUp:
		kept := d.message()
		if d.err != nil {
			return nil
		}
		if i.aside != nil {
			kept.Topic, kept.Expires, kept.End, kept.Former = i.aside.Topic, i.aside.Expires, i.aside.End, i.aside.Former
			i.aside = nil
		}
		return i.message(kind, &kept)
	case pieceAside:
		kept := d.aside()
		kept.End = i.moved(kept.End)
		i.aside = &kept
	case pieceGoneDown, pieceGoneUp:
		kept := MessageSnapshot{To: d.optionalName(), Gone: true}
		if d.err != nil {
			return nil
		}
		return i.message(kind, &kept)
	case pieceEnding:
		e := EndingSnapshot{Username: d.name(), Seq: d.number(), At: i.moved(d.instant())}
		if e.At.IsZero() {
			return fmt.Errorf("request %d ends, and does not say when", e.Seq)
		}
		i.r.ending(e)
	case pieceSkipped:
		return i.skipped(d)
	case pieceAttribute:
		return i.attribute(d)
	case pieceRequest:
		s := RequestSnapshot{Seq: d.number(), To: d.optionalName(), Awaited: int(d.atMost(math.MaxInt32))}
		for range d.count() {
			s.Answered = append(s.Answered, d.name())
		}
		if d.err != nil {
			return nil
		}
		if err := i.expect(&i.requests, "requests"); err != nil {
			return err
		}
		i.r.request(&s)
	default:
		return fmt.Errorf("there is a piece of the kind %d, which is not known here", kind)
	}
	return nil
}

func (i *Import) head(d *piecesIn) error {
	s := Snapshot{Name: d.name(), Created: true, Terms: i.terms, MasterTimeout: time.Duration(d.signed())}
	flags := d.byte()
	s.RosterStale, s.MasterExpired = flags&1 != 0, flags&2 != 0
	s.Joins = d.number()
	i.slaves, i.banned, i.requests = d.number(), d.number(), d.number()
	for _, l := range []*ReplaySnapshot{&s.Down, &s.Up} {
		l.Newest, l.Lost, l.LostCommon = d.number(), d.number(), d.number()
	}
	s.Confirmed = d.number()
	s.Master = i.member(d, wire.MasterAnswers)
	if d.err != nil {
		return nil
	}
	most := s.Terms.maxSlaves(i.limits)
	over := func(n uint64, what string) error {
		return &OverLimit{Channel: s.Name, What: fmt.Sprint(n, " ", what), Name: "MaxSlaves", Limit: most}
	}
	switch {
	case !i.elsewhere && i.slaves > uint64(most):
		return over(i.slaves, "slaves")
	case !i.elsewhere && i.banned > uint64(most):
		return over(i.banned, "banned names")
	case i.requests > wire.MasterAnswers:
		return fmt.Errorf("channel %s has %d open requests, which cannot be", wire.Quote(s.Name), i.requests)
	}
	for _, l := range []*ReplaySnapshot{&s.Down, &s.Up} {
		if l.Lost > l.Newest || l.LostCommon > l.Lost {
			return fmt.Errorf("channel %s has lost messages up to %d and %d of %d, which cannot be", wire.Quote(s.Name), l.Lost, l.LostCommon, l.Newest)
		}
	}
	if !i.elsewhere {
		// X is bounded as at a create, where the service has not said what it is. Who was told another one is told this one when it resumes.
		s.MasterTimeout = min(s.MasterTimeout, s.Terms.masterTimeout(i.limits))
	}
	bound := i.limits.Replay
	if i.elsewhere && i.replay != nil {
		bound = *i.replay
	}
	i.r = restore(&s, i.limits, bound)
	return i.check(&s.Master, wire.Master)
}

// seat reads where a member is that is on a connection.
func (i *Import) seat(d *piecesIn) error {
	c, name := i.r.c, d.name()
	m := c.slaves[name]
	if name == c.master.name {
		m = c.master
	}
	cannot := fmt.Errorf("%s is on a connection in channel %s, and is no member, or twice, or cannot be on any", wire.Quote(name), wire.Quote(c.name))
	switch {
	case d.err != nil:
		return nil
	case m == nil || m.attachment != nil || m.extra().cutOff != nil:
		return cannot
	}
	deadline := m.deadline
	a := applying{c: c, piecesIn: *d}
	a.seat(m)
	switch *d = a.piecesIn; {
	case m.attachment == nil: // it is away, and may return where it is not in a file
		if m.deadline = deadline; !i.elsewhere {
			m.noReturn()
		}
		return nil
	case !i.elsewhere:
		return cannot
	}
	i.r.attached = append(i.r.attached, MemberSnapshot{Name: name})
	return nil
}

// member reads a member. What counts from when something was, and not to an instant that the
// service has said, is moved where the clock is behind: nobody has more time than before.
func (i *Import) member(d *piecesIn, limit int) MemberSnapshot {
	s := d.member(limit)
	s.Deadline = i.moved(s.Deadline)
	if s.Repeatable != 0 {
		s.Repeatable -= int64(i.behind)
	}
	if s.Repaid != 0 {
		s.Repaid -= i.behind.Milliseconds()
	}
	return s
}

// moved is an instant that counts from when something was, by the clock of this hub.
func (i *Import) moved(at time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return at.Add(-i.behind)
}

// expect counts one of what was announced.
func (i *Import) expect(left *uint64, what string) error {
	if *left == 0 {
		return fmt.Errorf("channel %s has more %s than its head says", wire.Quote(i.r.c.name), what)
	}
	*left--
	return nil
}

// check returns what cannot be of a member, beside what a restoration finds.
func (i *Import) check(s *MemberSnapshot, role wire.Role) error {
	in, out := i.r.down, i.r.up // the numbers of what it gets, and of what it sends
	if role == wire.Master {
		in, out = out, in
	}
	cannot := func(what string) error {
		return fmt.Errorf("the %s %s of channel %s has %s, which cannot be", role, wire.Quote(s.Name), wire.Quote(i.r.c.name), what)
	}
	switch {
	case s.State != wire.StateAway || s.Told > wire.StateLeft:
		return cannot("no state of who is away")
	case s.Start > in || s.Given > in || s.LostPrivate > in:
		return cannot("numbers of messages that there are not")
	case s.Since > s.Epoch || s.Epoch == 0:
		return cannot("no epoch")
	}
	for _, seq := range s.Asks {
		if seq == 0 || seq > out {
			return cannot("asked what was not sent")
		}
	}
	return nil
}

// skipped reads how many numbers no message has.
func (i *Import) skipped(d *piecesIn) error {
	kind, n := d.byte(), d.number()
	if d.err != nil {
		return nil
	}
	l, newest := &i.r.c.down, i.r.down
	switch kind &^ skippedBefore {
	case pieceDown:
	case pieceUp:
		l, newest = &i.r.c.up, i.r.up
	default:
		return fmt.Errorf("channel %s skips numbers of nothing that is known here", wire.Quote(i.r.c.name))
	}
	switch {
	case kind&skippedBefore != 0 && n <= l.lost && l.skipped <= l.newest-n:
		l.skipped += n
	case kind&skippedBefore == 0 && n <= newest-l.newest:
		l.skipTo(l.newest + n)
	default:
		return fmt.Errorf("channel %s skips more numbers than there are", wire.Quote(i.r.c.name))
	}
	return nil
}

func (i *Import) message(kind byte, kept *MessageSnapshot) error {
	c, limits := i.r.c, i.limits
	over := func(what, name string, limit int) error {
		return &OverLimit{Channel: c.name, What: what, Name: name, Limit: limit}
	}
	size := len(kept.Payload.Data)
	if size > i.maxPayload && !i.elsewhere {
		return over(fmt.Sprintf("a message of %d bytes", size), "MaxMessageBytes", i.maxPayload)
	}
	l, newest := &c.down, i.r.down
	up := kind == pieceUp || kind == pieceGoneUp
	if up {
		l, newest = &c.up, i.r.up
	}
	if l.newest == newest {
		return fmt.Errorf("channel %s has more messages than its head says", wire.Quote(c.name))
	}
	// Of what slaves have sent, what the master has confirmed is dropped where it is too much,
	// and what it has not may be more.
	bound := limits.Replay
	messages, bytes := l.kept()+1, l.bytes+size+entryOverhead
	if up {
		bound.Messages += limits.Outbox.Messages
		bound.Bytes += limits.Outbox.Bytes
		if messages, bytes = 0, 0; l.newest >= c.up.confirmed {
			messages, bytes = l.unconfirmed.Messages+1, l.unconfirmed.Bytes+size+entryOverhead
			if limits.Replay.Messages <= 0 {
				bound = limits.Replay
			}
		}
	}
	if bound.exceeded(messages, bytes) && !i.elsewhere {
		if messages > bound.Messages {
			return over(fmt.Sprintf("%d or more messages to replay", messages), "Replay.Messages", limits.Replay.Messages)
		}
		return over(fmt.Sprintf("%d or more bytes to replay", bytes), "Replay.Bytes", limits.Replay.Bytes)
	}
	i.r.message(l, kept)
	return nil
}
