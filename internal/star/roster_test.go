package star

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// slowTable is an openTable whose master takes none of the changes of its slaves: it is
// behind after so many. The lines show the numbers of memberships.
func slowTable(t *testing.T, limits Limits, slaves, mark int) (c *table, a *Attachment, u []*Attachment) {
	c, a, u = openTable(t, limits, slaves)
	out := a.Line.(*line)
	out.mark, out.taken = mark, c.told.Messages
	c.numbers = true
	return c, a, u
}

// takes has the master take all that it was told.
func (c *table) takes(a *Attachment) { a.Line.(*line).taken = c.told.Messages }

func (c *table) enters(at *Attachment, name string) func() error {
	return func() error { return c.join(c.now, at, 1, name, "") }
}

func (c *table) leaves(at *Attachment) func() error {
	return func() error { return c.Leave(c.now, at, 2) }
}

func (c *table) drains(a *Attachment) func() error {
	return func() error { c.Drained(a); return nil }
}

func (c *table) says(at *Attachment, text string) func() error {
	return func() error { return c.Send(at, textMessage(0, text)) }
}

// Every membership has a number, which rises with each join. The master is told it at the
// join and in lists.
func TestNumbersOfMemberships(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 0)
	c.numbers = true
	u = append(u, c.on("u1"), c.on("u2"), c.on("u3"))
	c.did(c.enters(u[1], "bob"), "+u1", "u1 < joined alice=online ref=1", "a < presence bob#1 online")
	c.did(c.enters(u[2], "eve"), "+u2", "u2 < joined alice=online ref=1", "a < presence eve#2 online")
	c.did(c.lostBy(u[1]), "-u1", "a < presence bob away")
	r := c.on("r")
	c.did(func() error { return c.resume(c.now, r, 2, "bob", c.secret("bob"), 0) },
		"+r", "r < joined alice=online ref=2", "a < presence bob online")
	c.did(c.leaves(r), "-r", "a < presence bob left (left)", "r < left ref=2", "r vacates")
	c.did(c.enters(u[3], "bob"), "+u3", "u3 < joined alice=online ref=1", "a < presence bob#3 online")
	c.did(func() error { return c.Members(a, 4, Page{}) }, "a < members ref=4 [bob#3=online eve#2=online]")
	c.did(func() error { return c.Send(a, asking(0, "eve")) }, "u2 < message seq=1 alice: well? (private) request=1")
	c.did(func() error { return c.Awaiting(a, 5, 1, Page{}) }, "a < awaiting ref=5 [eve#2=online] request=1")
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) },
		"a ! replaced: the membership was taken over by a newer connection", "b << created ref=2 epoch=2 [bob#3=online eve#2=online]")
}

// While the master does not take what it is told, changes of its slaves are gathered. Then
// it is told the list as it is, once.
func TestChangesAreGathered(t *testing.T) {
	c, a, u := slowTable(t, Limits{}, 2, 1)
	three, four := c.on("u3"), c.on("u4")
	c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away")
	c.did(c.leaves(u[2]), "-u2", "a ...", "u2 < left ref=2", "u2 vacates")
	c.did(c.enters(three, "user_2"), "+u3", "u3 < joined alice=online ref=1")
	c.did(c.enters(four, "user_4"), "+u4", "u4 < joined alice=online ref=1")
	c.did(c.leaves(four), "-u4", "u4 < left ref=2", "u4 vacates")

	c.did(c.drains(three))      // whose list it is not
	c.did(c.drains(a), "a ...") // messages have come meanwhile, so it is behind still
	c.takes(a)
	c.did(c.drains(a), "a << members [user_1#1=away user_2#3=online]")
	c.did(c.drains(a)) // once
	c.did(c.lostBy(three), "-u3", "a < presence user_2 away")
	c.did(c.enters(c.on("u5"), "user_5"), "+u5", "u5 < joined alice=online ref=1", "a ...")
}

