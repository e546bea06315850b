package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// speaks is Speak, which expects the number and for how many it was queued.
func (c *table) speaks(msg Message, seq uint64, slaves uint32) func() error {
	return func() error {
		c.t.Helper()
		gotSeq, gotSlaves, err := c.Speak(msg)
		require.Equal(c.t, seq, gotSeq)
		require.Equal(c.t, slaves, gotSlaves)
		return err
	}
}

// The service speaks to all, to one slave and to the master, in the one order of each direction.
func TestSpeak(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	c.did(func() error { return c.Send(a, textMessage(2, "one")) }, "* < message seq=1 alice: one", "a < ack ref=2 seq=1 slaves=3")
	c.did(c.speaks(textMessage(0, "two"), 2, 3), "* < message seq=2 : two")
	c.did(c.speaks(messageTo(0, "user_1", "three"), 3, 1), "u1 < message seq=3 : three (private)")
	c.did(c.speaks(messageTo(0, "alice", "up"), 1, 0), "a < message seq=1 : up")
	c.did(func() error { return c.Send(u[1], textMessage(2, "up")) }, "a < message seq=2 user_1: up", "u1 < ack ref=2 seq=2")
	c.refused(wire.ErrNoSuchSlave, c.speaks(messageTo(0, "nobody", "x"), 0, 0))
	c.refused(wire.ErrNoSuchSlave, c.speaks(messageTo(0, "", "x"), 0, 0))

	// It is no request, and no answer to one.
	asks := textMessage(0, "well?")
	asks.Asks, asks.ReplyTo = true, 7
	c.did(c.speaks(asks, 4, 3), "* < message seq=4 : well?")
	require.Empty(t, c.requests)

	// While somebody is away, it is kept for them, and comes in its place.
	c.did(c.lostBy(u[2]), "-u2", "a < presence user_2 away")
	c.did(c.speaks(textMessage(0, "five"), 5, 2), "* < message seq=5 : five")
	c.did(c.speaks(messageTo(0, "user_2", "six"), 6, 0))
	c.did(func() error { return c.Send(a, textMessage(0, "seven")) }, "* < message seq=7 alice: seven")
	b := c.on("b2")
	c.did(func() error { return c.resume(c.now, b, 1, "user_2", c.secret("user_2"), 4) },
		"+b2", "b2 < joined alice=online ref=1", "a < presence user_2 online",
		"b2 << message seq=5 : five", "b2 << message seq=6 : six (private)", "b2 << message seq=7 alice: seven")

	c.did(c.lostBy(a), "* < presence alice away left=30000ms")
	c.did(c.speaks(textMessage(0, "soon"), 8, 3), "* < message seq=8 : soon")
	c.did(c.speaks(messageTo(0, "alice", "come back"), 3, 0))
	d := c.on("d")
	c.did(func() error { return c.resume(c.now, d, 1, "alice", c.secret("alice"), 2) },
		"d << created ref=1 epoch=2 seq=3 [user_1=online user_2=online user_3=online]", "* < presence alice online", "d << message seq=3 : come back")

	c.Stop(c.now)
	c.refused(wire.ErrShuttingDown, c.speaks(textMessage(0, "x"), 0, 0))
	c.ends()
	restored, err := imported(c.limits, c.parts()...)
	require.NoError(t, err)
	require.Equal(t, c.Snapshot().Down, restored.Snapshot().Down)
	require.Empty(t, restored.Snapshot().Up.Kept[2].From)

	c, a, _ = openTable(t, Limits{}, 1)
	require.NoError(t, c.Leave(c.now, a, 0))
	c.refused(wire.ErrNoSuchChannel, c.speaks(textMessage(0, "x"), 0, 0))
	c.refused(wire.ErrNoSuchChannel, newTable(t, Limits{}).speaks(textMessage(0, "x"), 0, 0))
}

// A master that does not keep up, or is away and for whom no more can be kept, is spared by the
// service too.
func TestSpeakToAMasterThatCannotTakeMore(t *testing.T) {
	c, a, _ := openTable(t, Limits{Replay: Bound{Messages: 2}, Outbox: Bound{Messages: 1, Bytes: 1 << 20}}, 1)
	line := a.Line.(*line)
	line.unwritten = 100
	line.room = 1
	c.did(c.speaks(messageTo(0, "alice", "x"), 1, 0), "a < message seq=1 : x")
	c.refused(wire.ErrBusy, c.speaks(messageTo(0, "alice", "x"), 0, 0))
	line.room = -1
	for seq := uint64(2); seq <= 3; seq++ {
		require.NoError(t, c.speaks(messageTo(0, "alice", "x"), seq, 0)())
	}
	c.refused(wire.ErrBusy, c.speaks(messageTo(0, "alice", "x"), 0, 0))
	_, err := c.Confirm(a, 2)
	require.NoError(t, err)
	c.effects = nil
	c.Lose(c.now, a)
	require.NoError(t, c.speaks(messageTo(0, "alice", "x"), 4, 0)())
	c.refused(wire.ErrBusy, c.speaks(messageTo(0, "alice", "x"), 0, 0))
	require.NoError(t, c.speaks(textMessage(0, "to all"), 1, 1)(), "slaves are not meant by that")

	// A hub that keeps nothing has nothing for a master that is away.
	c, a, _ = openTable(t, Limits{Replay: Bound{Messages: -1}}, 1)
	c.did(c.speaks(messageTo(0, "alice", "x"), 1, 0), "a < message seq=1 : x")
	c.Lose(c.now, a)
	c.refused(wire.ErrBusy, c.speaks(messageTo(0, "alice", "x"), 0, 0))
}

// Who catches up gets what the service says in its place, and not twice.
func TestSpeakToWhoCatchesUp(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 1)
	for range 3 {
		require.NoError(t, c.Send(a, textMessage(0, large)))
	}
	c.Lose(c.now, u[1])
	b := c.on("b")
	require.NoError(t, c.resume(c.now, b, 1, "user_1", c.secret("user_1"), 0))
	c.effects = nil
	c.did(c.speaks(messageTo(0, "user_1", "four"), 4, 1))
	c.did(c.speaks(textMessage(0, "five"), 5, 1), "* < message seq=5 : five")
	c.feeds(b, "1", "2", "b ...")
	c.feeds(b, "3", "4", "5", "+b")

	for range 3 {
		require.NoError(t, c.Send(b, textMessage(0, large)))
	}
	c.Lose(c.now, a)
	d := c.on("d")
	require.NoError(t, c.resume(c.now, d, 1, "alice", c.secret("alice"), 0))
	c.effects = nil
	c.did(c.speaks(messageTo(0, "alice", "four"), 4, 0))
	c.feeds(d, "1", "2", "d ...")
	c.feeds(d, "3", "4")
}

func TestSpeakIsCounted(t *testing.T) {
	c, _, _ := openTable(t, Limits{Counted: true}, 1)
	require.NoError(t, c.speaks(textMessage(0, "four"), 1, 1)())
	require.NoError(t, c.speaks(messageTo(0, "alice", "four"), 1, 0)())
	counts := map[Metric]int64{}
	for _, e := range c.effects {
		if e.Kind == Count {
			require.Equal(t, LabelService, e.Text)
			counts[e.Metric] += e.Delta
		}
	}
	require.Equal(t, map[Metric]int64{MessagesReceived: 2, BytesReceived: 8}, counts)
}
