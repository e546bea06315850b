package histories

import (
	"fmt"
	"slices"
	"strings"
)

// operation names what somebody does.
type operation string

const (
	create    operation = "create"
	join      operation = "join"
	resume    operation = "resume"
	leave     operation = "leave"  // of a slave, or a master's close
	giveUp    operation = "giveup" // the leave that follows on a call nobody waits for any more
	letGo     operation = "letgo"  // the loss that follows on a resume nobody waits for any more
	kick      operation = "kick"
	away      operation = "away"
	back      operation = "back"
	broadcast operation = "broadcast"
	tell      operation = "tell"   // master to one slave
	report    operation = "report" // slave to its master
	status    operation = "status"
	refresh   operation = "refresh"
	ask       operation = "ask"      // of a slave: a report that wants an answer
	reply     operation = "reply"    // of its master
	withdraw  operation = "withdraw" // what follows on an ask nobody waits for any more
	hear      operation = "hear"     // the answer, by who has asked
	set       operation = "set"      // an attribute, or its removal
	take      operation = "take"     // an event, from a handle
	expire    operation = "expire"   // what follows on a refresh that lets a slave in for a moment
	// seizeCreate and seizeJoin are creates and joins to which the service gives the seat of
	// that name.
	seizeCreate operation = "seize by create"
	seizeJoin   operation = "seize by join"
)

// input is one operation on one channel. A membership is known by the number of
// the handle that it was made with, since the secret of one that was made
// without an answer is never seen.
type input struct {
	op      operation
	channel string
	// handle acts, or is what the operation makes.
	handle int
	// member is the membership that the handle or the ticket is for. For create
	// and join it is the handle's own number.
	member int
	user   string
	from   int    // of a resume: the handle whose ticket it is
	expect string // of a join: the master, or empty for any
	to     string // of kick and tell
	ban    bool
	// again: it may have been sent on two connections. A kick that finds nobody then counts as done
	// by the first one.
	again bool
	// text, topic and expires are of a message, which has a text of its own.
	text, topic string
	expires     bool
	// question is the number of the ask that a reply is for. declined: it says no.
	question uint64
	declined bool
	// pairs are the attributes with which somebody enters, or the one that is set.
	pairs []pair
	// says is what the service says of a resume or a refresh: nothing, or one of the tokens.
	says string
}

// outcome is how an operation ended: ok, a refusal by its word, or one of those
// below.
type outcome string

const (
	ok outcome = "ok"
	// ended: the handle is no longer the membership's.
	ended outcome = "ended"
	// unknown: nobody waited for the answer. It may have been carried out, or
	// may be carried out later, or never.
	unknown outcome = "unknown"
	// refused: the hub had other reasons, and nothing happened.
	refused outcome = "refused"
)

type output struct {
	outcome outcome
	// Of what was sent. Of a master's attribute, and where the outcome is unknown, seq is what
	// somebody has seen, or zero.
	seq    uint64
	slaves int
	// Of what was taken.
	got reading
	// Of status.
	exists bool
	master string
	away   bool
}

// seat is a membership and the handle that has it at present.
type seat struct {
	member, holder int
	name           string
	// owner is the member by which the seat was made: it has the attributes, whoever has it. start
	// is the length of the log then.
	owner, start int
	// untold: it is a slave's of which its master has not heard. sure: its connection is there
	// for certain, and gets what is sent.
	untold, sure bool
	// secret are the handles that have its present resume secret, and current those of them
	// with a ticket that no other client has followed that was heard.
	secret, current handles
}

// handles is a list of handles, the one that came last at the end. It can be compared.
type handles string

func handleSet(handle int) handles        { return handles("").with(handle) }
func (s handles) with(handle int) handles { return s + handles(fmt.Sprintf("(%d)", handle)) }
func (s handles) has(handle int) bool {
	return strings.Contains(string(s), fmt.Sprintf("(%d)", handle))
}

// after are those that came after the handle.
func (s handles) after(handle int) handles {
	_, later, _ := strings.Cut(string(s), fmt.Sprintf("(%d)", handle))
	return handles(later)
}

