package resume

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/stage"
)

// twoHubs runs a test with two hubs that have their channels together. What the second one is told of the log can be
// held up, by slow.
func twoHubs(t *testing.T, test func(t *testing.T, a, b *stage.Stage, slow *unheard)) {
	stage.OneHub(t, "two hubs of a cluster")
	synctest.Test(t, func(t *testing.T) {
		engine := cluster.NewLocal()
		t.Cleanup(func() { require.NoError(t, engine.Close()) })
		slow := &unheard{Engine: engine}
		of := func(engine cluster.Engine) *stage.Stage {
			return stage.New(t, stage.InMemory[0], lectern.Policy{
				Cluster: engine, Authorize: func(context.Context, lectern.AuthRequest) (lectern.Identity, error) {
					return lectern.Identity{AsAsked: true}, nil
				},
			})
		}
		a, b := of(engine), of(slow)
		time.Sleep(time.Second) // they hear each other
		test(t, a, b, slow)
	})
}

// A slave that resumes at a hub which has not heard of all that was decided is told its secret: without it, it could not
// resume again.
func TestTheSecretIsToldBehindWhatIsNotHeard(t *testing.T) {
	twoHubs(t, func(t *testing.T, a, b *stage.Stage, slow *unheard) {
		master := a.User().Creates("abc123", "alice")
		ticket := b.User().Joins("abc123", "user_one").Ticket()
		synctest.Wait()
		slow.be(true)
		stage.Broadcast(t, master, "hello")
		resumed := stage.InBackground(func() (*lectern.Slave, error) { return b.User().ResumeSlave(stage.Within(t), ticket) })
		synctest.Wait()
		slow.be(false)
		slave := <-resumed
		require.NoError(t, slave.Err)
		require.Equal(t, ticket.Secret, slave.Value.Ticket().Secret)
		stage.Receive(t, slave.Value, "hello")
	})
}

// A slave whose channel has moved to another hub is told its secret where it joins or resumes again on the same connection.
func TestTheSecretIsToldAgainWhereTheChannelHasMoved(t *testing.T) {
	twoHubs(t, func(t *testing.T, a, b *stage.Stage, _ *unheard) {
		master := a.User().Creates("abc123", "alice")
		one := a.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		secret := one.Secret
		_, err := b.User().ResumeMaster(stage.Within(t), master.Ticket())
		require.NoError(t, err)
		synctest.Wait()
		one.Secret = ""
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		require.Equal(t, secret, one.Secret)

		one.Secret = ""
		one.Send(`{"type":"resume","ref":2,"channel":"abc123","username":"user_one","resume":"` + secret + `"}`)
		one.Expect(stage.OneResumed(2))
		require.Equal(t, secret, one.Secret)
	})
}
