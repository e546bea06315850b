package clustertest

import (
	"slices"
	"sync/atomic"

	"github.com/lectern-go/lectern/cluster"
)

var tailCases = []testCase{
	{"Tail", testTail},
	{"TailOfOneKey", testTailOfOneKey},
	{"TailStop", testTailStop},
	{"TailCalls", testTailCalls},
	{"Announce", testAnnounce},
}

// follower is a tail, and what it has made of it.
type follower struct {
	h      *harness
	engine cluster.Engine
	key    cluster.Key
	stop   func()
	in     *inbox[cluster.Group]
	at     cluster.Position
	log    []cluster.Group
	last   cluster.Position // what came last, holes aside
}

func (h *harness) follow(e cluster.Engine, key cluster.Key) *follower {
	h.Helper()
	f := &follower{h: h, engine: e, key: key, in: newInbox[cluster.Group](h)}
	stop, err := e.Tail(key, f.in.put)
	if err != nil {
		h.Fatalf("Tail failed: %v", err)
	}
	f.stop = stop
	return f
}

// take takes a group as who follows a log has to.
func (f *follower) take(g cluster.Group) {
	h := f.h
	h.Helper()
	if !g.Announced() {
		if g.Kind != cluster.Shared {
			h.Fatalf("a tail was handed a group of kind %d: want Shared ones alone", g.Kind)
		}
		if g.Position <= f.last {
			h.Fatalf("a tail was handed the position %d after %d: each comes once, and in order", g.Position, f.last)
		}
		f.last = g.Position
	} else if g.After != 0 || g.Kind != 0 || g.Body != nil || g.Nonce != (cluster.Nonce{}) {
		h.Fatalf("an announcement has more than Before: %s", describe(g))
	}
	if g.Before > f.at { // a hole
		missing, err := h.read(f.engine, f.key, cluster.Shared, f.at, g.Before)
		if err != nil {
			h.Fatalf("a tail has a hole from %d to %d, and Read of it failed: %v", f.at, g.Before, err)
		}
		f.log = append(f.log, missing...)
		f.at = g.Before
	}
	if g.Position > f.at {
		f.log = append(f.log, g)
		f.at = g.Position
	}
}

// expect holds what came since the beginning, with the holes filled, against the Shared groups of a log.
func (f *follower) expect(log []cluster.Group) {
	h := f.h
	h.Helper()
	want := positions(log, cluster.Shared)
	end := want[len(want)-1].Position
	h.asking("a tail has the last Shared group, or what is announced", func() bool {
		for _, g := range f.in.rest() {
			f.take(g)
		}
		if f.at < end { // as a hub would, where nothing follows
			if err := f.engine.Announce(f.key, end); err != nil {
				h.Fatalf("Announce failed: %v", err)
			}
		}
		return f.at >= end
	})
	h.settle()
	for _, g := range f.in.rest() {
		f.take(g)
	}
	h.compare("a tail with its holes filled", f.log, want)
}

// Who follows has all that is shared, in order.
func testTail(h *harness) {
	engines, key := h.ordinary(3), newKey()
	early := []*follower{h.follow(engines[0], key), h.follow(engines[1], key), h.follow(engines[1], key)}
	log := h.log(engines[2:], key, append(mixed(50), cluster.Shared)...)
	late := h.follow(engines[0], key)
	last, shared := log[len(log)-1].Position, log[len(log)-1].Position
	for _, kind := range append(mixed(50), cluster.Shared, cluster.Own) {
		g := h.append(engines[2], key, group(kind, last, shared))
		if last = g.Position; kind == cluster.Shared {
			shared = last
		}
		log = append(log, g)
	}
	for _, f := range append(early, late) {
		f.expect(log)
	}
	// Most come by themselves: one append after the other, until a tail has been handed one.
	came := func() bool {
		g := h.append(engines[2], key, group(cluster.Shared, last, shared))
		last, shared = g.Position, g.Position
		log = append(log, g)
		for {
			got, ok := early[0].in.next(patience / 60)
			if !ok {
				return false
			}
			if early[0].take(got); got.Position == g.Position {
				return got.Age >= 0 && got.Age < patience
			}
		}
	}
	h.asking("a tail is handed what is appended, by itself and soon", came)
	for _, f := range append(early, late) {
		f.expect(log)
		h.within("stop returns", f.stop)
	}
}

