package star

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// record is one of that kind.
func record(kind byte, write func(p *pieces)) Record {
	p := pieces{}
	p.byte(kind)
	write(&p)
	return Record(p.part)
}

// numbersOf is a record that has nothing but numbers.
func numbersOf(kind byte, numbers ...uint64) Record {
	return record(kind, func(p *pieces) {
		for _, n := range numbers {
			p.number(n)
		}
	})
}

// copied is a copy of the channel, to which records can be applied.
func (c *table) copied() *Channel {
	c.t.Helper()
	copied, err := Restore(c.Snapshot(), c.limits, c.now, nil)
	require.NoError(c.t, err)
	return copied
}

// someMember is the record of a member that is on a connection.
func someMember(number uint64, name string, start, lostPrivate uint64) Record {
	return record(recordMember, func(p *pieces) {
		p.number(number)
		p.identity(&member{name: name, since: 1, start: start, lostPrivate: lostPrivate})
		p.seat(&member{epoch: 1, state: wire.StateOnline, attachment: &Attachment{}})
	})
}

// someMessage is the record of a message with these flags, and what comes behind them.
func someMessage(kind byte, seq uint64, flags byte, numbers ...uint64) Record {
	return record(kind, func(p *pieces) {
		p.number(seq)
		p.byte(flags)
		for _, n := range numbers {
			p.number(n)
		}
		p.byte(byte(wire.TextPayload))
		p.text("x")
	})
}

// ofAHandOver is the record of the master that has become it by a hand-over, behind a message until.
func ofAHandOver(until uint64) Record {
	return record(recordMember, func(p *pieces) {
		m := &member{name: "alice", role: wire.Master, since: 1, epoch: 1, state: wire.StateAway}
		m.needExtras().handed = &handed{slave: &member{name: "alice", number: 1}, until: until, by: "bob"}
		p.number(0)
		p.identity(m)
		p.seat(m)
	})
}

func someAttribute(kind byte, number uint64, key string, seq uint64, value wire.PayloadKind, data string) Record {
	return record(kind, func(p *pieces) {
		p.number(number)
		p.text(key)
		p.number(seq)
		p.flags(false)
		p.byte(byte(value))
		p.text(data)
	})
}

