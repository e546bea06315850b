package turn

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var turn Turn
		require.True(t, turn.Take())
		require.True(t, turn.IsTaken())
		require.False(t, turn.Try())
		got := make(chan bool, 1)
		go func() { got <- turn.Take() }()
		synctest.Wait()
		require.Empty(t, got)
		turn.GiveBack()
		require.True(t, <-got)

		go func() { got <- turn.Take() }()
		last := make(chan struct{})
		go func() {
			turn.TakeLast()
			close(last)
		}()
		synctest.Wait()
		turn.Close()
		require.False(t, <-got, "nobody waits any longer")
		turn.GiveBack()
		<-last
		turn.GiveBack()
		require.False(t, turn.IsTaken())
	})
}
