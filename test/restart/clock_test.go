package restart

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Where the clock is behind that of the former hub, nobody has to wait for it to come so far
// again, and nobody keeps a seat until then.
func TestAClockThatIsBehind(t *testing.T) {
	var state []byte
	var alice, one lectern.Ticket
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		time.Sleep(time.Hour)
		master, err := a.client().Create(t.Context(), "abc123", "alice")
		require.NoError(t, err)
		slave, err := a.client().Join(t.Context(), "abc123", "user_one")
		require.NoError(t, err)
		a.starts(a.stops(time.Second))
		stage.Broadcast(t, master, "back again") // what this one is sent again from now on is counted
		stage.Say(t, slave, "I too")
		state = a.stops(time.Second)
		alice, one = master.Ticket(), slave.Ticket()
		a.starts(nil)
		synctest.Wait()
	})
	// Each bubble begins at the same instant.
	inBubble(t, lectern.Policy{}, func(t *testing.T, a *address) {
		a.crashes()
		a.starts(bytes.Clone(state))
		time.Sleep(29 * time.Second)
		master, err := a.client().ResumeMaster(t.Context(), alice)
		require.NoError(t, err)
		time.Sleep(time.Second)
		synctest.Wait()
		channel, _ := a.hub.Channel("abc123")
		shot, ok := channel.Snapshot()
		require.True(t, ok)
		require.Empty(t, shot.Slaves, "its time is up, as it was away since the former hub was shut down")
		_, err = a.client().ResumeSlave(t.Context(), one)
		require.ErrorIs(t, err, lectern.ErrResumeFailed)
		require.NoError(t, master.Err())
	})
}