// newSeat is the seat that the operation makes.
func newSeat(in input) seat {
	return seat{
		member: in.member, holder: in.handle, name: in.user, owner: in.member, sure: true,
		secret: handleSet(in.handle), current: handleSet(in.handle),
	}
}

// resumedBy is the seat after a resume by its ticket.
func (x seat) resumedBy(handle int) seat {
	x.holder, x.secret, x.current, x.sure = handle, x.secret.with(handle), x.current.with(handle), false
	return x
}

// seizedBy is the seat after the service has given it to another client. It counts as another
// membership: nothing of the one before is worth anything.
func (x seat) seizedBy(in input) seat {
	seized := newSeat(in)
	seized.name, seized.owner, seized.start, seized.untold, seized.sure = x.name, x.owner, x.start, x.untold, false
	return seized
}

// star is a channel by the seven rules. It is a value: a step makes another one
// and never writes into the slices of the one before.
type star struct {
	exists bool
	master seat
	away   bool
	// gone: the master has no connection.
	gone     bool
	slaves   []seat // by name
	banned   []string
	down, up uint64
	// logs are what has happened in each of the channel's lives, and readers are those of them
	// all.
	logs    []*entry
	readers []reader
	// answered are the asks of the present life that are over.
	answered handles
}

func (s star) slave(name string) int {
	return slices.IndexFunc(s.slaves, func(x seat) bool { return x.name == name })
}

// seat is the seat of the membership, if there is one.
func (s *star) seat(member int) *seat {
	if s.exists && s.master.member == member {
		return &s.master
	}
	if i := slices.IndexFunc(s.slaves, func(x seat) bool { return x.member == member }); i >= 0 {
		return &s.slaves[i]
	}
	return nil
}

// change is the channel after a change of a seat.
func (s star) change(member int, change func(seat) seat) star {
	s.slaves = slices.Clone(s.slaves)
	if x := s.seat(member); x != nil {
		*x = change(*x)
	}
	return s
}

// heard is the channel after something was heard of the seat's holder: only its own ticket
// is worth something from then on.
func (s star) heard(member int) star {
	return s.change(member, func(x seat) seat {
		x.current = handleSet(x.holder)
		return x
	})
}

func (s star) leads(in input) bool {
	return s.exists && s.master.member == in.member && s.master.holder == in.handle
}

func (s star) follows(in input) bool {
	return s.exists && slices.ContainsFunc(s.slaves, func(x seat) bool {
		return x.member == in.member && x.holder == in.handle
	})
}

// outOf is the channel after the slave's membership is over, if there is one.
func (s star) outOf(member int) star {
	if x := s.seat(member); x != nil && x.member != s.master.member {
		return s.out(*x)
	}
	return s
}

// taken is the channel after the handle has got the seat, in the place of the one before.
func (s star) taken(before seat, handle int) star {
	s = s.endReaders(before, handle)
	if before.owner == s.master.owner {
		s = s.hears()
	}
	return s
}

