package clustertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/lectern-go/lectern/cluster"
)

var appendCases = []testCase{
	{"Append", testAppend},
	{"Conflict", testConflict},
	{"Race", testRace},
	{"Create", testCreate},
	{"Keys", testKeys},
	{"Largest", testLargest},
	{"Refused", testRefused},
	{"AppendCopies", testAppendCopies},
}

// What was appended is there as it was given.
func testAppend(h *harness) {
	engines, key := h.ordinary(2), newKey()
	log := h.log(engines, key, mixed(20)...)
	for i := range log[1:] {
		if log[i+1].Position <= log[i].Position {
			h.Fatalf("after %d came %d: positions rise within a key", log[i].Position, log[i+1].Position)
		}
	}
	last := log[len(log)-1]
	for _, e := range engines {
		h.expectLast(e, key, last)
		h.expectRead(e, key, cluster.Every, 0, last.Position, log)
	}
}

// Who does not know the last group appends nothing.
func testConflict(h *harness) {
	engines, key := h.ordinary(2), newKey()
	log := h.log(engines, key, cluster.Shared, cluster.Own, cluster.Shared)
	last := log[len(log)-1]
	for _, kind := range []cluster.Kind{cluster.Shared, cluster.Own, cluster.Part} {
		for _, after := range []cluster.Position{0, log[0].Position, log[1].Position} {
			if _, err := h.settled(engines[1], key, group(kind, after, 0)); !errors.Is(err, cluster.ErrConflict) {
				h.Fatalf("Append of kind %d after %d, where the last is %d, returned the error %v: want ErrConflict", kind, after, last.Position, err)
			}
		}
		// Beyond the last, nothing is known.
		ctx, cancel := h.short()
		_, err := engines[1].Append(ctx, key, group(kind, last.Position+1, 0))
		cancel()
		if err == nil || sure(err) {
			h.Fatalf("Append after a position that is not there returned the error %v: want one that leaves the outcome open", err)
		}
	}
	h.expectLast(engines[0], key, last)
	h.expectRead(engines[0], key, cluster.Every, 0, last.Position, log)
}

// Of all appends at one position exactly one succeeds.
func testRace(h *harness) {
	engines, key := h.ordinary(3), newKey()
	const rounds, racers = 25, 6
	var log []cluster.Group
	var last, shared cluster.Position
	for round := range rounds {
		var mu sync.Mutex
		var won []cluster.Group
		var failed []error
		var racing sync.WaitGroup
		start := make(chan struct{})
		for i := range racers {
			g := group([]cluster.Kind{cluster.Shared, cluster.Own, cluster.Part}[(i/3+i)%3], last, shared)
			racing.Go(func() {
				<-start
				p, err := h.settled(engines[i%len(engines)], key, g)
				g.Position = p
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won = append(won, g)
				} else if !errors.Is(err, cluster.ErrConflict) {
					failed = append(failed, err)
				}
			})
		}
		close(start)
		h.within("Append returns", racing.Wait)
		if len(failed) > 0 {
			h.Fatalf("round %d: an append failed with %v: want ErrConflict for those that lose", round, failed[0])
		}
		if len(won) != 1 {
			h.Fatalf("round %d: of %d appends after %d %d succeeded: exactly one may", round, racers, last, len(won))
		}
		if last = won[0].Position; won[0].Kind == cluster.Shared {
			shared = last
		}
		log = append(log, won[0])
	}
	h.expectRead(engines[0], key, cluster.Every, 0, last, log)
}

// A log begins once.
func testCreate(h *harness) {
	engines := h.ordinary(2)
	for range 10 {
		key := newKey()
		errs := make([]error, 4)
		var racing sync.WaitGroup
		for i := range errs {
			racing.Go(func() { _, errs[i] = h.settled(engines[i%2], key, group(cluster.Shared, 0, 0)) })
		}
		h.within("Append returns", racing.Wait)
		n := 0
		for _, err := range errs {
			if err == nil {
				n++
			} else if !errors.Is(err, cluster.ErrConflict) {
				h.Fatalf("an append to an empty log failed with %v: want ErrConflict for those that lose", err)
			}
		}
		if n != 1 {
			h.Fatalf("%d of %d appends to an empty log succeeded: exactly one may", n, len(errs))
		}
	}
}

