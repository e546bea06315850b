package star

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

func (c *table) confirms(a *Attachment, seen uint64) func() error {
	return func() error {
		_, err := c.Confirm(a, seen)
		return err
	}
}

// What was accepted for a master that confirms is kept until it has confirmed it: beyond
// Replay and what may wait for it, slaves are refused. It gets all of it when it resumes.
func TestNothingAcceptedIsLostThatWasNotConfirmed(t *testing.T) {
	tests := []struct {
		what           string
		replay, outbox Bound
		size           int
		accepted       int
	}{
		{"by messages", Bound{3, 1 << 20}, Bound{2, 1 << 20}, 5, 5},
		{"by bytes", Bound{99, 2 * (entryOverhead + 10)}, Bound{99, entryOverhead + 10}, 10, 3},
		{"by a byte", Bound{99, 2 * (entryOverhead + 10)}, Bound{99, entryOverhead + 9}, 10, 2},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c, a, u := openTable(t, Limits{Replay: test.replay, Outbox: test.outbox}, 1)
			say := c.says(u[1], strings.Repeat("x", test.size))
			c.did(c.confirms(a, 0))
			for range test.accepted {
				c.did0(say)
			}
			c.refused(wire.ErrBusy, say)
			c.did(c.confirms(a, 1))
			c.did0(say)
			c.refused(wire.ErrBusy, say)
			require.Equal(t, test.accepted, c.up.kept())

			// While it is away, no more is taken than Replay keeps.
			c.did0(c.lostBy(a))
			c.refused(wire.ErrBusy, say)
			b := c.on("b")
			require.NoError(t, c.resume(c.now, b, 2, "alice", c.secret("alice"), 1))
			var replayed []uint64
			for _, e := range c.effects {
				if e.Kind == SendReplay && e.Packet.IsMessage() {
					replayed = append(replayed, e.Packet.Frame().Seq)
				}
				if e.Kind == SendReplay && !e.Packet.IsMessage() {
					require.False(t, e.Packet.Frame().Gap)
				}
			}
			require.Len(t, replayed, test.accepted)
			require.Equal(t, uint64(2), replayed[0])
		})
	}
}

// Before a connection's first confirmation, what was written on it counts.
func TestWhatWasWrittenCountsUntilTheFirstConfirmation(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 2}}, 1)
	out, say := a.Line.(*line), c.says(u[1], "x")
	for range 6 {
		c.did0(say) // all are written at once
	}
	out.unwritten = 2
	c.refused(wire.ErrBusy, say)
	out.unwritten = 1
	c.did0(say)
	c.did(c.confirms(a, 5))
	out.unwritten = 0
	c.refused(wire.ErrBusy, say)
	c.did(c.confirms(a, 6))
	c.did0(say)
	c.refused(wire.ErrBusy, say)

	// A connection's end tells what was written, and a resume what has arrived.
	c.did(c.confirms(a, 8))
	b := c.on("b")
	c.did0(c.lostBy(a))
	c.did0(func() error { return c.resume(c.now, b, 2, "alice", c.secret("alice"), 8) })
	c.did0(say)
	c.did0(say)
	b.Line.(*line).unwritten = 1
	c.did0(c.lostBy(b))
	require.Equal(t, uint64(9), c.up.confirmed)
	c.did0(say)
	c.refused(wire.ErrBusy, say)
	c.did0(func() error { return c.resume(c.now, c.on("c"), 3, "alice", c.secret("alice"), 11) })
	require.Equal(t, uint64(11), c.up.confirmed)
}

// Nobody confirms what was never sent, and what a slave confirms changes nothing.
func TestConfirmations(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.did0(c.says(u[1], "x"))
	c.did0(c.says(a, "y"))
	c.refused(wire.ErrBadFrame, c.confirms(a, 2))
	c.refused(wire.ErrBadFrame, c.confirms(u[1], 2))
	c.refused(nil, c.confirms(u[1], 1))
	two := c.on("u2")
	c.did0(c.enters(two, "user_2"))
	for _, first := range []bool{true, false} {
		news, err := c.Confirm(two, 0)
		require.NoError(t, err)
		require.Equal(t, first, news)
	}
	news, err := c.Confirm(a, 1)
	require.NoError(t, err)
	require.True(t, news)
	for _, seen := range []uint64{1, 0} {
		news, err = c.Confirm(a, seen)
		require.NoError(t, err)
		require.False(t, news)
	}
	require.Equal(t, Load{}, c.up.unconfirmed)
	c.did0(c.lostBy(a))
	c.refused(wire.ErrNotAMember, c.confirms(a, 1))
}

