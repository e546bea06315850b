package door

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// outage is how long the hub cannot be reached in these tests.
const outage = 2 * time.Minute

// Who waits is not out because the hub cannot be reached for a while, however often that is so.
func TestWhoWaitsDoesSoOverAnOutage(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		u := s.User()
		bob := joins(t, u, "abc123", "bob", lectern.WithWait())
		bob.waits(lectern.WaitingForMaster)
		u.CutOff()
		time.Sleep(outage)
		u.Bar(false)
		bob.waits(lectern.WaitingForMaster)
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		bob.waits(lectern.WaitingForDoor)
		knock := knocks(t, master, "bob")
		for range 2 {
			u.CutOff()
			over(t, master, knock)
			time.Sleep(outage)
			u.Bar(false)
			bob.waits(lectern.WaitingForDoor)
			knock = knocks(t, master, "bob")
		}
		require.NoError(t, master.Admit(stage.Within(t), knock.Number))
		bob.in()
	})
}

// A switch that waits does so for as long as there is something to switch from.
func TestSwitchThatWaitsDoesSoOverAnOutage(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{MasterTimeout: time.Hour, SlaveTimeout: time.Hour}, func(t *testing.T, s *stage.Stage) {
		u := s.User()
		s.User().Creates("old", "alice")
		slave := u.Joins("old", "bob")
		next := s.User().Creates("new", "carol", lectern.WithDoor(lectern.DoorKnock))
		bob := begin(t, func(ctx context.Context, options ...lectern.JoinOption) (*lectern.Slave, error) {
			return slave.Switch(ctx, "new", options...)
		})
		bob.waits(lectern.WaitingForDoor)
		knock := knocks(t, next, "bob")
		u.CutOff()
		over(t, next, knock)
		time.Sleep(outage)
		u.Bar(false)
		bob.waits(lectern.WaitingForDoor)
		require.NoError(t, next.Admit(stage.Within(t), knocks(t, next, "bob").Number))
		bob.in()
	})
}

// Where the hub is not there again, the context ends the wait. Nobody else has set it a time.
func TestWhoWaitsDoesSoUntilItsContextEnds(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		u := s.User()
		began := time.Now()
		bob := joins(t, u, "abc123", "bob", lectern.WithWait()) // for 10 minutes
		bob.waits(lectern.WaitingForMaster)
		u.CutOff()
		bob.out(context.DeadlineExceeded)
		require.Equal(t, 10*time.Minute, time.Since(began))
	})
}

// A connection that is lost while it waits to switch to a channel that there is not costs nobody else anything, and its
// membership is kept.
func TestCutWhileASwitchWaits(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master, peer := s.User().Creates("abc123", "alice"), s.Raw()
		peer.Send(stage.OneJoins)
		peer.Expect(stage.OneJoined)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		peer.Send(`{"type":"join","ref":2,"channel":"nowhere","username":"user_one","wait":true,"from":"abc123"}`)
		peer.Expect(`{"type":"waiting","ref":2,"channel":"nowhere","for":"master"}`)
		peer.Plug.Cut()
		stage.NextPresence(t, master, "user_one", lectern.StateAway)
		s.User().Joins("abc123", "user_two")
		stage.NextPresence(t, master, "user_two", lectern.StateOnline)
	})
}
