package clustertest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/lectern-go/lectern/cluster"
)

var endCases = []testCase{
	{"State", testState},
	{"Close", testClose},
	{"CloseWaits", testCloseWaits},
	{"CloseUnderWay", testCloseUnderWay},
}

// An engine tells how it is.
func testState(h *harness) {
	e := h.ordinary(1)[0]
	h.asking("State is Connected, and every shard has a leader", func() bool {
		state := e.State()
		if len(state.Shards) == 0 {
			h.Fatalf("State has no shards")
		}
		led := true
		for _, s := range state.Shards {
			led = led && s.Leader != ""
			if s.Filled < 0 || s.Filled > 1 {
				h.Fatalf("a shard is filled by %v", s.Filled)
			}
		}
		return state.Connected && led
	})
	if spread := e.State().ClockSpread; spread < 0 || spread > patience/2 {
		h.Fatalf("the ClockSpread of one machine is %v", spread)
	}
	if keeps := e.Keeps(); keeps < patience {
		h.Fatalf("Keeps is %v: the suite asks for a minute or more", keeps)
	}
}

// After Close everything fails with ErrClosed.
func testClose(h *harness) {
	e, key, self := h.ordinary(1)[0], newKey(), cluster.NewHubID()
	last := h.append(e, key, group(cluster.Shared, 0, 0))
	stops := []func(){h.follow(e, key).stop, h.serve(e, self, func(cluster.HubID, []byte, func([]byte) error) {})}
	h.within("Close returns soon", func() {
		if err := e.Close(); err != nil {
			h.Errorf("Close failed: %v", err)
		}
	})
	if e.State().Connected {
		h.Errorf("State is Connected after Close")
	}
	calls := map[string]func() error{
		"Append":           func() error { _, err := e.Append(h.ctx, key, group(cluster.Shared, last.Position, 0)); return err },
		"Last":             func() error { _, err := e.Last(h.ctx, key); return err },
		"LastLinearizable": func() error { _, err := e.LastLinearizable(h.ctx, key); return err },
		"Read": func() error {
			for _, err := range e.Read(h.ctx, key, cluster.Every, 0, last.Position) {
				return err
			}
			return nil
		},
		"Tail":     func() error { _, err := e.Tail(key, func(cluster.Group) {}); return err },
		"Announce": func() error { return e.Announce(key, 1) },
		"Serve": func() error {
			_, err := e.Serve(self, func(cluster.HubID, []byte, func([]byte) error) {})
			return err
		},
		"Ask": func() error {
			for _, err := range e.Ask(h.ctx, self, self, nil) {
				return err
			}
			return nil
		},
		"Beat":  func() error { return e.Beat(self, nil) },
		"Beats": func() error { _, err := e.Beats(func(cluster.HubID, []byte) {}); return err },
	}
	for name, call := range calls {
		h.within(name+" returns", func() {
			if err := call(); !errors.Is(err, cluster.ErrClosed) {
				h.Errorf("%s after Close failed with %v: want ErrClosed", name, err)
			}
		})
	}
	for _, stop := range stops { // still may be called
		h.within("stop returns", stop)
	}
	h.within("Close returns soon", func() { _ = e.Close() })
}

// When Close has returned, no callback runs, and none will.
func testCloseWaits(h *harness) {
	e, key, self := h.ordinary(1)[0], newKey(), cluster.NewHubID()
	var running, called atomic.Int64
	var closed atomic.Bool
	hold := make(chan struct{})
	callback := func() {
		if closed.Load() {
			h.Errorf("a callback was called after Close had returned")
		}
		running.Add(1)
		called.Add(1)
		<-hold
		running.Add(-1)
	}
	_, tailed := e.Tail(key, func(cluster.Group) { callback() })
	_, beaten := e.Beats(func(cluster.HubID, []byte) { callback() })
	_, serving := e.Serve(self, func(cluster.HubID, []byte, func([]byte) error) { callback() })
	if err := errors.Join(tailed, beaten, serving); err != nil {
		h.Fatalf("registering failed: %v", err)
	}
	var asking sync.WaitGroup
	var last cluster.Position
	h.asking("callbacks are called", func() bool {
		last = h.append(e, key, group(cluster.Shared, last, last)).Position
		_ = e.Beat(self, nil)
		asking.Go(func() { _, _ = h.once(e, self, self, nil) })
		h.settle()
		return called.Load() == 3
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = e.Close()
		if n := running.Load(); n > 0 {
			h.Errorf("Close returned while %d callbacks were running", n)
		}
		closed.Store(true)
	}()
	h.settle()
	close(hold)
	h.within("Close returns when the callbacks have", func() { <-done })
	h.settle()
	h.within("Ask ends with Close", asking.Wait)
}

// What is under way at Close returns, and what it leaves open another engine settles.
func testCloseUnderWay(h *harness) {
	for range 5 {
		engines, key, self := h.ordinary(2), newKey(), cluster.NewHubID()
		survives := engines[1] != engines[0]
		e := engines[0]
		in := newInbox[struct{}](h)
		h.serve(e, self, func(cluster.HubID, []byte, func([]byte) error) { in.put(struct{}{}) })
		var calls sync.WaitGroup
		calls.Go(func() {
			for range e.Ask(context.Background(), self, self, nil) {
			}
		})
		in.must("a request is handed over to a hub of the same engine")
		var last cluster.Position
		var all []cluster.Group
		open := cluster.Group{}
		begun := make(chan struct{})
		calls.Go(func() {
			for i := 0; ; i++ {
				g := group(cluster.Own, last, 0)
				p, err := h.settled(e, key, g)
				if err != nil {
					open = g
					return
				}
				g.Position, last = p, p
				if all = append(all, g); i == 5 {
					close(begun)
				}
			}
		})
		calls.Go(func() {
			for {
				if _, err := e.LastLinearizable(h.ctx, key); errors.Is(err, cluster.ErrClosed) || h.ctx.Err() != nil {
					return
				}
			}
		})
		h.within("appends succeed", func() { <-begun })
		h.within("Close returns soon", func() { _ = e.Close() })
		h.within("calls that were under way return soon after Close", calls.Wait)
		if !survives {
			continue
		}
		all = append(all, h.append(engines[1], key, open))
		h.expectRead(engines[1], key, cluster.Own, 0, all[len(all)-1].Position, all)
	}
}
