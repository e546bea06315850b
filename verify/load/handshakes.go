package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// handshakes: connections that never become members. Half of them begin an HTTP
// request and half are WebSocket connections that neither create nor join.
func handshakes(ctx context.Context, r *verdict.Report, short bool) error {
	const late = time.Second
	n, deadline := 5_000, 5*time.Second
	if short {
		n, deadline = 1_000, 2*time.Second
	}
	h, end, err := startChannel(ctx, settings{HandshakeTimeout: deadline, ReadHeaderTimeout: deadline})
	if err != nil {
		return err
	}
	defer end()

	// A good client joins and leaves, again and again.
	joins := 0
	probe := func(until func() bool) (took []time.Duration, err error) {
		for !until() {
			start := time.Now()
			p, err := joinChannel(ctx, h.Address, "c", fmt.Sprint("good", joins), false)
			if err != nil {
				return took, err
			}
			took = append(took, time.Since(start))
			joins++
			err = p.send(`{"type":"leave","ref":2,"channel":"c"}`)
			if err == nil {
				_, err = p.await("left")
			}
			p.hangUp()
			if err != nil {
				return took, err
			}
			if err := pause(ctx, 2*time.Millisecond); err != nil {
				return took, err
			}
		}
		return took, nil
	}
	before, err := probe(func() bool { return joins >= 500 })
	if err != nil {
		return err
	}
	base, err := h.collected()
	if err != nil {
		return err
	}

	var gone atomic.Int64
	var waiting sync.WaitGroup
	lasted := make([]time.Duration, n)
	opened := make(chan error, 1)
	start := time.Now()
	var lastOpened time.Time
	go func() {
		err := inParallel(ctx, 64, n, func(i int) error {
			c, err := connect(ctx, h.Address, false)
			if err != nil {
				return err
			}
			p := &peer{conn: c}
			var reader io.Reader = c
			if i%2 == 0 {
				_, err = io.WriteString(c, upgrade[:60])
			} else if p, err = upgraded(p); err == nil {
				reader = p.r
			}
			if err != nil {
				return err
			}
			begun := time.Now()
			waiting.Go(func() {
				_, _ = io.Copy(io.Discard, reader) // until the hub ends it
				lasted[i] = time.Since(begun)
				gone.Add(1)
				p.hangUp()
			})
			return nil
		})
		lastOpened = time.Now()
		opened <- err
	}()
	give := start.Add(deadline + 20*time.Second)
	during, err := probe(func() bool { return gone.Load() == int64(n) || time.Now().After(give) })
	if openErr := <-opened; err == nil {
		err = openErr
	}
	if err != nil {
		return err
	}
	if gone.Load() < int64(n) {
		return fmt.Errorf("%d connections are never ended", int64(n)-gone.Load())
	}
	waiting.Wait()
	opening := lastOpened.Sub(start)
	// The hub has put them away when its descriptors are those of before. The
	// good client's last connection may be among them still.
	var put stats
	for {
		if put, err = h.stats(); err != nil {
			return err
		}
		if put.Descriptors <= base.Descriptors+1 || time.Since(lastOpened) > deadline+20*time.Second {
			break
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
	all := time.Since(lastOpened)
	r.Figure("connections that never join", "%d, opened in %v", n, opening.Round(time.Millisecond))
	r.Figure("deadline", "%v", deadline)
	r.Figure("one of them lasts", "%s", verdict.Spread(lasted))
	r.Figure("descriptors of the hub, before and after", "%d, %d (peak %d)", base.Descriptors, put.Descriptors, put.PeakDescriptors)
	r.Figure("put away by the hub, after the last came", "%v", all.Round(time.Millisecond))
	r.Figure("join of a good client before", "%s", verdict.Spread(before))
	r.Figure("join of a good client meanwhile", "%s (%d joins)", verdict.Spread(during), len(during))
	r.Target(all <= deadline+late, "all gone within the deadline + %v", late)
	return nil
}
