package star

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

var recordWords = map[byte]string{
	recordCreated: "created", recordEnded: "ended", recordDown: "down", recordUp: "up", recordPresence: "presence",
	recordOver: "over", recordHanded: "handed", recordMutedAll: "muted all", recordException: "exception",
	recordAttribute: "attribute", recordReset: "reset", recordMasterAttribute: "master's attribute", recordMasterReset: "master's reset",
	recordMember: "member", recordSeat: "seat", recordChannel: "channel", recordGone: "gone", recordAnswered: "answered",
	recordAnswers: "answers", recordForgotten: "forgotten", recordClosed: "closed", recordConfirmed: "confirmed",
	recordHeld: "held", recordExpired: "expired", recordListed: "listed", recordShown: "shown", recordKnows: "knows",
	recordGivenOver: "given over", recordBanned: "banned", recordPage: "page", recordPassed: "passed", recordUnanswered: "unanswered",
}

// recordLine is a record as a line: with a star where it is shared, and with the number that comes first
// in it.
//
//	seat 1      where user_1 is
//	*down 3     message 3 of the master
func recordLine(r Record) string {
	kind := r.kind()
	line := recordWords[kind]
	if r.Shared() {
		line = "*" + line
	}
	d := &piecesIn{rest: []byte(r[1:])}
	switch kind &^ recordShared {
	case recordCreated &^ recordShared, recordEnded &^ recordShared, recordGivenOver, recordListed, recordShown, recordExpired, recordChannel,
		recordMutedAll &^ recordShared, recordException &^ recordShared, recordBanned:
		return line
	}
	return fmt.Sprint(line, " ", d.number())
}

// recordsOf are the records of a transition. The copy is the channel when it has taken them.
func (c *table) recordsOf(transition func() error) (lines []string) {
	c.t.Helper()
	_ = c.do(transition)
	for _, e := range c.TakeEffects(nil) {
		if e.Kind != Keep {
			continue
		}
		lines = append(lines, recordLine(e.Record()))
		if c.copy != nil {
			require.NoError(c.t, c.copy.Apply(e.Record()))
		}
	}
	if c.copy != nil {
		require.Equal(c.t, written(c.t, timeless(c.Snapshot())), written(c.t, timeless(c.copy.Snapshot())))
	}
	return lines
}

// recordedTable is openTable with a channel that records.
func recordedTable(t *testing.T, limits Limits, slaves int) (c *table, a *Attachment, u []*Attachment) {
	c, a, u = openTable(t, limits, slaves)
	c.records()
	return c, a, u
}

// records has the channel record from now on, and be copied.
func (c *table) records() {
	c.copy = c.copied()
	c.Record(true)
}

