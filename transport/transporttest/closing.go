package transporttest

import (
	"errors"
	"net"
	"strings"
	"sync/atomic"

	"github.com/lectern-go/lectern/transport"
)

// closeCases are about Close and the reason that it gives.
var closeCases = []testCase{
	{"CloseUnblocksRead", testCloseUnblocksRead},
	{"CloseUnblocksWrite", testCloseUnblocksWrite},
	{"CloseTwice", testCloseTwice},
	{"CloseConcurrently", testCloseConcurrently},
	{"CloseReason", testCloseReason},
	{"DataBeforeClose", testDataBeforeClose},
	{"DataBeforeCloseUnread", testDataBeforeCloseUnread},
	{"CloseUnderTraffic", testCloseUnderTraffic},
	{"CloseBounded", testCloseBounded},
	{"CloseAtOnce", testCloseAtOnce},
	{"PeerClosesOnStuckWrite", testPeerClosesOnStuckWrite},
}

var (
	goodbye   = transport.Reason{Code: transport.MasterLeft, Text: "goodbye"}
	secondBye = transport.Reason{Code: transport.Kicked, Text: "not this one"}
)

func testCloseUnblocksRead(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		reading := one.startRead()
		other.startRead()
		h.settle()
		one.close(goodbye)
		reading.wait("Close unblocks a Read in progress")
		one.checkClosed(reading.err)
	})
}

// checkClosed checks the error of a Read at an end that was closed.
func (e *end) checkClosed(err error) {
	e.link.h.Helper()
	if !errors.Is(err, net.ErrClosed) {
		e.link.h.Fatalf("Read of %s returned the error %v after its Close: it has to match net.ErrClosed", e.name, err)
	}
}

// checkReason checks the error of a Read at an end whose peer has closed.
func (e *end) checkReason(err error, want transport.Reason) {
	e.link.h.Helper()
	var closed *transport.CloseError
	if !errors.As(err, &closed) {
		e.link.h.Fatalf("Read of %s returned the error %v after the peer closed: it has to be a *transport.CloseError", e.name, err)
	}
	if closed.Reason != want {
		e.link.h.Fatalf("Read of %s returned the reason %#v, want %#v: the reason reaches the peer", e.name, closed.Reason, want)
	}
}

func testCloseUnblocksWrite(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, _ *end) {
		writing := one.stuff()
		one.close(goodbye)
		writing.wait("Close unblocks a Write in progress")
		if writing.err == nil {
			h.Fatal("Write returned no error after Close")
		}
	})
}

func testCloseTwice(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		reading := other.startRead()
		first := one.close(goodbye)
		for range 10 {
			if err := one.close(secondBye); first == nil && err != nil {
				h.Fatalf("Close returned nil and then, called again, the error %v: it may be called any number of times", err)
			}
		}
		reading.wait("Close tells the peer")
		other.checkReason(reading.err, goodbye) // only the first call's reason counts
		one.checkClosed(one.readError("Read fails after Close"))
	})
}

func testCloseConcurrently(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		reading, writing := one.startRead(), one.stuff()
		var closing []*call
		for range 8 {
			closing = append(closing, one.startClose(goodbye))
		}
		for _, c := range closing {
			c.waitFor(closeBound, "each call of Close returns when the connection is closed")
		}
		reading.wait("Close unblocks a Read in progress")
		one.checkClosed(reading.err)
		writing.wait("Close unblocks a Write in progress")
	})
}

func testCloseReason(h *harness) {
	for _, reason := range []transport.Reason{
		goodbye,
		{Code: transport.MasterDown},
		{Code: transport.Shutdown, Text: "wiederöffnet um 7 世界"},
		{Code: transport.Slow, Text: strings.Repeat("x", transport.MaxReasonText)},
		{Code: transport.Slow, Text: strings.Repeat("x", transport.MaxReasonText+1)},
		{Code: transport.Kicked, Text: strings.Repeat("é", 100)}, // byte 123 is the second of a character
		{Code: transport.Kicked, Text: "x" + strings.Repeat("世", 5000)},
		{Code: transport.Kicked, Text: "not UTF-8: \xff"},
	} {
		h.eachWay(ordinary, func(_ *link, one, other *end) {
			reading := other.startRead()
			h.settle()
			one.close(reason)
			reading.wait("Close tells the peer why")
			other.checkReason(reading.err, transport.Reason{Code: reason.Code, Text: reason.ClippedText()})
			other.close(secondBye)
		})
	}
}

