// Package transporttest holds an implementation of [transport.Conn] against the
// contract that is written there. Every adapter of Lectern passes it, and so
// should anyone else's. It needs the standard library alone.
//
//	func TestConn(t *testing.T) {
//		transporttest.TestConn(t, func(t testing.TB, settings transporttest.Settings) transporttest.Pair {
//			a, b := mytransport.Connect(settings.MaxFrameBytes, settings.ProbeAfter, settings.GiveUp)
//			return transporttest.Pair{A: a, B: b, Cut: a.Unplug}
//		})
//	}
//
// An adapter that can run on a network in memory, with waits that are durable
// in the sense of testing/synctest, is held against the same cases by
// [TestConnInBubble], in no time and with exact clocks.
package transporttest

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// Settings is what makePair has to configure both ends of a pair with.
type Settings struct {
	// MaxFrameBytes is the size in bytes of the largest message that an end
	// accepts.
	MaxFrameBytes int
	// ProbeAfter is how long its peer may be silent before an end probes it,
	// and GiveUp how long the peer then has to give a sign of life.
	ProbeAfter, GiveUp time.Duration
}

// Pair is the two ends of one new connection.
//
// The suite closes both ends; whatever else makePair has started, it ends in a
// t.Cleanup, which runs after that.
type Pair struct {
	A, B transport.Conn

	// Cut breaks the connection abruptly, without either end closing it: both
	// ends learn of it at once, as from a TCP reset. Where it is nil, the cases
	// that need it are skipped.
	Cut func()

	// Silence makes the link go dead: nothing arrives at either end any more,
	// and neither is told. Where it is nil, the cases that need it are skipped.
	Silence func()
}

// TestConn runs the cases of the suite in real time, each as a subtest of t and
// several of them at once: most of what they do is to wait. makePair may be called
// several times in a case, and by several cases at once; what it cannot make, it
// reports with t.Fatal. However many calls of TestConn there are at once, they share the
// processors: no more cases run than those can do in time.
//
// The suite expects that a connection takes up to 32 messages of together up to
// 32 KiB before the peer reads, as every buffered transport does.
//
// What a Conn need not be able to do, such as what transport.FrameLimitSetter
// promises, is tested where it can. Where an end is a transport.TryWriter, every
// case runs a second time, with all that it writes tried first.
//
// No case hangs for ever: what takes too long fails with a sentence that says
// which promise is broken.
func TestConn(t *testing.T, makePair func(t testing.TB, settings Settings) Pair) {
	t.Helper()
	// Not by t.Parallel, which would let as many run as there are processors, and keep
	// TestConn from returning after them.
	var running sync.WaitGroup
	first := true
	runCases(t, realTime, makePair, func(name string, test func(t *testing.T)) {
		if first { // what follows depends on it
			first = false
			t.Run(name, test)
			return
		}
		running.Go(func() {
			atOnce <- struct{}{}
			defer func() { <-atOnce }()
			t.Run(name, test)
		})
	})
	running.Wait()
}

// atOnce has a place for each case that runs in real time. Those beyond have less to wait
// for than to be waited for: what a case does in milliseconds by itself took many seconds
// where all ran at once, under the race detector and on a machine that was busy.
var atOnce = make(chan struct{}, 8*runtime.GOMAXPROCS(0))

// TestConnInBubble runs the same cases, each as a subtest in a testing/synctest
// bubble of its own, which makePair is called in. Virtual time makes the cases
// about time exact, and lets those about what must not happen wait until
// nothing can happen any more.
//
// A goroutine of the adapter that is left when a case ends, or a wait that is
// not durable, ends the test binary with synctest's own panic.
func TestConnInBubble(t *testing.T, makePair func(t testing.TB, settings Settings) Pair) {
	t.Helper()
	runCases(t, bubbleTime, makePair, func(name string, test func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
	})
}
