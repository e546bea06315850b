package restart

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// The door outlives its hub. Who waits there knocks again at the next one, and has another number.
func TestTheDoorOutlivesItsHub(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice", lectern.WithDoor(lectern.DoorKnock))
		require.NoError(t, err)
		joined := make(chan error, 1)
		go func() {
			_, err := a.client().Join(context.WithoutCancel(ctx), "abc123", "bob")
			joined <- err
		}()
		first := stage.Next(t, master).(lectern.Knock)
		a.starts(a.stops(time.Second))
		var last lectern.Knock
		for last.Number <= first.Number || last.Over {
			if knock, ok := stage.Next(t, master).(lectern.Knock); ok {
				last = knock
			}
		}
		require.Equal(t, lectern.DoorKnock, master.Door())
		require.Equal(t, []lectern.Knock{last}, master.Knocks())
		require.ErrorIs(t, master.Admit(ctx, first.Number), lectern.ErrNoSuchSlave)
		require.NoError(t, master.Admit(ctx, last.Number))
		require.NoError(t, <-joined)
	})
}
