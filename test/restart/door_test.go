package restart

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// The door outlives its hub. Who waits there knocks again at the next one, and has another number. It waits
// too while there is no hub to be reached.
func TestTheDoorOutlivesItsHub(t *testing.T) {
	for when, none := range map[string]time.Duration{"the next one is there": 0, "the next one comes later": 20 * time.Second} {
		t.Run(when, func(t *testing.T) {
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
				left := a.stops(time.Second)
				time.Sleep(none)
				a.starts(left)
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
		})
	}
}

// Who waits for a channel does so at the hub that comes next, however long no hub can be reached, and
// however the one before has ended.
func TestWhoWaitsForAChannelOutlivesItsHub(t *testing.T) {
	for how, end := range map[string]func(a *address) []byte{
		"it shuts down": func(a *address) []byte { return a.stops(time.Second) },
		"it crashes": func(a *address) []byte {
			a.crashes()
			return nil
		},
	} {
		t.Run(how, func(t *testing.T) {
			inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
				told := make(chan lectern.Waiting, 9)
				joined := make(chan error, 1)
				go func() {
					_, err := a.client().Join(context.WithoutCancel(t.Context()), "abc123", "bob", lectern.WithWait(),
						lectern.WithWaiting(func(w lectern.Waiting) { told <- w }))
					joined <- err
				}()
				require.Equal(t, lectern.Waiting{For: lectern.WaitingForMaster}, <-told)
				left := end(a)
				time.Sleep(15 * time.Minute)
				require.Empty(t, joined)
				a.starts(left)
				require.Equal(t, lectern.Waiting{For: lectern.WaitingForMaster}, <-told)
				_, err := a.client().Create(t.Context(), "abc123", "alice")
				require.NoError(t, err)
				require.NoError(t, <-joined)
			})
		})
	}
}
