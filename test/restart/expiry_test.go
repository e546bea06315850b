package restart

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// A message keeps its end over a restart, by the clock: what has expired meanwhile is told as a
// gap, and a request whose time is over has ended.
func TestExpiryOverARestart(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		one, err := a.client().Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		stage.NextPresence(t, master, "user_one", lectern.StateOnline)
		asked := make(chan error, 2)
		for _, d := range []time.Duration{5 * time.Second, 20 * time.Second} {
			go func() {
				_, err := one.Request(ctx, lectern.Text("may I?"), lectern.WithExpiry(d))
				asked <- err
			}()
			synctest.Wait()
		}
		require.Equal(t, "may I?", stage.NextText(t, master, "may I?").Text())
		question := stage.NextText(t, master, "may I?")

		// The slave's client takes nothing of what comes behind this.
		state := a.stops(time.Second)
		time.Sleep(5 * time.Second)
		a.starts(state)
		require.ErrorIs(t, <-asked, lectern.ErrTooLate)
		_, err = master.Reply(ctx, question, lectern.Text("yes"))
		require.NoError(t, err)
		require.NoError(t, <-asked)
	})
}

// Who is away over the restart is told what has expired until its return, and gets the rest with
// what is left of it.
func TestWhatExpiresForWhoIsAwayOverARestart(t *testing.T) {
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		ctx := t.Context()
		master, err := a.client().Create(ctx, "abc123", "alice")
		require.NoError(t, err)
		client := a.client()
		_, err = client.Join(ctx, "abc123", "user_one")
		require.NoError(t, err)
		tickets, err := client.Detach(ctx)
		require.NoError(t, err)
		began := time.Now()
		for _, seconds := range []time.Duration{2, 4, 20, 12} {
			_, err := master.Broadcast(ctx, lectern.Text("x"), lectern.WithExpiry(seconds*time.Second), lectern.WithTopic("drive"))
			require.NoError(t, err)
		}
		time.Sleep(2 * time.Second)
		state := a.stops(time.Second)
		time.Sleep(8 * time.Second)
		a.starts(state)
		// The master is back at the latest after MaxBackoff, 5 seconds.
		for back := false; !back; {
			p, ok := stage.Next(t, master).(lectern.Presence)
			back = ok && p.Username == "alice" && p.State == lectern.StateOnline
		}
		time.Sleep(time.Until(began.Add(17 * time.Second)))
		slave, err := a.client().ResumeSlave(ctx, tickets[0])
		require.NoError(t, err)
		require.Equal(t, lectern.Gap{Missed: 2}, stage.Next(t, slave))
		m := stage.Next(t, slave).(lectern.Message)
		require.EqualValues(t, 3, m.Seq)
		require.Equal(t, "drive", m.Topic)
		require.WithinDuration(t, began.Add(20*time.Second), m.Expires, time.Second)
		require.Equal(t, lectern.Gap{Missed: 1}, stage.Next(t, slave))
	})
}
