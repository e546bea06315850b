package star

// This file is what a channel keeps of its changes, where somebody wants to know: a channel that
// records says with each transition, as data, what has changed in its state (Effect Keep). Who
// has had a Snapshot, and applies all records since, has the channel as it is (Apply).
//
// Two kinds of records are enough. Of a member that has changed, and of the channel's own few
// numbers, a record is how they are now: whoever applies it puts it in the place of what was.
// That is written when a transition is over, or before the next record of the other kind, and
// can be forgotten nowhere but at a touch. The others are single steps that change much at once,
// or often: a message, which is one record with its place in the log, its answer and its request;
// a change of an attribute; a slave that is out; a list that the master was told. A step is
// written behind what was before it, and whoever applies it takes it by the same functions that
// have taken it here, with everything decided.
//
// A message of 100 bytes is a record of some 110 in each direction, a join one of some 60 beside the name, of
// which 16 are the id of a hub; that a connection is lost takes 9 bytes, and that a member comes back 25
// (BenchmarkRecords).
//
// How many messages are kept is in the record of the create: so whoever applies the records keeps the same
// ones, and goes on with that. Everything else that a hub allows, it allows by its own Limits.
//
// A record has no time in it but those at which a grant, a message or a request expires. When
// somebody came, was lost, or was sent too much again is not in it: with whoever goes on with the
// channel these times begin anew (TakeOver). Nor is it recorded that the hub stops, or who waits
// at the door: that is local to it. A secret is in no record, only its hash.

// Record is one change of a channel, or something that hubs with its members have to carry out.
// It is bytes: a kind and its fields, as in the pieces of parts.go.
type Record string

// The kinds of records. These numbers are in logs: they do not change, and are not used again.
// The numbers from 32 on are for those who write a channel's records down beside records of
// their own.
const (
	// recordCritical: who does not know the kind cannot go on with the channel.
	recordCritical = 0x80
	// recordShared: hubs that have members of the channel have to carry it out.
	recordShared = 0x40

	// recordCreated is a channel with nobody but its master, of which recordMember follows.
	recordCreated = recordCritical | recordShared | 1
	// recordEnded is the end of the channel, and of all memberships.
	recordEnded = recordCritical | recordShared | 2
	// recordDown and recordUp are messages that were accepted.
	recordDown = recordCritical | recordShared | 3
	recordUp   = recordCritical | 4
	// recordPresence is a state of the master that slaves are told, and recordOver that the seat
	// of one attachment is over. They change nothing beside what other records say.
	recordPresence = recordShared | 5
	recordOver     = recordShared | 6
	// recordHanded is a slave that has become the master. A former master that stays is a new
	// slave, of whom recordMember and recordAnswers follow.
	recordHanded = recordCritical | recordShared | 7
	// recordMutedAll and recordException are the voice.
	recordMutedAll  = recordCritical | recordShared | 8
	recordException = recordCritical | recordShared | 9
	// recordAttribute and recordReset are changes of attributes of a slave, and the others of the
	// master.
	recordAttribute       = recordCritical | 10
	recordReset           = recordCritical | 11
	recordMasterAttribute = recordCritical | recordShared | 10
	recordMasterReset     = recordCritical | recordShared | 11
	// recordMember is how a member is now, a new one too, and recordSeat no more of it than where
	// it is, which changes more often.
	recordMember = recordCritical | 12
	recordSeat   = recordCritical | 13
	// recordChannel is the channel's own numbers.
	recordChannel = recordCritical | 14
	// recordGone is a slave that is out.
	recordGone = recordCritical | 15
	// recordAnswered is an answer under a ref, to anything but a message that was accepted, and
	// recordAnswers are all of a member.
	recordAnswered = recordCritical | 16
	recordAnswers  = recordCritical | 17
	// recordForgotten: the member is another client now, which has sent and asked nothing yet.
	recordForgotten = recordCritical | 18
	// recordClosed is a request that is over without an answer.
	recordClosed = recordCritical | 19
	// recordConfirmed is up to which number the master has everything, and recordHeld from which
	// number on it has not.
	recordConfirmed = recordCritical | 20
	recordHeld      = recordCritical | 21
	// recordExpired are the messages whose time is over by then.
	recordExpired = recordCritical | 22
	// recordListed: the master is told all of its slaves. recordShown: attributes that it has not
	// heard of have new numbers.
	recordListed = recordCritical | 23
	recordShown  = recordCritical | 24
	// recordKnows: the member knows what a hand-over has made of it. recordGivenOver is one that
	// its master can repeat.
	recordKnows     = recordCritical | 25
	recordGivenOver = recordCritical | 26
	recordBanned    = recordCritical | 27
	// recordPage: the master is told those of its slaves whose numbers are above the first one, up to the second.
	recordPage = recordCritical | 28
	// recordPassed are numbers of messages, down and up, up to which no message has one that comes later, and how many of
	// those keep their places that were passed over.
	recordPassed = recordCritical | 29
	// recordUnanswered is a request of the master that does not await a slave any more, which has not answered.
	recordUnanswered = recordCritical | 30
)

