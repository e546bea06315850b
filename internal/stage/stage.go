// Package stage is what the tests in the folder test share: a hub, the networks on which
// it can be reached, users with a client, peers that write frames by hand, and checks of
// what they get. Only tests import it. It knows the public packages, and of
// the internal ones only memnet.
package stage

import (
	"flag"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
)

// Stage is one test's hub, and the network on which users reach it.
type Stage struct {
	T   *testing.T
	Hub *lectern.Hub
	// Hubs are that one, or those of a cluster.
	Hubs []*lectern.Hub
	// Dial makes a connection to the hub, or to any of them.
	Dial DialFunc
	// RealTime: the test does not run in a bubble.
	RealTime bool
}

// New makes a hub, and serves it over the network until the test ends.
func New(t *testing.T, n Network, policy lectern.Policy) *Stage {
	if *hubs > 0 && !isAlone(t) {
		return newCluster(t, n, policy, *hubs)
	}
	hub, err := lectern.NewHub(policy)
	require.NoError(t, err)
	s := &Stage{T: t, Hub: hub, Hubs: []*lectern.Hub{hub}, Dial: n.start(t, hub), RealTime: n.realTime}
	// Cleanups run in reverse order: the users leave before the hub closes, and the hub
	// closes before the network.
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	return s
}

var overHTTP = flag.Bool("overhttp", false, "run each test that is run over networks in memory over plain HTTP too")

// Everywhere runs a test over each network, including those of the operating system. The
// test must wait for nothing but events.
func Everywhere(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	InVirtualTime(t, policy, test)
	if !*overHTTP {
		OverEach(t, OverHTTP, policy, test)
	}
	for _, n := range OnLoopback {
		t.Run(n.name, func(t *testing.T) {
			t.Parallel()
			test(t, New(t, n, policy))
		})
	}
}

// InVirtualTime runs a test in a bubble over each network in memory.
func InVirtualTime(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	OverEach(t, InMemory, policy, test)
	if *overHTTP {
		OverEach(t, OverHTTP, policy, test)
	}
}

// OverEach runs a test in a bubble over each of these networks.
func OverEach(t *testing.T, networks []Network, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	memnet.TLS()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, New(t, n, policy)) })
		})
	}
}

// InBubble runs a test in a bubble over memory only. It is for tests in which the
// transport makes no difference.
func InBubble(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, New(t, InMemory[0], policy)) })
}
