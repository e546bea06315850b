package clustertest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

var readCases = []testCase{
	{"Read", testRead},
	{"ReadBreak", testReadBreak},
	{"ReadGone", testReadGone},
	{"ReadIsWhole", testReadIsWhole},
	{"Linearizable", testLinearizable},
	{"Expiry", testExpiry},
	{"Age", testAge},
}

// Read yields what was asked for, from any position to any.
func testRead(h *harness) {
	engines, key, beside := h.ordinary(2), newKey(), newKey()
	kinds := mixed(40)
	kinds[0], kinds[39] = cluster.Shared, cluster.Own
	var log []cluster.Group
	var last, shared, other cluster.Position
	for _, kind := range kinds { // another key's between them, so that there are holes
		other = h.append(engines[0], beside, group(kind, other, 0)).Position
		g := h.append(engines[1], key, group(kind, last, shared))
		if last = g.Position; kind == cluster.Shared {
			shared = last
		}
		log = append(log, g)
	}
	for _, kinds := range []cluster.Kind{cluster.Every, cluster.Shared, cluster.Own, cluster.Part, cluster.Shared | cluster.Own, cluster.Own | cluster.Part} {
		all := positions(log, kinds)
		if len(all) == 0 {
			continue
		}
		for _, from := range []int{-1, 0, len(all) / 2, len(all) - 1} {
			for _, to := range []int{0, len(all) / 3, len(all) - 1} {
				var after cluster.Position
				if from >= 0 {
					after = all[from].Position
				}
				h.expectRead(engines[0], key, kinds, after, all[to].Position, all[min(from, to)+1:to+1])
			}
		}
	}
	h.expectRead(engines[0], key, cluster.Every, log[5].Position-1, log[9].Position, log[5:10])
	h.expectRead(engines[0], key, cluster.Every, last, 0, nil)
}

// Who reads may break off, and read again.
func testReadBreak(h *harness) {
	engines, key := h.ordinary(1), newKey()
	e := engines[0]
	log := h.log(engines, key, mixed(30)...)
	last := log[len(log)-1].Position
	reading := e.Read(h.ctx, key, cluster.Every, 0, last)
	for _, n := range []int{1, 2, 29, 30, 1} {
		var got []cluster.Group
		h.within("Read returns when its caller breaks off", func() {
			for g, err := range reading {
				if err != nil {
					h.Errorf("Read failed: %v", err)
				}
				if got = append(got, g); len(got) == n {
					break
				}
			}
		})
		h.compare("Read up to a break, once more", got, log[:n])
	}
	ctx, cancel := context.WithCancel(h.ctx)
	defer cancel()
	h.within("Read ends with its context", func() {
		var err error
		n := 0
		for _, err = range e.Read(ctx, key, cluster.Every, 0, last) {
			if n++; n == 3 {
				cancel()
			}
		}
		if n < len(log) && !errors.Is(err, context.Canceled) {
			h.Errorf("Read whose context ended after 3 groups yielded %d, and the error %v: want the context's", n, err)
		}
	})
	// Append while reading: nothing that is yielded waits for its caller.
	at := last
	for g, err := range e.Read(h.ctx, key, cluster.Every, 0, log[3].Position) {
		if err != nil {
			h.Fatalf("Read failed: %v", err)
		}
		at = h.append(e, key, group(cluster.Own, at, 0)).Position
		h.expectRead(e, key, cluster.Every, g.After, g.Position, []cluster.Group{g})
	}
}

// What is not there is not waited for, where that can be seen.
func testReadGone(h *harness) {
	engines, key := h.ordinary(1), newKey()
	log := h.log(engines, key, cluster.Shared, cluster.Own, cluster.Own, cluster.Shared)
	got, err := h.read(engines[0], key, cluster.Shared, 0, log[2].Position)
	if !errors.Is(err, cluster.ErrGone) {
		h.Fatalf("Read up to a position without a group of the kinds, with one behind it, ended with the error %v: want ErrGone", err)
	}
	h.compare("Read before ErrGone", got, log[:1])
	// Beyond the last: a node may be behind, or the log was lost.
	ctx, cancel := context.WithTimeout(h.ctx, time.Second)
	defer cancel()
	got, err = nil, nil
	h.within("Read ends with its context", func() {
		for g, e := range engines[0].Read(ctx, key, cluster.Every, 0, log[3].Position+1) {
			if err = e; err == nil {
				got = append(got, g)
			}
		}
	})
	if !errors.Is(err, cluster.ErrGone) && !errors.Is(err, context.DeadlineExceeded) {
		h.Fatalf("Read up to a position beyond the last ended with the error %v: want ErrGone or the context's", err)
	}
	h.compare("Read beyond the last", got, log)
}

// Whoever reads up to a group that was committed has all of them, on whatever connection, also
// right after the commit.
func testReadIsWhole(h *harness) {
	engines, key := h.ordinary(3), newKey()
	var log []cluster.Group
	var last cluster.Position
	for i := range 60 {
		g := h.append(engines[i%3], key, group(cluster.Own, last, 0))
		log = append(log, g)
		from := max(0, len(log)-5)
		h.expectRead(engines[(i+1)%3], key, cluster.Own, log[from].After, g.Position, log[from:])
		last = g.Position
	}
}

