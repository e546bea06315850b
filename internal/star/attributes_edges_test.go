package star

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// To remove what is not there is no change, also for a member that has as many as there may be.
func TestToRemoveNothing(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	for n := range masterKeys {
		c.did0(c.sets(a, fmt.Sprint(n), "x"))
	}
	for n := range slaveKeys {
		c.did0(c.sets(u[1], fmt.Sprint(n), "x"))
	}
	c.did(c.sets(a, "never", ""))
	c.did(c.sets(u[1], "never", ""))
}

// What the service says takes the place of what it said before: neither the keys nor the bytes
// of both count, of a member or of all slaves, and what it does not say any more is no growth.
func TestWhatTheServiceSaysTakesThePlaceOfWhatItSaid(t *testing.T) {
	c, _, _ := openTable(t, Limits{MaxSlaves: 2000}, 0)
	fixed := func(prefix string) Grant {
		g := Grant{Asked: true}
		for n := range slaveKeys {
			g.Attributes = append(g.Attributes, withAttributes(fmt.Sprint(prefix, n), strings.Repeat("x", slaveBytes/slaveKeys-2))...)
		}
		return g
	}
	u := c.on("u")
	c.did0(c.joinsWith(u, "user_1", nil, fixed("a")))
	full := withAttributes("k", strings.Repeat("x", slaveBytes-1))
	for n := 0; c.slavesBytes+slaveBytes <= slavesBytes-2*slaveKeys; n++ {
		c.did0(c.joinsWith(c.on("v"), fmt.Sprint("many ", n), full, Grant{}))
	}
	c.did0(func() error { return c.Refresh(u, 2, fixed("b")) })
	require.Equal(t, fixed("b").Attributes, *attributesOf(u.member))
	c.did0(c.lostBy(u))
	e := Entry{Ref: 3, Secret: given(c.secret("user_1")), Grant: fixed("b")}
	e.Grant.Attributes[0].Key = "a0"
	c.did0(func() error { return c.Resume(c.now, c.on("r"), e, "user_1", 0, 0) })

	// Its own, which the service does not say, stay.
	w := c.on("w")
	c.did0(c.leaves(c.slaves["many 0"].attachment))
	c.did0(c.joinsWith(w, "user_2", withAttributes("own", "x"), Grant{}))
	c.refused(wire.ErrAttributesFull, func() error { return c.Refresh(w, 2, fixed("a")) })
}

// What the service says of a member anew is told where it differs, in whatever: in the value, in
// the kind of it, or in that it is the service's from now on.
func TestWhatTheServiceSaysAnew(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 0)
	u := c.on("u")
	text := func(data string) wire.Attributes { return withAttributes("role", data) }
	kind := text("2")
	kind[0].Value.Kind = wire.DataPayload
	c.did0(c.joinsWith(u, "user_1", withAttributes("own", "x", "role", "1"), Grant{}))
	refresh := func(attributes wire.Attributes) func() error {
		return func() error { return c.Refresh(u, 0, Grant{Asked: true, Attributes: attributes}) }
	}
	c.did(refresh(text("1")), "a ~ attribute user_1 role seq=3 = 1")
	c.refused(wire.ErrForbidden, c.sets(u, "role", "9"))
	c.did(refresh(text("1")))
	c.did(refresh(text("2")), "a ~ attribute user_1 role seq=4 = 2")
	c.did(refresh(kind), "a ~ attribute user_1 role seq=5 = 2")
	require.Equal(t, wire.DataPayload, u.member.attribute("role").value.Kind)
	c.did(refresh(nil), "a ~ attribute user_1 role seq=6")
	c.did(refresh(nil))
	c.did(c.sets(u, "role", "9"), "a ~ attribute user_1 role seq=7 = 9")
}

// What all slaves have together is no bound for their master.
func TestTheBoundOfAllSlavesIsTheirs(t *testing.T) {
	c, a, _ := openTable(t, Limits{MaxSlaves: 2000}, 0)
	full := withAttributes("k", strings.Repeat("x", slaveBytes-1))
	for n := range slavesBytes / slaveBytes {
		c.did0(c.joinsWith(c.on("v"), fmt.Sprint("many ", n), full, Grant{}))
	}
	require.Equal(t, slavesBytes, c.slavesBytes)
	c.did0(c.sets(a, "slide", strings.Repeat("x", slaveBytes)))
	v := c.slaves["many 0"].attachment
	c.refused(wire.ErrAttributesFull, c.joinsWith(c.on("v"), "one more", withAttributes("k", "x"), Grant{}))
	c.did0(c.sets(v, "k", strings.Repeat("y", slaveBytes-1)))
	c.did0(c.sets(v, "k", ""))
}