// The mark is at the number of slaves, but at gatherFrom at least, and the line is told
// all that was accepted.
func TestMarkOfGathering(t *testing.T) {
	for _, test := range []struct{ slaves, mark int }{
		{0, gatherFrom}, {gatherFrom - 1, gatherFrom}, {gatherFrom, gatherFrom + 1}, {200, 201},
	} {
		t.Run(fmt.Sprint(test.slaves), func(t *testing.T) {
			c, a, u := openTable(t, Limits{}, test.slaves)
			asked := &asksMark{Line: a.Line}
			a.Line = asked
			accepted := Load{}
			if test.slaves > 0 {
				require.NoError(t, c.Send(u[1], textMessage(0, "five!")))
				accepted = Load{Messages: 1, Bytes: 5}
			}
			c.did0(c.enters(c.on("u"), "bob"))
			require.Equal(t, test.mark, asked.notices)
			require.Equal(t, accepted, asked.accepted)
			require.Equal(t, c.told.Messages-1, asked.told.Messages)
			size := len(wire.Append(nil, wire.Binary, &wire.Frame{
				Type: wire.Presence, Channel: "abc123", Username: "bob", Role: wire.Slave, State: wire.StateOnline, Number: c.joins, Joined: true,
			}))
			require.Equal(t, c.told.Bytes-size, asked.told.Bytes)
		})
	}
}

// The master is told of a slave's join that it is new, and of nothing else: not of its loss,
// its return on whichever way, or its end; and not where it is in a list.
func TestJoinedIsTold(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	told := func(transition func() error) (told []bool) {
		require.NoError(t, c.do(transition))
		for _, e := range c.effects {
			if e.Kind == SendPresence {
				frame, err := wire.Decode(e.Packet.Bytes(wire.Binary))
				require.NoError(t, err)
				require.Equal(t, frame.Joined, frame.Number != 0)
				told = append(told, frame.Joined)
			}
		}
		c.effects = nil
		return told
	}
	back := func(at *Attachment, name string) func() error {
		return func() error { return c.resume(c.now, at, 9, name, c.secret(name), 0) }
	}
	bob := c.on("bob")
	require.Equal(t, []bool{true}, told(c.enters(bob, "bob")))
	require.Equal(t, []bool{false}, told(c.lostBy(bob)))
	again := c.on("bob'")
	require.Equal(t, []bool{false}, told(back(again, "bob")))
	require.Equal(t, []bool{false}, told(c.leaves(again)))
	require.Equal(t, []bool{true}, told(c.enters(c.on("bob''"), "bob")), "another membership")

	// Who joins while the master is away is in its list, and is told as known after it.
	c.did0(c.lostBy(a))
	eve := c.on("eve")
	require.Empty(t, told(c.enters(eve, "eve")))
	require.Empty(t, told(back(c.on("a'"), "alice")))
	require.Equal(t, []bool{false}, told(c.lostBy(eve)))
}

// asksMark is a line that notes what it was asked.
type asksMark struct {
	Line
	notices        int
	accepted, told Load
}

func (l *asksMark) Behind(notices int, accepted, told Load) bool {
	l.notices, l.accepted, l.told = notices, accepted, told
	return false
}

// did0 is did for whatever effects.
func (c *table) did0(transition func() error) {
	c.t.Helper()
	require.NoError(c.t, c.do(transition))
	c.effects = nil
}

