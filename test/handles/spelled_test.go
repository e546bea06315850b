package handles

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// Where the service takes two names for one channel, what is being undone under the one is
// waited for by an entry under the other.
func TestJoinGivenUpAndAgainUnderAnotherNameOfTheChannel(t *testing.T) {
	policy := lectern.Policy{Name: func(_ lectern.NameKind, name string) (string, error) { return strings.ToLower(name), nil }}
	for _, held := range []bool{true, false} {
		stage.InBubble(t, policy, func(t *testing.T, s *stage.Stage) {
			a := &again{Stage: s, t: t, d: &gatedDialer{User: s.User()}}
			a.first = s.User().Creates("first", "alice")
			a.client = lectern.NewClient(a.d, lectern.ClientOptions{MinBackoff: time.Millisecond, MaxBackoff: time.Millisecond})
			defer func() { a.d.openAll(); require.NoError(t, a.client.Close()) }()
			a.d.down.shut()
			ctx, cancel := context.WithCancel(t.Context())
			var given, slave *lectern.Slave
			done := make(chan error, 2)
			go func() { done <- a.join(&given, "FIRST", "bob")(ctx) }()
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			if !held {
				a.d.down.open()
			}
			go func() { done <- a.join(&slave, "first", "bob")(stage.Within(t)) }()
			synctest.Wait()
			a.d.down.open()
			require.NoError(t, <-done)
			a.entered(slave, "first", "bob")

			// The same for one that is being left.
			old := slave
			a.d.down.shut()
			go func() { done <- old.Leave() }()
			synctest.Wait()
			joined := make(chan error, 1)
			go func() { joined <- a.join(&slave, "First", "bob")(stage.Within(t)) }()
			synctest.Wait()
			a.d.down.open()
			require.NoError(t, <-done)
			require.NoError(t, <-joined)
			a.entered(slave, "first", "bob")
		})
	}
}
