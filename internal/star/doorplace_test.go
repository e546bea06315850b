package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// Who waits keeps its place where there is no room, also on another connection. Who is new, or comes with
// other attributes, does not come so far.
func TestDoorPlaceIsKeptWhereThereIsNoRoom(t *testing.T) {
	c, a, _ := doorTable(t, wire.DoorKnock, Limits{MaxSlaves: 1}, 0)
	u, v := c.on("u"), c.on("v")
	require.NoError(t, c.knock(u, c.entry(1, "bob", "i"), "bob")())
	require.NoError(t, c.knock(c.on("w"), c.entry(1, "eve", "j"), "eve")())
	require.NoError(t, c.Admit(c.now, a, 0, 2))
	c.effects = nil
	c.refused(wire.ErrChannelFull, c.knock(c.on("x"), c.entry(1, "kim", "k"), "kim"))
	e := c.entry(2, "bob", "i")
	e.Attributes = values("hand", "up")
	c.refused(wire.ErrChannelFull, c.knock(v, e, "bob"))
	c.did(c.knock(v, c.entry(2, "bob", "i"), "bob"), "u out: replaced: you wait on another connection", "v < waiting alice=online ref=2")
	c.refused(wire.ErrChannelFull, func() error { return c.Admit(c.now, a, 0, 1) })
}