// A tail is of one key.
func testTailOfOneKey(h *harness) {
	engines, key := h.ordinary(2), newKey()
	other := key
	other[15] ^= 1
	a, b := h.follow(engines[0], key), h.follow(engines[0], other)
	logs := [2][]cluster.Group{}
	for range 20 {
		for i, key := range []cluster.Key{key, other} {
			var last cluster.Position
			if n := len(logs[i]); n > 0 {
				last = logs[i][n-1].Position
			}
			logs[i] = append(logs[i], h.append(engines[1], key, group(cluster.Shared, last, last)))
		}
	}
	a.expect(logs[0])
	b.expect(logs[1])
}

// When stop has returned, nothing is called any more.
func testTailStop(h *harness) {
	engines, key := h.ordinary(1), newKey()
	e := engines[0]
	beside := h.follow(e, key)
	var log []cluster.Group
	var last cluster.Position
	grow := func() {
		g := h.append(e, key, group(cluster.Shared, last, last))
		last = g.Position
		log = append(log, g)
	}
	for range 3 {
		h.stopWaits("Tail", func(f func()) (func(), error) { return e.Tail(key, func(cluster.Group) { f() }) }, grow)
	}
	beside.expect(log) // which goes on
}

// stopWaits checks the stop function that register returns. It makes call call the callback, which must return within a minute.
func (h *harness) stopWaits(what string, register func(f func()) (func(), error), call func()) {
	h.Helper()
	var running, stopped atomic.Bool
	called := newInbox[struct{}](h)
	hold := make(chan struct{})
	stop, err := register(func() {
		if stopped.Load() {
			h.Errorf("%s: the callback was called after stop had returned", what)
		}
		if !running.CompareAndSwap(false, true) {
			h.Errorf("%s: the callback was called while it was running", what)
		}
		called.put(struct{}{})
		<-hold
		running.Store(false)
	})
	if err != nil {
		h.Fatalf("%s failed: %v", what, err)
	}
	h.asking(what+": the callback is called", func() bool {
		call()
		_, ok := called.next(patience / 60)
		return ok
	})
	call() // waits behind it
	h.settle()
	done := make(chan struct{})
	go func() {
		defer close(done)
		stop()
		if running.Load() {
			h.Errorf("%s: stop returned while the callback was running", what)
		}
		stopped.Store(true)
	}()
	h.settle()
	close(hold)
	h.within("stop returns when the callback has", func() { <-done })
	call()
	h.settle()
}

// A callback may call the engine.
func testTailCalls(h *harness) {
	engines, key := h.ordinary(2), newKey()
	e := engines[0]
	done := newInbox[[]error](h)
	stop, err := e.Tail(key, func(g cluster.Group) {
		if g.Announced() {
			return
		}
		ctx, cancel := h.short()
		defer cancel()
		_, last := e.Last(ctx, key)
		_, linear := e.LastLinearizable(ctx, key)
		echoes := newKey()
		_, appended := h.settled(e, echoes, group(cluster.Own, 0, 0))
		inner, tail := e.Tail(echoes, func(cluster.Group) {})
		if tail == nil {
			inner()
		}
		done.put([]error{last, linear, appended, tail, e.Announce(key, g.Position), e.Beat(cluster.HubID{}, nil)})
	})
	if err != nil {
		h.Fatalf("Tail failed: %v", err)
	}
	var last cluster.Position
	h.asking("a callback of a tail may call the engine", func() bool {
		g := h.append(engines[1], key, group(cluster.Shared, last, last))
		last = g.Position
		errs, ok := done.next(patience / 60)
		if ok && slices.ContainsFunc(errs, func(err error) bool { return err != nil }) {
			h.Fatalf("calls within a callback of a tail failed: %v", errs)
		}
		return ok
	})
	h.within("stop returns", stop)
}

// What is announced comes to the tails of the key, and to no others.
func testAnnounce(h *harness) {
	engines, key := h.ordinary(2), newKey()
	other := key
	other[15] ^= 1
	var tails []*follower
	for _, e := range engines {
		tails = append(tails, h.follow(e, key))
	}
	stranger := h.follow(engines[1], other)
	for i, f := range tails {
		h.asking("what is announced comes to every tail of the key", func() bool {
			if err := engines[0].Announce(key, cluster.Position(4711+i)); err != nil {
				h.Fatalf("Announce failed: %v", err)
			}
			g, ok := f.in.next(patience / 60)
			if ok && (!same(g, cluster.Group{Before: g.Before}) || g.Before < 4711 || g.Before > cluster.Position(4711+i)) {
				h.Fatalf("an announcement came as %s: want Before alone", describe(g))
			}
			return ok && g.Before == cluster.Position(4711+i)
		})
	}
	h.settle()
	if all := stranger.in.rest(); len(all) > 0 {
		h.Fatalf("an announcement came to the tail of another key")
	}
}