// No message of a slave comes before the master is told that the slave is there: its sends
// are refused with busy until then. Slaves that the master knows go on.
func TestRule5NoMessageBeforeTheList(t *testing.T) {
	c, a, u := slowTable(t, Limits{}, 3, 0)
	four, again := c.on("u4"), c.on("u3'")
	c.did(c.enters(four, "user_4"), "+u4", "u4 < joined alice=online ref=1", "a ...")
	c.did(c.leaves(u[3]), "-u3", "u3 < left ref=2", "u3 vacates")
	c.did(c.enters(again, "user_3"), "+u3'", "u3' < joined alice=online ref=1")
	c.did(c.lostBy(u[2]), "-u2")

	c.did(c.says(u[1], "x"), "a < message seq=1 user_1: x")
	c.refused(wire.ErrBusy, c.says(four, "x"))
	c.refused(wire.ErrBusy, c.says(again, "x")) // the master knows another one of that name
	back := c.on("u2'")
	c.did(func() error { return c.resume(c.now, back, 2, "user_2", c.secret("user_2"), 0) },
		"+u2'", "u2' < joined alice=online ref=2")
	c.did(c.says(back, "y"), "a < message seq=2 user_2: y") // the master knows it as online

	c.takes(a)
	a.Line.(*line).mark = 1
	c.did(c.drains(a), "a << members [user_1#1=online user_2#2=online user_3#5=online user_4#4=online]")
	c.did(c.says(four, "z"), "a < message seq=3 user_4: z")
	c.did(c.says(again, "z"), "a < message seq=4 user_3: z")

	// One that was told as away sends nothing before it is told as back.
	c.did(c.lostBy(back), "-u2'", "a < presence user_2 away")
	back = c.on("u2''")
	c.did(func() error { return c.resume(c.now, back, 3, "user_2", c.secret("user_2"), 0) },
		"+u2''", "u2'' < joined alice=online ref=3", "a ...")
	c.refused(wire.ErrBusy, c.says(back, "z"))
	require.True(t, c.Unlisted(back))
	require.True(t, c.MustWait(back, 0))
	require.False(t, c.Unlisted(four))
	require.False(t, c.MustWait(four, 0))
	a.Line.(*line).room = 0
	require.True(t, c.MustWait(four, 0))
}

// Those in the master's list are those that its request asks. So the list comes before the
// request's answer, or the request is refused.
func TestRequestsComeAfterTheList(t *testing.T) {
	c, a, u := slowTable(t, Limits{}, 1, 0)
	two := c.on("u2")
	c.did(c.enters(two, "user_2"), "+u2", "u2 < joined alice=online ref=1", "a ...")
	c.did(c.says(a, "no request"), "* < message seq=1 alice: no request")
	a.Line.(*line).notices = 2 * listEntryOverhead
	c.refused(wire.ErrBusy, func() error { return c.Send(a, asking(0, "")) })
	c.refused(wire.ErrBusy, func() error { return c.Send(a, asking(0, "user_1")) })
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Send(a, asking(0, "user_3")) })
	a.Line.(*line).notices = 2 * (listEntryOverhead + len("user_1"))
	c.did(func() error { return c.Send(a, asking(5, "")) },
		"a < members [user_1#1=online user_2#2=online]", "* < message seq=2 alice: well? request=2", "a < ack ref=5 seq=2 slaves=2")
	c.did(c.drains(a)) // the list has been told
	c.did(func() error { return c.Send(a, asking(6, "")) }, "* < message seq=3 alice: well? request=3", "a < ack ref=6 seq=3 slaves=2")

	c.did(c.leaves(u[1]), "-u1", "a ...", "u1 < left ref=2", "u1 vacates")
	c.did(func() error { return c.Send(a, asking(7, "user_2")) },
		"a < members [user_2#2=online]", "u2 < message seq=4 alice: well? (private) request=4", "a < ack ref=7 seq=4 slaves=1")

	// So is the list that the master asks for.
	c.did(c.leaves(two), "-u2", "a ...", "u2 < left ref=2", "u2 vacates")
	c.did(func() error { return c.Members(a, 8, Page{}) }, "a < members ref=8 []")
	c.did(c.drains(a))
}

