package handover

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Where its Join was given up, nobody could ever be the master by it: then the channel is closed (rule 3).
func TestTheMasterWhoseJoinWasGivenUp(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		user := s.User()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		joined := stage.InBackground(func() (*lectern.Slave, error) {
			return user.Join(ctx, "abc123", "one", lectern.WithWaiting(func(lectern.Waiting) { time.Sleep(2 * time.Second) }))
		})
		time.Sleep(time.Millisecond)
		require.NoError(t, master.Admit(stage.Within(t), master.Knocks()[0].Number))
		alice := handsOver(t, master, "one")
		require.ErrorIs(t, (<-joined).Err, context.DeadlineExceeded)
		stage.Ended(t, alice, lectern.ErrMasterLeft)
	})
}

// A slave can be made the master before its Join has returned: its handle is there, and tells so.
func TestTheMasterBeforeItsJoinHasReturned(t *testing.T) {
	stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
		master := s.User().Creates("abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		user := s.User()
		joined := stage.InBackground(func() (*lectern.Slave, error) {
			return user.Join(stage.Within(t), "abc123", "one", lectern.WithWaiting(func(lectern.Waiting) { time.Sleep(time.Second) }))
		})
		time.Sleep(time.Millisecond)
		require.NoError(t, master.Admit(stage.Within(t), master.Knocks()[0].Number))
		alice := handsOver(t, master, "one")
		one := <-joined
		require.NoError(t, one.Err)
		next := promoted(t, one.Value)
		stage.Broadcast(t, next, "x")
		stage.NextText(t, alice, "x")
	})
}