// What cannot follow is refused with what it is; what just can is not.
func TestRecordsThatCannotBe(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	require.NoError(t, c.Send(a, asking(5, "user_1")))
	require.NoError(t, c.Send(a, asking(6, "")))
	require.NoError(t, c.Send(u[1], asking(5, "")))
	require.NoError(t, c.Set(u[1], AttributeChange{Key: "k", Value: textMessage(0, "v").Payload}))
	_, err := c.Confirm(a, 1)
	require.NoError(t, err)
	c.Lose(c.now, u[2])
	says := func(what string) string { return `star: channel "abc123": ` + what }
	const isService, to, asks, replies, hasRef = 1, 2, 4, 8, 64
	name := func(kind byte, name string) Record {
		return record(kind, func(p *pieces) { p.flags(true); p.text(name) })
	}
	answers := func(number, highest uint64, refs ...uint64) Record {
		return record(recordAnswers, func(p *pieces) {
			p.number(number)
			p.number(highest)
			var all []AnswerSnapshot
			for _, ref := range refs {
				all = append(all, AnswerSnapshot{Ref: ref})
			}
			p.answers(all)
		})
	}
	reset := func(kind byte, number uint64, key string, seq uint64) Record {
		return record(kind, func(p *pieces) { p.number(number); p.text(key); p.number(seq) })
	}
	created := func(name string, timeout int64) Record {
		return record(recordCreated, func(p *pieces) {
			p.text(name)
			p.text("alice")
			p.signed(timeout)
			p.anyTerms(Terms{})
			p.bound(Bound{})
			p.number(0)
		})
	}
	seat := func(states byte) Record {
		return record(recordSeat, func(p *pieces) {
			p.number(1)
			p.flags(true)
			p.byte(states)
			p.number(1)
			p.number(1)
			p.number(0)
		})
	}
	handed := func(number uint64, name string) Record {
		return record(recordHanded, func(p *pieces) { p.number(number); p.text(name) })
	}
	for what, test := range map[string]struct {
		r   Record
		err string // empty: it can be
	}{
		"nothing":                      {"", "a piece is cut off"},
		"unknown, critical":            {numbersOf(recordCritical|31, 1), "star: a record of the kind 31 is not known here, and cannot be passed over"},
		"unknown, critical and shared": {numbersOf(recordCritical|recordShared|31, 1), "star: a record of the kind 31 is not known here, and cannot be passed over"},
		"unknown":                      {numbersOf(31, 1), ""},
		"for others alone":             {numbersOf(recordOver, 1), ""},
		"a second channel":             {created("abc123", 1), "star: a channel is created that is there already"},
		"too long":                     {numbersOf(recordGone, 2, 1), "star: a record is longer than its kind"},
		"nobody's seat":                {numbersOf(recordSeat, 3), says("there is no membership 3")},
		"a number that overflows":      {numbersOf(recordGone, wire.MaxNumber+1), "there is the number 9007199254740993 where none is above 9007199254740992"},

		"a message":                              {someMessage(recordDown, 3, 0), ""},
		"a message behind others":                {someMessage(recordDown, 9, 0), ""},
		"a message twice":                        {someMessage(recordDown, 2, 0), says("there is a message 2 already")},
		"a message to one":                       {someMessage(recordDown, 3, to, 2), ""},
		"a message to its master":                {someMessage(recordDown, 3, to, 0), says("message 3 is from nobody, or to nobody")},
		"a slave's":                              {someMessage(recordUp, 9, to, 1), ""},
		"a slave's twice":                        {someMessage(recordUp, 2, to, 1), says("there is a message 2 already")},
		"the service's":                          {someMessage(recordUp, 9, isService), ""},
		"the service's and a slave's":            {someMessage(recordUp, 9, isService|to, 1), says("message 9 is from nobody, or to nobody")},
		"nobody's":                               {someMessage(recordUp, 9, 0), says("message 9 is from nobody, or to nobody")},
		"the master's to itself":                 {someMessage(recordUp, 9, to, 0), says("message 9 is from nobody, or to nobody")},
		"the service's to all":                   {someMessage(recordDown, 3, isService), ""},
		"the service's that asks":                {someMessage(recordDown, 3, isService|asks), says("message 3 of the service is one of a member")},
		"the service's that answers":             {someMessage(recordDown, 3, isService|to|replies, 1, 1), says("message 3 of the service is one of a member")},
		"the service's with a ref":               {someMessage(recordDown, 3, isService|hasRef, 7), says("message 3 of the service is one of a member")},
		"a ref":                                  {someMessage(recordDown, 3, hasRef, 7), ""},
		"a ref again":                            {someMessage(recordDown, 3, hasRef, 6), says("message 3 has the ref 6 behind 6")},
		"a slave's ref again":                    {someMessage(recordUp, 9, to|hasRef, 1, 5), says("message 9 has the ref 5 behind 5")},
		"a slave's other ref":                    {someMessage(recordUp, 9, to|hasRef, 1, 6), ""},
		"an answer":                              {someMessage(recordUp, 9, to|replies, 1, 1), ""},
		"an answer of one who was not asked":     {someMessage(recordUp, 9, to|replies, 2, 1), says("message 9 answers what nobody has asked")},
		"an answer to nothing":                   {someMessage(recordUp, 9, to|replies, 1, 9), says("message 9 answers what nobody has asked")},
		"the master's answer":                    {someMessage(recordDown, 3, to|replies, 1, 1), ""},
		"the master's answer to one who did not": {someMessage(recordDown, 3, to|replies, 2, 1), says("message 3 answers what nobody has asked")},
		"the master's answer to all":             {someMessage(recordDown, 3, replies, 1), says("message 3 answers what nobody has asked")},
		"a message of no kind": {record(recordDown, func(p *pieces) { p.number(3); p.flags(); p.byte(0); p.text("") }),
			`a message of "a record" has no kind`},
		"a message cut off": {numbersOf(recordDown, 3), "a piece is cut off"},

		"an ended channel":    {record(recordEnded, func(p *pieces) { p.text("kicked"); p.text("") }), ""},
		"an end cut off":      {record(recordEnded, func(p *pieces) { p.text("kicked") }), "a piece is cut off"},
		"handed":              {handed(1, "user_1"), ""},
		"handed, under what":  {handed(1, "user_2"), says(`"user_2" becomes the master, and is no slave, or away`)},
		"handed to its own":   {handed(0, "alice"), says(`"alice" becomes the master, and is no slave, or away`)},
		"handed to one away":  {handed(2, "user_2"), says(`"user_2" becomes the master, and is no slave, or away`)},
		"handed to nobody":    {handed(3, "user_3"), says("there is no membership 3")},
		"handed, cut off":     {numbersOf(recordHanded, 1), "a piece is cut off"},
		"all muted":           {name(recordMutedAll, ""), ""},
		"all muted, cut off":  {record(recordMutedAll, func(p *pieces) { p.flags(true) }), "a piece is cut off"},
		"an exception":        {name(recordException, "user_1"), ""},
		"an exception of all": {name(recordException, ""), says("a name is empty")},
		"banned":              {name(recordBanned, "eve"), ""},
		"banned, without":     {name(recordBanned, ""), says("a name is empty")},
		"banned, cut off":     {numbersOf(recordBanned, 1), "a piece is cut off"},

		"an attribute":                     {someAttribute(recordAttribute, 1, "k", 3, wire.TextPayload, "v"), ""},
		"an attribute that is removed":     {someAttribute(recordAttribute, 1, "k", 3, wire.NoPayload, ""), ""},
		"removed, with a value":            {someAttribute(recordAttribute, 1, "k", 3, wire.NoPayload, "v"), says(`the attribute "k" has no key, or no value`)},
		"a value that is no attribute's":   {someAttribute(recordAttribute, 1, "k", 3, wire.FailedPayload, "v"), says(`the attribute "k" has no key, or no value`)},
		"an attribute without a key":       {someAttribute(recordAttribute, 1, "", 3, wire.TextPayload, "v"), says(`the attribute "" has no key, or no value`)},
		"an attribute twice":               {someAttribute(recordAttribute, 1, "k", 2, wire.TextPayload, "v"), says("there is a change 2 already")},
		"the master's attribute":           {someAttribute(recordMasterAttribute, 0, "k", 3, wire.TextPayload, "v"), ""},
		"the master's, of a slave":         {someAttribute(recordMasterAttribute, 1, "k", 3, wire.TextPayload, "v"), says(`an attribute of "user_1" is one of another role`)},
		"a slave's, of the master":         {someAttribute(recordAttribute, 0, "k", 3, wire.TextPayload, "v"), says(`an attribute of "alice" is one of another role`)},
		"an attribute cut off":             {numbersOf(recordAttribute, 1), "a piece is cut off"},
		"a reset":                          {reset(recordReset, 1, "k", 3), ""},
		"a reset for what is not there":    {reset(recordReset, 1, "l", 3), says(`"user_1" has no attribute "l"`)},
		"a reset of one who has none":      {reset(recordReset, 2, "k", 3), says(`"user_2" has no attribute "k"`)},
		"a reset twice":                    {reset(recordReset, 1, "k", 2), says("there is a change 2 already")},
		"the master's reset, of its slave": {reset(recordMasterReset, 1, "k", 3), says(`an attribute of "user_1" is one of another role`)},

		"a new member":              {someMember(7, "user_7", 2, 2), ""},
		"a member that is there":    {someMember(1, "user_1", 0, 0), ""},
		"a name twice":              {someMember(7, "user_1", 0, 0), says(`the membership 7 of "user_1" is another one's`)},
		"its master's name":         {someMember(7, "alice", 0, 0), says(`the membership 7 of "alice" is another one's`)},
		"another name":              {someMember(1, "user_7", 0, 0), says(`the membership 1 of "user_7" is another one's`)},
		"its master, renamed":       {someMember(0, "user_7", 0, 0), says(`the membership 0 of "user_7" is another one's`)},
		"a start above":             {someMember(7, "user_7", 3, 0), says(`"user_7" has numbers of messages that there are not`)},
		"a lost message above":      {someMember(7, "user_7", 0, 3), says(`"user_7" has numbers of messages that there are not`)},
		"a member cut off":          {numbersOf(recordMember, 7), "a piece is cut off"},
		"a seat":                    {seat(byte(wire.StateOnline) | byte(wire.StateLeft)<<4), ""},
		"a seat that is left":       {seat(byte(wire.StateLeft)), says(`"user_1" is in no state`)},
		"a seat that is told so":    {seat(byte(wire.StateOnline) | byte(wire.StateLeft+1)<<4), says(`"user_1" is in no state`)},
		"a seat cut off":            {numbersOf(recordSeat, 1, 1), "a piece is cut off"},
		"its numbers":               {numbersOf(recordChannel, 0, 2, 0, uint64(wire.DoorOpen)), ""},
		"fewer memberships":         {numbersOf(recordChannel, 0, 1, 0, uint64(wire.DoorOpen)), says("there are fewer memberships than there were, or its door is none")},
		"no door":                   {numbersOf(recordChannel, 0, 2, 0, 0), says("there are fewer memberships than there were, or its door is none")},
		"a door too many":           {numbersOf(recordChannel, 0, 2, 0, uint64(wire.DoorLocked)+1), says("there are fewer memberships than there were, or its door is none")},
		"its numbers cut off":       {numbersOf(recordChannel, 0, 2), "a piece is cut off"},
		"an answer to a ref":        {numbersOf(recordAnswered, 1, 6, 0, 0, 0), ""},
		"an answer to a ref again":  {numbersOf(recordAnswered, 1, 5, 0, 0, 0), says(`"user_1" is answered under the ref 5 behind 5`)},
		"an answer cut off":         {numbersOf(recordAnswered, 1, 6, 0, 0, 1), "a piece is cut off"},
		"a content too large":       {numbersOf(recordAnswered, 1, 6, 0, math.MaxUint32+1, 0), "there is the number 4294967296 where none is above 4294967295"},
		"answers":                   {answers(1, 9, 8, 9), ""},
		"no answers":                {answers(1, 9), ""},
		"answers of nobody":         {answers(3, 9), says("there is no membership 3")},
		"an answer above":           {answers(1, 9, 8, 10), says(`"user_1" has an answer to a later send than its last`)},
		"too many answers":          {answers(1, 99, refsTo(wire.SlaveAnswers+1)...), "a member has more than 32 open requests, or answers to its sends"},
		"answers that do not rise":  {answers(1, 9, 8, 8), "a member's refs do not rise"},
		"confirmed":                 {numbersOf(recordConfirmed, 2), ""},
		"confirmed above":           {numbersOf(recordConfirmed, 3), says("message 3 is confirmed of 2")},
		"held":                      {numbersOf(recordHeld, 0), ""},
		"held above":                {numbersOf(recordHeld, 3), says("message 3 is confirmed of 2")},
		"confirmed, cut off":        {numbersOf(recordConfirmed), "a piece is cut off"},
		"a slave gone":              {numbersOf(recordGone, 1), ""},
		"a slave away gone":         {numbersOf(recordGone, 2), ""},
		"its master gone":           {numbersOf(recordGone, 0), says("its master is gone alone")},
		"forgotten":                 {numbersOf(recordForgotten, 0), ""},
		"forgotten, cut off":        {numbersOf(recordForgotten), "a piece is cut off"},
		"answered nobody":           {numbersOf(recordAnswered, 3, 6, 0, 0, 0), says("there is no membership 3")},
		"held, cut off":             {numbersOf(recordHeld), "a piece is cut off"},
		"of a hand-over":            {ofAHandOver(2), ""},
		"of a hand-over, above":     {ofAHandOver(3), says("its master has numbers of messages from before that there are not")},
		"a seat away again":         {record(recordSeat, func(p *pieces) { p.number(2); p.seat(c.slaves["user_2"]) }), ""},
		"forgotten nobody":          {numbersOf(recordForgotten, 3), says("there is no membership 3")},
		"known":                     {numbersOf(recordKnows, 1), ""},
		"closed":                    {numbersOf(recordClosed, 1, 1), ""},
		"closed, the master's":      {numbersOf(recordClosed, 0, 2), ""},
		"closed, not asked":         {numbersOf(recordClosed, 1, 2), says(`request 2 of "user_1" is over, and was not open`)},
		"closed, not asked by":      {numbersOf(recordClosed, 2, 1), says(`request 1 of "user_2" is over, and was not open`)},
		"closed, not of the master": {numbersOf(recordClosed, 0, 3), says(`request 3 of "alice" is over, and was not open`)},
		"closed, cut off":           {numbersOf(recordClosed, 0), "a piece is cut off"},
		"unanswered":                {numbersOf(recordUnanswered, 1, 2), ""},
		"unanswered, not asked":     {numbersOf(recordUnanswered, 1, 9), says(`request 9 does not await "user_1"`)},
		"unanswered by the master":  {numbersOf(recordUnanswered, 0, 2), says(`request 2 does not await "alice"`)},
		"unanswered, cut off":       {numbersOf(recordUnanswered, 1), "a piece is cut off"},
		"expired, cut off":          {numbersOf(recordExpired), "a piece is cut off"},
		"passed":                    {numbersOf(recordPassed, 4, 3, 1), ""},
		"passed, not given":         {numbersOf(recordPassed, 4, 2, 0), ""},
		"passed, with many places":  {numbersOf(recordPassed, 4, 2, passedPlaces+1), "there is the number 257 where none is above 256"},
		"passed below":              {numbersOf(recordPassed, 1, 3, 1), says("numbers are passed over up to 1 and 3, behind 2 and 2")},
		"passed, cut off":           {numbersOf(recordPassed, 4, 3), "a piece is cut off"},
		"given over, cut off":       {numbersOf(recordGivenOver), "a piece is cut off"},
		"an ended name":             {created("abc", 1), "star: a channel is created that is there already"},
	} {
		t.Run(what, func(t *testing.T) {
			copied := c.copied()
			err := copied.Apply(test.r)
			require.Empty(t, copied.effects)
			if test.err == "" {
				require.NoError(t, err)
				playOn(copied)
				return
			}
			require.EqualError(t, err, test.err)
			if what != "too long" { // which is known behind all else
				require.Equal(t, c.Snapshot(), copied.Snapshot(), "it has changed nothing")
			}
		})
	}
}

