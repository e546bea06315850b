package client

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// A connection can end because its member, which had become the master, was let go, before the client was
// told that it had. Then the slave's handle does not end with handed_over, and no master's to go on with: it
// asks, as after any loss.
func TestASlaveThatWasNeverToldToBeTheMaster(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, hub := p.joins("abc", nil)
		hub.closes(transport.HandedOver)
		again := p.moves()
		require.NoError(t, m.Err())
		again.refuses(again.one(wire.Resume), wire.ErrResumeFailed)
		require.ErrorIs(t, m.Err(), wire.ErrResumeFailed)
		require.Nil(t, m.Next())
	})
}

// Of two hand-overs that have no answer, the hub has carried out the second, and cannot say for now whether
// its master may stay: on the next connection each is repeated once more.
func TestAHandOverThatIsRefusedForNowIsRepeatedOnTheNextConnection(t *testing.T) {
	inPlay(t, nil, func(t *testing.T, p *play) {
		m, _, hub := p.creates("one")
		for _, to := range []string{"two", "one"} {
			go func() { _, _ = m.HandOver(t.Context(), to, true) }()
			hub.one(wire.HandOver)
		}
		hub.closes(transport.Slow)
		for range 2 {
			hub = p.moves()
			hub.refuses(hub.one(wire.HandOver), wire.ErrNotAMember)
			hub.refuses(hub.one(wire.Resume), wire.ErrResumeFailed)
			hub.refuses(hub.one(wire.HandOver), wire.ErrNotAMember)
			hub.refuses(hub.one(wire.Resume), wire.ErrResumeFailed)
			second := hub.one(wire.HandOver)
			require.Equal(t, "one", second.To)
			hub.refuses(second, wire.ErrBusy)
		}
		require.NoError(t, m.Err())
	})
}
