package clustertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

var busCases = []testCase{
	{"Ask", testAsk},
	{"AskNobody", testAskNobody},
	{"AskManyReplies", testAskManyReplies},
	{"AskLateReply", testAskLateReply},
	{"AskContext", testAskContext},
	{"AskLarge", testAskLarge},
	{"AskAtOnce", testAskAtOnce},
	{"ServeStop", testServeStop},
	{"Beats", testBeats},
	{"BeatsStop", testBeatsStop},
}

type served = func(from cluster.HubID, request []byte, reply func([]byte) error)

func (h *harness) serve(e cluster.Engine, self cluster.HubID, answer served) (stop func()) {
	h.Helper()
	stop, err := e.Serve(self, answer)
	if err != nil {
		h.Fatalf("Serve failed: %v", err)
	}
	return stop
}

// once asks for one reply.
func (h *harness) once(e cluster.Engine, from, to cluster.HubID, request []byte) ([]byte, error) {
	ctx, cancel := h.short()
	defer cancel()
	for reply, err := range e.Ask(ctx, from, to, request) {
		return reply, err
	}
	return nil, errors.New("ended without a reply or an error")
}

// replied asks until there is a reply: each request and each reply may be lost, and that a hub is
// served may not be known everywhere at once.
func (h *harness) replied(e cluster.Engine, from, to cluster.HubID, request []byte) (reply []byte) {
	h.Helper()
	h.asking("a request to a hub that serves is replied to", func() bool {
		var err error
		if reply, err = h.once(e, from, to, request); err == nil {
			return true
		}
		if !errors.Is(err, cluster.ErrNobody) && !errors.Is(err, context.DeadlineExceeded) {
			h.Fatalf("Ask failed: %v", err)
		}
		return false
	})
	return reply
}

// A request comes as it was sent, and from whom; so does the reply.
func testAsk(h *harness) {
	engines := h.ordinary(3)
	ids := make([]cluster.HubID, len(engines))
	for i, e := range engines {
		ids[i] = cluster.NewHubID()
		h.serve(e, ids[i], func(from cluster.HubID, request []byte, reply func([]byte) error) {
			if err := reply(fmt.Appendf(nil, "%d %v %s", i, from, request)); err != nil {
				h.Errorf("reply failed: %v", err)
			}
		})
	}
	for from, e := range engines {
		for to := range engines {
			for _, request := range []string{"", "what\x00 is\r\n this"} {
				got := h.replied(e, ids[from], ids[to], []byte(request))
				if want := fmt.Sprintf("%d %v %s", to, ids[from], request); string(got) != want {
					h.Fatalf("the reply to a request from hub %d to hub %d is %q: want %q", from, to, got, want)
				}
			}
		}
	}
}

// Who is not there is not waited for.
func testAskNobody(h *harness) {
	engines, self := h.ordinary(2), cluster.NewHubID()
	for _, e := range engines {
		h.asking("a request to a hub that nobody serves fails with ErrNobody", func() bool {
			_, err := h.once(e, self, cluster.NewHubID(), nil)
			return errors.Is(err, cluster.ErrNobody)
		})
	}
	stop := h.serve(engines[0], self, func(_ cluster.HubID, _ []byte, reply func([]byte) error) { _ = reply(nil) })
	for _, e := range engines {
		h.replied(e, self, self, nil)
	}
	h.within("stop returns", stop)
	for _, e := range engines {
		h.asking("a request to a hub that is not served any more fails with ErrNobody", func() bool {
			_, err := h.once(e, self, self, nil)
			if err == nil {
				h.Fatalf("a request was replied to after Serve was stopped")
			}
			return errors.Is(err, cluster.ErrNobody)
		})
	}
	stop = h.serve(engines[1], self, func(_ cluster.HubID, _ []byte, reply func([]byte) error) { _ = reply(nil) })
	h.replied(engines[0], self, self, nil)
	h.within("stop returns", stop)
}