// playOn does something with a channel that any records have made.
func playOn(c *Channel) {
	c.Snapshot()
	c.Report()
	now := noon
	c.TakeOver(now, func(wire.Role, string, Hub) *Attachment {
		return &Attachment{Line: &line{room: -1, notices: -1, mark: -1}}
	})
	if c.life == open {
		for _, m := range append([]*member{c.master}, slices.Collect(maps.Values(c.slaves))...) {
			if a := m.attachment; a != nil {
				_ = c.Send(a, asking(wire.MaxNumber, ""))
				_ = c.Set(a, AttributeChange{Key: "k", Value: textMessage(0, "v").Payload})
				c.Drained(a)
				c.Lose(now, a)
			}
		}
	}
	for range 5 {
		due, ok := c.Due()
		if !ok {
			break
		}
		c.Expire(due)
	}
	c.Snapshot()
	c.TakeEffects(nil)
}

// Behind the end nothing is taken but a new channel of the name, of which nothing is left of the old one.
func TestNothingFollowsTheEnd(t *testing.T) {
	c, _, _ := recordedTable(t, Limits{}, 1)
	copied := c.copied()
	c.Close("over")
	ends := c.TakeEffects(nil)
	for _, e := range ends {
		if e.Kind == Keep {
			require.NoError(t, copied.Apply(e.Record()))
		}
	}
	require.True(t, copied.Ended())
	for _, r := range []Record{numbersOf(recordForgotten, 0), numbersOf(recordListed), numbersOf(recordOver, 1), numbersOf(recordPresence, 1), numbersOf(recordCritical|31, 1)} {
		require.ErrorIs(t, copied.Apply(r), errNotCreated)
	}
	require.NoError(t, copied.Apply(numbersOf(31, 1)), "it is for somebody else")
	require.ErrorIs(t, New("abc123", c.limits).Apply(numbersOf(recordListed)), errNotCreated)
	vacant := New("abc123", c.limits)
	require.ErrorIs(t, vacant.Apply(record(recordCreated, func(p *pieces) { p.text("abc123"); p.text("alice"); p.signed(0); p.anyTerms(Terms{}) })), errCut)
	require.False(t, vacant.Exists())

	next := newTable(t, Limits{})
	next.CountFrom(1 << 31)
	next.Record(true)
	require.NoError(t, next.create(next.now, next.on("b"), 1, "bob", 0))
	require.NoError(t, next.join(next.now, next.on("u"), 1, "user_1", ""))
	for _, e := range next.TakeEffects(nil) {
		if e.Kind == Keep {
			require.NoError(t, copied.Apply(e.Record()))
		}
	}
	require.Equal(t, written(t, timeless(next.Snapshot())), written(t, timeless(copied.Snapshot())))
	require.EqualValues(t, uint64(1<<31+1), copied.slaves["user_1"].number, "no number is used again")
	next.CountFrom(7)
	require.EqualValues(t, uint64(1<<31+1), next.joins, "it is created already")

	other := New("other", c.limits)
	require.EqualError(t, other.Apply(record(recordCreated, func(p *pieces) {
		p.text("abc123")
		p.text("alice")
		p.signed(0)
		p.anyTerms(Terms{})
		p.bound(Bound{})
		p.number(0)
	})), `star: channel "other": the records are those of channel "abc123"`)
	require.EqualError(t, other.Apply(record(recordCreated, func(p *pieces) {
		p.text("other")
		p.text("alice")
		p.signed(-1)
		p.anyTerms(Terms{})
		p.bound(Bound{})
		p.number(0)
	})), `star: channel "other": it waits for less than no time`)
}

// One that decides takes no records.
func TestOneThatRecordsAppliesNone(t *testing.T) {
	c, _, _ := recordedTable(t, Limits{}, 1)
	require.ErrorIs(t, c.Apply(numbersOf(recordListed)), errRecords)
	c.Record(false)
	c.copy = nil
	require.NoError(t, c.Apply(numbersOf(recordListed)))
	require.Empty(t, c.recordsOf(c.lostBy(c.master.attachment)))
}

// A member has no more than its own channel has of it.
func TestAnAppliedMemberTakesLittle(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 1)
	copied := c.copied()
	require.NoError(t, copied.Apply(someMember(1, "user_1", 0, 0)))
	require.Nil(t, copied.slaves["user_1"].extras)
}

// Who is away and told to be so again is listed once, where it was.
func TestWhoIsAwayIsListedOnce(t *testing.T) {
	c, _, u := openTable(t, Limits{}, 2)
	c.Lose(c.now, u[2])
	c.Lose(c.now, u[1])
	copied := c.copied()
	require.NoError(t, copied.Apply(record(recordSeat, func(p *pieces) { p.number(2); p.seat(c.slaves["user_2"]) })))
	require.Equal(t, []string{"user_2", "user_1"}, copied.Snapshot().Away)
}
