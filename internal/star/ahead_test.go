package star

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// Numbers that messages have had which the log has lost are not given again, also not by whoever takes the channel over before
// there is another message. Those who have not got them are told so in their place.
func TestNumbersThatWereGiven(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did(c.says(a, "one"), "* < message seq=1 alice: one")
	c.records()
	does := func(transition func() error, lines ...string) {
		t.Helper()
		require.Equal(t, lines, c.recordsOf(transition))
	}
	does(func() error { c.NumberFrom(3, 2); return nil }, "passed 3")
	does(func() error { c.NumberFrom(3, 1); return nil })
	down, up := c.copy.Newest()
	require.Equal(t, []uint64{3, 2}, []uint64{down, up})
	c.Record(false)
	c.did(c.says(a, "two"), "* < message seq=4 alice: two")
	c.did(c.says(u[1], "three"), "a < message seq=3 user_1: three")
	r := c.on("r")
	c.did(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 1) },
		"-u1", "u1 ! replaced: the membership was taken over by a newer connection", "+r", "r < joined alice=online ref=2",
		"r << gap seq=3 missed=2", "r << message seq=4 alice: two")
	c.did(func() error { return c.resume(c.now, r, 3, "user_1", c.secret("user_1"), 2) },
		"-r", "+r", "r < joined alice=online ref=3", "r << gap seq=3 missed=1", "r << message seq=4 alice: two")
}

// Where it is not known whether the log has lost its end, numbers go on well above it. Who has got one of those that were passed over is
// told that something is missing, and others are not.
func TestNumbersThatMayHaveBeenGiven(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	c.did(c.says(a, "one"), "* < message seq=1 alice: one")
	c.did(c.says(u[1], "one"), "a < message seq=1 user_1: one")
	c.records()
	require.Equal(t, []string{"passed 1025"}, c.recordsOf(func() error { c.NumberAnew(); return nil }))
	c.Record(false)
	c.did(c.says(a, "two"), "* < message seq=1026 alice: two")
	c.did(c.says(u[1], "two"), "a < message seq=1026 user_1: two")
	comesBack := func(name string, last uint64) string {
		require.NoError(t, c.Resume(c.now, c.on("r"), Entry{Ref: 2, Epoch: 1, Secret: given(c.secret(name))}, name, last, 0))
		return c.linesWithout(Keep)
	}
	require.Contains(t, comesBack("user_1", 5), "r < gap seq=1025 missed=1020\nr << message seq=1026 alice: two")
	require.NotContains(t, comesBack("user_2", 1), "gap")
	require.NotContains(t, comesBack("alice", 1), "gap")
	require.Contains(t, comesBack("alice", 3), "gap")
	New("abc123", &Limits{}).NumberAnew()
}

// Where the log has lost messages, an answer may be among them, which nobody gives again. So the requests are over of which that can
// be, and who has asked is told that something is missing, so that it asks what has become of them.
func TestRequestsWhoseAnswerMayBeLost(t *testing.T) {
	asked := func(t *testing.T) *table {
		c, a, u := openTable(t, Limits{}, 3)
		c.asks(a, "user_1", "to one")
		c.asks(a, "", "to all")
		c.asks(u[1], "", "from one")
		c.asks(u[2], "", "from another one")
		c.TakeEffects(nil)
		c.records()
		return c
	}
	awaited := func(c *table) (of []int) {
		for _, q := range c.requests {
			of = append(of, q.awaited)
		}
		for _, name := range []string{"user_1", "user_2", "user_3"} {
			of = append(of, len(c.slaves[name].openRequests))
		}
		return of
	}
	comesBack := func(c *table, name string, last uint64) func() error {
		return func() error {
			return c.Resume(c.now, c.on("r"), Entry{Ref: 9, Epoch: 1, Secret: given(c.secret(name))}, name, last, 0)
		}
	}
	t.Run("numbers were given", func(t *testing.T) {
		c := asked(t)
		require.Equal(t, []int{1, 3, 1, 1, 0}, awaited(c))
		require.Equal(t, []string{"passed 9", "closed 1", "closed 2", "closed 0", "closed 0"},
			c.recordsOf(func() error { c.NumberFrom(9, 9); return nil }))
		require.Equal(t, []int{0, 0, 0}, awaited(c))
	})
	t.Run("who is told", func(t *testing.T) {
		c := asked(t)
		c.Record(false)
		c.NumberFrom(9, 9)
		c.expect("u1 < gap missed=1", "u2 < gap missed=1", "a < gap missed=1")
	})
	t.Run("the master is ahead", func(t *testing.T) {
		c := asked(t)
		c.recordsOf(comesBack(c, "alice", 9))
		require.Equal(t, []int{0, 0, 0}, awaited(c))
	})
	t.Run("a slave is ahead", func(t *testing.T) {
		c := asked(t)
		lines := c.recordsOf(comesBack(c, "user_1", 9))
		require.Equal(t, []int{2, 0, 1, 0}, awaited(c), "the others go on")
		require.Subset(t, lines, []string{"closed 1", "unanswered 1"})
		c.recordsOf(comesBack(c, "user_3", 2000))
		require.Equal(t, []int{1, 0, 1, 0}, awaited(c))
	})
	t.Run("nobody is", func(t *testing.T) {
		c := asked(t)
		c.recordsOf(comesBack(c, "user_1", 2))
		require.Equal(t, []int{1, 3, 1, 1, 0}, awaited(c))
	})
}