// A linearizable read knows all that was committed before it began.
func testLinearizable(h *harness) {
	engines, key, empty := h.ordinary(3), newKey(), newKey()
	var last cluster.Position
	for i := range 40 {
		g := h.append(engines[i%3], key, group([]cluster.Kind{cluster.Shared, cluster.Own, cluster.Part}[i%3], last, 0))
		last = g.Position
		h.expectLast(engines[(i+1)%3], key, g)
		if i%5 > 0 {
			continue
		}
		got := make([]cluster.Group, 12) // they share what it costs
		errs := make([]error, len(got))
		var asking sync.WaitGroup
		for k := range got {
			asking.Go(func() {
				ctx, cancel := context.WithTimeout(h.ctx, patience)
				defer cancel()
				if k%4 == 3 {
					_, errs[k] = engines[k%3].LastLinearizable(ctx, empty)
					return
				}
				got[k], errs[k] = engines[k%3].LastLinearizable(ctx, key)
			})
		}
		h.within("LastLinearizable returns", asking.Wait)
		for k := range got {
			switch {
			case k%4 == 3 && !errors.Is(errs[k], cluster.ErrNone):
				h.Fatalf("LastLinearizable of an empty log returned the error %v: want ErrNone", errs[k])
			case k%4 < 3 && errs[k] != nil:
				h.Fatalf("LastLinearizable failed: %v", errs[k])
			case k%4 < 3:
				h.expectGroup("LastLinearizable", got[k], g)
			}
		}
	}
	// The cheap one knows it soon.
	h.asking("Last returns the last group, if not at once", func() bool {
		ctx, cancel := h.short()
		defer cancel()
		g, err := engines[0].Last(ctx, key)
		return err == nil && g.Position == last
	})
	if _, err := engines[0].Last(h.ctx, empty); !errors.Is(err, cluster.ErrNone) {
		h.Fatalf("Last of an empty log returned the error %v: want ErrNone", err)
	}
}

// Groups are kept as long as was said, and not for ever.
func testExpiry(h *harness) {
	const keeps = 2 * time.Second
	engines := h.open(Settings{Engines: 2, Keeps: keeps})
	e, key := engines[0], newKey()
	if got := e.Keeps(); got != keeps {
		h.Fatalf("Keeps is %v, and the engine was made to keep groups for %v", got, keeps)
	}
	begun := time.Now()
	log := h.log(engines, key, cluster.Shared, cluster.Own, cluster.Shared)
	last := log[2]
	got, err := h.read(e, key, cluster.Every, 0, last.Position)
	if time.Since(begun) < keeps {
		if err != nil {
			h.Fatalf("Read failed with %v before anything had expired", err)
		}
		h.compare("Read", got, log)
	}
	h.asking("groups expire", func() bool {
		_, err := h.last(e, key)
		if took := time.Since(begun); err != nil && took < keeps {
			h.Fatalf("the log is empty after %v: it keeps groups for %v", took, keeps)
		}
		return errors.Is(err, cluster.ErrNone)
	})
	h.asking("what has expired is read no more, on whatever node", func() bool {
		ctx, cancel := h.short()
		defer cancel()
		var err error
		h.within("Read ends with its context", func() {
			for _, err = range e.Read(ctx, key, cluster.Every, 0, last.Position) {
			}
		})
		return err != nil
	})
	ctx, cancel := h.short()
	_, err = e.Append(ctx, key, group(cluster.Shared, last.Position, last.Position))
	cancel()
	if err == nil || sure(err) {
		h.Fatalf("Append after a group that has expired returned the error %v: want one that leaves the outcome open", err)
	}
	g := h.append(e, key, group(cluster.Shared, 0, 0))
	if g.Position <= last.Position {
		h.Fatalf("after %d, which has expired, came %d: positions rise within a key", last.Position, g.Position)
	}
	h.expectLast(engines[1], key, g)
}

// A group tells how old it is.
func testAge(h *harness) {
	engines, key := h.ordinary(2), newKey()
	begun := time.Now()
	g := h.append(engines[0], key, group(cluster.Shared, 0, 0))
	appended := time.Now()
	if h.clock == bubbleTime {
		<-time.After(10 * time.Second)
	}
	for _, e := range engines {
		for range 3 {
			from := time.Since(appended)
			last, err := h.last(e, key)
			if err != nil {
				h.Fatalf("LastLinearizable failed: %v", err)
			}
			all, err := h.read(e, key, cluster.Shared, 0, g.Position)
			if err != nil {
				h.Fatalf("Read failed: %v", err)
			}
			// An engine has its own clock, so a second is left to it.
			to := time.Since(begun)
			for _, got := range append(all, last) {
				if got.Age < from-time.Second || got.Age > to+time.Second {
					h.Fatalf("a group's Age is %v: it was appended between %v and %v ago", got.Age, from, to)
				}
			}
		}
	}
}
