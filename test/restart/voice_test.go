package restart

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Who is muted outlives the hub, those too who are not there, and who comes back is told nothing that
// it knows.
func TestTheVoiceOutlivesItsHub(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		joins := func(name string) *lectern.Slave {
			slave, err := a.client().Join(ctx, "abc123", name)
			require.NoError(t, err)
			return slave
		}
		one, two, three := joins("user_one"), joins("user_two"), joins("user_three")
		require.NoError(t, master.MuteAll(ctx))
		require.NoError(t, master.Unmute(ctx, "user_two"))
		require.NoError(t, master.Unmute(ctx, "user_three"))
		require.NoError(t, three.Leave())
		require.Equal(t, lectern.Muted{On: true}, stage.Next(t, one))
		require.Equal(t, lectern.Muted{On: true}, stage.Next(t, two))
		require.Equal(t, lectern.Muted{On: false}, stage.Next(t, two))
		a.starts(a.stops(time.Second))

		_, err = one.Send(ctx, lectern.Text("x"))
		require.ErrorIs(t, err, lectern.ErrMuted)
		stage.Say(t, two, "x")
		late, three := joins("user_late"), joins("user_three")
		require.True(t, late.Muted())
		require.False(t, three.Muted())
		require.True(t, master.AllMuted())
		require.NoError(t, master.UnmuteAll(ctx))
		stage.Broadcast(t, master, "over")
		told := func(slave *lectern.Slave) (told []lectern.Event) {
			for {
				switch event := stage.Next(t, slave).(type) {
				case lectern.Muted:
					told = append(told, event)
				case lectern.Message:
					return told
				}
			}
		}
		require.Equal(t, []lectern.Event{lectern.Muted{On: false}}, told(one))
		require.Empty(t, told(two))
	})
}
