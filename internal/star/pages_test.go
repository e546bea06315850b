package star

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// rosterTable is an openTable with pages of two, whose master wants to be told of its slaves so, since it has
// come back on the attachment b.
func rosterTable(t *testing.T, roster wire.Roster, slaves int) (c *table, b *Attachment, u []*Attachment) {
	c, _, u = openTable(t, Limits{Page: 2}, slaves)
	c.numbers = true
	b = c.on("b")
	c.did0(c.comesBack(b, "alice", roster))
	return c, b, u
}

func (c *table) comesBack(at *Attachment, name string, roster wire.Roster) func() error {
	return func() error {
		return c.Resume(c.now, at, Entry{Ref: 2, Secret: given(c.secret(name)), Roster: roster}, name, 0, 0)
	}
}

// Where the master's client takes pages, a list that is longer than one comes in several, each when nothing waits any
// more. It is told at once what becomes of slaves that were in one; the others come in theirs. Who is in none yet has to wait
// before it sends, and nobody is asked (rule 6: whom the master takes for those that are asked, are).
func TestListInPages(t *testing.T) {
	c, a, u := openTable(t, Limits{Page: 2}, 5)
	c.numbers = true
	b := c.on("b")
	c.did(c.comesBack(b, "alice", wire.RosterPages), "a ! replaced: the membership was taken over by a newer connection", "b ...",
		"b << created ref=2 epoch=2 [user_1#1=online user_2#2=online] more 5 online 0 away")
	_ = a
	c.did(c.lostBy(u[1]), "-u1", "b < presence user_1 away")
	c.did(c.lostBy(u[5]), "-u5")
	c.did(c.leaves(u[4]), "-u4", "u4 < left ref=2", "u4 vacates")
	c.did(c.enters(c.on("u6"), "user_6"), "+u6", "u6 < joined alice=online ref=1")
	c.refused(wire.ErrBusy, func() error { return c.Send(b, asking(0, "")) })
	require.True(t, c.Unlisted(u[3]))
	c.did(c.drains(b), "b << members [user_3#3=online user_5#5=away] after=2 more 3 online 2 away", "b ...")
	require.False(t, c.Unlisted(u[3]))
	c.did(c.drains(b), "b << members [user_6#6=online] after=5 3 online 2 away")
	c.did(c.drains(b))
	c.did(c.enters(c.on("u7"), "user_7"), "+u7", "u7 < joined alice=online ref=1", "b < presence user_7#7 online")

	// Where the master gets behind in the middle, the list begins anew.
	out := b.Line.(*line)
	out.mark = 0
	c.did(c.leaves(u[3]), "-u3", "b ...", "u3 < left ref=2", "u3 vacates")
	out.mark = -1
	c.did(c.drains(b), "b << members [user_1#1=away user_2#2=online] more 3 online 2 away", "b ...")
	out.mark = 0
	c.did(c.lostBy(u[2]), "-u2")
	out.mark = -1
	c.did(c.drains(b), "b << members [user_1#1=away user_2#2=away] more 2 online 3 away", "b ...")
	c.did(c.drains(b), "b << members [user_5#5=away user_6#6=online] after=2 more 2 online 3 away", "b ...")
	c.did(c.drains(b), "b << members [user_7#7=online] after=6 2 online 3 away")
}

// Whoever is the master can ask for a page of the list, and of those whose answers are awaited. It is told no less by that.
func TestPagesAreAskedFor(t *testing.T) {
	for _, roster := range []wire.Roster{wire.RosterList, wire.RosterCount} {
		t.Run(fmt.Sprint(roster), func(t *testing.T) {
			c, b, u := rosterTable(t, roster, 3)
			members := func(p Page) func() error { return func() error { return c.Members(b, 3, p) } }
			c.did(members(Page{Limit: 2}), "b < members ref=3 [user_1#1=online user_2#2=online] more 3 online 0 away")
			c.did(members(Page{After: 2, Limit: 1e9}), "b < members ref=3 [user_3#3=online] after=2 3 online 0 away")
			c.did(members(Page{After: 3}), "b < members ref=3 [] after=3 3 online 0 away")
			c.did(members(Page{}), "b < members ref=3 [user_1#1=online user_2#2=online user_3#3=online]")
			c.did0(func() error { return c.Send(b, asking(0, "")) })
			c.did0(func() error { return c.Send(u[2], replying("", 1)) })
			awaiting := func(p Page) func() error { return func() error { return c.Awaiting(b, 4, 1, p) } }
			c.did(awaiting(Page{Limit: 1}), "b < awaiting ref=4 [user_1#1=online] more request=1")
			c.did(awaiting(Page{After: 1}), "b < awaiting ref=4 [user_3#3=online] after=1 request=1")
			c.refused(wire.ErrForbidden, func() error { return c.Members(u[1], 1, Page{Limit: 1}) })

			b.Line.(*line).notices = 3
			c.refused(wire.ErrBusy, members(Page{Limit: 2}))
		})
	}
}

