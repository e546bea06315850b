package star

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// Who takes over gives everybody the whole of the times that are in no record, and has on their
// connections those that are on one; the others are away from then on.
func TestTimesBeginAnewWithWhoTakesOver(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 3)
	copied := c.copied()
	c.Record(true)
	c.Lose(c.now, u[3])
	c.Lose(c.now, a)
	for _, e := range c.TakeEffects(nil) {
		if e.Kind == Keep {
			require.NoError(t, copied.Apply(e.Record()))
		}
	}
	later := c.now.Add(time.Hour)
	one := c.on("u1'")
	copied.Record(true)
	copied.TakeOver(later, func(role wire.Role, username string, _ Hub) *Attachment {
		if username == "user_1" {
			return one
		}
		require.Equal(t, "user_2", username)
		return nil
	})
	r := &table{Channel: copied, t: t, now: later, tags: c.tags, secrets: c.secrets}
	require.Equal(t, []string{"seat 2"}, r.recordsOf(func() error { return nil }), "who is away is recorded")
	require.Equal(t, later.Add(xMaster), copied.master.deadline)
	require.Equal(t, later.Add(xSlave), copied.slaves["user_2"].deadline)
	require.Equal(t, later.Add(xSlave), copied.slaves["user_3"].deadline)
	require.True(t, one.current())
	require.Equal(t, 1, copied.connected)
	b := c.on("b")
	copied.Record(false)
	r.did(func() error { return r.resume(r.now, b, 2, "alice", c.secret("alice"), 0) }, "b << created ref=2 epoch=2 [user_1=online user_2=away user_3=away]", "* < presence alice online")

	// Who is still on a connection has no time that runs, and what could be repeated still can.
	held, _, u1 := heldTable(t)
	h := held.handing("ada", true, 7)
	require.NoError(t, held.HandOver(held.now, held.master.attachment, h))
	require.NoError(t, held.join(held.now, held.on("x"), 1, "eve", ""))
	held.TakeEffects(nil)
	copied = held.copied()
	before := copied.master.deadline
	copied.TakeOver(later, func(wire.Role, string, Hub) *Attachment { return held.on("back") })
	require.Zero(t, before)
	require.Zero(t, copied.master.deadline)
	require.Equal(t, later.UnixNano(), copied.master.extras.handed.slave.repeatable)
	require.Zero(t, copied.slaves["eve"].repeatable)
	require.ErrorIs(t, u1.stale(), wire.ErrRoleChanged)
	require.NoError(t, held.Show(h.New, h.New.epoch))
	require.NoError(t, held.Away(held.now, h.New, 0))
	copied = held.copied()
	copied.TakeOver(later, func(wire.Role, string, Hub) *Attachment { return held.on("back") })
	require.Equal(t, later.Add(xMaster), copied.master.deadline)

	// A master that is nowhere, since the last record was cut off from those behind it, is away.
	copied = held.copied()
	require.NoError(t, copied.Apply(record(recordSeat, func(p *pieces) { p.number(0); p.seat(&member{state: wire.StateOnline, epoch: 1}) })))
	copied.TakeOver(later, func(wire.Role, string, Hub) *Attachment { return held.on("back") })
	require.Equal(t, wire.StateAway, copied.master.state)
	require.Equal(t, later.Add(xMaster), copied.master.deadline)

	// Slaves are told where that is new.
	lost, _, _ := openTable(t, Limits{}, 1)
	copied = lost.copied()
	copied.Record(true)
	copied.TakeOver(later, func(role wire.Role, _ string, _ Hub) *Attachment {
		if role == wire.Master {
			return nil
		}
		return lost.on("u1 again")
	})
	r = &table{Channel: copied, t: t, now: later, tags: lost.tags, secrets: lost.secrets}
	require.Equal(t, []string{"*presence 2", "seat 0"}, r.recordsOf(func() error { return nil }))

	ended := c.copied()
	ended.Close("over")
	ended.TakeEffects(nil)
	ended.TakeOver(later, nil)
	require.Empty(t, ended.effects)
}
