package stage

import (
	"context"
	"flag"
	"iter"
	"log/slog"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/transport"
)

var hubs = flag.Int("hubs", 0, "how many hubs of a cluster, over an engine in the process, serve each test; 0: one, of no cluster")

// Count is how many hubs of a cluster are to serve a test that makes its hubs itself, or zero for one of no cluster.
func Count() int { return *hubs }

var hubLog = flag.Bool("hubs.log", false, "hubs of a cluster log to standard error")

// newCluster makes hubs that have their channels together. Each connection is to one of them at random; Hub is the
// first, and Hubs are all.
func newCluster(t *testing.T, n Network, policy lectern.Policy, hubs int) *Stage {
	// It keeps what it has for longer than any test waits for a master.
	engine := cluster.NewLocalWith(cluster.LocalOptions{Keeps: 48 * time.Hour})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	policy.Cluster = engine
	s := &Stage{T: t, RealTime: n.realTime}
	var dials []DialFunc
	for i := range hubs {
		if *hubLog {
			policy.Logger = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("hub", i)
		}
		hub, err := lectern.NewHub(policy)
		require.NoError(t, err)
		dials = append(dials, n.start(t, hub))
		t.Cleanup(func() { require.NoError(t, hub.Close()) })
		s.Hubs = append(s.Hubs, hub)
	}
	s.Hub = s.Hubs[0]
	s.Dial = func(ctx context.Context, first []byte) (transport.Conn, Plug, bool, error) {
		return dials[rand.IntN(len(dials))](ctx, first)
	}
	return s
}

// Channels are those of all hubs, each as the hub has it that owns it.
func (s *Stage) Channels() iter.Seq[*lectern.Channel] {
	return func(yield func(*lectern.Channel) bool) {
		for _, hub := range s.Hubs {
			for c := range hub.Channels() {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// OfCluster reports whether there are several hubs.
func (s *Stage) OfCluster() bool { return len(s.Hubs) > 1 }