// A request may have many replies, whoever sends them and when.
func testAskManyReplies(h *harness) {
	engines, self := h.ordinary(2), cluster.NewHubID()
	var replying sync.WaitGroup
	stop := h.serve(engines[0], self, func(_ cluster.HubID, request []byte, reply func([]byte) error) {
		_ = reply([]byte("first"))
		replying.Go(func() {
			for i := range 100 {
				_ = reply(fmt.Appendf(nil, "%s %d", request, i))
			}
		})
	})
	defer replying.Wait()
	defer stop()
	h.replied(engines[1], self, self, nil)
	h.asking("all replies come, in the order in which they were sent", func() bool {
		ctx, cancel := h.short()
		defer cancel()
		n := -1
		for reply, err := range engines[1].Ask(ctx, self, self, []byte("number")) {
			if err != nil {
				return false
			}
			want := "first"
			if n >= 0 {
				want = fmt.Sprintf("number %d", n)
			}
			if string(reply) != want {
				h.Fatalf("reply %d is %q: want %q", n+1, reply, want)
			}
			if n++; n == 100 {
				return true
			}
		}
		h.Fatalf("Ask ended by itself: it goes on until its caller breaks off, or with an error")
		return false
	})
}

// What is replied to one request never comes as the reply to another.
func testAskLateReply(h *harness) {
	engines, self := h.ordinary(2), cluster.NewHubID()
	in := newInbox[func([]byte) error](h)
	h.serve(engines[0], self, func(_ cluster.HubID, _ []byte, reply func([]byte) error) {
		_ = reply([]byte("here"))
		in.put(reply)
	})
	h.replied(engines[1], self, self, nil)
	in.must("a request is handed over")
	for round := range 20 {
		h.replied(engines[1], self, self, nil) // its caller has broken off
		late := in.must("a request is handed over")
		for _, more := range in.rest() {
			_ = more([]byte("late"))
		}
		ctx, cancel := h.short()
		var got []string
		for reply, err := range engines[1].Ask(ctx, self, self, nil) {
			if err != nil {
				break
			}
			if got = append(got, string(reply)); len(got) > 1 {
				break
			}
			_ = late([]byte("late"))
			current := in.must("a request is handed over")
			_ = current(fmt.Appendf(nil, "round %d", round))
		}
		cancel()
		if slices.Contains(got, "late") {
			h.Fatalf("a reply to an earlier request came as one to a later: %q", got)
		}
	}
}

// Ask ends with its context.
func testAskContext(h *harness) {
	engines, self := h.ordinary(2), cluster.NewHubID()
	in := newInbox[struct{}](h)
	h.serve(engines[0], self, func(_ cluster.HubID, request []byte, reply func([]byte) error) {
		in.put(struct{}{})
		if len(request) > 0 {
			_ = reply(request)
		}
	})
	h.replied(engines[1], self, self, []byte("is it there?"))
	in.rest()
	for _, e := range engines {
		ctx, cancel := context.WithCancel(h.ctx)
		go func() {
			in.next(patience / 2)
			cancel()
		}()
		h.within("Ask ends with its context", func() {
			n := 0
			for _, err := range e.Ask(ctx, self, self, nil) {
				n++
				if !errors.Is(err, context.Canceled) && !errors.Is(err, cluster.ErrNobody) {
					h.Errorf("Ask whose context ended yielded the error %v: want the context's", err)
				}
			}
			if n != 1 {
				h.Errorf("Ask whose context ended yielded %d times: want the error once", n)
			}
		})
		cancel()
	}
}

// Requests, replies and beats may have any size up to MaxMessage.
func testAskLarge(h *harness) {
	engines, self := h.ordinary(2), cluster.NewHubID()
	refused := newInbox[error](h)
	h.serve(engines[0], self, func(_ cluster.HubID, request []byte, reply func([]byte) error) {
		refused.put(reply(make([]byte, cluster.MaxMessage+1)))
		_ = reply(request)
	})
	large := bytes.Repeat([]byte("large, "), cluster.MaxMessage/7+1)[:cluster.MaxMessage]
	if got := h.replied(engines[1], self, self, large); !bytes.Equal(got, large) {
		h.Fatalf("the reply to a request of %d bytes has %d, or others", len(large), len(got))
	}
	if err := refused.must("the request is handed over"); !errors.Is(err, cluster.ErrTooLarge) {
		h.Fatalf("a reply of more than MaxMessage bytes failed with %v: want ErrTooLarge", err)
	}
	if _, err := h.once(engines[1], self, self, append(large, 0)); !errors.Is(err, cluster.ErrTooLarge) {
		h.Fatalf("a request of more than MaxMessage bytes failed with %v: want ErrTooLarge", err)
	}
	if err := engines[1].Beat(self, append(large, 0)); !errors.Is(err, cluster.ErrTooLarge) {
		h.Fatalf("a beat of more than MaxMessage bytes failed with %v: want ErrTooLarge", err)
	}
}

