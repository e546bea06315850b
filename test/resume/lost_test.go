package resume

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
)

// unheard is the engine of a hub that is not heard for a while, and gets what is in the log only after that.
type unheard struct {
	cluster.Engine
	mu      sync.Mutex
	silent  bool
	waiting []func()
}

func (l *unheard) Beat(from cluster.HubID, beat []byte) error {
	l.mu.Lock()
	silent := l.silent
	l.mu.Unlock()
	if silent {
		return nil
	}
	return l.Engine.Beat(from, beat)
}

func (l *unheard) Tail(key cluster.Key, f func(cluster.Group)) (stop func(), err error) {
	return l.Engine.Tail(key, func(g cluster.Group) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.silent {
			l.waiting = append(l.waiting, func() { f(g) })
		} else {
			f(g)
		}
	})
}

func (l *unheard) be(silent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, f := range l.waiting {
		f()
	}
	l.silent, l.waiting = silent, nil
}

// A slave whose hub is taken for lost goes on before it has heard of that: what it sends is taken, and it is back.
func TestWhoIsTakenForLostGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := cluster.NewLocal()
		defer engine.Close()
		slow := &unheard{Engine: engine}
		newHub := func(engine cluster.Engine) *lectern.Hub {
			hub, err := lectern.NewHub(lectern.Policy{Cluster: engine})
			require.NoError(t, err)
			return hub
		}
		owner, other := newHub(engine), newHub(slow)
		defer owner.Close()
		defer other.Close()
		time.Sleep(time.Second) // they hear each other
		master, err := owner.Create(t.Context(), "class", "teacher")
		require.NoError(t, err)
		slave, err := other.Join(t.Context(), "class", "student")
		require.NoError(t, err)
		state := func() lectern.State { return master.Members()[0].State }
		synctest.Wait()
		require.Equal(t, lectern.StateOnline, state())

		slow.be(true)
		time.Sleep(4 * time.Second)
		require.Equal(t, lectern.StateAway, state())
		_, err = slave.Send(t.Context(), lectern.Text("I am here"))
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, lectern.StateOnline, state())
		slow.be(false)
		time.Sleep(4 * time.Second)
		require.Equal(t, lectern.StateOnline, state())
		require.NoError(t, slave.Err())
		for event, err := range master.Events(t.Context()) {
			require.NoError(t, err)
			if m, is := event.(lectern.Message); is {
				require.Equal(t, "I am here", m.Text())
				break
			}
		}
	})
}
