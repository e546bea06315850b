//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lectern-go/lectern"
)

// latency measures how long a message is on its way: within a hub without a cluster, to a slave at its owner's hub, to one at
// another hub; and until a slave's message to a master at another hub is acknowledged. The four have their turn one after the
// other all the time.
func latency(ctx context.Context, r *report) error {
	n, err := r.nodes()
	if err != nil {
		return err
	}
	defer n.close()
	h, err := startHubs(n.url(), 3)
	if err != nil {
		return err
	}
	defer h.close()
	alone, err := startHubs("", 1)
	if err != nil {
		return err
	}
	defer alone.close()
	within, err := openRoom(ctx, r.name(), alone.dialer(0), alone.dialer(0))
	defer within.close()
	if err != nil {
		return err
	}
	across, err := openRoom(ctx, r.name(), h.dialer(0), h.dialer(1), h.dialer(0))
	defer across.close()
	if err != nil {
		return err
	}
	var single, edge, local, acked, aloneAcked times
	rounds := size(r, 3000, 100)
	warm := rounds / 10
	numbers := []uint64{0, 0}
	pause := func() { sleep(ctx, 3*time.Millisecond) }
	for i := -warm; i < rounds && ctx.Err() == nil; i++ {
		// What a slave hears is noted by its listener, so that a broadcast's time ends there and not at its acknowledgement.
		took, err := broadcast(ctx, within, &numbers[0], 0)
		if err != nil {
			return err
		}
		pause()
		toEdge, err := broadcast(ctx, across, &numbers[1], 0)
		if err != nil {
			return err
		}
		pause()
		toLocal, err := broadcast(ctx, across, &numbers[1], 1)
		if err != nil {
			return err
		}
		pause()
		began := time.Now()
		if _, err := across.slaves[0].slave.Send(ctx, lectern.Text("up")); err != nil {
			return err
		}
		up := time.Since(began)
		pause()
		began = time.Now()
		if _, err := within.slaves[0].slave.Send(ctx, lectern.Text("up")); err != nil {
			return err
		}
		upAlone := time.Since(began)
		pause()
		if i >= 0 {
			single, edge, local, acked, aloneAcked = append(single, took), append(edge, toEdge), append(local, toLocal), append(acked, up), append(aloneAcked, upAlone)
		}
	}
	p50, p99 := edge.at(.5)-single.at(.5), edge.at(.99)-single.at(.99)
	r.judged("added latency of a delivery at another hub over one of a hub without a cluster, p50 / p99", "≤ 0.5 / ≤ 2 ms",
		fmt.Sprintf("%s / %s (%s / %s over %s / %s)", ms(p50), ms(p99), ms(edge.at(.5)), ms(edge.at(.99)), ms(single.at(.5)), ms(single.at(.99))),
		p50 <= 500*time.Microsecond && p99 <= 2*time.Millisecond)
	r.told("a delivery at the owner's own hub, p50 / p99", fmt.Sprintf("%s / %s", ms(local.at(.5)), ms(local.at(.99))))
	r.judged("a slave's message to a master at another hub, acknowledged, p50", "≤ 1 ms",
		fmt.Sprintf("%s (p99 %s; on a hub without a cluster %s / %s)", ms(acked.at(.5)), ms(acked.at(.99)), ms(aloneAcked.at(.5)), ms(aloneAcked.at(.99))),
		acked.at(.5) <= time.Millisecond)
	return ctx.Err()
}

// broadcast sends the room's next number, and returns after how long one of the slaves has heard it.
func broadcast(ctx context.Context, r *room, number *uint64, slave int) (time.Duration, error) {
	*number++
	began := time.Now()
	if _, err := r.master.Broadcast(ctx, lectern.Text(fmt.Sprint(*number))); err != nil {
		return 0, err
	}
	l := r.slaves[slave]
	for {
		l.mu.Lock()
		next, at := l.next, l.at
		l.mu.Unlock()
		if next > *number {
			return at.Sub(began), nil
		}
		select {
		case <-l.heard:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}