// A master that wants counts is told how many slaves there are, in no more than four frames a second, and none of them by name.
// It hears at once whoever sends, and what a new one has set.
func TestCounts(t *testing.T) {
	c, a, u := openTable(t, Limits{Page: 2}, 3)
	c.numbers = true
	b := c.on("b")
	c.did(c.comesBack(b, "alice", wire.RosterCount), "a ! replaced: the membership was taken over by a newer connection",
		"b << created ref=2 epoch=2 3 online 0 away")
	_ = a
	c.did(c.lostBy(u[1]), "-u1", "b < members 2 online 1 away") // the first one at once
	four := c.on("u4")
	e := Entry{Ref: 1, Secret: c.fresh("user_4"), Attributes: withAttributes("hand", "up")}
	c.did(func() error { return c.Join(c.now, four, e, "user_4", "") },
		"+u4", "u4 < joined alice=online ref=1", "b ~ attribute user_4 hand seq=1 = up")
	c.did(c.says(four, "hello"), "b < message seq=2 user_4: hello")
	c.did(func() error { return c.Send(b, asking(0, "")) }, "* < message seq=1 alice: well? request=1")
	at, due := c.Due()
	require.True(t, due)
	require.Equal(t, c.now.Add(countPause), at)
	c.did(c.leaves(u[2]), "-u2", "b < presence user_2 left (left)", "u2 < left ref=2", "u2 vacates")
	c.did0(func() error { return c.Send(u[3], replying("", 1)) })
	c.did(c.leaves(u[3]), "-u3", "u3 < left ref=2", "u3 vacates") // it has answered
	c.now = c.now.Add(countPause - time.Nanosecond)
	c.did(func() error { return nil })
	c.now = c.now.Add(time.Nanosecond)
	b.Line.(*line).mark = 0
	c.did(func() error { return nil }) // it is behind
	b.Line.(*line).mark = -1
	c.now = c.now.Add(countPause)
	c.did(func() error { return nil }, "b < members 1 online 1 away")
	_, due = c.Due()
	require.True(t, due, "of the one that is away")

	// Who comes while the master is away has nothing to say until it is back.
	c.did0(c.lostBy(b))
	five := c.on("u5")
	c.did0(c.enters(five, "user_5"))
	require.Zero(t, c.slaves["user_5"].told)
	back := c.on("b'")
	c.did(c.comesBack(back, "alice", wire.RosterCount), "b' << created ref=2 epoch=3 seq=3 2 online 1 away",
		"b' < reset", "* < presence alice online", "b' ~ attribute user_4 hand seq=1 = up", "b' << message seq=2 user_4: hello", "b' << message seq=3 user_3: yes reply=1")
	require.False(t, c.Unlisted(five))
}

// told is what a client keeps of what the master is told.
type told struct{ members map[string]wire.Member }

func (k *told) takes(f *wire.Frame) {
	switch {
	case f.Type == wire.Presence && f.Role == wire.Slave:
		switch m := k.members[f.Username]; {
		case f.State == wire.StateLeft:
			delete(k.members, f.Username)
		case f.Joined:
			k.members[f.Username] = wire.Member{Username: f.Username, State: f.State, Number: f.Number}
		default:
			m.State = f.State
			k.members[f.Username] = m
		}
	case f.HasMembers:
		l := f.Listing()
		last := l.After
		for _, m := range f.Members {
			last = max(last, m.Number)
		}
		for name, m := range k.members {
			if m.Number > l.After && (m.Number <= last || !l.More) {
				delete(k.members, name)
			}
		}
		for _, m := range f.Members {
			k.members[m.Username] = m
		}
	}
}

