package star

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// A master that does not keep up is told no single knocks, and then what has changed at the door.
func TestDoorMasterBehind(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	u, v, w := c.on("u"), c.on("v"), c.on("w")
	require.NoError(t, c.knock(u, c.entry(1, "bob", "i"), "bob")())
	require.NoError(t, c.knock(v, c.entry(1, "eve", "j"), "eve")())
	c.effects = nil
	a.Line.(*line).mark = 2
	c.did(func() error { c.CancelKnock(u); return nil }, "u out: left", "a ...")
	c.did(c.knock(w, c.entry(1, "kim", "k"), "kim"), "w < waiting alice=online ref=1")
	c.did(c.knock(u, c.entry(2, "bob", "i"), "bob"), "u < waiting alice=online ref=2")
	c.did(func() error { c.CancelKnock(u); return nil }, "u out: left")
	c.did(func() error { c.Drained(a); return nil }, "a ...")
	a.Line.(*line).taken = 2
	c.did(c.knock(u, c.entry(3, "bob", "i"), "bob"), "u < waiting alice=online ref=3") // what is due comes first
	c.did(func() error { c.CancelKnock(u); return nil }, "u out: left")
	slave := &member{name: "x", role: wire.Slave}
	slave.attachment = c.on("x")
	slave.attachment.member = slave
	c.did(func() error { c.Drained(slave.attachment); return nil }) // it is told nothing of the door
	c.did(func() error { c.Drained(a); return nil }, "a << knock 1 bob on=false", "a << knock 3 kim on=true")
	c.did(func() error { c.Drained(a); return nil })
	c.did(func() error { c.CancelKnock(w); return nil }, "w out: left", "a < knock 3 kim on=false")

	// With a list of its slaves that is due, both are told.
	a.Line.(*line).mark, a.Line.(*line).taken = 0, 0
	c.did(func() error { return c.Admit(c.now, a, 0, 2) }, "v in", "a ...", "+v", "v < joined alice=online ref=1", "a ...")
	a.Line.(*line).mark = -1
	c.did(func() error { c.Drained(a); return nil }, "a << members [eve=online]", "a << knock 2 eve on=false")

	// One that comes back is told by created.
	a.Line.(*line).mark = 0
	c.did(c.knock(w, c.entry(5, "kim", "k"), "kim"), "w < waiting alice=online ref=5", "a ...")
	b := c.on("b")
	c.did(func() error { return c.resume(c.now, b, 9, "alice", c.secret("alice"), 0) },
		"a ! replaced: the membership was taken over by a newer connection", "b << created ref=9 epoch=2 [eve=online] door=knock 6=kim")
	require.False(t, c.doorStale())
	c.did(func() error { c.Drained(b); return nil })
	c.did(func() error { c.CancelKnock(w); return nil }, "w out: left", "b < knock 6 kim on=false")
	answer := wire.Frame{Type: wire.Created}
	c.listDoor(&answer)
	require.Nil(t, answer.Entering().Knocks, "nobody waits")
}

// One that is catching up is told when it has.
func TestDoorMasterCatchingUp(t *testing.T) {
	c, a, u := doorTable(t, wire.DoorKnock, Limits{}, 1)
	c.Lose(c.now, a)
	for i := range 20 {
		require.NoError(t, c.Send(u[1], textMessage(uint64(i+2), strings.Repeat("x", 500))))
	}
	b := c.on("b")
	require.NoError(t, c.resume(c.now, b, 9, "alice", c.secret("alice"), 0))
	require.True(t, b.catchingUp)
	c.effects = nil
	v := c.on("v")
	c.did(c.knock(v, c.entry(1, "bob", "i"), "bob"), "v < waiting alice=online ref=1")
	c.Drained(b)
	require.False(t, b.catchingUp)
	require.Equal(t, "b ...", c.line(c.effects[len(c.effects)-1]))
	c.effects = nil
	c.did(func() error { c.Drained(b); return nil }, "b << knock 1 bob on=true")
}

// The list of who waits counts where a master comes back again and again.
func TestDoorCountsAgain(t *testing.T) {
	repaid := func(attributes, fixed int) int64 {
		c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
		e := c.entry(1, "bob", "i")
		e.Attributes = values("k", strings.Repeat("x", attributes))
		e.Grant = Grant{Asked: true, Attributes: values("f", strings.Repeat("x", fixed))}
		require.NoError(t, c.knock(c.on("u"), e, "bob")())
		c.Lose(c.now, a)
		require.NoError(t, c.resume(c.now, c.on("b"), 9, "alice", c.secret("alice"), 0))
		return c.master.extra().repaid - c.now.UnixMilli()
	}
	require.Greater(t, repaid(2000, 1), repaid(1, 1))
	require.Greater(t, repaid(1, 1500), repaid(1, 1))
	c, _, u := doorTable(t, wire.DoorKnock, Limits{}, 1)
	require.NoError(t, c.knock(c.on("v"), c.entry(1, "bob", "i"), "bob")())
	c.Lose(c.now, u[1])
	require.NoError(t, c.resume(c.now, c.on("u'"), 9, "user_1", c.secret("user_1"), 0))
	require.Zero(t, c.slaves["user_1"].extra().repaid, "a slave is not told who waits")
}

