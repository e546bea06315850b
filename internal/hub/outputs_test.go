package hub

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// A master that is at another hub for a moment is told of its slaves there.
func TestPresenceForAMasterElsewhere(t *testing.T) {
	packet := wire.NewPacket(&wire.Frame{Type: wire.Presence, Channel: "c", Username: "bob", Role: wire.Slave, State: wire.StateAway})
	o, ok := outputOf(&star.Effect{Kind: star.SendPresence, Packet: packet})
	o.to = toMembership
	require.True(t, ok)
	back, err := unpackOutput(o.pack())
	require.NoError(t, err)
	require.Equal(t, star.SendOne, back.kind)
	require.Equal(t, "bob", back.packet.Frame().Username)
}