// Whatever comes and goes while lists are told in pages, behind the last page the master knows who is there; no
// message comes from somebody of whom it has not heard; and a channel that has applied the records has told the same.
func TestGamesOfPages(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			c, _, _ := openTable(t, Limits{Page: 1 + random.IntN(4), MaxSlaves: 20}, 0)
			c.Record(true)
			known := &told{members: map[string]wire.Member{}}
			var a *Attachment
			at := map[string]*Attachment{}
			await, ref := false, uint64(10)
			take := func() {
				for _, e := range c.effects {
					switch {
					case e.To != a || a == nil:
					case e.Kind == AwaitDrain:
						await = true
					case e.Packet != nil:
						f := c.frame(e.Packet)
						known.takes(f)
						if f.Type == wire.Message {
							require.Contains(t, known.members, f.From)
						}
					}
				}
				c.effects = nil
			}
			back := func() {
				a, await = c.on(fmt.Sprint("a", ref)), false
				ref++
				require.NoError(t, c.Resume(c.now, a, Entry{Ref: ref, Secret: given(c.secret("alice")), Roster: wire.RosterPages}, "alice", c.up.newest, c.up.newest))
				take()
			}
			back()
			for range 300 {
				name := fmt.Sprint("user_", random.IntN(12))
				a.Line.(*line).mark = random.IntN(4) - 1
				switch random.IntN(8) {
				case 0, 1, 2:
					ref++
					u := c.on(fmt.Sprint("u", ref))
					if at[name] == nil && c.slaves[name] == nil {
						require.NoError(t, c.join(c.now, u, ref, name, ""))
						at[name] = u
					} else if at[name] == nil {
						require.NoError(t, c.resume(c.now, u, ref, name, c.secret(name), c.down.newest))
						at[name] = u
					}
				case 3:
					if at[name] != nil {
						require.NoError(t, c.Leave(c.now, at[name], ref))
						at[name] = nil
					}
				case 4:
					if at[name] != nil {
						c.Lose(c.now, at[name])
						at[name] = nil
					}
				case 5:
					if at[name] != nil && !c.Unlisted(at[name]) {
						require.NoError(t, c.Send(at[name], textMessage(0, "x")))
					}
				case 6:
					if random.IntN(8) == 0 {
						back()
					}
				default:
					if await {
						await = false
						c.Drained(a)
					}
				}
				take()
			}
			a.Line.(*line).mark = -1
			for await {
				await = false
				c.Drained(a)
				take()
			}
			truth := map[string]wire.Member{}
			for name, m := range c.slaves {
				truth[name] = wire.Member{Username: name, State: m.state, Number: m.number}
				require.Equal(t, m.state, m.told)
			}
			require.Equal(t, truth, known.members)
			require.False(t, c.rosterStale)
		})
	}
}

// Two slaves fit into a page, and are told by a whole list.
func TestListOfOnePage(t *testing.T) {
	c, _, u := openTable(t, Limits{Page: 2}, 2)
	b := c.on("b")
	c.did(c.comesBack(b, "alice", wire.RosterPages), "a ! replaced: the membership was taken over by a newer connection",
		"b << created ref=2 epoch=2 [user_1=online user_2=online]")
	// Three did not, and then two are left: what is due is a whole list again.
	c.did0(c.enters(c.on("u3"), "user_3"))
	d := c.on("d")
	c.did(c.comesBack(d, "alice", wire.RosterPages), "b ! replaced: the membership was taken over by a newer connection", "d ...",
		"d << created ref=2 epoch=3 [user_1=online user_2=online] more 3 online 0 away")
	c.did0(c.leaves(u[1]))
	c.did(c.drains(d), "d << members [user_2=online user_3=online]")
	c.did(c.drains(d))
}

// Behind the page in which the master first hears of a slave, it is told the attributes of that, and of no other one again.
func TestAttributesBehindPages(t *testing.T) {
	c, a, _ := openTable(t, Limits{Page: 1}, 0)
	set := func(name string) {
		e := Entry{Ref: 1, Secret: c.fresh(name), Attributes: withAttributes("hand", name)}
		c.did0(func() error { return c.Join(c.now, c.on(name), e, name, "") })
	}
	set("ada")
	c.did0(c.lostBy(a))
	set("bob")
	set("eve")
	b := c.on("b")
	c.did(func() error {
		return c.Resume(c.now, b, Entry{Ref: 2, Secret: given(c.secret("alice")), Roster: wire.RosterPages}, "alice", c.up.newest, c.up.newest)
	}, "b ...", "b << created ref=2 epoch=2 seq=5 [ada=online] more 3 online 0 away", "* < presence alice online")
	c.did(c.drains(b), "b << members [bob=online] after=1 more 3 online 0 away", "b ...", "b ~ attribute bob hand seq=6 = bob")
	c.did(c.drains(b), "b << members [eve=online] after=2 3 online 0 away", "b ~ attribute eve hand seq=7 = eve")
}

