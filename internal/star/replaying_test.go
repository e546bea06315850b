package star

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A slave is told of a gap exactly if something that was for it is missing.
func TestGapOrNot(t *testing.T) {
	one, two, all := "user_1", "user_2", ""
	tests := []struct {
		what   string
		kept   int
		sent   []string // while user_1 is away, to whom
		last   uint64   // of user_1
		missed uint64
	}{
		{"nothing sent", 2, nil, 0, 0},
		{"all kept", 2, []string{all, all}, 0, 0},
		{"one lost", 2, []string{all, all, all}, 0, 1},
		{"one lost that was seen", 2, []string{all, all, all}, 1, 0},
		{"others' lost", 2, []string{two, two, all, all}, 0, 0},
		{"others' lost, none kept", -1, []string{two, two}, 0, 0},
		{"own lost", 2, []string{one, two, two, two}, 0, 2},
		{"own lost that was seen", 2, []string{one, two, two, two}, 1, 0},
		{"own lost, others' before it", 2, []string{two, one, two, two}, 0, 2},
		{"common lost, others' after it", 1, []string{all, two, two}, 0, 2},
		{"common lost that was seen, others' after it", 1, []string{all, two, two}, 1, 0},
		{"none kept", -1, []string{all}, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c, a, u := openTable(t, Limits{Replay: Bound{Messages: test.kept}}, 2)
			for _, at := range u[1:] {
				c.Lose(c.now, at)
			}
			for _, to := range test.sent {
				msg := textMessage(0, "x")
				if to != all {
					msg = messageTo(0, to, "x")
				}
				require.NoError(t, c.Send(a, msg))
			}
			c.effects = nil
			require.NoError(t, c.resume(c.now, c.on("r"), 2, one, c.secret(one), test.last))
			var missed uint64
			var replayed []uint64
			for _, e := range c.effects {
				if e.Packet == nil {
					continue
				}
				if frame := c.frame(e.Packet); frame.Type == wire.Gap {
					missed = frame.Missed
					require.Empty(t, replayed, "the gap has its place before the replay")
				}
				if e.Kind == SendReplay {
					replayed = append(replayed, e.Packet.Frame().Seq)
				}
			}
			require.Equal(t, test.missed, missed)
			var expected []uint64
			for i, to := range test.sent {
				seq := uint64(i + 1)
				if to != two && seq > test.last && len(test.sent)-i <= max(test.kept, 0) {
					expected = append(expected, seq)
				}
			}
			require.Equal(t, expected, replayed)
		})
	}

	t.Run("nothing before the join", func(t *testing.T) {
		c, a, _ := openTable(t, Limits{Replay: Bound{Messages: 1}}, 1)
		for range 5 {
			require.NoError(t, c.Send(a, textMessage(0, "x")))
		}
		n := c.on("n")
		require.NoError(t, c.join(c.now, n, 1, "user_2", ""))
		c.Lose(c.now, n)
		require.NoError(t, c.Send(a, textMessage(0, "y")))
		c.effects = nil
		c.did(func() error { return c.resume(c.now, c.on("r"), 2, "user_2", c.secret("user_2"), 0) },
			"+r", "r < joined alice=online ref=2", "a < presence user_2 online", "r << message seq=6 alice: y")
	})
}

func TestTheMasterGetsWhatItMissed(t *testing.T) {
	tests := []struct {
		what  string
		last  uint64
		lines []string
	}{
		{"all of it", 0, []string{"b << created ref=2 epoch=2 seq=4 gap [user_1=online]", "b << message seq=2 user_1: 2", "b << message seq=3 user_1: 3", "b << message seq=4 user_1: 4"}},
		{"what is kept is enough", 1, []string{"b << created ref=2 epoch=2 seq=4 [user_1=online]", "b << message seq=2 user_1: 2", "b << message seq=3 user_1: 3", "b << message seq=4 user_1: 4"}},
		{"some of it", 3, []string{"b << created ref=2 epoch=2 seq=4 [user_1=online]", "b << message seq=4 user_1: 4"}},
		{"nothing", 4, []string{"b << created ref=2 epoch=2 seq=4 [user_1=online]"}},
	}
	for _, test := range tests {
		t.Run(test.what, func(t *testing.T) {
			c, a, u := openTable(t, Limits{Replay: Bound{Messages: 3}}, 1)
			for i := 1; i <= 4; i++ {
				require.NoError(t, c.Send(u[1], textMessage(0, fmt.Sprint(i))))
			}
			c.Lose(c.now, a)
			c.effects = nil
			c.did(func() error { return c.resume(c.now, c.on("b"), 2, "alice", c.secret("alice"), test.last) },
				append(test.lines[:1:1], append([]string{"* < presence alice online"}, test.lines[1:]...)...)...)
		})
	}
}