// Each transition has the records of what it has changed, and no others; the words with a star are what
// hubs with members carry out.
func TestWhatIsRecorded(t *testing.T) {
	c := newTable(t, Limits{})
	c.records()
	a, one, two := c.on("a"), c.on("u1"), c.on("u2")
	does := func(transition func() error, lines ...string) {
		t.Helper()
		require.Equal(t, lines, c.recordsOf(transition))
	}
	does(func() error { return c.create(c.now, a, 1, "alice", 0) }, "*created", "member 0")
	does(func() error { return c.create(c.now, c.on("x"), 1, "alice", 0) }) // it is refused
	does(func() error { return c.join(c.now, one, 1, "user_1", "") }, "member 1")
	does(func() error { return c.join(c.now, two, 1, "user_2", "") }, "member 2")

	does(c.sends(a, 2, "x"), "seat 0", "*down 1") // a is heard for the first time
	does(c.sends(a, 3, "x"), "*down 2")
	does(c.sends(a, 3, "x")) // it is sent again
	does(func() error { return c.Send(a, messageTo(4, "user_9", "x")) }, "answered 0")
	does(func() error { return c.Send(a, messageTo(0, "user_9", "x")) }) // it has no ref
	does(c.says(a, "x"), "*down 3")
	does(func() error { return c.Send(a, asking(5, "user_1")) }, "*down 4")
	does(c.sends(one, 2, "x"), "seat 1", "up 1")
	does(func() error { return c.Send(one, asking(3, "")) }, "up 2")
	does(func() error { return c.Send(one, replying("", 4)) }, "up 3")
	does(func() error { return c.Withdraw(one, 0, 2) }, "closed 1")
	does(func() error { _, _, err := c.Speak(textMessage(0, "x")); return err }, "*down 5")
	does(func() error { _, _, err := c.Speak(messageTo(0, "alice", "x")); return err }, "up 4")

	does(c.confirms(a, 0), "seat 0") // that it confirms at all
	does(c.confirms(a, 2), "confirmed 2")
	does(c.confirms(a, 2))
	does(func() error { return c.Members(a, 0, Page{}) })
	does(c.sets(a, "k", "v"), "*master's attribute 0")
	does(c.sets(one, "k", "v"), "attribute 1")
	does(func() error { return c.Set(one, AttributeChange{Ref: 9, Key: "k"}) }, "attribute 1", "answered 1")
	does(c.mutes(a, "user_1", true), "*exception")
	does(c.mutes(a, "user_1", true))
	does(c.mutesAll(a, true), "*muted all")
	does(c.mutesAll(a, false), "*muted all")
	does(func() error { return c.SetDoor(c.now, a, 0, wire.DoorKnock) }, "channel")
	does(func() error { return c.SetDoor(c.now, a, 0, wire.DoorKnock) })
	does(func() error { return c.SetDoor(c.now, a, 0, wire.DoorOpen) }, "channel")

	does(func() error { return c.Away(c.now, a, 0) }, "*presence 2", "seat 0")
	does(func() error { return c.Back(c.now, a, 0) }, "*presence 1", "seat 0")
	does(func() error { return c.Back(c.now, a, 0) })
	does(c.lostBy(one), "seat 1")
	does(c.lostBy(one))
	again := c.on("v1")
	does(func() error { return c.resume(c.now, again, 10, "user_1", c.secret("user_1"), 0) }, "seat 1")
	once := c.on("w1")
	does(func() error { return c.resume(c.now, once, 11, "user_1", c.secret("user_1"), 0) }, "*over 1", "seat 1")
	does(func() error { return c.Kick(a, 0, "user_1", true, "") }, "banned", "gone 1", "*over 1")
	does(func() error { return c.Kick(a, 0, "user_1", true, "") }, "banned")
	does(c.leaves(two), "gone 2")
	does(func() error { c.Stop(c.now); return nil })
	does(func() error { return c.Members(a, 0, Page{}) })
	does(c.leaves(a), "seat 0", "*ended")
	does(func() error { c.Close(""); return nil })
	does(func() error { return c.Leave(c.now, a, 0) })
}

// What has changed without any other effect is pending too, so that it is taken.
func TestARecordIsPending(t *testing.T) {
	c, a, _ := recordedTable(t, Limits{}, 0)
	require.Zero(t, c.Pending())
	require.NoError(t, c.Hear(a))
	require.Equal(t, 1, c.Pending())
	require.Len(t, c.TakeEffects(nil), 1)
}

// Who is away has no records of its own when its time is over but that it is out, nor has a message
// that expires but the time.
func TestWhatExpiresIsRecorded(t *testing.T) {
	c, a, u := recordedTable(t, Limits{MasterTimeout: time.Hour}, 2)
	c.recordsOf(c.sends(a, 2, "x"))
	asks := lasting(c, asking(3, "user_2"), time.Second)
	require.Equal(t, []string{"*down 2"}, c.recordsOf(func() error { return c.Send(a, asks) }))
	c.after(time.Second)
	require.Equal(t, []string{"expired", "closed 0"}, c.recordsOf(func() error { return nil }))
	c.recordsOf(c.lostBy(u[1]))
	c.after(xSlave)
	require.Equal(t, []string{"gone 1"}, c.recordsOf(func() error { return nil }))
	g := Grant{Asked: true, Expires: c.now.Add(time.Second)}
	require.Equal(t, []string{"member 2"}, c.recordsOf(func() error { return c.Refresh(u[2], 0, g) }))
	g.Data = []byte("x")
	require.Equal(t, []string{"member 0"}, c.recordsOf(func() error { return c.Refresh(a, 0, g) }))
	c.after(time.Second)
	require.Equal(t, []string{"*presence 2", "seat 0", "channel", "gone 2", "*over 2"}, c.recordsOf(func() error { return nil }))
	c.after(time.Hour)
	require.Equal(t, []string{"*ended"}, c.recordsOf(func() error { return nil }))
}

