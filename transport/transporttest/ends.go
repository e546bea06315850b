package transporttest

import (
	"errors"
	"net"

	"github.com/lectern-go/lectern/transport"
)

// endCases are about ends that nobody asked for, and about what follows an end.
var endCases = []testCase{
	{"AfterClose", testAfterClose},
	{"ErrorsAreFinal", testErrorsAreFinal},
	{"Loss", testLoss},
	{"LossUnblocks", testLossUnblocks},
	{"TooLarge", testTooLarge},
	{"FarTooLarge", testFarTooLarge},
	{"NarrowedLimit", testNarrowedLimit},
	{"NarrowedLimitOfWhatHasArrived", testNarrowedLimitOfWhatHasArrived},
}

func testAfterClose(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		other.write([]byte("unread"))
		other.startRead()
		one.close(goodbye)
		for range 3 {
			one.checkClosed(one.readError("Read fails after Close, also where messages are left"))
			late := one.startWrite([]byte("late"))
			late.wait("Write fails after Close")
			if late.err == nil {
				h.Fatal("Write returned no error after Close")
			}
		}
	})
}

// testErrorsAreFinal reads on after each kind of end. There are libraries that
// panic at the thousandth such Read.
func testErrorsAreFinal(h *harness) {
	readOn := func(e *end) {
		c := e.start("repeated Read", func() ([]byte, error) {
			for range 2000 {
				if _, err := e.Read(); err == nil {
					return nil, errors.New("succeeded again after an error")
				}
			}
			return nil, nil
		})
		c.wait("later calls of Read return an error again, at once")
		if c.err != nil {
			h.Fatalf("%s: %v: the error of a Read is final", c.what, c.err)
		}
	}
	h.eachWay(ordinary, func(l *link, one, other *end) {
		closing := one.startClose(goodbye)
		readOn(other)
		closing.waitFor(closeBound, "Close is bounded, whatever the peer does")
		readOn(one)
	})
	h.eachWay(ordinary, func(l *link, one, other *end) {
		if l.cut == nil {
			return
		}
		l.cut()
		readOn(one)
		readOn(other)
	})
	h.eachWay(ordinary, func(l *link, one, other *end) {
		writing := one.startWrite(pattern(1, ordinary.MaxFrameBytes+1))
		readOn(other)
		readOn(one)
		one.close(goodbye)
		writing.wait("Close unblocks a Write in progress")
	})
}

// checkLost checks the error of a Read after the link was cut.
func (e *end) checkLost(err error) {
	e.link.h.Helper()
	var closed *transport.CloseError
	if errors.As(err, &closed) || errors.Is(err, net.ErrClosed) {
		e.link.h.Fatalf("Read of %s returned the error %v after the connection was lost: nobody has closed it, and the error says so", e.name, err)
	}
}

func testLoss(h *harness) {
	h.eachWay(ordinary, func(l *link, one, other *end) {
		if l.cut == nil {
			h.Skip("the pair cannot be cut")
		}
		one.write([]byte("before"))
		other.expect([]byte("before"), whole)
		l.cut()
		for _, e := range []*end{one, other} {
			e.checkLost(e.readError("Read fails when the connection is lost"))
			e.close(goodbye)
			e.checkClosed(e.readError("Read fails after Close"))
		}
	})
}

// testLossUnblocks cuts the link under a Read in progress at both ends and a
// stuck Write at one.
func testLossUnblocks(h *harness) {
	h.eachWay(ordinary, func(l *link, one, other *end) {
		if l.cut == nil {
			h.Skip("the pair cannot be cut")
		}
		reading, writing := one.startRead(), one.stuff()
		l.cut()
		reading.wait("Read fails when the connection is lost")
		one.checkLost(reading.err)
		writing.wait("Write fails when the connection is lost")
		if writing.err == nil {
			h.Fatal("Write returned no error after the connection was lost")
		}
		other.close(goodbye)
		one.close(goodbye)
	})
}

const refusal = "a message over the limit is refused with transport.ErrMessageTooLarge, and its sender told so with the code transport.TooLarge"

func (e *end) checkTooLarge(err error) {
	e.link.h.Helper()
	if !errors.Is(err, transport.ErrMessageTooLarge) {
		e.link.h.Fatalf("Read of %s returned the error %v: %s", e.name, err, refusal)
	}
}

func (e *end) checkToldTooLarge(err error) {
	e.link.h.Helper()
	var closed *transport.CloseError
	if !errors.As(err, &closed) || closed.Reason.Code != transport.TooLarge {
		e.link.h.Fatalf("Read of %s returned the error %v: %s", e.name, err, refusal)
	}
}

