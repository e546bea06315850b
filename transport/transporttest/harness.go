package transporttest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern/transport"
)

const (
	// patience is how long the suite waits for what the contract says happens
	// without saying when. It only costs time where a promise is broken. In real time it
	// is also for machines that have others' work to do.
	patience = time.Minute

	// closeBound is how long Close may take. The contract speaks of about a
	// second beyond the writing in progress.
	closeBound = 5 * time.Second
)

// clock tells the two kinds of time that a case can run in.
type clock int

const (
	realTime clock = iota
	bubbleTime
)

// testCase is one case of the suite.
type testCase struct {
	name string
	run  func(h *harness)
}

var cases = concat(messageCases, closeCases, endCases, livenessCases, powerCases)

func concat(groups ...[]testCase) (all []testCase) {
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

func runCase(t testing.TB, clock clock, c testCase, makePair func(testing.TB, Settings) Pair) {
	c.run(&harness{TB: t, clock: clock, makePair: makePair})
}

// runCases runs the cases as subtests by run, and where an end is a
// transport.TryWriter each of them a second time.
func runCases(t *testing.T, clock clock, makePair func(testing.TB, Settings) Pair, run func(name string, test func(t *testing.T))) {
	tries := false
	run("Powers", func(t *testing.T) {
		pair := makePair(t, ordinary)
		l := &link{h: &harness{TB: t, clock: clock}}
		l.a = &end{Conn: pair.A, name: "A", link: l}
		l.b = &end{Conn: pair.B, name: "B", link: l}
		defer l.finish()
		tries = hasPower(pair.A) || hasPower(pair.B)
	})
	all := slices.Clone(cases)
	if tries {
		for _, c := range cases {
			all = append(all, byTryWrite(c))
		}
	}
	for _, c := range all {
		run(c.name, func(t *testing.T) { runCase(t, clock, c, makePair) })
	}
}

// harness is what a case works with. Its methods that can fail must be called
// from the case's own goroutine, as those of testing.TB.
type harness struct {
	testing.TB
	clock    clock
	makePair func(testing.TB, Settings) Pair
}

// ordinary are the settings of the cases that are not about time: no probe is
// sent while they run.
var ordinary = Settings{MaxFrameBytes: 200_000, ProbeAfter: time.Minute, GiveUp: time.Minute}

// connect makes a pair, which is closed when the case ends.
func (h *harness) connect(settings Settings) *link {
	pair := h.makePair(h.TB, settings)
	if pair.A == nil || pair.B == nil {
		h.Fatal("makePair returned a pair without two ends")
	}
	l := &link{h: h, cut: pair.Cut, silence: pair.Silence}
	l.a = &end{Conn: pair.A, name: "A", link: l}
	l.b = &end{Conn: pair.B, name: "B", link: l}
	h.Cleanup(l.finish)
	return l
}

// eachWay runs a case on two new pairs: once from A to B, once from B to A.
func (h *harness) eachWay(settings Settings, run func(l *link, from, to *end)) {
	l := h.connect(settings)
	run(l, l.a, l.b)
	l = h.connect(settings)
	run(l, l.b, l.a)
}

// settle waits, in a bubble, until nothing can happen any more without time
// passing. In real time that cannot be known, and it does nothing.
func (h *harness) settle() {
	if h.clock == bubbleTime {
		synctest.Wait()
	}
}

// pass lets time pass.
func (h *harness) pass(d time.Duration) { <-time.After(d) }

// link is one pair under test.
type link struct {
	h            *harness
	a, b         *end
	cut, silence func()
	calls        []*call
}

// finish closes both ends and waits for every call that was started on them.
func (l *link) finish() {
	for _, e := range []*end{l.a, l.b} {
		e.startClose(transport.Reason{Code: transport.Left})
	}
	limit := time.After(patience)
	for _, c := range l.calls {
		select {
		case <-c.done:
			if c.panicked != nil {
				l.h.Errorf("%s panicked: %v", c.what, c.panicked)
			}
		case <-limit:
			l.h.Errorf("%s has not returned %v after both ends were closed: Close unblocks Read and Write, and is bounded itself", c.what, patience)
			return
		}
	}
}

// end is one end of a link.
type end struct {
	transport.Conn
	name string
	link *link
}

// call is a call into the adapter, in a goroutine of its own. Its results may be
// read once done is closed.
type call struct {
	what     string
	h        *harness
	done     chan struct{}
	data     []byte
	err      error
	at       time.Time // when it returned
	panicked any
}

func (e *end) start(what string, f func() ([]byte, error)) *call {
	c := &call{what: what + " of " + e.name, h: e.link.h, done: make(chan struct{})}
	e.link.calls = append(e.link.calls, c)
	go func() {
		defer close(c.done)
		defer func() { c.panicked = recover() }()
		c.data, c.err = f()
		c.at = time.Now()
	}()
	return c
}

func (e *end) startRead() *call { return e.start("Read", e.Read) }

func (e *end) startWrite(messages ...[]byte) *call {
	return e.start("Write", func() ([]byte, error) { return nil, e.Write(messages...) })
}

func (e *end) startClose(reason transport.Reason) *call {
	return e.start("Close", func() ([]byte, error) { return nil, e.Close(reason) })
}

// wait waits until the call has returned, whatever it returned. The promise is
// what is broken if it does not.
func (c *call) wait(promise string) { c.h.Helper(); c.waitFor(patience, promise) }

func (c *call) waitFor(limit time.Duration, promise string) {
	c.h.Helper()
	if c.h.clock == realTime {
		limit = patience // virtual time holds it to the bound
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.done:
	case <-timer.C:
		c.h.Fatalf("%s has not returned within %v: %s", c.what, limit, promise)
	}
	if c.panicked != nil {
		c.h.Fatalf("%s panicked: %v", c.what, c.panicked)
	}
}

// succeed waits until the call has returned, without an error.
func (c *call) succeed(promise string) {
	c.h.Helper()
	c.wait(promise)
	if c.err != nil {
		c.h.Fatalf("%s failed on a healthy connection: %v", c.what, c.err)
	}
}

// running reports whether the call is still in progress.
func (c *call) running() bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// write writes, with somebody reading at the other end or room in between.
func (e *end) write(messages ...[]byte) {
	e.link.h.Helper()
	e.startWrite(messages...).succeed("Write blocks only for as long as the peer does not read")
}

// read reads a message.
func (e *end) read() []byte {
	e.link.h.Helper()
	c := e.startRead()
	c.succeed("Read returns the next whole message, and the peer has written one")
	return c.data
}

// expect reads a message and compares it.
func (e *end) expect(want []byte, promise string) {
	e.link.h.Helper()
	if got := e.read(); string(got) != string(want) {
		e.link.h.Fatalf("Read of %s returned %s, want %s: %s", e.name, describe(got), describe(want), promise)
	}
}

// expectAll reads so many messages in one call, and compares each.
func (e *end) expectAll(count int, want func(i int) []byte, promise string) {
	e.link.h.Helper()
	var failure string
	c := e.start("Read", func() ([]byte, error) {
		for i := range count {
			got, err := e.Read()
			if err != nil {
				return nil, err
			}
			if want := want(i); string(got) != string(want) {
				failure = fmt.Sprintf("Read of %s returned %s, want %s: %s", e.name, describe(got), describe(want), promise)
				return nil, nil
			}
		}
		return nil, nil
	})
	c.succeed("Read returns the next whole message, and the peer has written one")
	if failure != "" {
		e.link.h.Fatal(failure)
	}
}

// readError reads what must be the end of the connection.
func (e *end) readError(promise string) error {
	e.link.h.Helper()
	c := e.startRead()
	c.wait(promise)
	if c.err == nil {
		e.link.h.Fatalf("Read of %s returned %s and no error: %s", e.name, describe(c.data), promise)
	}
	return c.err
}

// close closes, within the bound.
func (e *end) close(reason transport.Reason) error {
	e.link.h.Helper()
	c := e.startClose(reason)
	c.waitFor(closeBound, "Close is bounded, whatever the peer does")
	return c.err
}

// startFlood writes messages of size bytes one after the other until Write fails,
// or has taken as much as bound. written counts the messages.
func (e *end) startFlood(size, bound int, written *atomic.Int64) *call {
	message := pattern(1, size)
	return e.start("Write", func() ([]byte, error) {
		for range bound / size {
			if err := e.Write(message); err != nil {
				return nil, err
			}
			written.Add(1)
		}
		return nil, nil
	})
}

// A flood has a bound because in a bubble no time passes for as long as it goes
// on: where nothing else ended it, the case would run for ever.
const fullFlood = 256 << 20 // far more than a connection may hold

// stuff writes until Write is stuck because nobody reads at the other end. It
// returns the writing, which goes on until Write fails.
func (e *end) stuff() *call {
	h := e.link.h
	var written atomic.Int64
	c := e.startFlood(32<<10, fullFlood, &written)
	h.settle()
	if h.clock == realTime {
		// Whether it is stuck can only be guessed. Where the guess is wrong the
		// case asks for less, and fails no more easily.
		for before := int64(-1); before != written.Load() && c.running(); {
			before = written.Load()
			h.pass(200 * time.Millisecond)
		}
	}
	switch {
	case c.running():
	case c.panicked != nil:
		h.Fatalf("%s panicked: %v", c.what, c.panicked)
	case c.err != nil:
		h.Fatalf("%s failed on a healthy connection: %v", c.what, c.err)
	default:
		h.Fatalf("%s took %d bytes that nobody has read: it has to block at some point", c.what, fullFlood)
	}
	return c
}

// pattern returns a message of size bytes which, unless it is very short, tells
// its number and cannot be made from parts of others.
func pattern(number, size int) []byte {
	const period = 3 * 256
	message := make([]byte, size)
	for i := range min(size, period) {
		message[i] = byte(number>>(i%3*8)) ^ byte(i*31)
	}
	for done := period; done < size; done *= 2 {
		copy(message[done:], message[:done])
	}
	return message
}

func describe(message []byte) string {
	if len(message) <= 12 {
		return fmt.Sprintf("%d bytes [%x]", len(message), message)
	}
	return fmt.Sprintf("%d bytes [%x...%x]", len(message), message[:8], message[len(message)-4:])
}
