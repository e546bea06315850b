package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/machine"
	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// masterDown: the connection of a master of many slaves is cut, and each slave
// has to be let go when X has passed, not before and not much later.
func masterDown(ctx context.Context, r *verdict.Report, short bool) error {
	const x, late = 3 * time.Second, 500 * time.Millisecond
	n := 10_000
	if short {
		n = 2_000
	}
	h, err := startHub(ctx, settings{MasterTimeout: x})
	if err != nil {
		return err
	}
	defer h.stop()
	master, err := createChannel(ctx, h.Address, "c")
	if err != nil {
		return err
	}
	var readers sync.WaitGroup
	var seen, in atomic.Int64
	readers.Go(func() {
		for {
			if _, err := master.read(); err != nil {
				return
			}
			seen.Add(1)
		}
	})
	slaves := make([]*peer, n)
	defer func() {
		for _, s := range slaves {
			if s != nil {
				s.hangUp()
			}
		}
		master.hangUp()
		readers.Wait()
	}()
	start := time.Now()
	err = inParallel(ctx, 64, n, func(i int) (err error) {
		// The master is told of each, and would be cut off if it did not keep up.
		for in.Load()-seen.Load() > 100 && err == nil {
			err = pause(ctx, time.Millisecond)
		}
		if err == nil {
			slaves[i], err = joinChannel(ctx, h.Address, "c", fmt.Sprint("slave", i), false)
			in.Add(1)
		}
		return err
	})
	if err != nil {
		return err
	}
	joined := time.Since(start)
	// Each tells when its connection was closed, and with which number.
	ends := make([]time.Time, n)
	codes := make([]int, n)
	var ending sync.WaitGroup
	for i, s := range slaves {
		ending.Go(func() {
			for {
				_, err := s.read()
				if err == nil {
					continue
				}
				ends[i] = time.Now()
				var closed closedBy
				if errors.As(err, &closed) {
					codes[i] = closed.code
				}
				s.hangUp()
				return
			}
		})
	}
	if err := pause(ctx, time.Second); err != nil { // let the joins settle
		return err
	}
	before, err := h.stats()
	if err != nil {
		return err
	}
	master.hangUp()
	cut := time.Now()
	// Until then the slaves are told that the master is away.
	if err := pause(ctx, x-200*time.Millisecond); err != nil {
		return err
	}
	told, err := h.stats()
	if err != nil {
		return err
	}
	own := machine.OwnTime()
	guard := time.AfterFunc(20*time.Second, func() {
		for _, s := range slaves {
			s.hangUp()
		}
	})
	ending.Wait()
	guard.Stop()
	own = machine.OwnTime() - own

	used, err := h.stats()
	if err != nil {
		return err
	}
	wrong := 0
	after := make([]time.Duration, n)
	for i := range ends {
		after[i] = ends[i].Sub(cut) - x
		if codes[i] != 4002 {
			wrong++
		}
	}
	slices.Sort(after)
	r.Figure("slaves", "%d, joined in %v", n, joined.Round(time.Millisecond))
	r.Figure("memory of the hub with them", "%s, of that heap %s", verdict.MiB(before.RSS), verdict.MiB(before.Heap))
	r.Figure("goroutines of the hub with them", "%d", before.Goroutines)
	r.Figure("X after the cut", "%v", x)
	r.Figure("first slave closed, after X", "%v", after[0].Round(100*time.Microsecond))
	r.Figure("half of them", "%v", verdict.Percentile(after, 0.5).Round(100*time.Microsecond))
	r.Figure("last slave closed, after X", "%v", after[n-1].Round(100*time.Microsecond))
	r.Figure("processor time of the hub to tell of the cut", "%v", (told.CPU - before.CPU).Round(time.Millisecond))
	r.Figure("and to close them all", "%v, beside %v of the slaves", (used.CPU - told.CPU).Round(time.Millisecond), own.Round(time.Millisecond))
	r.Figure("not closed with 4002", "%d", wrong)
	r.Target(after[0] >= 0 && wrong == 0, "all with 4002, none before X")
	r.Target(after[n-1] <= late, "the last within X + %v", late)
	return nil
}
