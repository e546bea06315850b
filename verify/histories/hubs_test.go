package histories

import (
	"context"
	"flag"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/transport"
)

var several = flag.Int("histories.hubs", 1, "how many hubs have the channels together; each connection is to one of them by chance")

// hubs are those that a history is recorded at: one, or several that have their channels together.
type hubs struct {
	all   []*lectern.Hub
	close func()
}

func newHubs(t testing.TB) *hubs {
	policy := lectern.Policy{
		Authorize: authorize, Reauthorize: []lectern.Operation{lectern.OpResume},
		MasterTimeout: time.Hour, SlaveTimeout: time.Hour, HandshakeTimeout: -1, MaxHandshakeBytes: -1,
		FrameRate: lectern.RateLimit{PerSecond: -1}, SlaveMessageRate: lectern.RateLimit{PerSecond: -1}, MembershipRate: lectern.RateLimit{PerSecond: -1},
	}
	h := &hubs{close: func() {}}
	if *several > 1 {
		engine := cluster.NewLocalWith(cluster.LocalOptions{Keeps: 48 * time.Hour})
		policy.Cluster = engine
		h.close = func() { require.NoError(t, engine.Close()) }
	}
	for range *several {
		hub, err := lectern.NewHub(policy)
		require.NoError(t, err)
		h.all = append(h.all, hub)
	}
	return h
}

// Close closes all of them.
func (h *hubs) Close() error {
	var first error
	for _, hub := range h.all {
		if err := hub.Close(); first == nil {
			first = err
		}
	}
	h.close()
	return first
}

// Channel is the channel at the hub that decides it. Where several have their channels together it may be nowhere while it
// goes from one to another.
func (h *hubs) Channel(name string) (*lectern.Channel, bool) {
	for _, hub := range h.all {
		if c, exists := hub.Channel(name); exists {
			return c, true
		}
	}
	return nil, false
}

// areSeveral: who asks for the master of a channel may be told how it was some seconds ago, which is no history of one register.
func (h *hubs) areSeveral() bool { return len(h.all) > 1 }

// dialers leads to one of them by chance.
type dialers []transport.Dialer

func (d dialers) Dial(ctx context.Context) (transport.Conn, error) {
	return d[rand.IntN(len(d))].Dial(ctx)
}

// eachBy connects to each of the hubs in the same way.
func eachBy(one func(testing.TB, *lectern.Hub) (transport.Dialer, func())) func(testing.TB, *hubs) (transport.Dialer, func()) {
	return func(t testing.TB, h *hubs) (transport.Dialer, func()) {
		if !h.areSeveral() {
			return one(t, h.all[0])
		}
		var all dialers
		var ends []func()
		for _, hub := range h.all {
			dialer, end := one(t, hub)
			all, ends = append(all, dialer), append(ends, end)
		}
		return all, func() {
			for _, end := range ends {
				end()
			}
		}
	}
}