// Who waits for room is woken by a confirmation, and by the end of the connection.
func TestRoomIsTold(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 1}}, 1)
	c.did(c.confirms(a, 0))
	require.False(t, c.AwaitRoom(u[1], 1), "there is room")
	c.did0(c.says(u[1], "x"))
	c.did(c.confirms(a, 1)) // nobody has asked
	c.did0(c.says(u[1], "x"))
	require.True(t, c.AwaitRoom(u[1], 1))
	c.did(c.confirms(a, 2), "room")
	c.did0(c.says(u[1], "x"))
	require.True(t, c.AwaitRoom(u[1], 1))
	c.did(c.lostBy(a), "room", "* < presence alice away left=30000ms")
}

// A master with an instance is told how often to confirm, where anything is kept.
func TestCreatedTellsWhenToConfirm(t *testing.T) {
	for _, test := range []struct {
		replay          Bound
		messages, bytes uint64
	}{
		{Bound{256, 1 << 20}, 128, 1 << 19},
		{Bound{1, 1}, 1, 1},
		{Bound{-1, 1 << 20}, 0, 0},
		{Bound{math.MaxInt, math.MaxInt}, min(math.MaxInt/2, wire.MaxNumber), min(math.MaxInt/2, wire.MaxNumber)},
	} {
		t.Run(fmt.Sprint(test.replay), func(t *testing.T) {
			c := newTable(t, Limits{Replay: test.replay})
			require.NoError(t, c.Create(c.now, c.on("a"), c.shows("A", 1, 0, ""), "alice", 0))
			frame := c.frame(c.effects[0].Packet)
			require.Equal(t, wire.Created, frame.Type)
			require.Equal(t, []uint64{test.messages, test.bytes}, []uint64{frame.ConfirmMessages, frame.ConfirmBytes})

			byHand := newTable(t, Limits{Replay: test.replay})
			require.NoError(t, byHand.create(c.now, byHand.on("a"), 1, "alice", 0))
			frame = byHand.frame(byHand.effects[0].Packet)
			require.Equal(t, []uint64{0, 0}, []uint64{frame.ConfirmMessages, frame.ConfirmBytes})
		})
	}
}

// A connection of an instance on which it was not heard tells nothing of what has arrived,
// however much was written on it: it may be lost before the client could tell.
func TestWhatWasWrittenDoesNotCountBeforeAnInstanceIsHeard(t *testing.T) {
	for what, instance := range map[string]string{"the holder": "A", "a successor": "B"} {
		t.Run(what, func(t *testing.T) {
			c := newTable(t, Limits{Replay: Bound{Messages: 2}, Outbox: Bound{Messages: 2}})
			a, u := c.on("a"), c.on("u")
			require.NoError(t, c.Create(c.now, a, c.shows("A", 1, 0, "s1"), "alice", 0))
			require.NoError(t, c.join(c.now, u, 1, "user_1", ""))
			say := c.says(u, "x")
			c.did0(say)
			c.did0(say)
			c.did0(say)
			c.did0(c.lostBy(a)) // all was written, and nothing was heard
			require.Equal(t, 3, c.up.kept())
			for ref := range uint64(3) {
				b := c.on("b")
				c.did0(func() error { return c.Resume(c.now, b, c.shows(instance, ref+2, 1, "s1"), "alice", 0, 0) })
				if ref == 0 {
					c.did0(say)
				}
				require.Equal(t, 4, c.up.kept())
				c.refused(wire.ErrBusy, say)
				c.did0(c.lostBy(b))
			}
			require.Equal(t, 4, c.up.kept())
			b := c.on("b")
			c.did0(func() error { return c.Resume(c.now, b, c.shows(instance, 9, 1, "s1"), "alice", 0, 0) })
			c.did0(c.hears(b)) // it does not tell what has arrived
			c.did0(say)
			require.Equal(t, 2, c.up.kept())
		})
	}
}

// One frame tells of many that have expired: what was not written before it is not known to have
// arrived for that.
func TestWhatWasNotWrittenIsKeptThoughMuchHasExpired(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: 8}}, 1)
	c.Lose(c.now, a)
	for n := range 8 {
		d := time.Second
		if n == 0 || n == 7 {
			d = 0
		}
		require.NoError(t, c.sendsFor(u[1], textMessage(0, fmt.Sprint(n+1)), d)())
	}
	c.after(time.Second)
	back := func(unwritten int) {
		b := c.on(fmt.Sprint("b", unwritten))
		c.did0(func() error { return c.resume(c.now, b, uint64(9-unwritten), "alice", c.secret("alice"), 0) })
		b.Line.(*line).unwritten = unwritten
		c.did0(c.lostBy(b))
	}
	back(3)
	require.Zero(t, c.up.confirmed)
	c.refused(wire.ErrBusy, c.says(u[1], "x"))
	back(1)
	require.EqualValues(t, 7, c.up.confirmed)
	back(0)
	require.EqualValues(t, 8, c.up.confirmed)
	c.did0(c.says(u[1], "x"))
}