// Of many numbers a few places are kept.
func TestManyNumbersThatWereGiven(t *testing.T) {
	c, _, _ := openTable(t, Limits{}, 1)
	c.NumberFrom(1<<40, 0)
	down, up := c.Newest()
	require.Equal(t, []uint64{1 << 40, 0}, []uint64{down, up})
	require.Equal(t, passedPlaces, c.down.kept())
}

// Who has come further than the log is let in all the same where there is one: that may have lost its end. No message has a number
// then that it may have got, and it is told that something is missing.
func TestWhoIsAheadOfTheLog(t *testing.T) {
	comesBack := func(c *table, name string, epoch, last uint64) error {
		return c.Resume(c.now, c.on("r"), Entry{Ref: 2, Epoch: epoch, Secret: given(c.secret(name))}, name, last, 0)
	}
	t.Run("a slave", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{}, 2)
		c.did(c.says(a, "one"), "* < message seq=1 alice: one")
		c.refused(ErrAhead, func() error { return comesBack(c, "user_1", 1, 5) })
		c.records()
		lines := c.recordsOf(func() error { return comesBack(c, "user_1", 1, 5) })
		require.Contains(t, lines, "passed 1029")
		down, _ := c.copy.Newest()
		require.EqualValues(t, 5+aheadMargin, down)
		c.Record(false)
		c.did(c.says(a, "two"), "* < message seq=1030 alice: two")
		c.Record(true)
		c.did0(func() error { return comesBack(c, "user_1", 1, 5) })
	})
	t.Run("what it is told", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{}, 2)
		c.did(c.says(a, "one"), "* < message seq=1 alice: one")
		c.Record(true)
		require.NoError(t, comesBack(c, "user_1", 1, 5))
		require.Contains(t, c.linesWithout(Keep), "r < gap seq=1029 missed=1024")
		require.NoError(t, c.Resume(c.now, c.on("s"), Entry{Ref: 2, Epoch: 1, Secret: given(c.secret("user_2"))}, "user_2", 7, 0))
		require.NotContains(t, c.linesWithout(Keep), "gap", "nobody can say what another one misses")
	})
	t.Run("the master", func(t *testing.T) {
		c, _, u := openTable(t, Limits{}, 1)
		c.did(c.says(u[1], "one"), "a < message seq=1 user_1: one")
		require.False(t, c.MasterAhead(1, 0))
		require.False(t, c.MasterAhead(5, 0))
		require.True(t, c.MasterAhead(2+maxAhead, 0))
		c.Record(true)
		require.NoError(t, comesBack(c, "alice", 1, 5))
		require.Contains(t, c.linesWithout(Keep), "r << gap seq=1029 missed=1")
		c.Record(false)
		c.did(c.says(u[1], "two"), "r < message seq=1030 user_1: two")
	})
	t.Run("by its epoch", func(t *testing.T) {
		c, _, _ := openTable(t, Limits{}, 1)
		c.refused(ErrAhead, func() error { return comesBack(c, "user_1", 4, 0) })
		c.Record(true)
		require.NoError(t, comesBack(c, "user_1", 4, 0))
		_, epoch := c.Membership("user_1")
		require.EqualValues(t, 5, epoch)
	})
	t.Run("too far", func(t *testing.T) {
		c, _, _ := openTable(t, Limits{}, 1)
		c.Record(true)
		for _, last := range []uint64{maxAhead + 1, wire.MaxNumber} {
			c.refused(ErrAhead, func() error { return comesBack(c, "user_1", 1, last) })
		}
		c.refused(ErrAhead, func() error { return comesBack(c, "user_1", maxAhead+2, 0) })
		require.NoError(t, comesBack(c, "user_1", 1, maxAhead))
	})
}

// linesWithout are the effects that there are but for those of the kind, as one text.
func (c *table) linesWithout(kind EffectKind) string {
	var lines []string
	for _, e := range c.TakeEffects(nil) {
		if e.Kind != kind {
			lines = append(lines, c.line(e))
		}
	}
	return strings.Join(lines, "\n")
}