// Slices are their caller's again, and many ask at once.
func testAskAtOnce(h *harness) {
	engines, self := h.ordinary(2), cluster.NewHubID()
	scratch := make([]byte, 8)
	h.serve(engines[0], self, func(_ cluster.HubID, request []byte, reply func([]byte) error) {
		copy(scratch, request) // one callback at a time
		_ = reply(scratch)
		clear(scratch)
	})
	h.replied(engines[1], self, self, []byte("00000000"))
	var asking sync.WaitGroup
	for i := range 8 {
		asking.Go(func() {
			for k := range 25 {
				want := fmt.Sprintf("%04d%04d", i, k)
				request := []byte(want)
				ctx, cancel := h.short()
				for reply, err := range engines[(i+k)%2].Ask(ctx, self, self, request) {
					clear(request)
					if err == nil && string(reply) != want {
						h.Errorf("the reply to the request %q is %q", want, reply)
					}
					break
				}
				cancel()
			}
		})
	}
	h.within("Ask ends", asking.Wait)
}

// When stop has returned, nothing is called any more.
func testServeStop(h *harness) {
	engines, self := h.ordinary(1), cluster.NewHubID()
	e := engines[0]
	var asking sync.WaitGroup
	defer asking.Wait()
	for range 3 {
		h.stopWaits("Serve", func(f func()) (func(), error) {
			return e.Serve(self, func(cluster.HubID, []byte, func([]byte) error) { f() })
		}, func() {
			ctx, cancel := context.WithTimeout(h.ctx, 50*time.Millisecond)
			asking.Go(func() {
				defer cancel()
				for range e.Ask(ctx, self, self, nil) {
				}
			})
		})
		h.within("Ask ends with its context", asking.Wait)
	}
}

type beat struct {
	from cluster.HubID
	text string
}

// A beat comes to everybody, the one that says it too.
func testBeats(h *harness) {
	engines := h.ordinary(3)
	var boxes []*inbox[beat]
	var stops []func()
	for _, e := range engines {
		in := newInbox[beat](h)
		stop, err := e.Beats(func(from cluster.HubID, text []byte) { in.put(beat{from, string(text)}) })
		if err != nil {
			h.Fatalf("Beats failed: %v", err)
		}
		boxes, stops = append(boxes, in), append(stops, stop)
	}
	for i, e := range engines {
		self := cluster.NewHubID()
		heard := make([]bool, len(engines))
		n := 0
		h.asking("a beat comes to every engine", func() bool {
			n++
			text := fmt.Appendf(nil, "beat %d of %d", n, i)
			if err := e.Beat(self, text); err != nil {
				h.Fatalf("Beat failed: %v", err)
			}
			clear(text)
			h.settle()
			for k, in := range boxes {
				for _, b := range in.rest() {
					var number, of int
					if _, err := fmt.Sscanf(b.text, "beat %d of %d", &number, &of); err != nil || number > n && of == i {
						h.Fatalf("a beat came as %q", b.text)
					}
					if of == i && b.from != self {
						h.Fatalf("a beat came as from another hub")
					}
					heard[k] = heard[k] || of == i
				}
			}
			return !slices.Contains(heard, false)
		})
	}
	for _, stop := range stops {
		h.within("stop returns", stop)
	}
}

// When stop has returned, nothing is called any more.
func testBeatsStop(h *harness) {
	e := h.ordinary(1)[0]
	for range 3 {
		h.stopWaits("Beats", func(f func()) (func(), error) {
			return e.Beats(func(cluster.HubID, []byte) { f() })
		}, func() { _ = e.Beat(cluster.NewHubID(), nil) })
	}
}
