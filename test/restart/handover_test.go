package restart

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Who is the master since a hand-over is so on the hub that goes on, and the former one's ticket is
// worth nothing there.
func TestAHandOverOutlivesItsHub(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		ticket := master.Ticket()
		one, err := a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		two, err := a.client().Join(ctx, "abc123", "user_two")
		require.NoError(t, err)
		stage.Say(t, two, "before")
		alice, err := master.HandOver(ctx, "user_one", true)
		require.NoError(t, err)
		next := stage.Next(t, one).(lectern.Promotion).Master
		a.starts(a.stops(time.Second))

		stage.Broadcast(t, next, "after")
		stage.Receive(t, alice, "after")
		stage.Receive(t, two, "after")
		require.Equal(t, "user_one", two.Master().Username)
		stage.Say(t, alice, "still here")
		_, err = a.client().ResumeMaster(ctx, ticket)
		require.ErrorIs(t, err, lectern.ErrResumeFailed)
		back, err := next.HandOver(ctx, "alice", false)
		require.NoError(t, err)
		require.Nil(t, back)
	})
}