func testTooLarge(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		reading := one.startRead()
		message := pattern(1, ordinary.MaxFrameBytes)
		writing := one.startWrite(message, append(message, 0), []byte("behind"))
		other.expect(message, "a message of exactly the limit is accepted")
		other.checkTooLarge(other.readError(refusal))
		// The sender is told by the Read alone, before anybody calls Close.
		reading.wait(refusal)
		one.checkToldTooLarge(reading.err)
		other.checkTooLarge(other.readError("later calls return an error again"))
		one.close(goodbye)
		writing.wait("Close unblocks a Write in progress")
		other.close(goodbye)
	})
}

// In testFarTooLarge the message is so large that its sender is still writing
// when it is refused.
func testFarTooLarge(h *harness) {
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		reading := one.startRead()
		writing := one.startWrite(pattern(1, 20*ordinary.MaxFrameBytes))
		other.checkTooLarge(other.readError(refusal))
		reading.wait(refusal)
		one.checkToldTooLarge(reading.err)
		one.close(goodbye)
		writing.wait("Close unblocks a Write in progress")
		other.close(goodbye)
	})
}

// setFrameLimit uses the optional power, where the end has it.
func (e *end) setFrameLimit(bytes int) {
	e.link.h.Helper()
	setter, ok := e.Conn.(transport.FrameLimitSetter)
	if !ok {
		e.link.h.Skip("the Conn is no transport.FrameLimitSetter")
	}
	setter.SetMaxFrameBytes(bytes)
}

// narrow is a limit below the ordinary one.
const narrow = 1000

// testNarrowedLimit narrows the limit and widens it again, and refuses a message
// under each of the limits that there can be.
func testNarrowedLimit(h *harness) {
	for _, c := range []struct {
		set    []int // before a message of exactly the limit, one after the other
		limit  int
		reason string
	}{
		{[]int{narrow}, narrow, "SetMaxFrameBytes narrows the limit for the messages that follow"},
		{[]int{narrow, 2 * narrow}, 2 * narrow, "SetMaxFrameBytes widens the limit again as well"},
		{[]int{narrow, 0}, ordinary.MaxFrameBytes, "zero is the limit that the Conn was made with"},
		{[]int{narrow, -1}, ordinary.MaxFrameBytes, "a negative number is the limit that the Conn was made with"},
		{[]int{2 * ordinary.MaxFrameBytes}, ordinary.MaxFrameBytes, "the limit that the Conn was made with is never exceeded"},
	} {
		h.eachWay(ordinary, func(_ *link, one, other *end) {
			for i, bytes := range c.set {
				other.setFrameLimit(bytes)
				one.write(pattern(i, 100))
				other.expect(pattern(i, 100), whole)
			}
			reading := one.startRead()
			writing := one.startWrite(pattern(10, c.limit), pattern(11, c.limit+1))
			large := other.startRead()
			large.wait("Read returns the next whole message, and the peer has written one")
			if large.err != nil || string(large.data) != string(pattern(10, c.limit)) {
				h.Fatalf("%s returned %s and the error %v for a message of exactly the limit, after SetMaxFrameBytes of %v: %s", large.what, describe(large.data), large.err, c.set, c.reason)
			}
			refused := other.startRead()
			refused.wait(refusal)
			if !errors.Is(refused.err, transport.ErrMessageTooLarge) {
				h.Fatalf("%s returned the error %v for a message over the limit, after SetMaxFrameBytes of %v: %s", refused.what, refused.err, c.set, c.reason)
			}
			reading.wait(refusal)
			one.checkToldTooLarge(reading.err)
			other.setFrameLimit(0) // changes nothing any more
			other.checkTooLarge(other.readError("later calls return an error again"))
			one.close(goodbye)
			writing.wait("Close unblocks a Write in progress")
			other.close(goodbye)
		})
	}
}

// In testNarrowedLimitOfWhatHasArrived the limit changes while messages are there
// that nobody has read yet.
func testNarrowedLimitOfWhatHasArrived(h *harness) {
	const promise = "a message is held against the limit that was set before the Read that it is for, not against an earlier one"
	h.eachWay(ordinary, func(_ *link, one, other *end) {
		other.setFrameLimit(narrow)
		writing := one.startWrite(pattern(1, narrow), pattern(2, narrow+1), pattern(3, narrow+1))
		h.settle()
		other.expect(pattern(1, narrow), whole)
		other.setFrameLimit(0)
		widened := other.startRead()
		widened.wait(promise)
		if widened.err != nil {
			h.Fatalf("%s returned the error %v after the limit was widened: %s", widened.what, widened.err, promise)
		}
		other.setFrameLimit(narrow)
		narrowed := other.startRead()
		narrowed.wait(promise)
		if !errors.Is(narrowed.err, transport.ErrMessageTooLarge) {
			h.Fatalf("%s returned the error %v after the limit was narrowed: %s", narrowed.what, narrowed.err, promise)
		}
		one.close(goodbye)
		writing.wait("Close unblocks a Write in progress")
		other.close(goodbye)
		other.setFrameLimit(narrow)
	})
}
