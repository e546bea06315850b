package operating

import (
	"context"
	"iter"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/stage"
)

// asksOnce is the engine of a hub of which others hear one request more, once that is said and it may go on.
type asksOnce struct {
	cluster.Engine
	said  atomic.Bool
	asked atomic.Bool
	goOn  chan struct{}
}

func (e *asksOnce) Ask(ctx context.Context, from, to cluster.HubID, request []byte) iter.Seq2[[]byte, error] {
	switch {
	case !e.said.Load():
	case e.asked.Swap(true):
		return func(yield func([]byte, error) bool) {
			<-ctx.Done()
			yield(nil, ctx.Err())
		}
	default:
		<-e.goOn // what comes meanwhile is in the next request
	}
	return e.Engine.Ask(ctx, from, to, request)
}

// What a slave sends behind its leave is refused also where the channel, which another hub decides, ends before that has heard
// of it.
func TestSentBehindALeaveAsTheChannelEnds(t *testing.T) {
	stage.OneHub(t, "two hubs of a cluster")
	synctest.Test(t, func(t *testing.T) {
		engine := cluster.NewLocal()
		t.Cleanup(func() { require.NoError(t, engine.Close()) })
		asks := &asksOnce{Engine: engine, goOn: make(chan struct{})}
		owner := stage.New(t, stage.InMemory[0], lectern.Policy{Cluster: engine})
		other := stage.New(t, stage.InMemory[0], lectern.Policy{Cluster: asks})
		time.Sleep(time.Second) // they hear each other
		other.User().Creates("second", "carol")
		master := owner.User().Creates("abc123", "alice")
		one := other.Raw()
		one.Send(stage.OneJoins)
		one.Expect(stage.OneJoined)
		one.Send(`{"type":"join","ref":2,"channel":"second","username":"user_one"}`)
		told(one, "joined 2 second") // so that its connection stays
		synctest.Wait()
		asks.said.Store(true)
		one.Send(`{"type":"leave","ref":3,"channel":"abc123"}`)
		synctest.Wait()
		one.Send(`{"type":"send","ref":4,"channel":"abc123","text":"psst"}`)
		synctest.Wait()
		close(asks.goOn)
		told(one, "left 3 abc123")
		require.NoError(t, master.Close())
		told(one, "error not_a_member 4 abc123")
	})
}
