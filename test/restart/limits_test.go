package restart

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// byToken gives channels other limits than the policy's, by the token of their masters.
func byToken(_ context.Context, r lectern.AuthRequest) (lectern.Identity, error) {
	return lectern.Identity{AsAsked: true, Channel: map[string]lectern.ChannelLimits{
		"large":  {MasterTimeout: time.Hour, MaxSlaves: 3},
		"small":  {MasterTimeout: time.Second, MaxSlaves: 1},
		"none":   {MasterTimeout: -1, MaxSlaves: -1},
		"no_one": {MasterTimeout: 30}, // a unit was forgotten
	}[r.Token]}, nil
}

// A service gives one channel more than its policy has, and another one less; and a hub of
// another policy that goes on with them keeps to what it said.
func TestLimitsOfAChannel(t *testing.T) {
	policy := lectern.Policy{MasterTimeout: time.Minute, SlaveTimeout: 10 * time.Minute, MaxSlaves: 2, Authorize: byToken}
	inBubble(t, policy, func(t *testing.T, a *address) {
		ctx, client := t.Context(), a.client()
		masters := map[string]*lectern.Master{}
		for _, name := range []string{"large", "small", "none", "plain"} {
			options := []lectern.CreateOption{lectern.WithToken(name)}
			if name == "plain" {
				options = append(options, lectern.WithMasterTimeout(time.Hour)) // asking alone does not widen it
			}
			var err error
			masters[name], err = client.Create(ctx, name, "alice", options...)
			require.NoError(t, err)
		}
		asked, err := client.Create(ctx, "asked", "alice", lectern.WithToken("large"), lectern.WithMasterTimeout(30*time.Minute))
		require.NoError(t, err)
		require.Equal(t, 30*time.Minute, asked.MasterTimeout())
		_, err = client.Create(ctx, "no one", "alice", lectern.WithToken("no_one"))
		require.ErrorIs(t, err, lectern.ErrUnauthorized)
		_, exists := a.hub.Channel("no one")
		require.False(t, exists)

		full := func(channel string, slaves int) {
			t.Helper()
			user := a.client()
			for i := range slaves {
				_, err := user.Join(ctx, channel, "user_"+string(rune('a'+i)), lectern.WithToken("large"))
				require.NoError(t, err)
				user = a.client()
			}
			_, err := user.Join(ctx, channel, "one more", lectern.WithToken("large"))
			require.ErrorIs(t, err, lectern.ErrChannelFull, "what is said at a join is for no channel")
		}
		limits := func(channel string) lectern.ChannelLimits {
			c, ok := a.hub.Channel(channel)
			require.True(t, ok)
			shot, _ := c.Snapshot()
			return lectern.ChannelLimits{MasterTimeout: shot.MasterTimeout, MaxSlaves: shot.MaxSlaves}
		}
		full("large", 3)
		full("small", 1)
		full("plain", 2)
		require.Equal(t, time.Hour, masters["large"].MasterTimeout())
		require.Equal(t, time.Second, masters["small"].MasterTimeout())
		require.Equal(t, time.Minute, masters["plain"].MasterTimeout())
		require.NoError(t, masters["none"].Close())

		state := a.stops(time.Second)
		a.policy.MasterTimeout, a.policy.MaxSlaves = 20*time.Second, 2
		a.starts(state)
		time.Sleep(time.Second / 2)
		synctest.Wait()
		require.Equal(t, lectern.ChannelLimits{MasterTimeout: time.Hour, MaxSlaves: 3}, limits("large"))
		require.Equal(t, lectern.ChannelLimits{MasterTimeout: time.Second, MaxSlaves: 1}, limits("small"))
		require.Equal(t, lectern.ChannelLimits{MasterTimeout: 20 * time.Second, MaxSlaves: 2}, limits("plain"))
		require.Equal(t, time.Hour, masters["large"].MasterTimeout())
		_, err = a.client().Join(ctx, "large", "one more")
		require.ErrorIs(t, err, lectern.ErrChannelFull)
		stage.Broadcast(t, masters["large"], "still here")
		_ = client.Close()
	})
}

// A master that may not be away ends its channel by being it, where the service says so.
func TestLimitsOfAChannelThatEndsAtOnce(t *testing.T) {
	policy := lectern.Policy{MasterTimeout: time.Minute, Authorize: byToken}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		alice := s.User()
		alice.Creates("abc123", "alice", lectern.WithToken("none"), lectern.WithMasterTimeout(time.Second))
		slave := s.User().Joins("abc123", "user_one")
		began := time.Now()
		alice.CutOff()
		stage.Ended(t, slave, lectern.ErrMasterDown)
		require.Equal(t, began, time.Now())
	})
}