// As many removals are kept of a member as it may have keys, and not fewer.
func TestHowManyRemovalsAreKept(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	for at, most := range map[*Attachment]int{a: masterKeys, u[1]: slaveKeys} {
		for n := range most {
			c.did0(c.sets(at, fmt.Sprint(n), "x"))
			c.did0(c.sets(at, fmt.Sprint(n), ""))
			require.Equal(t, n+1, at.member.removals())
		}
		require.Nil(t, at.member.extras.attributes.reset)
		c.did0(c.sets(at, "one more", "x"))
		c.did0(c.sets(at, "one more", ""))
		require.Zero(t, at.member.removals())
		require.NotNil(t, at.member.extras.attributes.reset)
	}
}

// Attributes are hidden from the master, and looked for where it is told its list, only where
// they are those of a slave that it has not heard of.
func TestWhoseAttributesAreHidden(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.did0(c.sets(a, "slide", "1"))
	require.False(t, c.hidden)
	c.did0(c.sets(u[1], "hand", "up"))
	require.False(t, c.hidden)
	a.Line.(*line).mark = 0
	v := c.on("v")
	c.did0(c.enters(v, "user_2"))
	require.False(t, c.hidden)
	c.did0(c.sets(v, "hand", "up"))
	require.True(t, c.hidden)
	c.did0(c.sets(u[1], "hand", "down"))
	require.True(t, c.hidden)
	restored := c.restoredOn(c.limits, nil)
	require.True(t, restored.hidden)
	c.did0(func() error { return c.Members(a, 0, Page{}) })
	require.False(t, c.hidden)
	require.False(t, c.restoredOn(c.limits, nil).hidden)

	// A master that comes back is told them as it is told the slave, and their numbers are new once.
	c.did0(c.lostBy(a))
	c.did0(c.joinsWith(c.on("w"), "user_3", withAttributes("hand", "up"), Grant{}))
	n := c.up.newest
	c.did(func() error { return c.resume(c.now, c.on("b"), 9, "alice", c.secret("alice"), n) },
		fmt.Sprintf("b << created ref=9 epoch=2 seq=%d [user_1=online user_2=online user_3=online]", n+1), "* < presence alice online",
		fmt.Sprintf("b ~ attribute user_3 hand seq=%d = up", n+1))
}

// How many bytes of attributes have changed after a number and up to another one.
func TestBytesOfChanges(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	for _, key := range []string{"a", "bb", "ccc"} {
		c.did0(c.sets(a, key, "1"))
	}
	for last, bytes := range [][]int{{0, 2, 5, 9}, {0, 0, 3, 7}, {0, 0, 0, 4}, {0, 0, 0, 0}} {
		for end, size := range bytes {
			if size > 0 {
				size += (end - last) * entryOverhead
			}
			require.Equal(t, size, c.down.changes.bytes(uint64(last), uint64(end)), "%d to %d", last, end)
		}
	}
}

// Up to which message a member has come, and up to which number it knows attributes, are told
// apart: it misses neither a message nor a change that is between the two.
func TestWhoKnowsMoreOfOneThanOfTheOther(t *testing.T) {
	for _, test := range []struct {
		last, known uint64
		message     bool
	}{{3, 2, false}, {0, 3, true}, {2, 3, false}} {
		for _, later := range []bool{false, true} {
			c, a, u := openTable(t, Limits{}, 1)
			c.did0(c.lostBy(u[1]))
			c.did0(c.sets(a, "slide", "1"))
			c.did0(c.says(a, "x"))
			c.did0(c.sets(a, "slide", "2"))
			want := []string{"+r", "r < joined alice=online ref=2", "a < presence user_1 online"}
			if test.message {
				want = append(want, "r << message seq=2 alice: x")
			}
			want = append(want, "r ~ attribute alice slide seq=3 = 2") // may be told again
			if later {
				c.did0(c.sets(a, "board", "3"))
				want = append(want, "r ~ attribute alice board seq=4 = 3")
			}
			r := c.on("r")
			c.did(func() error {
				return c.Resume(c.now, r, Entry{Ref: 2, Secret: given(c.secret("user_1"))}, "user_1", test.last, test.known)
			}, want...)
		}
	}
}

// One packet tells a master's attribute to all that come, until it changes. A slave's is told to
// its master alone, and keeps none.
func TestPacketsOfAttributes(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	packets := func(transition func() error) (told []*wire.Packet) {
		require.NoError(t, c.do(transition))
		for _, e := range c.TakeEffects(nil) {
			if e.Kind == Tell || e.Kind == TellAll {
				told = append(told, e.Packet)
			}
		}
		return told
	}
	first := packets(c.sets(a, "slide", "1"))
	require.Len(t, first, 1)
	require.Equal(t, first, packets(c.enters(c.on("v"), "user_2")))
	require.Same(t, first[0], packets(c.enters(c.on("w"), "user_3"))[0])
	require.NotSame(t, first[0], packets(c.sets(a, "slide", "2"))[0])
	require.Len(t, packets(c.sets(u[1], "hand", "up")), 1)
	require.Nil(t, u[1].member.attribute("hand").packet)
}