// try carries the operation out, and returns the channel after it, and how it
// ends: ok, or why nothing happens. Where several refusals apply, any may be
// given, so they are a list.
func (s star) try(in input) (star, []outcome) {
	var no []outcome
	unless := func(holds bool, why outcome) {
		if !holds {
			no = append(no, why)
		}
	}
	next := s
	switch in.op {
	case create: // rules 1 and 7
		unless(!s.exists, "channel_exists")
		next = star{exists: true, master: newSeat(in), logs: append(slices.Clip(s.logs), nil), readers: s.readers}
		next = next.entersWith(next.master, true, in.pairs)
	case seizeCreate, seizeJoin:
		ordinary := in
		ordinary.op = map[operation]operation{seizeCreate: create, seizeJoin: join}[in.op]
		seizes := func(x seat) seat { return x.seizedBy(in) }
		if s.exists && s.master.name == in.user {
			next = s.change(s.master.member, seizes).taken(s.master, in.handle)
			next.away = false
			unless(in.op == seizeCreate, "forbidden")
		} else if i := s.slave(in.user); s.exists && i >= 0 {
			next = s.change(s.slaves[i].member, seizes).taken(s.slaves[i], in.handle)
			unless(in.op == seizeJoin, "forbidden")
		} else {
			return s.try(ordinary)
		}
		if no != nil {
			return next, no // the client wanted the other role, and has it now
		}
	case join: // rule 2
		if !s.exists {
			return s, []outcome{"no_such_channel"}
		}
		unless(in.expect == "" || in.expect == s.master.name, "wrong_master")
		unless(!slices.Contains(s.banned, in.user), "banned")
		unless(s.slave(in.user) < 0 && in.user != s.master.name, "name_taken")
		joined := newSeat(in)
		joined.untold, joined.start = s.gone, s.log().length()
		next.slaves = append(slices.Clone(s.slaves), joined)
		next = next.entersWith(joined, false, in.pairs)
		slices.SortFunc(next.slaves, func(a, b seat) int { return strings.Compare(a.name, b.name) })
	case resume: // rule 7
		x := s.seat(in.member)
		switch {
		case x == nil || !x.secret.has(in.from):
			no = append(no, "resume_failed")
		case !x.current.has(in.from):
			no = append(no, ended)
		case in.says == refuses:
			no = append(no, "unauthorized")
		case in.says == unsure:
			no = append(no, refused)
		default:
			next = s.change(in.member, func(x seat) seat { return x.resumedBy(in.handle) }).taken(*x, in.handle)
			next.away = s.away && s.master.member != in.member
		}
	case refresh:
		unless(s.leads(in) || s.follows(in), ended)
		unless(in.says != refuses, "unauthorized")
		unless(in.says != unsure, refused)
	case expire:
		if s.follows(in) {
			next = s.outOf(in.member)
		}
	case leave, giveUp: // of a membership that the handle has, or else it is nothing
		switch {
		case s.leads(in):
			next = star{logs: s.logs, readers: s.readers} // rule 3: everybody goes with the master
		case s.follows(in):
			next = s.outOf(in.member)
		}
	case letGo: // the membership lives on, and its master is away
		switch {
		case s.leads(in):
			next.away, next.gone = true, true
		case s.follows(in):
			next = s.change(in.member, func(x seat) seat { x.sure = false; return x })
		}
	case kick:
		unless(s.leads(in), ended)
		i := s.slave(in.to)
		present := i >= 0
		unless(present || in.ban && in.to != s.master.name, "no_such_slave")
		if present {
			next = s.out(s.slaves[i])
		}
		if in.ban && !slices.Contains(s.banned, in.to) {
			next.banned = append(slices.Clone(s.banned), in.to)
			slices.Sort(next.banned)
		}
	case away, back:
		unless(s.leads(in), ended)
		next.away = in.op == away
	case broadcast: // rule 6
		unless(s.leads(in), ended)
	case tell: // rule 6
		unless(s.leads(in), ended)
		unless(s.slave(in.to) >= 0, "no_such_slave")
	case report, ask: // rule 5
		unless(s.follows(in), ended)
	case reply:
		unless(s.leads(in), ended)
		i := s.slave(in.to)
		unless(i >= 0, "no_such_slave")
		unless(i < 0 || s.awaits(s.slaves[i], in.question) != over, "no_such_request")
	case withdraw:
		next = s.closed(func(e *entry) bool { return e.text == in.text })
	case set:
		unless(s.leads(in) || s.follows(in), ended)
	}
	if x := s.seat(in.member); no == nil && x != nil {
		switch in.op {
		case broadcast, tell, report, ask, reply:
			next = s.speaks(*x, in)
		case set:
			next = s.sets(*x, s.leads(in), in.pairs[0])
		}
	}
	if no != nil {
		return s, no
	}
	return next, []outcome{ok}
}