// Shared reports whether hubs that have members of the channel have to carry the record out. The
// others are for who has the channel's whole state.
func (r Record) Shared() bool { return r.kind()&recordShared != 0 }

// recorder is what a channel that records has for it.
type recorder struct {
	p pieces
	// touched are the members that have changed since they were recorded, few at a time.
	touched []touched
	// last are the channel's own numbers as they were recorded.
	last ownNumbers
}

// touched is a member that has changed: what recordMember has, or no more than what recordSeat has.
type touched struct {
	m     *member
	whole bool
}

// ownNumbers are what a channel has of its own, beside its members, its logs and what is written
// once.
type ownNumbers struct {
	rosterStale, masterExpired bool
	joins, knocks              uint64
	door                       byte
}

func (c *Channel) ownNumbers() ownNumbers {
	return ownNumbers{c.rosterStale, c.masterExpired, c.joins, c.knocks(), byte(c.doorMode())}
}

// Record says whether the channel records from now on. One that applies records does not.
func (c *Channel) Record(on bool) {
	if c.recorder = nil; on {
		c.recorder = &recorder{last: c.ownNumbers()}
	}
}

// CountFrom has the memberships of a channel that is not created yet have numbers above this one.
// So those of two channels that have the same name one after the other are not the same.
func (c *Channel) CountFrom(number uint64) {
	if c.life == vacant {
		c.joins = number
	}
}

// touch notes that the member has changed.
func (c *Channel) touch(m *member, whole bool) {
	if c.recorder != nil {
		c.recorder.touch(m, whole)
	}
}

func (r *recorder) touch(m *member, whole bool) {
	for i := range r.touched {
		if t := &r.touched[i]; t.m == m {
			t.whole = t.whole || whole
			return
		}
	}
	r.touched = append(r.touched, touched{m, whole})
}

// settle records how everything is now that has changed. It is called when a transition is over.
func (c *Channel) settle() {
	if c.recorder != nil {
		c.recordTouched()
	}
}

func (c *Channel) recordTouched() {
	r := c.recorder
	if c.life == open {
		for _, t := range r.touched {
			c.recordMember(t)
		}
		c.recordOwnNumbers()
	}
	clear(r.touched)
	r.touched = r.touched[:0]
}

func (c *Channel) recordMember(t touched) {
	r, m, kind := c.recorder, t.m, byte(recordSeat)
	if m != c.master && c.slaves[m.name] != m {
		return // it is out
	}
	if t.whole {
		kind = recordMember
		r.last.joins = max(r.last.joins, m.number) // whoever applies it knows that
	}
	r.writes(kind)
	r.p.number(m.number)
	if t.whole {
		r.p.identity(m)
	}
	r.p.seat(m)
	c.kept()
}

func (c *Channel) recordOwnNumbers() {
	r, now := c.recorder, c.ownNumbers()
	if now == r.last {
		return
	}
	r.last = now
	r.writes(recordChannel)
	r.p.flags(now.rosterStale, now.masterExpired)
	r.p.number(now.joins)
	r.p.number(now.knocks)
	r.p.byte(now.door)
	c.kept()
}

// writes begins a record.
func (r *recorder) writes(kind byte) {
	r.p.part = r.p.part[:0]
	r.p.byte(kind)
}

// kept ends a record.
func (c *Channel) kept() {
	c.emit(Effect{Kind: Keep, Text: string(c.recorder.p.part)})
}

// steps begins the record of a step, behind what was before it. kept ends it.
func (c *Channel) steps(kind byte) *pieces {
	c.settle()
	c.recorder.writes(kind)
	return &c.recorder.p
}

// step records a step that has nothing but numbers.
func (c *Channel) step(kind byte, numbers ...uint64) {
	if c.recorder != nil {
		c.recordNumbers(kind, numbers)
	}
}

func (c *Channel) recordNumbers(kind byte, numbers []uint64) {
	if c.life != open {
		return // of what has ended nothing changes any more
	}
	p := c.steps(kind)
	for _, n := range numbers {
		p.number(n)
	}
	c.kept()
}

// Record is the record of a Keep.
func (e *Effect) Record() Record { return Record(e.Text) }