// A member that another client holds now has sent nothing, and one that has shown nothing new has the
// same records as before.
func TestWhoHoldsAMembershipIsRecorded(t *testing.T) {
	c, _, u := heldTable(t)
	c.records()
	does := func(transition func() error, lines ...string) {
		t.Helper()
		require.Equal(t, lines, c.recordsOf(transition))
	}
	does(c.hears(u), "seat 1")
	does(c.hears(u))
	r, s := c.on("r"), c.on("s")
	does(c.resumes(r, c.shows("A", 2, 1, "s1")), "*over 1", "seat 1")
	does(c.hears(r), "seat 1")
	does(c.resumes(s, c.shows("B", 1, 2, "s1")), "*over 1", "member 1")
	does(c.hears(s), "member 1", "forgotten 1")
}

// A hand-over is one shared record, behind which its two members are told as they are.
func TestHandOversAreRecorded(t *testing.T) {
	c, a, _ := recordedTable(t, Limits{}, 2)
	c.recordsOf(c.hears(a))
	h := c.handing("user_1", true, 7)
	require.Equal(t, []string{
		"*handed 1", "*presence 1", "member 0", "member 3", "answers 3", "member 0", "listed", "seat 0", "given over", "seat 3",
	}, c.recordsOf(c.handsOver(a, h)))
	require.Equal(t, []string{"knows 0"}, c.recordsOf(func() error { return c.Show(h.New, h.New.epoch) }))
	require.Equal(t, []string{"knows 3"}, c.recordsOf(func() error { return c.Show(h.Stays, h.Stays.epoch) }))
	c.recordsOf(c.says(h.New, "x"))
	back := c.handing("user_2", false, 0)
	require.Equal(t, []string{
		"*handed 2", "*presence 1", "*over 0", "member 0",
	}, c.recordsOf(c.handsOver(h.New, back)))
}

// Of several values of a key in one group the last one is told, unless something between them says
// something of attributes that there are.
func TestFoldedRecords(t *testing.T) {
	attribute := func(number uint64, key string, seq uint64) Record {
		return someAttribute(recordAttribute, number, key, seq, wire.TextPayload, "v")
	}
	master := func(key string, seq uint64) Record {
		return someAttribute(recordMasterAttribute, 0, key, seq, wire.TextPayload, "v")
	}
	up, down := someMessage(recordUp, 9, 2, 1), someMessage(recordDown, 9, 0)
	answered, confirmed := numbersOf(recordAnswered, 1, 9, 0, 0, 0), numbersOf(recordConfirmed, 1)
	seat, presence := numbersOf(recordSeat, 1), numbersOf(recordPresence, 1)
	gone := numbersOf(recordGone, 1)
	for what, test := range map[string]struct{ group, want []Record }{
		"nothing":          {nil, nil},
		"one":              {[]Record{attribute(1, "k", 1)}, []Record{attribute(1, "k", 1)}},
		"two values":       {[]Record{attribute(1, "k", 1), attribute(1, "k", 2)}, []Record{attribute(1, "k", 2)}},
		"three":            {[]Record{attribute(1, "k", 1), attribute(1, "k", 2), attribute(1, "k", 3)}, []Record{attribute(1, "k", 3)}},
		"of two keys":      {[]Record{attribute(1, "k", 1), attribute(1, "l", 2)}, []Record{attribute(1, "k", 1), attribute(1, "l", 2)}},
		"of two members":   {[]Record{attribute(1, "k", 1), attribute(2, "k", 2)}, []Record{attribute(1, "k", 1), attribute(2, "k", 2)}},
		"of the master":    {[]Record{master("k", 1), attribute(1, "k", 1), master("k", 2)}, []Record{attribute(1, "k", 1), master("k", 2)}},
		"messages between": {[]Record{attribute(1, "k", 1), up, down, answered, confirmed, seat, presence, attribute(1, "k", 2)}, []Record{up, down, answered, confirmed, seat, presence, attribute(1, "k", 2)}},
		"a step between":   {[]Record{attribute(1, "k", 1), gone, attribute(1, "k", 2)}, []Record{attribute(1, "k", 1), gone, attribute(1, "k", 2)}},
		"damaged":          {[]Record{"\x8a", "\x8a", "", ""}, []Record{"\x8a", "\x8a", "", ""}},
	} {
		t.Run(what, func(t *testing.T) {
			require.Equal(t, test.want, Fold(append([]Record(nil), test.group...)))
		})
	}
}
