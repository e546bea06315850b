package star

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/internal/wire"
)

// What comes late from who was on a connection under rules that decide no more is nobody's, for the rules that decide
// next: nothing is sent by it, and nobody is lost.
func TestWhoWasInUnderRulesThatDecideNoMore(t *testing.T) {
	c, a, u := openTable(t, Limits{}, 2)
	next := c.copied()
	c.Depose(c.now)
	next.TakeOver(c.now, func(_ wire.Role, username string, _ Hub) *Attachment { return c.on("elsewhere " + username) })
	next.TakeEffects(nil)
	for _, left := range []*Attachment{a, u[1], u[2]} {
		require.ErrorIs(t, next.Send(left, Message{Ref: 7, Payload: wire.Payload{Kind: wire.TextPayload, Data: []byte("late")}}), wire.ErrNotAMember)
		next.Lose(c.now, left)
		require.Empty(t, next.TakeEffects(nil))
		require.True(t, left.Entered())
		require.False(t, left.ByHand())
		require.False(t, left.Holds(HashOf(c.secret("user_1"))))
	}
	require.Equal(t, "user_1", u[1].Username())
	require.Equal(t, 2, next.connected)
	require.Equal(t, wire.StateOnline, next.MasterState())
	require.Zero(t, next.up.newest+next.down.newest)
}
