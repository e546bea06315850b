package histories

import (
	"slices"

	"github.com/lectern-go/lectern"
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
	knock     operation = "knock"    // of a join: it comes to where it waits
	admit     operation = "admit"
	deny      operation = "deny"
	setDoor   operation = "door"
	mute      operation = "mute" // or to let speak again
	handOver  operation = "hand over"
	setMaster operation = "set master" // of the service
	comeBack  operation = "come back"  // what follows on the loss of a connection
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
	to     string // of kick, tell, mute and hand-over
	ban    bool
	// wait: a join waits where there is no channel. waited: it was seen at the door.
	wait, waited bool
	// door is what a create or a master makes of the door, and on what it says of the voice. stay: who hands
	// over goes on as a slave.
	door     lectern.Door
	on, stay bool
	// slave: the handle that comes back is a slave's.
	slave bool
	// again: it may have been sent on two connections. A kick that finds nobody then counts as done
	// by the first one.
	again bool
	// text, topic and expires are of a message, which has a text of its own. Of an admit or a
	// deny, text is by what the one is known who has knocked.
	text, topic string
	expires     bool
	// question is the number of the ask that a reply is for, or of a knock. declined: it says no.
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
	// perhaps: nobody has seen whether it was so.
	perhaps outcome = "perhaps"
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
	voice    voice
	door     door
	// handed are the handles on which others have followed, in all lives.
	handed handles
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
		next = star{
			exists: true, master: newSeat(in), logs: append(slices.Clip(s.logs), nil), readers: s.readers, handed: s.handed,
			door: door{mode: in.door, fates: s.door.fates},
		}
		next = next.entersWith(next.master, true, in.pairs)
		possible := true
		if possible, next = next.arrived(s.door.outside); !possible {
			return s, nil
		}
	case seizeCreate, seizeJoin:
		ordinary := in
		ordinary.op = map[operation]operation{seizeCreate: create, seizeJoin: join}[in.op]
		seizes := func(x seat) seat { return x.seizedBy(in) }
		if in.waited || s.door.waits(in.handle) || s.door.fate(in.handle) != "" {
			return s.try(ordinary)
		} else if s.exists && s.master.name == in.user {
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
		switch fate := s.door.fate(in.handle); {
		case fate != "":
			return s, []outcome{fate}
		case in.waited || s.door.waits(in.handle) || !s.exists && in.wait:
			return s, nil
		case !s.exists:
			return s, []outcome{"no_such_channel"}
		}
		if no = s.barred(in); no == nil && s.door.mode == lectern.DoorKnock {
			return s, nil
		}
		next, _ = s.joined(in)
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
			next = s.over() // rule 3: everybody goes with the master
		case s.follows(in):
			next = s.outOf(in.member)
		case in.op == giveUp && s.door.waits(in.handle):
			next = s.decided(in.handle, refused)
		case !s.leads(s.present(in)) && !s.follows(s.present(in)):
		case in.op == leave: // it has become something else, and learns it
			no = append(no, ended)
		case s.leads(s.present(in)): // nobody wants what it has become
			next = s.over()
		}
	case letGo: // the membership lives on, and its master is away
		in = s.present(in)
		if s.leads(in) {
			next.away, next.gone = true, true
		}
		next = next.change(in.member, func(x seat) seat { x.sure = x.sure && x.holder != in.handle; return x })
	case comeBack:
		if s.leads(s.present(in)) {
			next = s.hears()
			next.away = false
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
			next = next.decideAll("banned", func(x waiter) bool { return x.in.user == in.to })
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
		x := s.seat(in.member)
		unless(x == nil || !s.voice.muted(x.name), "muted")
	case mute:
		unless(s.leads(in), ended)
		unless(in.to == "" || s.slave(in.to) >= 0, "no_such_slave")
		next.voice = s.voice.set(in.to, in.on)
	case setDoor:
		unless(s.leads(in), ended)
		next = s.doorSet(in.door)
	case admit, deny:
		unless(s.leads(in), ended)
		i := slices.IndexFunc(s.door.waiting, func(x waiter) bool { return x.number == in.question })
		switch {
		case i < 0:
			no = append(no, "no_such_slave")
		case who(s.door.waiting[i].in.pairs) != in.text:
			return s, nil // it is not the one of whom the master was told
		case in.op == admit:
			next = s.letIn(s.door.waiting[i])
		default:
			next = s.decided(s.door.waiting[i].in.handle, "denied")
		}
	case handOver, setMaster: // rule 7
		if in.op == setMaster && !s.exists {
			return s, []outcome{"no_such_channel"}
		}
		unless(in.op == setMaster || s.leads(in), ended)
		if i := s.slave(in.to); i < 0 {
			no = append(no, "no_such_slave")
		} else if no == nil {
			next = s.handsOver(s.slaves[i], in.stay)
		}
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
	case knock:
		return s.waited(in, out)
	}
	if out.outcome == roleChanged {
		return s.handed.has(in.handle), s
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
			if s.door.fate(in.handle) == "" {
				next = next.reads(in.handle, *x, x.member == next.master.member)
			}
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
	case out.outcome == "no_such_slave" && (in.op == setMaster || in.op == handOver && s.leads(in)):
		i := s.slave(in.to) // it has to be connected
		return i < 0 && slices.Contains(possible, out.outcome) || i >= 0 && !s.slaves[i].sure, s
	case out.outcome == refused && (in.op == join || in.op == seizeJoin):
		fate := s.door.fate(in.handle)
		return fate == refused || fate == "" && !in.waited && !s.door.waits(in.handle), s
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
