package resume

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// A member that is still getting what it has missed gets all of it before a shutdown closes
// its connection.
func TestShutdownWhileAReplayIsFed(t *testing.T) {
	stage.OneHub(t, "a hub feeds what it can while it shuts down; one of a cluster has its clients move first")
	for _, role := range []string{"slave", "master"} {
		t.Run(role, func(t *testing.T) {
			stage.InVirtualTime(t, lectern.Policy{}, func(t *testing.T, s *stage.Stage) {
				alice, one := s.Pair()
				const messages = 30
				away, sends, name := one, alice, "user_one"
				if role == "master" {
					away, sends, name = alice, one, "alice"
				}
				secret := away.Secret
				away.Plug.Cut()
				synctest.Wait()
				for i := range messages {
					sends.Send(fmt.Sprintf(`{"type":"send","channel":"abc123","text":"%d %s"}`, i, strings.Repeat("x", 30_000)))
				}
				synctest.Wait()
				back := s.Raw()
				back.Send(fmt.Sprintf(`{"type":"resume","ref":1,"channel":"abc123","username":%q,"resume":%q}`, name, secret))
				synctest.Wait()
				done := make(chan error, 1)
				go func() { done <- s.Hub.Shutdown(context.Background()) }()
				synctest.Wait()
				got := 0
				for {
					frame, err := back.Read()
					if err != nil {
						require.ErrorContains(t, err, "shutdown")
						break
					}
					if strings.HasPrefix(frame, `{"type":"message"`) {
						got++
					}
				}
				require.Equal(t, messages, got)
				require.NoError(t, <-done)
			})
		})
	}
}
