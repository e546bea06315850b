package requests

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// askedUnheard is a gathering of two slaves that the hub has accepted on a
// connection that was lost before it told so.
func askedUnheard(ctx context.Context, s *stage.Stage) (gathering, []*lectern.Slave) {
	s.T.Helper()
	alice := &stage.MutedDialer{User: s.User()}
	client := lectern.NewClient(alice, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
	s.T.Cleanup(func() { require.NoError(s.T, client.Close()) })
	master, err := client.Create(stage.Within(s.T), "abc123", "alice")
	require.NoError(s.T, err)
	slaves := make([]*lectern.Slave, 2)
	for i := range slaves {
		slaves[i] = s.User().Joins("abc123", fmt.Sprint("user_", i))
		stage.NextPresence(s.T, master, slaves[i].Username(), lectern.StateOnline)
	}
	alice.Mute()
	g := gather(ctx, master)
	alice.ComeBack()
	return g, slaves
}

// The hub may refuse to tell who is awaited, because too much comes at once. It
// is asked again later.
func TestGatherWhoseVerificationIsRefused(t *testing.T) {
	policy := lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: 1, Burst: 2}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		g, slaves := askedUnheard(stage.Within(t), s)
		time.Sleep(10 * time.Second)
		reply(t, slaves[1])
		require.NoError(t, g.next(t, "user_1").Err)
		reply(t, slaves[0])
		require.NoError(t, g.next(t, "user_0").Err)
		g.over(t)
	})
}

// A gathering that is given up before it is known who was asked says so.
func TestGatherGivenUpBeforeItIsKnown(t *testing.T) {
	policy := lectern.Policy{FrameRate: lectern.RateLimit{PerSecond: 1, Burst: 2}}
	stage.InVirtualTime(t, policy, func(t *testing.T, s *stage.Stage) {
		ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
		defer cancel()
		g, _ := askedUnheard(ctx, s)
		require.ErrorIs(t, g.next(t, "").Err, context.DeadlineExceeded)
		g.over(t)
	})
}
