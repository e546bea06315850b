package star

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Restore returns a channel in the state of the snapshot, under the same limits or
// others. It goes on as the original channel would.
//
// Restore calls attached for each member that was on a connection. attached returns a
// new attachment with its Line. Or it returns nil: then the member loses its
// connection now, and nobody is told. The only effects of a restore admit the attached
// slaves to the audience, and await that a master can be told its roster. Without attached, they
// stay on their connections, which are elsewhere, and there are no effects: it is for a channel
// that another hub decides (Apply).
//
// The error says which parts of the snapshot contradict each other.
func Restore(s Snapshot, limits *Limits, now time.Time, attached func(role wire.Role, username string) *Attachment) (*Channel, error) {
	if !s.Created || s.Ended {
		c := New(s.Name, limits)
		if c.stopped = s.Stopped; s.Ended {
			c.life = ended
		}
		return c, nil
	}
	bound := limits.Replay
	if attached == nil {
		bound = s.Replay
	}
	r := restore(&s, limits, bound)
	r.c.stopped = s.Stopped
	for i := range s.Slaves {
		r.slave(&s.Slaves[i])
	}
	for _, name := range s.Away {
		r.awaySlave(name)
	}
	for _, name := range s.Banned {
		r.c.ban(name)
	}
	r.c.voice.all = s.Muted
	for _, name := range s.Exceptions {
		r.exception(name)
	}
	for i := range s.GivenOver {
		r.givenOver(&s.GivenOver[i])
	}
	r.allAttributes(&s)
	r.log(&r.c.down, &s.Down)
	r.log(&r.c.up, &s.Up)
	for i := range s.Requests {
		r.request(&s.Requests[i])
	}
	for _, e := range s.Endings {
		r.ending(e)
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	if attached == nil {
		r.reattach(now, func(_ *member, s *MemberSnapshot) *Attachment { return elsewhere(s.Hub) })
		r.c.effects = nil
		return r.c, nil
	}
	r.reattach(now, func(m *member, _ *MemberSnapshot) *Attachment { return attached(m.role, m.name) })
	return r.c, nil
}

// restoration is a channel that is being restored, a piece at a time: first all slaves, and
// then what names them. err is all that was wrong.
type restoration struct {
	c *Channel
	// master is the master's snapshot, and attached are those of the slaves that were on a
	// connection.
	master   MemberSnapshot
	attached []MemberSnapshot
	// down and up are how many messages there are to be in each direction.
	down, up uint64
	err      error
}

// restore begins a restoration with what is in the snapshot beside its lists, of a channel that keeps so
// many messages.
func restore(s *Snapshot, limits *Limits, bound Bound) *restoration {
	c := New(s.Name, limits)
	r := &restoration{c: c, master: s.Master, down: s.Down.Newest, up: s.Up.Newest}
	c.life = open
	c.timeout, c.terms = s.MasterTimeout, s.Terms
	c.rosterStale, c.joins = s.RosterStale, s.Joins
	c.restoreDoor(s.Door, s.Knocks)
	c.slaves = make(map[string]*member)
	c.master = s.Master.member(wire.Master, wire.MasterAnswers)
	c.restoreGrant(c.master, &s.Master)
	c.masterExpired = s.MasterExpired
	if !s.Master.Attached && s.Master.State != wire.StateAway {
		r.fail("its master is neither on a connection nor away")
	}
	if s.Confirmed > s.Up.Newest {
		r.fail("the master has confirmed message %d of %d", s.Confirmed, s.Up.Newest)
	}
	c.up.confirmed = s.Confirmed
	if c.up.holds = bound.Messages > 0; c.up.holds {
		c.up.confirmed = max(s.Confirmed, s.Up.Lost) // what is lost was not held
	}
	for l, kept := range map[*replayLog]*ReplaySnapshot{&c.down: &s.Down, &c.up: &s.Up} {
		l.bound = bound
		l.newest, l.lost, l.lostCommon = kept.Lost, kept.Lost, kept.LostCommon
		l.skipped = kept.Skipped
	}
	return r
}

// log adds what is kept to one of the logs.
func (r *restoration) log(l *replayLog, s *ReplaySnapshot) {
	for i := range s.Kept {
		l.skipTo(l.newest + s.Kept[i].Skipped)
		r.message(l, &s.Kept[i])
	}
	l.skipTo(l.newest + s.SkippedAfter)
}

func (r *restoration) fail(format string, args ...any) {
	r.err = errors.Join(r.err, fmt.Errorf("star: snapshot of %q: "+format, append([]any{r.c.name}, args...)...))
}

// slave adds a slave. One that was on no connection is away from then on (awaySlave).
func (r *restoration) slave(s *MemberSnapshot) {
	c := r.c
	if c.slaves[s.Name] != nil || s.Name == c.master.name {
		r.fail("two members are named %q", s.Name)
		return
	}
	m := s.member(wire.Slave, wire.SlaveAnswers)
	c.addSlave(m)
	c.restoreGrant(m, s)
	if m.number == 0 || m.number > c.joins {
		r.fail("%q has the number %d of %d", s.Name, m.number, c.joins)
	}
	if s.Attached {
		r.attached = append(r.attached, *s)
	}
}

// awaySlave adds the slave to those that are away, behind those that were added before.
func (r *restoration) awaySlave(name string) {
	m := r.c.slaves[name]
	if m == nil || r.c.isAway(m) {
		r.fail("%q is away, and is no slave or is listed twice", name)
		return
	}
	r.c.away.add(m)
}

// isAway reports whether the slave is on no connection.
func (c *Channel) isAway(m *member) bool { return m.previous != nil || c.away.first == m }

// askedAgain notes up to which number a member, which is on no connection, is given again what
// it was asked.
func (r *restoration) askedAgain(name string, last uint64) {
	m, newest := r.c.slaves[name], r.down
	if name == r.c.master.name {
		m, newest = r.c.master, r.up
	}
	if m == nil || last == 0 || last > newest || m.extra().asked != nil {
		r.fail("%q is asked again up to message %d of %d, and is no member, or twice", name, last, newest)
		return
	}
	m.needExtras().asked = &askedAgain{last: last}
}

// exception adds a name behind those that are exceptions of who is muted.
func (r *restoration) exception(name string) {
	if _, twice := r.c.voice.exceptions[name]; twice {
		r.fail("%q is muted, or not, as an exception twice", name)
		return
	}
	r.c.voice.except(name)
}

// message adds a message to one of the logs.
func (r *restoration) message(l *replayLog, kept *MessageSnapshot) {
	c := r.c
	seq := l.newest + 1
	e := entry{size: len(kept.Payload.Data)}
	if kept.To != "" {
		// The slave may have left, and another slave may have joined later under
		// the same name. The message is not for that other slave.
		if e.to = r.receiver(kept.To); e.to == nil || e.to.start >= seq || l == &c.up {
			e.to = &member{name: kept.To}
		}
	}
	if !kept.Gone {
		frame := messageFrame(c.name, kept.From, seq, &Message{
			Asks: kept.Asks, ReplyTo: kept.Reply, Topic: kept.Topic, Expires: kept.Expires,
			Payload: wire.Payload{Kind: kept.Payload.Kind, Data: bytes.Clone(kept.Payload.Data)},
		})
		frame.Private = kept.To != ""
		if l == &c.up {
			frame.Number = r.membership(kept)
		}
		e.packet = newPacket(&frame, kept.End)
	}
	l.add(e)
}

// request adds an open request of the master.
func (r *restoration) request(s *RequestSnapshot) {
	c := r.c
	if n := len(c.requests); s.Seq > r.down || s.Seq == 0 || n > 0 && s.Seq <= c.requests[n-1].seq {
		r.fail("request %d is listed twice, out of order, or was never sent", s.Seq)
		return
	}
	q := &request{seq: s.Seq, awaited: s.Awaited}
	awaited := 1
	if s.To != "" {
		if q.to = c.slaves[s.To]; q.to == nil || len(s.Answered) > 0 {
			r.fail("request %d is to %q, who is no slave or has answered", s.Seq, s.To)
			return
		}
	} else {
		q.answered = make(map[*member]struct{}, len(s.Answered))
		for _, name := range s.Answered {
			m := c.slaves[name]
			if m == nil {
				r.fail("request %d is answered by %q, who is no slave", s.Seq, name)
				return
			}
			q.answered[m] = struct{}{}
		}
		awaited = 0
		for _, m := range c.slaves {
			if q.awaits(m) {
				awaited++
			}
		}
	}
	if s.Awaited != awaited || awaited == 0 {
		r.fail("request %d awaits %d answers, but %d can come", s.Seq, s.Awaited, awaited)
		return
	}
	c.requests = append(c.requests, q)
}

// ending has an open request end.
func (r *restoration) ending(s EndingSnapshot) {
	c := r.c
	e := ending{at: s.At, m: c.slaves[s.Username], seq: s.Seq}
	if s.Username == c.master.name {
		e.m = c.master
	}
	if e.m == nil || !e.valid(c) {
		r.fail("request %d of %q ends, and is not open", s.Seq, s.Username)
		return
	}
	if n := len(c.endings.list); n > 0 && c.endings.list[n-1].compare(e) >= 0 {
		r.fail("the end of request %d is listed twice, or out of order", s.Seq)
		return
	}
	c.endings.list = append(c.endings.list, e)
	c.endings.limit = 2*len(c.endings.list) + 16
}

// finish returns what was wrong, or nil where the channel is whole.
func (r *restoration) finish() error {
	c := r.c
	r.checkHanded()
	numbers := make(map[uint64]struct{}, len(c.slaves))
	attached := make(map[string]bool, len(r.attached))
	for i := range r.attached {
		attached[r.attached[i].Name] = true
	}
	for name, m := range c.slaves {
		numbers[m.number] = struct{}{}
		if c.isAway(m) == attached[name] {
			r.fail("%q is both on a connection and away, or neither", name)
		}
	}
	if len(numbers) < len(c.slaves) {
		r.fail("two slaves have one number")
	}
	for l, newest := range map[*replayLog]uint64{&c.down: r.down, &c.up: r.up} {
		if l.newest != newest {
			r.fail("messages %d to %d are kept, but there are %d", l.lost+1, newest, l.kept())
		}
	}
	return r.err
}

func (c *Channel) restoreGrant(m *member, s *MemberSnapshot) {
	c.setGrant(m, Grant{Asked: true, Expires: s.Expires, Data: bytes.Clone(s.Data)})
}

// member is the member of the snapshot, without its grant.
func (s *MemberSnapshot) member(role wire.Role, limit int32) *member {
	m := &member{
		name: s.Name, role: role, hash: s.Hash, holder: holder{s.Holder.Instance, s.Holder.Ref}, since: s.Since, state: s.State, deadline: s.Deadline, epoch: s.Epoch,
		openRequests: slices.Clone(s.Asks), start: s.Start, lostPrivate: s.LostPrivate,
		given: s.Given, repeatable: s.Repeatable, number: s.Number, told: s.Told, roster: s.Roster,
	}
	if e := (extras{newcomer: holder{s.Newcomer.Instance, s.Newcomer.Ref}, secret: s.Pending, repaid: s.Repaid, floor: s.Floor}); e != (extras{}) {
		m.extras = &e
	}
	if s.Handed != nil {
		m.needExtras().handed = s.Handed.handed(s.Name)
	}
	if s.AskedAgain != 0 {
		m.needExtras().asked = &askedAgain{last: s.AskedAgain, left: slices.Clone(s.AskedLeft)}
	}
	if s.CutOff {
		m.needExtras().declared = s.Declared
		m.extras.cutOff = s.attachment()
		m.extras.cutOff.member, m.extras.cutOff.epoch = m, m.epoch
	}
	m.answers = restoredAnswers(limit, s.Highest, s.Answers)
	return m
}

// attachment is how the attachment was that the member has, or had when its hub was lost.
func (s *MemberSnapshot) attachment() *Attachment {
	a := elsewhere(s.Hub)
	a.epoch, a.catchingUp, a.fed = s.Epoch, s.CatchingUp, s.Fed
	a.confirms, a.newcomer, a.heard, a.switching = s.Confirms, s.IsNewcomer, s.Heard, s.Switching
	return a
}

func restoredAnswers(limit int32, highest uint64, all []AnswerSnapshot) answers {
	restored := answers{limit: limit, kept: make([]answer, 0, len(all))}
	for _, given := range all {
		known := answer{ref: given.Ref, seq: given.Seq, slaves: given.Slaves, content: given.Content}
		if given.Refusal != nil {
			known.refusal = given.Refusal.With(given.Refusal.Text) // shared with nobody
		}
		restored.add(known)
	}
	restored.highest = highest
	return restored
}

// reattach attaches the members that were on a connection. A member for which attached
// returns nil is away from now on.
func (r *restoration) reattach(now time.Time, attached func(*member, *MemberSnapshot) *Attachment) {
	c := r.c
	back := func(m *member, s *MemberSnapshot) bool {
		a := attached(m, s)
		if a == nil && m.extra().cutOff == nil {
			m.clearFloor()
		}
		switch {
		case a != nil:
			a.become(m)
			m.attachment = a
			if a.epoch != m.epoch { // of one that was here before it is, and may be read meanwhile
				a.epoch = m.epoch
			}
			a.catchingUp, a.fed, a.confirms, a.newcomer, a.heard, a.switching = s.CatchingUp, s.Fed, s.Confirms, s.IsNewcomer, s.Heard, s.Switching
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
	if r.master.Attached && !back(c.master, &r.master) && c.master.state != wire.StateAway {
		c.master.state, c.master.deadline = wire.StateAway, now.Add(c.timeout)
	}
	if c.rosterStale && c.master.attachment != nil && !c.master.attachment.catchingUp {
		c.emit(Effect{Kind: AwaitDrain, To: c.master.attachment})
	}
	for i := range r.attached {
		m := c.slaves[r.attached[i].Name]
		if back(m, &r.attached[i]) {
			c.connected++
			c.admit(m.attachment)
			continue
		}
		m.state, m.deadline = wire.StateAway, now.Add(c.limits.SlaveTimeout)
		c.away.add(m)
	}
	c.away.sort()
}
