// Package stage is what the tests under test share: a hub, the networks that reach it,
// users with a client, peers that write by hand, and what tests expect of them.
// Only tests import it.
package stage

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Stage is one test's hub, and the places from which users reach it.
type Stage struct {
	T   *testing.T
	Hub *lectern.Hub
	// Dial makes a connection to the hub.
	Dial World
	// RealTime: it is not in a bubble.
	RealTime bool
}

// New has a hub served over the network until the test ends.
func New(t *testing.T, n Network, policy lectern.Policy) *Stage {
	hub, err := lectern.NewHub(policy)
	require.NoError(t, err)
	s := &Stage{T: t, Hub: hub, Dial: n.start(t, hub), RealTime: n.realTime}
	// Cleanups run in reverse: users leave before the hub closes, and the hub
	// before the network.
	t.Cleanup(func() { require.NoError(t, hub.Close()) })
	return s
}

// Everywhere runs a test that waits for nothing but events over each network,
// with the system's ones among them.
func Everywhere(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	InVirtualTime(t, policy, test)
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
}

// OverEach runs a test in a bubble over each of these networks.
func OverEach(t *testing.T, networks []Network, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	MakeCertificate()
	for _, n := range networks {
		t.Run(n.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, New(t, n, policy)) })
		})
	}
}

// InBubble runs a test over memory only, where the transport makes no difference.
func InBubble(t *testing.T, policy lectern.Policy, test func(t *testing.T, s *Stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, New(t, InMemory[0], policy)) })
}
