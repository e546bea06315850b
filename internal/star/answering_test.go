package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// Who is being entered is told what has become of it by one effect, before everything else that it
// is told, whatever the transition says.
func TestEnter(t *testing.T) {
	c := newTable(t, Limits{})
	a := c.on("a")
	require.NoError(t, c.Enter(a, func() error { return c.Create(c.now, a, Entry{Ref: 1}, "alice", 0) }))
	effects := c.TakeEffects(nil)
	require.Equal(t, "a in", c.line(effects[0]))
	require.Equal(t, "a < created ref=1 epoch=1", c.line(effects[1]))

	taken := c.on("taken")
	err := c.Enter(taken, func() error { return c.Create(c.now, taken, Entry{Ref: 1}, "bob", 0) })
	require.ErrorIs(t, err, wire.ErrChannelExists)
	require.False(t, taken.Entered())
	effects = c.TakeEffects(nil)
	require.Len(t, effects, 1)
	require.Equal(t, "taken out: channel_exists", c.line(effects[0]))

	// What was decided before stays, and so does what one is told who waits.
	require.NoError(t, c.Away(c.now, a, 2))
	c.effects = c.effects[:1]
	waits := c.on("waits")
	require.Equal(t, ErrWaits, c.Enter(waits, func() error {
		c.tellWaiting(c.now, &knock{a: waits})
		return ErrWaits
	}))
	effects = c.TakeEffects(nil)
	require.Len(t, effects, 2)
	require.Equal(t, "a < ack ref=2", c.line(effects[0]))
	require.Contains(t, c.line(effects[1]), "waits < waiting")
}

// An error that is none of the protocol's is told as one that is.
func TestRefuse(t *testing.T) {
	c := newTable(t, Limits{})
	u := c.on("u")
	c.Refuse(u, ErrKnock)
	c.Refuse(u, Again{wire.ErrBanned})
	require.Equal(t, []string{"u out: bad_frame", "u out: banned"}, []string{c.line(c.effects[0]), c.line(c.effects[1])})
}

func TestAnswer(t *testing.T) {
	c := newTable(t, Limits{})
	u := c.on("u")
	packet := wire.NewPacket(&wire.Frame{Type: wire.Ack, Ref: 7})
	c.Answer(u, packet, wire.ErrBusy, 9)
	require.Equal(t, []Effect{{Kind: Answer, To: u, Packet: packet, End: wire.ErrBusy, Number: 9}}, c.TakeEffects(nil))
}
