package transporttest

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// livenessCases are about silence, and about connections that are merely idle.
var livenessCases = []testCase{
	{"Silence", testSilence},
	{"SilenceWhileIdle", testSilenceWhileIdle},
	{"SilenceUnderWrites", testSilenceUnderWrites},
	{"SilenceOnStuckWrite", testSilenceOnStuckWrite},
	{"Idle", testIdle},
	{"OneWay", testOneWay},
}

// impatient are the settings of the cases in which silence is noticed. In real
// time a false alarm cannot do them harm.
func (h *harness) impatient() Settings {
	if h.clock == realTime {
		return Settings{MaxFrameBytes: ordinary.MaxFrameBytes, ProbeAfter: 50 * time.Millisecond, GiveUp: 150 * time.Millisecond}
	}
	return Settings{MaxFrameBytes: ordinary.MaxFrameBytes, ProbeAfter: 7 * time.Second, GiveUp: 3 * time.Second}
}

// healthy are the settings of the cases in which no silence must be noticed. In
// real time only a machine that stands still for long makes them fail.
func (h *harness) healthy() Settings {
	if h.clock == realTime {
		return Settings{MaxFrameBytes: ordinary.MaxFrameBytes, ProbeAfter: 20 * time.Millisecond, GiveUp: patience}
	}
	return h.impatient()
}

// checkSilent waits for a Read to fail with ErrSilent. The silence began at
// since, and the last sign of life came between earliest and since.
func (h *harness) checkSilent(reading *call, s Settings, earliest, since time.Time) {
	h.Helper()
	reading.wait("a peer that is silent for ProbeAfter, and then gives no sign of life for GiveUp, is given up")
	if !errors.Is(reading.err, transport.ErrSilent) {
		h.Fatalf("%s returned %v on a link that went silent, want transport.ErrSilent", reading.what, reading.err)
	}
	if h.clock == realTime {
		return
	}
	limit := s.ProbeAfter + s.GiveUp
	if reading.at.Before(earliest.Add(limit)) {
		h.Fatalf("%s gave the peer up %v after the link went silent: it has ProbeAfter and GiveUp from its last sign of life, %v", reading.what, reading.at.Sub(since), limit)
	}
	if reading.at.After(since.Add(limit)) {
		h.Fatalf("%s gave the peer up %v after the link went silent: it had to do so after ProbeAfter and GiveUp, %v", reading.what, reading.at.Sub(since), limit)
	}
}

// silent makes a pair whose link goes dead right after a sign of life from
// either end, and returns the Reads that are in progress at both.
func (h *harness) silent(s Settings) (l *link, readA, readB *call) {
	l = h.connect(s)
	if l.silence == nil {
		h.Skip("the pair cannot be silenced")
	}
	if h.clock == bubbleTime {
		h.pass(s.ProbeAfter / 2) // so that the clock does not run from the making
		l.a.write([]byte("alive"))
		l.b.write([]byte("alive"))
		l.a.expect([]byte("alive"), whole)
		l.b.expect([]byte("alive"), whole)
	}
	readA, readB = l.a.startRead(), l.b.startRead()
	h.settle()
	l.silence()
	return l, readA, readB
}

func testSilence(h *harness) {
	s := h.impatient()
	l, readA, readB := h.silent(s)
	since := time.Now()
	h.checkSilent(readA, s, since, since)
	h.checkSilent(readB, s, since, since)
	l.a.close(goodbye)
	l.b.close(goodbye)
}

// In testSilenceWhileIdle the link goes dead after probes were answered.
func testSilenceWhileIdle(h *harness) {
	s := h.impatient()
	l := h.connect(s)
	if l.silence == nil {
		h.Skip("the pair cannot be silenced")
	}
	readA, readB := l.a.startRead(), l.b.startRead()
	h.pass(s.ProbeAfter*7/2 + s.GiveUp/2)
	h.settle()
	l.silence()
	// The last answer may have come at any time since a probe was last due.
	since := time.Now()
	h.checkSilent(readA, s, since.Add(-s.ProbeAfter), since)
	h.checkSilent(readB, s, since.Add(-s.ProbeAfter), since)
}

// In testSilenceUnderWrites one end goes on writing into the dead link: what it
// sends says nothing about its peer.
func testSilenceUnderWrites(h *harness) {
	s := h.impatient()
	l, readA, readB := h.silent(s)
	since := time.Now()
	stop := make(chan struct{})
	writing := l.a.start("Write", func() ([]byte, error) {
		for {
			select {
			case <-stop:
				return nil, nil
			case <-time.After(s.ProbeAfter / 3):
				if err := l.a.Write([]byte("is anybody there?")); err != nil {
					return nil, nil // given up, or about to be
				}
			}
		}
	})
	h.checkSilent(readA, s, since, since)
	h.checkSilent(readB, s, since, since)
	close(stop)
	l.a.close(goodbye)
	writing.wait("Close unblocks a Write in progress")
}

// In testSilenceOnStuckWrite no probe can be sent, because a Write is stuck in
// the dead link.
func testSilenceOnStuckWrite(h *harness) {
	s := h.impatient()
	l, readA, readB := h.silent(s)
	since := time.Now()
	bound := fullFlood
	if h.clock == realTime {
		bound = 16 << 20 // a link may be dead by taking everything
	}
	writing := l.a.startFlood(32<<10, bound, new(atomic.Int64))
	h.checkSilent(readA, s, since, since)
	h.checkSilent(readB, s, since, since)
	l.a.close(goodbye)
	writing.wait("Close unblocks a Write in progress")
}

const alive = "a healthy peer is never given up, however long it has nothing to say"

// testIdle lets both ends be idle for many probe intervals.
func testIdle(h *harness) {
	s := h.healthy()
	l := h.connect(s)
	readA, readB := l.a.startRead(), l.b.startRead()
	for range 30 {
		h.pass(s.ProbeAfter)
		for _, reading := range []*call{readA, readB} {
			if !reading.running() {
				h.Fatalf("%s returned the error %v on an idle connection: %s", reading.what, reading.err, alive)
			}
		}
	}
	l.a.write([]byte("from A"))
	l.b.write([]byte("from B"))
	readA.succeed(alive)
	readB.succeed(alive)
	if string(readA.data) != "from B" || string(readB.data) != "from A" {
		h.Fatalf("Read returned %q and %q after an idle time: %s", readA.data, readB.data, whole)
	}
}

// testOneWay has one end send all the time, and the other one only receive. The
// sender hears nothing but answers to its probes, the receiver never needs one.
func testOneWay(h *harness) {
	s := h.healthy()
	h.eachWay(s, func(_ *link, from, to *end) {
		reading, receiving := from.startRead(), to.startRead()
		for i := range 30 {
			h.pass(s.ProbeAfter / 2)
			from.write(pattern(i, 100))
			receiving.succeed(alive)
			receiving = to.startRead() // a peer that does not read cannot answer probes either
			if !reading.running() {
				h.Fatalf("%s returned the error %v though the peer read all the time: %s", reading.what, reading.err, alive)
			}
		}
		to.write([]byte("finally"))
		reading.succeed(alive)
	})
}
