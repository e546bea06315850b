package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// unseen is a line that knows of nothing that was accepted before it counts, and writes nothing.
type unseen struct{ *line }

func (l *unseen) Unwritten(accepted Load) int { return accepted.Messages - l.taken }

// inherited is a channel whose log is full of messages that its master may have been given or not, taken over
// with the master on a connection. The line's taken says how many messages were written on it since.
func inheritedTable(t *testing.T) (c *table, a, u *Attachment, out *line) {
	limits := Limits{Replay: Bound{Messages: 4, Bytes: 1 << 20}, Outbox: Bound{Messages: 4, Bytes: 1 << 20}}
	former, master, slaves := recordedTable(t, limits, 1)
	master.Line.(*line).unwritten = 100
	for range 8 {
		former.recordsOf(former.says(slaves[1], "accepted"))
	}
	require.ErrorIs(t, former.Send(slaves[1], textMessage(0, "x")), wire.ErrBusy)
	c = &table{Channel: former.copy, t: t, now: former.now, tags: former.tags, secrets: former.secrets}
	a, u = c.on("b"), c.on("v1")
	out = a.Line.(*line)
	a.Line = &unseen{out}
	c.TakeOver(c.now, func(role wire.Role, _ string, _ Hub) *Attachment {
		if role == wire.Master {
			return a
		}
		return u
	})
	c.effects = nil
	return c, a, u, out
}

// What another hub has accepted is kept until it is known to have arrived: it is not taken for written by who
// has taken the channel over, where nothing says so.
func TestWhatIsInheritedIsKept(t *testing.T) {
	c, a, u, _ := inheritedTable(t)
	require.NoError(t, c.do(c.says(u, "behind it")))
	c.Lose(c.now, a)
	c.effects = nil
	require.Zero(t, c.up.confirmed)
	require.ErrorIs(t, c.Send(u, textMessage(0, "x")), wire.ErrBusy)
	b := c.on("c")
	require.NoError(t, c.resume(c.now, b, 2, "alice", c.secret("alice"), 0))
	var given []uint64
	for _, e := range c.TakeEffects(nil) {
		if e.Kind == SendReplay && e.Packet.Frame() != nil && e.Packet.Frame().Type == wire.Message {
			given = append(given, e.Packet.Frame().Seq)
		}
	}
	require.Equal(t, []uint64{1, 2, 3, 4, 5, 6, 7, 8, 9}, given)
}

// Nor does it keep slaves from sending for ever, where the master does not confirm: as soon as a message behind it
// was written, it was too.
func TestWhatIsInheritedDoesNotFillTheLog(t *testing.T) {
	c, _, u, out := inheritedTable(t)
	for range 8 {
		require.NoError(t, c.do(c.says(u, "x")))
	}
	require.ErrorIs(t, c.Send(u, textMessage(0, "x")), wire.ErrBusy, "it is bounded")
	require.Zero(t, c.up.confirmed)
	out.taken = 1
	require.NoError(t, c.do(c.says(u, "x")))
	require.EqualValues(t, 9, c.up.confirmed)
	for range 40 {
		out.taken++
		require.NoError(t, c.do(c.says(u, "x")))
	}

	// Who confirms is believed that alone, as ever.
	c, a, u, out := inheritedTable(t)
	_, err := c.Confirm(a, 0)
	require.NoError(t, err)
	out.taken = 100
	require.ErrorIs(t, c.Send(u, textMessage(0, "x")), wire.ErrBusy)
	_, err = c.Confirm(a, 1)
	require.NoError(t, err)
	require.NoError(t, c.do(c.says(u, "x")))
	// On another connection all is given again, and counts.
	b := c.on("c")
	require.NoError(t, c.resume(c.now, b, 2, "alice", c.secret("alice"), 1))
	require.Zero(t, c.inherited)
}

// A slave that is about to leave for another channel is not made the master by who has taken the channel over
// meanwhile.
func TestSwitchingIsTakenOver(t *testing.T) {
	c, a, u := recordedTable(t, Limits{}, 1)
	require.Equal(t, []string{"seat 1"}, c.recordsOf(func() error { return c.Switching(u[1], true) }))
	require.Empty(t, c.recordsOf(func() error { return c.Switching(u[1], true) }))
	for _, off := range []bool{false, true} {
		other := c.copied()
		if off {
			c.recordsOf(func() error { return c.Switching(u[1], false) })
			other = c.copied()
		}
		b, v := c.on("b"), c.on("v")
		other.TakeOver(c.now, func(role wire.Role, _ string, _ Hub) *Attachment {
			if role == wire.Master {
				return b
			}
			return v
		})
		_, _, err := other.Successor(b, "user_1")
		if off {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, ErrSwitching)
		}
	}
	require.True(t, a.current())
}