// While the master is away, nothing is taken for it that would cost it a message
// that it has not had the chance to get.
func TestBusyRatherThanLoss(t *testing.T) {
	say := func(c *table, u *Attachment, text string) func() error {
		return func() error { return c.Send(u, textMessage(0, text)) }
	}
	t.Run("by messages", func(t *testing.T) {
		c, a, u := openTable(t, Limits{Replay: Bound{Messages: 2}}, 1)
		for range 3 {
			require.NoError(t, c.Send(u[1], textMessage(0, "seen")))
		}
		c.Lose(c.now, a)
		c.effects = nil
		c.did(say(c, u[1], "x")) // in place of what was handed to the master
		c.did(say(c, u[1], "y"))
		c.refused(wire.ErrBusy, say(c, u[1], "z"))
		require.Equal(t, []uint64{4, 5}, c.up.numbers(0))
		b := c.on("b")
		c.did(func() error { return c.resume(c.now, b, 1, "alice", c.secret("alice"), 3) },
			"b << created ref=1 epoch=2 seq=5 [user_1=online]", "* < presence alice online",
			"b << message seq=4 user_1: x", "b << message seq=5 user_1: y")
		c.did(say(c, u[1], "z"), "b < message seq=6 user_1: z")
		// These have been handed over now, and make room.
		c.did(c.lostBy(b), "* < presence alice away left=30000ms")
		c.did(say(c, u[1], "v"))
		c.did(say(c, u[1], "w"))
		c.refused(wire.ErrBusy, say(c, u[1], "z"))
	})
	t.Run("by bytes", func(t *testing.T) {
		c, a, u := openTable(t, Limits{Replay: Bound{Messages: 100, Bytes: 3*entryOverhead + 30}}, 1)
		require.NoError(t, c.Send(u[1], textMessage(0, strings.Repeat("s", 10))))
		c.Lose(c.now, a)
		c.effects = nil
		c.did(say(c, u[1], strings.Repeat("x", 10)))
		c.did(say(c, u[1], strings.Repeat("y", 11))) // costs the first, which was handed over
		c.refused(wire.ErrBusy, say(c, u[1], strings.Repeat("z", 10)))
		c.did(say(c, u[1], strings.Repeat("z", 9)))
		c.refused(wire.ErrBusy, say(c, u[1], ""))
		require.Equal(t, []uint64{2, 3, 4}, c.up.numbers(0))
	})
	t.Run("a single one is always kept", func(t *testing.T) {
		c, a, u := openTable(t, Limits{Replay: Bound{Messages: 100, Bytes: 1}}, 1)
		c.Lose(c.now, a)
		c.effects = nil
		c.did(say(c, u[1], strings.Repeat("x", 1000)))
		c.refused(wire.ErrBusy, say(c, u[1], ""))
	})
	t.Run("none are kept", func(t *testing.T) {
		c, a, u := openTable(t, Limits{Replay: Bound{Messages: -1}}, 1)
		c.did(say(c, u[1], "x"), "a < message seq=1 user_1: x")
		c.did(c.lostBy(a), "* < presence alice away left=30000ms")
		c.refused(wire.ErrBusy, say(c, u[1], "y"))
	})
	t.Run("away but connected takes all", func(t *testing.T) {
		c, a, u := openTable(t, Limits{Replay: Bound{Messages: 1}}, 1)
		c.did(func() error { return c.Away(c.now, a, 0) }, "* < presence alice away left=30000ms")
		for i := range 3 {
			c.did(say(c, u[1], "x"), fmt.Sprintf("a < message seq=%d user_1: x", i+1))
		}
	})
}