// A change that cannot be told while the master gets what it has missed makes the list begin anew behind that.
func TestListWhileCatchingUp(t *testing.T) {
	c, a, u := openTable(t, Limits{Page: 1, Replay: Bound{Messages: 100, Bytes: 1 << 20}, Outbox: Bound{Messages: 100, Bytes: 1 << 20}}, 2)
	c.did0(c.lostBy(a))
	long := textMessage(0, string(make([]byte, 2*atOnce)))
	c.did0(func() error { return c.Send(u[1], long) })
	b := c.on("b")
	c.did0(c.comesBack(b, "alice", wire.RosterPages))
	require.True(t, b.catchingUp)
	require.EqualValues(t, 1, c.listed)
	c.did(c.lostBy(u[1]), "-u1")
	require.Zero(t, c.listed)
	c.did0(c.drains(b))
	c.did(c.drains(b), "b << members [user_1=away] more 1 online 1 away", "b ...")
	c.did(c.drains(b), "b << members [user_2=online] after=1 1 online 1 away")
}

// Who counts is told in its place what a new slave has set, and that once, and its count when it has what it has missed.
func TestCountsWhileCatchingUp(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 100, Bytes: 1 << 20}, Outbox: Bound{Messages: 100, Bytes: 1 << 20}}, 1)
	c.did0(c.lostBy(a))
	c.did0(func() error { return c.Send(u[1], textMessage(0, string(make([]byte, 2*atOnce)))) })
	b := c.on("b")
	c.did0(c.comesBack(b, "alice", wire.RosterCount))
	require.True(t, b.catchingUp)
	e := Entry{Ref: 1, Secret: c.fresh("eve"), Attributes: withAttributes("hand", "up")}
	eve := c.on("eve")
	c.did(func() error { return c.Join(c.now, eve, e, "eve", "") }, "+eve", "eve < joined alice=online ref=1")
	_, due := c.Due()
	require.False(t, due)
	c.did0(c.drains(b))
	at, due := c.Due()
	require.True(t, due, "for the first time at once")
	require.False(t, at.After(c.now))
	c.did(c.lostBy(eve), "b < members 2 online 0 away", "-eve")
}

// The slaves in the order in which they have joined take no more memory than there are slaves, however many come and go.
func TestOrderIsBounded(t *testing.T) {
	c, b, _ := rosterTable(t, wire.RosterPages, 3)
	c.did0(c.drains(b))
	for i := range 1000 {
		at := c.on(fmt.Sprint("v", i))
		c.did0(c.enters(at, "visitor"))
		c.did0(c.leaves(at))
		require.LessOrEqual(t, len(c.order.members), 2*len(c.slaves)+2)
	}
	page, more := c.page(0, 10, nil)
	require.False(t, more)
	require.Len(t, page, 3)

	// Who has left goes with others, so that it costs little.
	c, b, u := rosterTable(t, wire.RosterPages, 10)
	c.did0(c.drains(b))
	for _, at := range u[1:6] {
		c.did0(c.leaves(at))
		require.Len(t, c.order.members, 10)
	}
	c.did0(c.leaves(u[6]))
	require.Len(t, c.order.members, 4)
}

// A create that is repeated is answered with the first page, or with counts, where there is room for that.
func TestRepeatedCreateOfManySlaves(t *testing.T) {
	for roster, list := range map[wire.Roster]string{
		wire.RosterPages: "[user_1=online user_2=online] more 3 online 0 away", wire.RosterCount: "3 online 0 away",
	} {
		t.Run(roster.String(), func(t *testing.T) {
			c := newTable(t, Limits{Page: 2})
			a := c.on("a")
			e := Entry{Ref: 1, Secret: c.fresh("alice"), Roster: roster}
			require.NoError(t, c.Create(c.now, a, e, "alice", 0))
			for i := range 3 {
				require.NoError(t, c.join(c.now, c.on(fmt.Sprint("u", i+1)), 1, fmt.Sprint("user_", i+1), ""))
			}
			c.did0(func() error { return nil })
			a.Line.(*line).notices = 2 * (listEntryOverhead + len("user_1"))
			again := []string{"a < created ref=1 epoch=1 " + list}
			if roster == wire.RosterPages {
				again = append(again, "a ...")
			}
			c.did(func() error { return c.RepeatCreate(a, e) }, again...)
		})
	}
}
