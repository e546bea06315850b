package transporttest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// What a Conn may be able to do beyond what it must is held against the cases
// about what it must.

func hasPower(conn transport.Conn) bool {
	_, ok := conn.(transport.TryWriter)
	return ok
}

// withPower writes by TryWrite as far as that goes.
func withPower(conn transport.Conn) transport.Conn {
	if !hasPower(conn) {
		return conn
	}
	if setter, ok := conn.(transport.FrameLimitSetter); ok {
		return limitedTrying{trying{conn}, setter}
	}
	return trying{conn}
}

// byTryWrite is the case with all that it writes tried first.
func byTryWrite(c testCase) testCase {
	return testCase{c.name + "ByTryWrite", func(h *harness) {
		powered := *h
		powered.makePair = func(t testing.TB, settings Settings) Pair {
			pair := h.makePair(t, settings)
			pair.A, pair.B = withPower(pair.A), withPower(pair.B)
			return pair
		}
		c.run(&powered)
	}}
}

type trying struct{ transport.Conn }

func (t trying) Write(messages ...[]byte) error {
	if t.Conn.(transport.TryWriter).TryWrite(messages...) {
		return nil
	}
	return t.Conn.Write(messages...)
}

// limitedTrying hides no other power that is tested.
type limitedTrying struct {
	trying
	transport.FrameLimitSetter
}

// powerCases are about what only some can do. With others they do nothing.
var powerCases = []testCase{
	{"WriteLast", testWriteLast},
	{"WriteLastStuck", testWriteLastStuck},
	{"Taken", testTaken},
	{"TakenBesideWrites", testTakenBesideWrites},
}

// startLast closes with the last messages, where the end can.
func (e *end) startLast(messages ...[]byte) (*call, bool) {
	conn, ok := e.Conn.(transport.LastWriter)
	if !ok {
		return nil, false
	}
	return e.start("WriteLast", func() ([]byte, error) { return nil, conn.WriteLast(goodbye, messages...) }), true
}

func testWriteLast(h *harness) {
	for _, count := range []int{0, 1, 3, 400} {
		h.eachWay(ordinary, func(_ *link, one, other *end) {
			messages := make([][]byte, count)
			for i := range messages {
				messages[i] = pattern(i, i*61%1000)
			}
			one.write([]byte("before"))
			last, ok := one.startLast(messages...)
			if !ok {
				return
			}
			other.expect([]byte("before"), dataFirst)
			other.expectAll(count, func(i int) []byte { return messages[i] }, dataFirst)
			other.checkReason(other.readError("the reason follows the data"), goodbye)
			other.close(secondBye)
			last.succeed("WriteLast is Write and Close")
			one.checkClosed(one.readError("WriteLast closes the connection"))
		})
	}
}

// In testWriteLastStuck the peer does not read, and Close hurries the end on.
func testWriteLastStuck(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, _ *end) {
		message := pattern(1, 64<<10)
		last, ok := one.startLast(slices.Repeat([][]byte{message}, fullFlood/len(message))...)
		if !ok {
			return
		}
		h.settle()
		closing := one.startClose(secondBye)
		closing.waitFor(closeBound, "Close unblocks what is being written")
		last.waitFor(closeBound, "Close unblocks what is being written")
	})
}

const (
	takenRises = "Taken rises while a Write makes way"
	takenStays = "Taken does not rise while the peer takes nothing"
	takenFalls = "Taken never falls"
)

// In testTaken the peer reads nothing at first, and then all that it was written.
func testTaken(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		meter, ok := one.Conn.(transport.WriteMeter)
		if !ok {
			return
		}
		writing := one.stuff()
		before := meter.Taken()
		if h.clock == bubbleTime {
			h.pass(ordinary.ProbeAfter / 2)
			if taken := meter.Taken(); taken != before {
				h.Fatalf("Taken of %s went from %d to %d while a Write was stuck: %s", one.name, before, taken, takenStays)
			}
		}
		// More than any system has buffers for.
		const count = 1000
		last := before
		for range count {
			other.read()
			h.settle()
			taken := meter.Taken()
			if taken < last {
				h.Fatalf("Taken of %s went from %d to %d: %s", one.name, last, taken, takenFalls)
			}
			last = taken
			if h.clock == realTime && last > before {
				break
			}
		}
		if last == before {
			h.Fatalf("Taken of %s was %d before the peer has read %d messages, and after: %s", one.name, before, count, takenRises)
		}
		one.close(goodbye)
		meter.Taken() // which means nothing any more
		writing.wait("Close unblocks a Write in progress")
	})
}

// In testTakenBesideWrites it is asked all the time.
func testTakenBesideWrites(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		meter, ok := one.Conn.(transport.WriteMeter)
		if !ok {
			return
		}
		const count = 60
		size := func(i int) int { return i * 997 % 40_000 }
		writing := one.start("Write", func() ([]byte, error) {
			for i := range count {
				if err := one.Write(pattern(i, size(i))); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})
		asking := one.start("Taken", func() ([]byte, error) {
			for last := uint64(0); writing.running(); {
				taken := meter.Taken()
				if taken < last {
					return nil, fmt.Errorf("it went from %d to %d: %s", last, taken, takenFalls)
				}
				last = taken
				h.pass(time.Millisecond)
			}
			return nil, nil
		})
		for i := range count {
			other.expect(pattern(i, size(i)), whole)
			h.pass(time.Millisecond / 4)
		}
		writing.succeed("Write blocks only for as long as the peer does not read")
		asking.succeed("Taken does not wait")
	})
}
