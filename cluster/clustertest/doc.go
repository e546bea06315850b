// Package clustertest holds engines for [cluster] against the contract that is written there,
// and has a network with faults for tests of what is built on them. It needs the
// standard library alone.
//
//	func TestEngine(t *testing.T) {
//		clustertest.TestEngine(t, func(t testing.TB, s clustertest.Settings) []cluster.Engine {
//			return connect(t, s) // s.Engines connections to one log that keeps s.Keeps
//		})
//	}
//
// An engine whose waits are durable in the sense of testing/synctest is held against the
// same cases by [TestEngineInBubble], in no time.
package clustertest

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// Settings is what open has to make engines with.
type Settings struct {
	// Engines is how many there must be, all of one cluster, on connections of their own
	// where an engine has some. One engine may be returned several times, but where
	// Alone is set.
	Engines int

	// Keeps is how long groups are kept: if it is 0, a minute or more.
	Keeps time.Duration

	// MaxBytes bounds what a shard keeps: if it is 0, there is room for 64 MiB or more.
	// What the engine needs beside the bodies may count too.
	MaxBytes int

	// Alone: the log must have been used by nobody, and nobody else will.
	Alone bool
}

// Open makes engines. It is called once or several times in a case. The suite closes
// the engines; whatever else was started is ended in a t.Cleanup, which runs after
// that. What it cannot make, it reports with t.Fatal.
type Open func(t testing.TB, settings Settings) []cluster.Engine

// TestEngine runs the cases of the suite, each as a subtest of t, in real time. It waits for
// what the contract says, and for no time: what has not come after a minute is an
// error, with a sentence that says which promise is broken.
func TestEngine(t *testing.T, open Open) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { runCase(t, realTime, c, open) })
	}
}

// TestEngineInBubble runs the same cases, each in a testing/synctest bubble of its own,
// which open is called in. There the cases about what must not happen wait until
// nothing can happen any more.
//
// A goroutine of the engine that is left when a case ends, or a wait that is not durable,
// ends the test binary with synctest's own panic.
func TestEngineInBubble(t *testing.T, open Open) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runCase(t, bubbleTime, c, open) })
		})
	}
}
