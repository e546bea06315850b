package clustertest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// patience is how long the suite waits for what the contract says happens without saying
// when. It only costs time where a promise is broken.
const patience = time.Minute

// pause is how long it waits before it asks again.
const pause = 10 * time.Millisecond

// clock tells the two kinds of time that a case can run in.
type clock int

const (
	realTime clock = iota
	bubbleTime
)

type testCase struct {
	name string
	run  func(h *harness)
}

var cases = slices.Concat(appendCases, outcomeCases, readCases, tailCases, busCases, endCases)

func runCase(t testing.TB, clock clock, c testCase, open Open) {
	h := &harness{TB: t, clock: clock, opener: open}
	h.ctx, h.cancel = context.WithTimeout(context.Background(), 2*patience)
	defer h.cancel()
	defer h.finish()
	c.run(h)
}

// harness is what a case works with. Its methods that can fail must be called from the
// case's own goroutine, as those of testing.TB.
type harness struct {
	testing.TB
	clock   clock
	opener  Open
	ctx     context.Context
	cancel  func()
	engines []cluster.Engine
}

// ordinary opens so many engines, with usual settings.
func (h *harness) ordinary(engines int) []cluster.Engine {
	h.Helper()
	return h.open(Settings{Engines: engines})
}

func (h *harness) open(s Settings) []cluster.Engine {
	h.Helper()
	engines := h.opener(h.TB, s)
	h.engines = append(h.engines, engines...)
	if len(engines) != s.Engines {
		h.Fatalf("open returned %d engines, not %d", len(engines), s.Engines)
	}
	return engines
}

// finish closes what the case has opened.
func (h *harness) finish() {
	for _, e := range h.engines {
		h.within("Close returns soon", func() {
			if err := e.Close(); err != nil {
				h.Errorf("Close failed: %v", err)
			}
		})
	}
}

// within runs f, which must return.
func (h *harness) within(promise string, f func()) {
	h.Helper()
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		f()
	}()
	select {
	case panicked := <-done:
		if panicked != nil {
			h.Fatalf("panicked: %v", panicked)
		}
	case <-time.After(patience):
		h.Fatalf("has not returned after %v: %s", patience, promise)
	}
}

// settle waits, in a bubble, until nothing can happen any more without time passing.
func (h *harness) settle() {
	if h.clock == bubbleTime {
		synctest.Wait()
	}
}

// asking asks until it is so.
func (h *harness) asking(promise string, so func() bool) {
	h.Helper()
	for begun := time.Now(); !so(); <-time.After(pause) {
		if time.Since(begun) > patience {
			h.Fatalf("not so after %v: %s", patience, promise)
		}
	}
}

// short is a context for one call that may hang.
func (h *harness) short() (context.Context, func()) {
	return context.WithTimeout(h.ctx, time.Second)
}

// newKey is a key that no other case has.
func newKey() cluster.Key {
	id := cluster.NewHubID()
	return cluster.KeyOf(string(id[:]))
}

// group is one with a body that tells it from others.
func group(kind cluster.Kind, after, before cluster.Position) cluster.Group {
	n := cluster.NewNonce()
	return cluster.Group{Kind: kind, After: after, Before: before, Nonce: n, Body: fmt.Appendf(nil, "the group %x", n)}
}