// step reports whether the operation can have ended so, and the channel after
// it. What is unknown happens where it can; that it never happened is the same
// as that it happened behind everything else.
func (s star) step(in input, out output) (bool, star) {
	switch in.op {
	case take:
		return s.read(in.handle, out.got)
	case hear:
		return s.hasAnswered(in.handle, out.got), s
	}
	next, possible := s.try(in)
	if in.op == resume && out.outcome == ended {
		// By rule 7, a ticket is worth nothing once another client has used one and was heard,
		// which its client brings about by itself.
		x := s.seat(in.member)
		switch {
		case x == nil || !x.secret.has(in.from):
			return false, s
		case !x.current.has(in.from):
			return true, s
		}
		// At least the next one was heard.
		return x.holder != in.from, s.change(in.member, func(x seat) seat {
			x.current = x.current.after(in.from)
			return x
		})
	}
	if (in.op == seizeCreate || in.op == seizeJoin) && out.outcome == "forbidden" {
		return slices.Contains(possible, out.outcome), next
	}
	if out.outcome == ok && (s.leads(in) || s.follows(in)) {
		next = next.heard(in.member)
	}
	if x := next.seat(in.member); x != nil && out.outcome == ok && x.holder == in.handle {
		switch in.op {
		case create, join, resume, seizeCreate, seizeJoin:
			next = next.reads(in.handle, *x, x.member == next.master.member)
		}
	}
	switch {
	case out.outcome == unknown && out.seq != 0:
		// Somebody has got it, so it has happened.
		return next.log().length() > s.log().length() && next.log().seq == out.seq, next
	case out.outcome == unknown:
		return true, next
	case in.op == reply && out.outcome == "no_such_request" && s.leads(in):
		i := s.slave(in.to)
		return i >= 0 && s.awaits(s.slaves[i], in.question) != open, s
	case in.again && out.outcome == ok && slices.Equal(possible, []outcome{"no_such_slave"}):
		return true, s
	case out.outcome == refused, in.op == refresh && in.says == shortly && out.outcome == "unauthorized":
		// The moment for which the service lets the member in may be over before the hub has
		// decided that: then nothing is granted, and nothing changes.
		return true, s
	case !slices.Contains(possible, out.outcome):
		return false, s
	}
	switch in.op {
	case status: // rule 4
		same := out.exists == s.exists && (!s.exists || out.master == s.master.name && out.away == s.away)
		return same, s
	case broadcast: // to those who are on a connection, of which the history does not know all
		return out.outcome != ok || out.seq == next.down && s.sure() <= out.slaves && out.slaves <= len(s.slaves), next
	case tell:
		least := 0
		if i := s.slave(in.to); i >= 0 && s.slaves[i].sure {
			least = 1
		}
		return out.outcome != ok || out.seq == next.down && least <= out.slaves && out.slaves <= 1, next
	case set:
		return out.outcome != ok || out.seq == 0 || out.seq == next.down && next.down > s.down, next
	case report, ask:
		return out.outcome != ok || out.seq == next.up && out.slaves == 0, next
	case reply:
		return out.outcome != ok || out.seq == next.down && out.slaves <= 1, next
	}
	return true, next
}

func (s star) equal(o star) bool {
	return s.exists == o.exists && s.master == o.master && s.away == o.away && s.down == o.down && s.up == o.up &&
		s.gone == o.gone && s.answered == o.answered && slices.Equal(s.slaves, o.slaves) && slices.Equal(s.banned, o.banned) && slices.Equal(s.readers, o.readers) &&
		slices.EqualFunc(s.logs, o.logs, func(a, b *entry) bool { return a.sum() == b.sum() })
}

func (s star) hash() uint64 {
	h := uint64(14695981039346656037)
	add := func(n int) { h = (h ^ uint64(n)) * 1099511628211 }
	add(s.master.member)
	add(s.master.holder)
	add(int(s.down))
	add(int(s.up))
	for _, x := range s.slaves {
		add(x.member)
		add(x.holder)
	}
	add(len(s.banned))
	for _, log := range s.logs {
		add(int(log.sum()))
	}
	for _, r := range s.readers {
		add(int(r.last))
		add(r.until)
	}
	return h
}
