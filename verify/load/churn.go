package main

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// churn: slaves that connect, join, send and are killed, over and over. Nothing
// of them may stay.
func churn(ctx context.Context, r *verdict.Report, short bool) error {
	const slaveTimeout = 500 * time.Millisecond
	const heapNoise = 2 << 20
	n := 20_000
	if short {
		n = 3_000
	}
	h, end, err := startChannel(ctx, settings{SlaveTimeout: slaveTimeout})
	if err != nil {
		return err
	}
	defer end()

	number := 0
	var busy atomic.Int64
	cycles := func(count int) error {
		first := number
		number += count
		return inParallel(ctx, 32, count, func(i int) error {
			p, err := joinChannel(ctx, h.Address, "c", fmt.Sprint("slave", first+i), false)
			if err != nil {
				return err
			}
			if err = p.send(`{"type":"send","ref":2,"channel":"c","text":"here and gone %d"}`, i); err == nil {
				_, err = p.await("ack")
			}
			if err != nil && strings.Contains(err.Error(), `"busy"`) {
				// The master, which is here, does not read fast enough.
				err = nil
				busy.Add(1)
			}
			if i%2 == 0 {
				p.reset()
			} else {
				p.hangUp()
			}
			return err
		})
	}
	// What is kept for replay, and what Go keeps for later, is there after a few.
	if err := cycles(2_000); err != nil {
		return err
	}
	before, err := settled(ctx, h, stats{}, 2*time.Second+slaveTimeout)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := cycles(n); err != nil {
		return err
	}
	took := time.Since(start)
	after, err := settled(ctx, h, before, 10*time.Second)
	if err != nil {
		return err
	}
	heap := int64(after.Heap) - int64(before.Heap)
	r.Figure("cycles", "%d, %.0f a second (%d sends refused with busy)", n, float64(n)/took.Seconds(), busy.Load())
	r.Figure("goroutines before, after", "%d, %d", before.Goroutines, after.Goroutines)
	r.Figure("descriptors before, after", "%d, %d (peak %d)", before.Descriptors, after.Descriptors, after.PeakDescriptors)
	r.Figure("heap before, after", "%s, %s (%+d KiB)", verdict.MiB(before.Heap), verdict.MiB(after.Heap), heap>>10)
	r.Figure("memory before, after, at most", "%s, %s, %s", verdict.MiB(before.RSS), verdict.MiB(after.RSS), verdict.MiB(after.PeakRSS))
	r.Target(after.Goroutines <= before.Goroutines, "no goroutine is left")
	r.Target(after.Descriptors <= before.Descriptors, "no descriptor is left")
	r.Target(heap <= heapNoise, "the heap is the same, within %s", verdict.MiB(heapNoise))
	return nil
}

// settled waits until the hub has no more goroutines and descriptors than in
// like, for at most so long, and then returns the stats after a collection. With
// nothing to compare with, it waits for the whole time.
func settled(ctx context.Context, h hubProcess, like stats, wait time.Duration) (stats, error) {
	for by := time.Now().Add(wait); time.Now().Before(by); {
		s, err := h.stats()
		if err != nil {
			return s, err
		}
		if s.Goroutines <= like.Goroutines && s.Descriptors <= like.Descriptors {
			break
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return s, err
		}
	}
	return h.collected()
}