// What was to be told to a connection is not told to the next one, which gets the list as
// it comes back.
func TestGatheredForAnOlderConnection(t *testing.T) {
	c, a, u := slowTable(t, Limits{}, 2, 0)
	c.did(c.leaves(u[1]), "-u1", "a ...", "u1 < left ref=2", "u1 vacates")
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) },
		"a ! replaced: the membership was taken over by a newer connection", "b << created ref=2 epoch=2 [user_2#2=online]")
	c.takes(a)
	c.did(c.drains(a))
	c.did(c.drains(b))
	c.did(c.says(u[2], "x"), "b < message seq=1 user_2: x")
	c.did(c.lostBy(u[2]), "-u2", "b < presence user_2 away")
	require.Equal(t, 1, c.told.Messages, "counted from zero")

	c.did(c.lostBy(b), "* < presence alice away left=30000ms")
	back := c.on("u2'")
	c.did(func() error { return c.resume(c.now, back, 3, "user_2", c.secret("user_2"), 0) },
		"+u2'", "u2' < joined alice=away ref=3", "u2' < presence alice away left=30000ms")
	c.did(c.says(back, "kept"))
	d := c.on("d")
	c.did(func() error { return c.resume(c.now, d, 3, "alice", c.secret("alice"), 1) },
		"d << created ref=3 epoch=3 seq=2 [user_2#2=online]", "* < presence alice online", "d << message seq=2 user_2: kept")
	c.did(c.says(back, "y"), "d < message seq=3 user_2: y")

	// Nothing is told after the end.
	d.Line.(*line).mark = 0
	c.did(c.lostBy(back), "-u2'", "d ...")
	c.did(func() error { return c.Leave(c.now, d, 0) }, "* ! master_left", "forget", "d < left", "d vacates")
	c.did(c.drains(d))
}

// A restored channel still owes its master the list, to whichever connection that is on.
func TestRestoredWhileGathering(t *testing.T) {
	c, a, u := slowTable(t, Limits{}, 1, 0)
	c.did(c.enters(c.on("u2"), "user_2"), "+u2", "u2 < joined alice=online ref=1", "a ...")
	at := map[string]*Attachment{"alice": c.on("a'"), "user_1": c.on("u1'"), "user_2": c.on("u2'")}
	restored, err := Restore(c.Snapshot(), c.limits, c.now, func(_ wire.Role, username string) *Attachment { return at[username] })
	require.NoError(t, err)
	r := &table{Channel: restored, t: t, now: c.now, tags: c.tags, secrets: c.secrets, numbers: true}
	r.expect("a' ...", "+u1'", "+u2'")
	r.refused(wire.ErrBusy, r.says(at["user_2"], "x"))
	r.did(r.says(at["user_1"], "x"), "a' < message seq=1 user_1: x")
	r.did(r.drains(at["alice"]), "a' << members [user_1#1=online user_2#2=online]")
	three := r.on("u3")
	r.did(r.enters(three, "user_3"), "+u3", "u3 < joined alice=online ref=1", "a' < presence user_3#3 online")

	// The master may have lost its connection with the process.
	delete(at, "alice")
	at["user_1"], at["user_2"] = c.on("u1''"), c.on("u2''")
	restored, err = Restore(c.Snapshot(), c.limits, c.now, func(_ wire.Role, username string) *Attachment { return at[username] })
	require.NoError(t, err)
	r = &table{Channel: restored, t: t, now: c.now, tags: c.tags, secrets: c.secrets, numbers: true}
	r.expect("+u1''", "+u2''")
	r.did(r.says(at["user_2"], "x"))
	require.NotSame(t, a, u[1])
}

// A list is asked for as often as its master likes, and the channel is locked meanwhile: where
// there is no room for it, nothing is made of it.
func TestAListWithoutRoomCostsNothing(t *testing.T) {
	c, a, _ := openTable(t, Limits{MaxSlaves: 20_000}, 2000)
	require.NoError(t, c.Send(a, asking(0, "")))
	a.Line.(*line).notices = 2000 * listEntryOverhead / 2
	least := ^uint64(0)
	for range 5 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		members, awaiting := c.Members(a, 2, Page{}), c.Awaiting(a, 3, 1, Page{})
		runtime.ReadMemStats(&after)
		require.ErrorIs(t, members, wire.ErrBusy)
		require.ErrorIs(t, awaiting, wire.ErrBusy)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	require.Less(t, least, uint64(4096), "an entry takes 32 bytes")
}
