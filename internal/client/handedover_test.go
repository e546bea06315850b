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