// What has expired is told in its place, in front of an attribute that has changed after it, and
// with what has expired beside it.
func TestWhatHasExpiredIsToldBeforeTheNextAttribute(t *testing.T) {
	for _, test := range []struct {
		expired int
		message bool
		told    []string
	}{
		{1, false, []string{"r << gap seq=1 missed=1", "r ~ attribute alice slide seq=2 = 1"}},
		{2, false, []string{"r << gap seq=2 missed=2", "r ~ attribute alice slide seq=3 = 1"}},
		{2, true, []string{"r << gap seq=2 missed=2", "r ~ attribute alice slide seq=3 = 1", "r << message seq=4 alice: x"}},
	} {
		c, a, u := openTable(t, Limits{}, 1)
		c.did0(c.lostBy(u[1]))
		for range test.expired {
			c.did0(c.sendsFor(a, textMessage(0, "go"), time.Second))
		}
		c.did0(c.sets(a, "slide", "1"))
		if test.message {
			c.did0(c.says(a, "x"))
		}
		c.after(time.Second)
		c.Expire(c.now)
		r := c.on("r")
		c.did(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) },
			append([]string{"+r", "r < joined alice=online ref=2", "r < reset", "a < presence user_1 online"}, test.told...)...)
	}
}

// A part of what a master is fed is as large as it may be with attributes, and no message goes
// before those that have changed before it.
func TestPartsOfAttributesAreBounded(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	const parts = 16
	var v *Attachment
	for n := range parts + 1 {
		v = c.on("v")
		c.did0(c.joinsWith(v, fmt.Sprintf("user_%02d", n), withAttributes("k", strings.Repeat("x", feedBytes/parts-entryOverhead-1)), Grant{}))
	}
	c.did0(c.lostBy(a))
	c.did0(c.says(v, "x"))
	b := c.on("b")
	c.did0(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 0) })
	c.Drained(b)
	told := c.fed(b)
	require.Len(t, told, parts+1)
	require.Equal(t, "b ...", told[parts])
	c.Drained(b)
	told = c.fed(b)
	require.Len(t, told, 2)
	require.Contains(t, told[0], "b ~ attribute user_16")
	require.Equal(t, "18", told[1])
}

// While a master is fed, it is told no attributes of a slave that came meanwhile: they come behind
// the list that has it.
func TestAttributesOfWhoCameWhileTheMasterIsFed(t *testing.T) {
	c, b, u := fedMaster(t, 1)
	c.did0(c.joinsWith(c.on("v"), "user_2", withAttributes("hand", "up"), Grant{}))
	c.did(c.sets(u[1], "hand", "up"))
	c.did0(c.says(u[1], "4"))
	c.feeds(b, "1", "2", "b ...")
	c.feeds(b, "3", "b ~ attribute user_1 hand seq=5 = up", "6", "b ...")
	c.feeds(b, "b << members [user_1=online user_2=online]", "b ~ attribute user_2 hand seq=7 = up")
}

// Who has all that is no longer kept gets attributes beside messages without anything aside.
func TestNoFloorWhereNothingIsMissed(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 3}}, 1)
	c.did0(c.lostBy(u[1]))
	for range 4 {
		c.did0(c.says(a, large))
	}
	c.did0(c.sets(a, "slide", "1"))
	r := c.on("r")
	c.did0(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 1) })
	c.feeds(r, "2", "3", "r ...")
	require.Nil(t, r.member.extras)
	c.feeds(r, "4", "r ~ attribute alice slide seq=5 = 1", "+r")
}

// Whichever way a member comes back, what the service says of it now has to fit.
func TestWhoComesBackWithTooManyAttributes(t *testing.T) {
	tooMany := Grant{Asked: true, Attributes: withAttributes("k", strings.Repeat("x", slaveBytes))}
	c, _, _ := heldTable(t)
	c.refused(wire.ErrAttributesFull, c.joinsAs(c.on("again"), c.granted("A", 2, 0, "s2", tooMany)))
	c.refused(wire.ErrAttributesFull, c.resumes(c.on("back"), c.granted("A", 3, 1, "s1", tooMany)))
	tooMany.TakeOver = true
	c.refused(wire.ErrAttributesFull, c.joinsAs(c.on("over"), c.granted("B", 1, 0, "s3", tooMany)))
}

// Attributes that were hidden do not cost a master that is fed what it is still to get.
func TestHiddenAttributesWhileTheMasterIsFed(t *testing.T) {
	c, b, _ := fedMaster(t, 1)
	c.did0(c.joinsWith(c.on("v"), "user_2", withAttributes("hand", "up"), Grant{}))
	c.markTold()
	c.expect()
	c.feeds(b, "1", "2", "b ...")
	c.feeds(b, "3", "b ~ attribute user_2 hand seq=5 = up")
}
