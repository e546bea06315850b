package clustertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

var outcomeCases = []testCase{
	{"Again", testAgain},
	{"AgainAtOnce", testAgainAtOnce},
	{"AgainAfterConflict", testAgainAfterConflict},
	{"NonceOfAnotherKey", testNonceOfAnotherKey},
	{"ContextsOfAppends", testContextsOfAppends},
	{"Full", testFull},
}

// An append that is repeated is the same append, also when others have followed it.
func testAgain(h *harness) {
	engines, key := h.ordinary(2), newKey()
	var log []cluster.Group
	var last cluster.Position
	for i := range 12 {
		g := h.append(engines[i%2], key, group([]cluster.Kind{cluster.Shared, cluster.Own}[i/2%2], last, 0))
		last = g.Position
		log = append(log, g)
		for _, again := range []int{i, max(0, i-1), 0} {
			want := log[again]
			p, err := h.settled(engines[(i+1)%2], key, want)
			if err != nil || p != want.Position {
				h.Fatalf("an append was repeated when %d groups had followed it, and returned %d and the error %v: want its position %d", i-again, p, err, want.Position)
			}
		}
	}
	h.expectRead(engines[0], key, cluster.Every, 0, last, log)
}

// Also when its repetitions are under way at once.
func testAgainAtOnce(h *harness) {
	engines, key := h.ordinary(3), newKey()
	var log []cluster.Group
	var last cluster.Position
	for round := range 10 {
		g := group([]cluster.Kind{cluster.Shared, cluster.Own}[round%2], last, 0)
		got := make([]cluster.Position, 5)
		errs := make([]error, len(got))
		var racing sync.WaitGroup
		for i := range got {
			racing.Go(func() { got[i], errs[i] = h.settled(engines[i%3], key, g) })
		}
		h.within("Append returns", racing.Wait)
		for i := range got {
			if errs[i] != nil || got[i] != got[0] {
				h.Fatalf("one append five times at once returned %v and the errors %v: want one position and no error", got, errs)
			}
		}
		g.Position = got[0]
		last = g.Position
		log = append(log, g)
	}
	h.expectRead(engines[0], key, cluster.Every, 0, last, log)
}

// A conflict is sure: the append does not happen later, nor when it is repeated.
func testAgainAfterConflict(h *harness) {
	engines, key := h.ordinary(2), newKey()
	log := h.log(engines, key, cluster.Own, cluster.Shared)
	lost := group(cluster.Shared, log[0].Position, 0)
	for i := range 4 {
		if _, err := h.settled(engines[i%2], key, lost); !errors.Is(err, cluster.ErrConflict) {
			h.Fatalf("an append that had lost was repeated, and returned the error %v: want ErrConflict", err)
		}
		log = append(log, h.append(engines[0], key, group(cluster.Shared, log[len(log)-1].Position, 0)))
	}
	h.expectRead(engines[1], key, cluster.Every, 0, log[len(log)-1].Position, log)
}

// A nonce says nothing about another key.
func testNonceOfAnotherKey(h *harness) {
	engines := h.ordinary(2)
	a := newKey()
	b := a
	b[15] ^= 1 // of the same shard
	g := h.append(engines[0], a, group(cluster.Own, 0, 0))
	twin := g
	twin.Position, twin.Body = 0, []byte("another")
	for i := range 3 {
		p, err := h.settled(engines[i%2], b, twin)
		if err != nil || p == g.Position {
			h.Fatalf("an append with the nonce of a group of another key returned %d and the error %v: want a new position", p, err)
		}
		twin.Position = p
	}
	h.expectLast(engines[0], a, g)
	h.expectLast(engines[0], b, twin)
}

// A context that ends at any point leaves an append open, and the same append settles it.
func testContextsOfAppends(h *harness) {
	engines, key := h.ordinary(2), newKey()
	var log []cluster.Group
	var last, shared cluster.Position
	for i := range 60 {
		g := group([]cluster.Kind{cluster.Shared, cluster.Own}[i%2], last, shared)
		ctx, cancel := context.WithCancel(h.ctx)
		switch i % 3 {
		case 0:
			cancel()
		case 1: // soon
			timer := time.AfterFunc(rand.N(500*time.Microsecond), cancel)
			defer timer.Stop()
		}
		var p cluster.Position
		var err error
		h.within("Append returns soon after its context has ended", func() { p, err = engines[i%2].Append(ctx, key, g) })
		if i%3 == 0 && !errors.Is(err, context.Canceled) {
			h.Fatalf("Append with a context that has ended returned the error %v: want the context's", err)
		}
		cancel()
		if err != nil {
			p, err = h.settled(engines[(i+1)%2], key, g)
		}
		if err != nil {
			h.Fatalf("the same append after one whose context ended failed: %v", err)
		}
		g.Position = p
		if last = p; g.Kind == cluster.Shared {
			shared = p
		}
		log = append(log, g)
	}
	h.expectRead(engines[0], key, cluster.Every, 0, last, log)
	for _, call := range []struct {
		name string
		do   func() error
	}{
		{"Last", func() error { _, err := engines[0].Last(ended(), key); return err }},
		{"LastLinearizable", func() error { _, err := engines[0].LastLinearizable(ended(), key); return err }},
		{"Read", func() error {
			for _, err := range engines[0].Read(ended(), key, cluster.Every, 0, last) {
				return err
			}
			return nil
		}},
		{"Ask", func() error {
			for _, err := range engines[0].Ask(ended(), cluster.NewHubID(), cluster.NewHubID(), nil) {
				return err
			}
			return nil
		}},
	} {
		if err := call.do(); !errors.Is(err, context.Canceled) {
			h.Fatalf("%s with a context that has ended returned the error %v: want the context's", call.name, err)
		}
	}
}

// A log that is full says so, and what is in it is read as before.
func testFull(h *harness) {
	e := h.open(Settings{Engines: 1, MaxBytes: 4 << 20, Alone: true})[0]
	key := newKey()
	var log []cluster.Group
	var last cluster.Position
	var full cluster.Group
	for full.Kind == 0 {
		g := group(cluster.Own, last, 0)
		g.Body = make([]byte, cluster.MaxGroup)
		p, err := h.settled(e, key, g)
		switch {
		case err == nil:
			g.Position, last = p, p
			log = append(log, g)
		case errors.Is(err, cluster.ErrFull):
			full = g
		default:
			h.Fatalf("Append to a log that is full failed with %v: want ErrFull", err)
		}
		if len(log)*cluster.MaxGroup > 8<<20 {
			h.Fatalf("%d groups of %d bytes fit into %d bytes: a log has a bound", len(log), cluster.MaxGroup, 4<<20)
		}
	}
	if len(log) == 0 {
		h.Fatalf("nothing fits into %d bytes", 4<<20)
	}
	if _, err := h.settled(e, key, full); !errors.Is(err, cluster.ErrFull) {
		h.Fatalf("Append to a log that is full failed with %v when it was repeated: want ErrFull", err)
	}
	first := log[0]
	if p, err := h.settled(e, key, first); err != nil || p != first.Position {
		h.Fatalf("an append that had succeeded was repeated when the log was full, and returned the error %v: want its position", err)
	}
	h.expectRead(e, key, cluster.Every, 0, last, log)
	h.asking("State tells how full a shard is", func() bool { return e.State().Shard(key).Filled > 0.9 })
}