// A master that does not take its messages costs its slaves an error each, and
// nobody a message.
func TestBusyWhileTheMasterDoesNotKeepUp(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	// There is room for one message, and it is taken until that one has arrived.
	out := a.Line.(*line)
	out.room = 1
	c.did(func() error { return c.Send(u[1], textMessage(0, "x")) }, "a < message seq=1 user_1: x")
	c.refused(wire.ErrBusy, func() error { return c.Send(u[1], textMessage(0, "y")) })
	out.arrived = 1
	c.did(func() error { return c.Send(u[1], textMessage(0, "z")) }, "a < message seq=2 user_1: z")
	c.refused(wire.ErrBusy, func() error { return c.Send(u[1], textMessage(0, "w")) })
	// What was accepted for an older connection does not count on the next one.
	b := c.on("b")
	b.Line.(*line).room = 1
	c.did(func() error { return c.resume(c.now, b, 1, "alice", c.secret("alice"), 2) },
		"a ! replaced: the membership was taken over by a newer connection", "b << created ref=1 epoch=2 seq=2 [user_1=online]")
	c.did(func() error { return c.Send(u[1], textMessage(0, "v")) }, "b < message seq=3 user_1: v")
}

func TestASendAgainIsAnsweredAsTheFirstTime(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	c.did(func() error { return c.Send(u[1], textMessage(4, "x")) }, "a < message seq=1 user_1: x", "u1 < ack ref=4 seq=1")
	c.did(func() error { return c.Send(a, textMessage(4, "y")) }, "* < message seq=1 alice: y", "a < ack ref=4 seq=1 slaves=1")
	before := c.snapshot()
	c.did(func() error { return c.Send(u[1], textMessage(4, "x")) }, "u1 < ack ref=4 seq=1")
	require.Equal(t, before, c.snapshot())

	// Also on the next connection, and for the number of slaves at the time.
	b := c.on("b")
	c.did(c.lostBy(u[1]), "-u1", "a < presence user_1 away")
	c.did(func() error { return c.resume(c.now, b, 5, "alice", c.secret("alice"), 0) },
		"a ! replaced: the membership was taken over by a newer connection", "b << created ref=5 epoch=2 seq=1 [user_1=away]", "b << message seq=1 user_1: x")
	c.did(func() error { return c.Send(b, textMessage(4, "y")) }, "b < ack ref=4 seq=1 slaves=1")

	// A refusal is remembered too, though what it was for has become possible.
	require.ErrorIs(t, c.Send(b, messageTo(6, "user_2", "z")), wire.ErrNoSuchSlave)
	require.NoError(t, c.join(c.now, c.on("u2"), 1, "user_2", ""))
	c.refused(wire.ErrNoSuchSlave, func() error { return c.Send(b, messageTo(6, "user_2", "z")) })
	c.did(func() error { return c.Send(b, messageTo(7, "user_2", "z")) }, "u2 < message seq=2 alice: z (private)", "b < ack ref=7 seq=2 slaves=1")

	// Refs rise: a lower one was not skipped by mistake.
	c.refused(wire.ErrBadFrame, func() error { return c.Send(b, textMessage(5, "w")) })
	for ref := uint64(8); ref < 8+wire.MasterAnswers; ref++ {
		require.NoError(t, c.Send(b, textMessage(ref, "many")))
	}
	c.refused(wire.ErrBadFrame, func() error { return c.Send(b, messageTo(7, "user_2", "z")) })
	c.effects = nil
	c.did(func() error { return c.Send(b, textMessage(8, "many")) }, "b < ack ref=8 seq=3 slaves=1")
}

func TestABusySendIsRefusedAgain(t *testing.T) {
	c, a, u := openTable(t, Limits{Replay: Bound{Messages: -1}}, 1)
	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	require.ErrorIs(t, c.Send(u[1], textMessage(2, "x")), wire.ErrBusy)
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 1, "alice", c.secret("alice"), 0) },
		"b << created ref=1 epoch=2 [user_1=online]", "* < presence alice online")
	c.refused(wire.ErrBusy, func() error { return c.Send(u[1], textMessage(2, "x")) })
	c.did(func() error { return c.Send(u[1], textMessage(3, "x")) }, "b < message seq=1 user_1: x", "u1 < ack ref=3 seq=1")
}
