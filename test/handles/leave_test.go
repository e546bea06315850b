package handles

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Who has sent faster than it may can still leave: nothing would be left to end
// the membership, and its handle has ended.
func TestLeaveOfOneWhoSendsTooFast(t *testing.T) {
	policy := lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: 1, Burst: 10}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		master, slave := s.User().Creates("abc123", "alice"), s.User().Joins("abc123", "user_one")
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		for say := slave.Send; ; {
			if _, err := say(stage.Within(t), lectern.Text("on and on")); err != nil {
				require.ErrorIs(t, err, lectern.ErrRateLimited)
				break
			}
		}
		require.NoError(t, slave.Leave())
		synctest.Wait()
		require.Empty(t, master.Members(), "the slave has not left")

		for err := error(nil); err == nil; {
			_, err = master.Broadcast(stage.Within(t), lectern.Text("on and on"))
		}
		require.NoError(t, master.Close())
		synctest.Wait()
		_, exists := s.Hub.Channel("abc123")
		require.False(t, exists, "the channel is still there")
	})
}