// Logs of different keys know nothing of each other, whatever they are named.
func testKeys(h *harness) {
	engines := h.ordinary(2)
	salt := newKey().String()
	names := []string{"", "a", "A", "a.b", "a*", ">", "*", " ", "ä", "a\u0308", "\x00", "a\nb", strings.Repeat("n", 5000), strings.Repeat("n", 4999) + "m"}
	keys := []cluster.Key{}
	for _, name := range names {
		keys = append(keys, cluster.KeyOf(salt+name))
	}
	for i := range 16 { // of one shard, and alike
		key := cluster.KeyOf(salt)
		key[15] ^= byte(i + 1)
		keys = append(keys, key)
	}
	logs := make([][]cluster.Group, len(keys))
	for i, key := range keys {
		if _, err := h.last(engines[0], key); !errors.Is(err, cluster.ErrNone) {
			h.Fatalf("the log of a new key is not empty: keys never collide")
		}
		logs[i] = h.log(engines, key, cluster.Shared, cluster.Own)
	}
	for i, key := range keys {
		last := logs[i][1]
		h.expectLast(engines[1], key, last)
		h.expectRead(engines[1], key, cluster.Every, 0, last.Position, logs[i])
	}
}

// Groups may have any size from nothing to MaxGroup.
func testLargest(h *harness) {
	engines, key := h.ordinary(2), newKey()
	tail := h.follow(engines[1], key)
	var log []cluster.Group
	var last cluster.Position
	for i, size := range []int{0, 1, cluster.MaxGroup, cluster.MaxGroup, 0} {
		g := group(cluster.Shared, last, last)
		g.Body = bytes.Repeat([]byte{byte(i), 0, 255, '\r', '\n'}, size/5+1)[:size]
		g = h.append(engines[0], key, g)
		last = g.Position
		log = append(log, g)
	}
	h.expectRead(engines[1], key, cluster.Every, 0, last, log)
	h.expectLast(engines[1], key, log[len(log)-1])
	tail.expect(log)
	many := newKey() // so many large ones that no buffer holds them
	large := group(cluster.Own, 0, 0)
	log = nil
	for range 16 {
		large.Nonce = cluster.NewNonce()
		large.Body = bytes.Repeat(fmt.Appendf(nil, "%d,", len(log)), cluster.MaxGroup/4)
		large.Position = 0
		large = h.append(engines[0], many, large)
		log = append(log, large)
		large.After = large.Position
	}
	h.expectRead(engines[1], many, cluster.Own, 0, large.Position, log)
}

// What no engine takes is refused, surely.
func testRefused(h *harness) {
	engines, key := h.ordinary(1), newKey()
	e := engines[0]
	expect := func(what string, want error, change func(g *cluster.Group)) {
		h.Helper()
		g := group(cluster.Shared, 0, 0)
		change(&g)
		if _, err := e.Append(h.ctx, key, g); !errors.Is(err, want) {
			h.Fatalf("Append of a group %s returned the error %v: want %v", what, err, want)
		}
	}
	expect("that is too large", cluster.ErrTooLarge, func(g *cluster.Group) { g.Body = make([]byte, cluster.MaxGroup+1) })
	expect("that is much too large", cluster.ErrTooLarge, func(g *cluster.Group) { g.Body = make([]byte, 8*cluster.MaxGroup) })
	expect("of no kind", cluster.ErrInvalid, func(g *cluster.Group) { g.Kind = 0 })
	expect("of two kinds", cluster.ErrInvalid, func(g *cluster.Group) { g.Kind = cluster.Shared | cluster.Own })
	expect("of an unknown kind", cluster.ErrInvalid, func(g *cluster.Group) { g.Kind = cluster.Every + 1 })
	expect("without a nonce", cluster.ErrInvalid, func(g *cluster.Group) { g.Nonce = cluster.Nonce{} })
	expect("whose Before is above its After", cluster.ErrInvalid, func(g *cluster.Group) { g.Before = 1 })
	if _, err := h.last(e, key); !errors.Is(err, cluster.ErrNone) {
		h.Fatalf("what was refused is in the log")
	}
}

// The caller may use its slice again when Append has returned.
func testAppendCopies(h *harness) {
	engines, key := h.ordinary(2), newKey()
	tail := h.follow(engines[1], key)
	body := make([]byte, 1000)
	var log []cluster.Group
	var last cluster.Position
	for i := range 10 {
		for k := range body {
			body[k] = byte(i)
		}
		g := group(cluster.Shared, last, last)
		g.Body = body
		g = h.append(engines[0], key, g)
		g.Body = bytes.Clone(body)
		log = append(log, g)
		last = g.Position
	}
	clear(body)
	h.expectRead(engines[0], key, cluster.Every, 0, last, log)
	tail.expect(log)
	g, err := engines[0].Last(h.ctx, key)
	if err != nil || !same(g, log[len(log)-1]) {
		h.Fatalf("Append keeps its caller's slice: Last returned %s, and the error %v", describe(g), err)
	}
}

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