// sure tells whether an append's error is one that settles it.
func sure(err error) bool {
	for _, e := range []error{cluster.ErrConflict, cluster.ErrFull, cluster.ErrTooLarge, cluster.ErrInvalid, cluster.ErrClosed} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// settled appends g until the outcome is known. Safe in any goroutine.
func (h *harness) settled(e cluster.Engine, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	for {
		ctx, cancel := h.short()
		p, err := e.Append(ctx, key, g)
		cancel()
		if err == nil || sure(err) || h.ctx.Err() != nil {
			return p, err
		}
		<-time.After(pause)
	}
}

// append appends g, and gives it its position.
func (h *harness) append(e cluster.Engine, key cluster.Key, g cluster.Group) cluster.Group {
	h.Helper()
	p, err := h.settled(e, key, g)
	if err != nil {
		h.Fatalf("Append at the last position failed: %v", err)
	}
	if p <= g.After {
		h.Fatalf("Append after %d returned %d: positions rise", g.After, p)
	}
	g.Position = p
	return g
}

// log appends groups of these kinds, one after the other, by the engines in turns.
func (h *harness) log(engines []cluster.Engine, key cluster.Key, kinds ...cluster.Kind) (all []cluster.Group) {
	h.Helper()
	var last, shared cluster.Position
	for i, kind := range kinds {
		g := h.append(engines[i%len(engines)], key, group(kind, last, shared))
		if last = g.Position; kind == cluster.Shared {
			shared = last
		}
		all = append(all, g)
	}
	return all
}

// mixed is a list of kinds at random.
func mixed(n int) (kinds []cluster.Kind) {
	for range n {
		kinds = append(kinds, []cluster.Kind{cluster.Shared, cluster.Own, cluster.Shared, cluster.Part}[rand.IntN(4)])
	}
	return kinds
}

func positions(log []cluster.Group, kinds cluster.Kind) (all []cluster.Group) {
	for _, g := range log {
		if g.Kind&kinds != 0 {
			all = append(all, g)
		}
	}
	return all
}

func same(a, b cluster.Group) bool {
	return a.Position == b.Position && a.After == b.After && a.Before == b.Before && a.Kind == b.Kind &&
		a.Nonce == b.Nonce && bytes.Equal(a.Body, b.Body)
}

func describe(g cluster.Group) string {
	return fmt.Sprintf("the group at %d (after %d, before %d, kind %d, nonce %x, %d bytes)", g.Position, g.After, g.Before, g.Kind, g.Nonce, len(g.Body))
}

// expectGroup compares a group with what was appended.
func (h *harness) expectGroup(what string, got, want cluster.Group) {
	h.Helper()
	if !same(got, want) {
		h.Fatalf("%s returned %s, want %s", what, describe(got), describe(want))
	}
	if got.Age < 0 || got.Age > 2*patience {
		h.Fatalf("%s returned a group of the age %v, which was appended just now", what, got.Age)
	}
}

// last is the last group, by a linearizable read, which is tried again.
func (h *harness) last(e cluster.Engine, key cluster.Key) (g cluster.Group, err error) {
	h.Helper()
	h.asking("LastLinearizable succeeds on an engine that is well", func() bool {
		ctx, cancel := h.short()
		defer cancel()
		g, err = e.LastLinearizable(ctx, key)
		return err == nil || errors.Is(err, cluster.ErrNone)
	})
	return g, err
}

func (h *harness) expectLast(e cluster.Engine, key cluster.Key, want cluster.Group) {
	h.Helper()
	g, err := h.last(e, key)
	if err != nil {
		h.Fatalf("LastLinearizable failed with %v, though %s is there", err, describe(want))
	}
	h.expectGroup("LastLinearizable", g, want)
}

// read reads as Read does, and returns what it ended with.
func (h *harness) read(e cluster.Engine, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) (all []cluster.Group, err error) {
	h.Helper()
	h.within("Read ends when it has come to the position, and at the latest with its context", func() {
		ctx, cancel := context.WithTimeout(h.ctx, patience/2)
		defer cancel()
		for g, e := range e.Read(ctx, key, kinds, after, until) {
			if err != nil {
				h.Errorf("Read yielded something after the error %v: an error is the last", err)
				return
			}
			if err = e; err == nil {
				all = append(all, g)
			}
		}
	})
	return all, err
}

func (h *harness) expectRead(e cluster.Engine, key cluster.Key, kinds cluster.Kind, after, until cluster.Position, want []cluster.Group) {
	h.Helper()
	got, err := h.read(e, key, kinds, after, until)
	if err != nil {
		h.Fatalf("Read of kinds %d from %d to %d failed after %d groups: %v", kinds, after, until, len(got), err)
	}
	h.compare("Read", got, want)
}

func (h *harness) compare(what string, got, want []cluster.Group) {
	h.Helper()
	for i := range min(len(got), len(want)) {
		if !same(got[i], want[i]) {
			h.Fatalf("%s: as number %d came %s, want %s", what, i, describe(got[i]), describe(want[i]))
		}
	}
	if len(got) != len(want) {
		h.Fatalf("%s: %d groups, want %d", what, len(got), len(want))
	}
}

// inbox keeps what a callback is called with.
type inbox[T any] struct {
	h    *harness
	mu   sync.Mutex
	all  []T
	news chan struct{} // of capacity 1
}

func newInbox[T any](h *harness) *inbox[T] { return &inbox[T]{h: h, news: make(chan struct{}, 1)} }

func (b *inbox[T]) put(x T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, x)
	select {
	case b.news <- struct{}{}:
	default:
	}
}

// rest takes what there is.
func (b *inbox[T]) rest() (all []T) {
	b.mu.Lock()
	defer b.mu.Unlock()
	all, b.all = b.all, nil
	return all
}

// next takes the next one, if it comes within d.
func (b *inbox[T]) next(d time.Duration) (x T, ok bool) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		b.mu.Lock()
		if len(b.all) > 0 {
			x, b.all = b.all[0], b.all[1:]
			b.mu.Unlock()
			return x, true
		}
		b.mu.Unlock()
		select {
		case <-b.news:
		case <-timer.C:
			return x, false
		}
	}
}

// must takes the next one, which has to come.
func (b *inbox[T]) must(promise string) T {
	b.h.Helper()
	x, ok := b.next(patience)
	if !ok {
		b.h.Fatalf("nothing came within %v: %s", patience, promise)
	}
	return x
}
