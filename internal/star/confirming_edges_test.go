package star

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A message to the empty name is another one than a message without a name.
func TestAMessageToTheEmptyNameIsAnotherOne(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	require.ErrorIs(t, c.Send(a, messageTo(2, "", "x")), wire.ErrNoSuchSlave)
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Send(a, messageTo(2, "", "x")) })
	c.refused(wire.ErrBadFrame, c.sends(a, 2, "x"))
	c.did0(c.sends(u[1], 2, "x"))
	c.refused(wire.ErrBadFrame, func() error { return c.Send(u[1], messageTo(2, "", "x")) })
}

// At the channel's end, a slave that is being fed is told what it has missed, also of what
// is not kept any more, and nothing where that is nothing.
func TestWhatIsMissedAtTheEnd(t *testing.T) {
	for _, missed := range []bool{true, false} {
		c, a, u := openTable(t, Limits{Replay: Bound{Messages: 2}}, 2)
		c.did0(c.lostBy(u[1]))
		c.did0(c.says(a, large))
		r := c.on("r")
		c.did0(func() error { return c.resume(c.now, r, 2, "user_1", c.secret("user_1"), 0) })
		require.True(t, r.catchingUp)
		for range 2 {
			c.did0(func() error { return c.Send(a, messageTo(0, "user_2", "x")) })
		}
		if !missed {
			r.fed = c.down.lost
		}
		r.Line.(*line).waiting = 1
		c.Close("")
		lines := c.fed(r)
		require.Contains(t, lines, "r ! channel_closed")
		if missed {
			require.Contains(t, lines, "r < gap seq=1 missed=1")
		} else {
			require.NotContains(t, strings.Join(lines, "\n"), "gap")
		}
	}
}

// What a master had confirmed and says that it does not have is held again, as far as it is kept,
// until it confirms it once more.
func TestWhatTheMasterDoesNotHaveIsHeldAgain(t *testing.T) {
	for _, test := range []struct {
		last uint64
		held Load
	}{
		{0, Load{3, 3 * (1 + entryOverhead)}}, {2, Load{3, 3 * (1 + entryOverhead)}}, {3, Load{2, 2 * (1 + entryOverhead)}}, {5, Load{}},
	} {
		c, a, u := openTable(t, Limits{Replay: Bound{Messages: 3}}, 1)
		for range 5 {
			c.did0(c.says(u[1], "x"))
		}
		c.did0(c.confirms(a, 5))
		c.did0(c.lostBy(a))
		require.Zero(t, c.up.unconfirmed)
		b := c.on("b")
		b.Line.(*line).unwritten = 9
		c.did0(func() error {
			return c.Resume(c.now, b, c.shows("M", 2, 1, c.secret("alice")), "alice", test.last, test.last)
		})
		require.Equal(t, test.held, c.up.unconfirmed)
		for range 3 - test.held.Messages {
			c.did0(c.says(u[1], "y"))
		}
		c.refused(wire.ErrBusy, c.says(u[1], "y"))
		c.did0(c.confirms(b, c.up.newest))
		c.did0(c.says(u[1], "y"))
	}
}

// The first confirmation on a connection is news, also where it confirms nothing new.
func TestTheFirstConfirmationIsNews(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.did0(c.says(u[1], "x"))
	confirm := func(at *Attachment, seen uint64) bool {
		news, err := c.Confirm(at, seen)
		require.NoError(t, err)
		return news
	}
	require.True(t, confirm(a, 0))
	require.False(t, confirm(a, 0))
	require.True(t, confirm(a, 1))
	b := c.on("b")
	c.did0(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 1) })
	require.True(t, confirm(b, 1))
	require.False(t, confirm(b, 1))
}

// What was written to an instance that has resumed a membership by hand, and was not heard
// yet, does not count as arrived.
func TestWhatWasWrittenToANewInstanceDoesNotCount(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 2}}, 1)
	say := c.says(u[1], "x")
	c.did0(c.lostBy(a))
	b := c.on("b")
	c.did0(func() error { return c.Resume(c.now, b, c.shows("B", 1, 1, c.secret("alice")), "alice", 0, 0) })
	c.did0(say)
	c.did0(say)
	c.refused(wire.ErrBusy, say)
	c.did0(c.lostBy(b))
	require.Equal(t, uint64(0), c.up.confirmed)
	c.refused(wire.ErrBusy, say)
}

// A create that was repeated on another connection can be sent again on that one too, until
// a frame of the master comes.
func TestARepeatedCreateIsSentAgain(t *testing.T) {
	c := newTable(t, Limits{})
	a, b := c.on("a"), c.on("b")
	c.did0(func() error { return c.Create(c.now, a, c.shows("A", 1, 0, "s1"), "alice", 0) })
	c.did0(c.lostBy(a))
	again := c.shows("A", 2, 0, "s2")
	c.did0(func() error { return c.Create(c.now, b, again, "alice", 0) })
	repeat := func() error { return c.RepeatCreate(b, again) }
	c.did(repeat, "b < created ref=2 epoch=2")
	c.refused(wire.ErrChannelExists, func() error { return c.RepeatCreate(b, c.shows("A", 1, 0, "s1")) })
	c.did0(c.hears(b))
	c.refused(wire.ErrChannelExists, repeat)
}

// Where nothing is kept, a confirmation is no news but for the first.
func TestConfirmationsWhereNothingIsKept(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: -1}}, 1)
	for range 3 {
		c.did0(c.says(u[1], "x"))
	}
	for i, seen := range []uint64{3, 3, 1, 2} {
		news, err := c.Confirm(a, seen)
		require.NoError(t, err)
		require.Equal(t, i == 0, news)
	}
	require.Equal(t, uint64(0), c.up.confirmed)
}