const dataFirst = "every message that the peer wrote before it closed is returned before the end is"

// In testDataBeforeClose the peer reads while the other end closes.
func testDataBeforeClose(h *harness) {
	for _, c := range []struct{ count, size int }{{60, 100}, {20, 32 << 10}} {
		h.eachWay(ordinary, func(_ *link, one, other *end) {
			count, size := c.count, c.size
			closing := one.start("Write and Close", func() ([]byte, error) {
				for i := range count {
					if err := one.Write(pattern(i, size)); err != nil {
						return nil, err
					}
				}
				return nil, one.Close(goodbye)
			})
			other.expectAll(count, func(i int) []byte { return pattern(i, size) }, dataFirst)
			other.checkReason(other.readError("the reason follows the data"), goodbye)
			other.close(secondBye)
			closing.wait("Close is bounded")
		})
	}
}

// In testDataBeforeCloseUnread neither end reads what the other has written
// before one of them is closed, which must not cost the other one anything.
func testDataBeforeCloseUnread(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		const count = 10
		for i := range count {
			other.write(pattern(i, 500))
			one.write(pattern(i, 500))
		}
		one.close(goodbye)
		for i := range count {
			other.expect(pattern(i, 500), dataFirst)
		}
		other.checkReason(other.readError("the reason follows the data"), goodbye)
	})
}

// In testCloseUnderTraffic an end closes while its peer goes on sending, which
// must not cost the peer what was sent to it.
func testCloseUnderTraffic(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		bound := 4 << 20
		if h.clock == bubbleTime {
			bound = 1 << 20 // no time passes before its end
		}
		traffic := other.startFlood(1000, bound, new(atomic.Int64))
		for range 20 {
			one.read()
		}
		for i := range 20 {
			one.write(pattern(i, 1000))
		}
		closing := one.startClose(goodbye)
		h.settle()
		other.expectAll(20, func(i int) []byte { return pattern(i, 1000) }, dataFirst)
		other.checkReason(other.readError("the reason follows the data"), goodbye)
		closing.waitFor(closeBound, "Close is bounded, whatever the peer does")
		other.close(secondBye)
		traffic.wait("Close unblocks a Write in progress")
	})
}

// In testCloseBounded the peer does nothing at all, with and without anything
// for it to read.
func testCloseBounded(h *harness) {
	l := h.connect(ordinary)
	l.a.close(goodbye)

	l = h.connect(ordinary)
	l.a.write([]byte("never read"))
	l.b.write([]byte("never read either"))
	l.b.close(goodbye)
	l.a.close(secondBye)
}

func testCloseAtOnce(h *harness) {
	for range 10 {
		l := h.connect(ordinary)
		readA, readB := l.a.startRead(), l.b.startRead()
		h.settle()
		closeA, closeB := l.a.startClose(goodbye), l.b.startClose(secondBye)
		for _, c := range []*call{closeA, closeB} {
			c.waitFor(closeBound, "both ends may close at once")
		}
		for _, c := range []*call{readA, readB} {
			c.wait("Close unblocks a Read in progress")
			var closed *transport.CloseError
			if !errors.Is(c.err, net.ErrClosed) && !errors.As(c.err, &closed) {
				h.Fatalf("%s returned the error %v after both ends closed: it has to be a *transport.CloseError or to match net.ErrClosed", c.what, c.err)
			}
		}
	}
}

// In testPeerClosesOnStuckWrite the reason has to get past a Write that is stuck
// because the peer that now closes has not read.
func testPeerClosesOnStuckWrite(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		reading, writing := one.startRead(), one.stuff()
		other.close(goodbye)
		reading.wait("the reason reaches the peer's Read, also while its Write is stuck")
		one.checkReason(reading.err, goodbye)
		one.close(secondBye)
		writing.wait("Close unblocks a Write in progress")
	})
}