func TestDoorChange(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	u, v := c.on("u"), c.on("v")
	c.changed(c.knock(u, c.entry(1, "bob", ""), "bob"), "knocked bob#1.0 ")
	e := c.entry(1, "eve", "")
	e.Grant = Grant{Asked: true, Data: []byte("d")}
	c.changed(c.knock(v, e, "eve"), "knocked eve#2.0  data d")
	c.changed(func() error { return c.Admit(c.now, a, 0, 2) }, "joined eve#1.1 online data d")
}

// The door goes on elsewhere, and who waits there knocks again.
func TestDoorIsKept(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 0)
	require.NoError(t, c.knock(c.on("u"), c.entry(1, "bob", "i"), "bob")())
	restored, err := Restore(c.Snapshot(), c.limits, c.now, func(wire.Role, string) *Attachment { return nil })
	require.NoError(t, err)
	require.Equal(t, &door{mode: wire.DoorKnock, knocks: 1}, restored.door)
	c.Lose(c.now, a)
	c.Stop(c.now)
	imported := importOf(t, c)
	require.Equal(t, &door{mode: wire.DoorKnock, knocks: 1}, imported.door)

	c, a, _ = doorTable(t, wire.DoorOpen, Limits{}, 0)
	c.Lose(c.now, a)
	require.Nil(t, importOf(t, c).door)
	c.door = nil
	require.Nil(t, importOf(t, c).door)
	c.restoreDoor(wire.DoorOpen, 7)
	require.Equal(t, &door{mode: wire.DoorOpen, knocks: 7}, importOf(t, c).door)
}

// importOf is the channel as it is brought back from its parts.
func importOf(t *testing.T, c *table) *Channel {
	t.Helper()
	i := NewImport(c.limits, 1<<16, 0)
	c.Parts(nil, func(part []byte) bool {
		require.NoError(t, i.Add(bytes.Clone(part)))
		return true
	})
	imported, err := i.Finish()
	require.NoError(t, err)
	return imported
}

func TestDoorThatIsNone(t *testing.T) {
	c, a, _ := openTable(t, Limits{}, 0)
	c.Lose(c.now, a)
	var whole []byte
	c.Parts(nil, func(part []byte) bool { whole = append(whole, part...); return true })
	require.NoError(t, NewImport(c.limits, 1<<16, 0).Add(append(bytes.Clone(whole), pieceDoor, 1, 7)))
	require.NoError(t, NewImport(c.limits, 1<<16, 0).Add(append(bytes.Clone(whole), pieceDoor, 3, 0)))
	for _, door := range [][]byte{{pieceDoor, 2, 0, pieceDoor, 2, 0}, {pieceDoor, 0, 1}, {pieceDoor, 4, 1}} {
		changed := append(bytes.Clone(whole), door...)
		require.ErrorContains(t, NewImport(c.limits, 1<<16, 0).Add(changed), "has a door that is none, or two")
	}
	require.ErrorIs(t, NewImport(c.limits, 1<<16, 0).Add(append(bytes.Clone(whole), pieceDoor, 1)), errCut)
}

// The channel's end is theirs who wait.
// Who waits and expects a master is not let in by another one.
func TestDoorExpectsAMaster(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{}, 1)
	waits := func(tag, name, expect string) *Attachment {
		at := c.on(tag)
		require.NoError(t, c.Knock(c.now, at, c.entry(5, name, name), name, expect))
		return at
	}
	waits("v", "bob", "alice")
	waits("w", "eve", "")
	waits("x", "joe", "")
	again := c.entry(6, "joe", "joe")
	require.NoError(t, c.Knock(c.now, c.on("y"), again, "joe", "alice"))
	c.effects = nil
	c.refused(errSuccessorWaits, c.handsOver(a, c.handing("eve", false, 0)))
	c.did(c.handsOver(a, c.handing("user_1", false, 0)), "-u1", "v out: wrong_master", "y out: wrong_master",
		"* < presence user_1 online", "w < presence user_1 online",
		"n << created epoch=2 [] door=knock 2=eve", `a ! handed_over: "user_1" is the master now`)
	require.Len(t, c.atDoor(), 1)
	z := c.on("z")
	require.NoError(t, c.Knock(c.now, z, c.entry(5, "zoe", "zoe"), "zoe", "user_1"))
	c.effects = nil
	require.NoError(t, c.Show(c.master.attachment, 2))
	require.NoError(t, c.Admit(c.now, c.master.attachment, 0, 4))
}
