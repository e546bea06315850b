package operating

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
	"github.com/lectern-go/lectern/transport"
)

// at is the dialer that leads to the hub of one stage.
type at struct{ *stage.Stage }

func (a at) Dial(ctx context.Context) (transport.Conn, error) {
	conn, _, _, err := a.Stage.Dial(ctx, nil)
	return conn, err
}

func (a at) DialFirst(ctx context.Context, message []byte) (transport.Conn, bool, error) {
	conn, _, sent, err := a.Stage.Dial(ctx, message)
	return conn, sent, err
}

// A client that knows several places goes to another hub when its own one shuts down. What it
// asks for meanwhile is done there, and what only the first one had ends by that name.
func TestAnotherHubTakesThePlace(t *testing.T) {
	stage.OneHub(t, "two hubs of no cluster")
	for i := range stage.InMemory {
		// The first one might come back for as long as its masters may be away.
		policy := lectern.Policy{MasterTimeout: 3 * time.Second}
		stage.OverEach(t, stage.InMemory[i:i+1], policy, func(t *testing.T, first *stage.Stage) {
			second := stage.New(t, stage.InMemory[i], policy)
			client := lectern.NewClient(transport.DialAny(at{first}, at{second}), lectern.ClientOptions{MaxBackoff: time.Second})
			t.Cleanup(func() { require.NoError(t, client.Close()) })
			old, err := client.Create(stage.Within(t), "abc123", "alice")
			require.NoError(t, err)
			for n := range 20 { // so that it takes some time to close all
				first.User().Creates(fmt.Sprint("other", n), "bob")
			}

			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- first.Hub.Shutdown(ctx) }()
			synctest.Wait()
			master, err := client.Create(stage.Within(t), "def456", "alice")
			require.NoError(t, err)
			require.NoError(t, <-done)
			stage.Ended(t, old, lectern.ErrHubLost)
			_, err = master.Broadcast(stage.Within(t), lectern.Text("still there"))
			require.NoError(t, err)
			_, here := second.Hub.Channel("def456")
			require.True(t, here)
			require.NoError(t, master.Err())
		})
	}
}
