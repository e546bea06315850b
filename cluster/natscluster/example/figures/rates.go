//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/natscluster"
)

// appends measures what the engine can append: groups of the size of 64 messages, and lone ones.
func appends(ctx context.Context, r *report) error {
	n, err := r.nodes()
	if err != nil {
		return err
	}
	defer n.close()
	engine, err := openEngine(n.url())
	if err != nil {
		return err
	}
	defer engine.Close()
	const channels, records, record = 64, 64, 110
	for _, c := range []struct {
		name, target string
		bytes, per   int
		met          float64
	}{
		{"records a second over 64 channels, the engine alone, in groups of 64 records of 110 bytes", "≥ 200,000", records * record, records, 200_000},
		{"lone appends of 250 bytes a second over 64 channels, the engine alone", "≥ 5,000", 250, 1, 5000},
	} {
		count, took, err := appendFor(ctx, engine, channels, c.bytes, size(r, 8*time.Second, 500*time.Millisecond))
		if err != nil {
			return err
		}
		rate := perSecond(count*c.per, took)
		r.judged(c.name, c.target, thousands(rate), rate >= c.met)
	}
	count, took, err := appendFor(ctx, engine, 1, 250, size(r, 4*time.Second, 500*time.Millisecond))
	if err != nil {
		return err
	}
	r.told("lone appends a second in one channel, one after the other", thousands(perSecond(count, took)))
	return nil
}

// appendFor appends under so many keys at once, under each one group after the other.
func appendFor(ctx context.Context, engine *natscluster.Engine, keys, bytes int, d time.Duration) (count int, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var all atomic.Int64
	var failed atomic.Pointer[error]
	began := time.Now()
	inParallel(keys, keys, func(i int) {
		key := cluster.KeyOf(fmt.Sprintf("key %d, %d bytes, %v", i, bytes, began))
		body := make([]byte, bytes)
		for last := cluster.Position(0); ctx.Err() == nil; {
			g := cluster.Group{Kind: cluster.Shared, After: last, Before: last, Nonce: cluster.NewNonce(), Body: body}
			for ctx.Err() == nil {
				p, err := engine.Append(ctx, key, g)
				if err == nil {
					last = p
					all.Add(1)
					break
				}
				if errors.Is(err, cluster.ErrConflict) || errors.Is(err, cluster.ErrFull) {
					failed.Store(&err)
					return
				}
			}
		}
	})
	if err := failed.Load(); err != nil {
		return 0, 0, *err
	}
	return int(all.Load()), time.Since(began), nil
}

// messages measures how many messages go through three hubs: from the master at one to a slave at another.
func messages(ctx context.Context, r *report) error {
	for _, c := range []struct {
		what     string
		underWay int
		target   string
		met      float64
	}{
		{"messages a second through three hubs, 64 channels, 64 under way in each", 64, "", 0},
		{"messages a second through three hubs, 64 channels, one under way in each", 1, "", 0},
	} {
		in, err := r.openInside(true)
		if err != nil {
			return err
		}
		err = in.flow(ctx, r, c.what, c.underWay)
		in.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (in *inside) flow(ctx context.Context, r *report, what string, underWay int) error {
	const rooms = 64
	masters := make([]*lectern.Master, rooms)
	var heard atomic.Int64
	hearing, end := context.WithCancel(ctx)
	var listening sync.WaitGroup
	defer listening.Wait()
	defer end()
	for i := range rooms {
		var err error
		name := r.name()
		if masters[i], err = in.client(i).Create(ctx, name, masterName); err != nil {
			return err
		}
		slave, err := in.client(i+1).Join(ctx, name, "student")
		if err != nil {
			return err
		}
		listening.Go(func() {
			for event, err := range slave.Events(hearing) {
				if _, ok := event.(lectern.Message); ok && err == nil {
					heard.Add(1)
				}
			}
		})
	}
	sending, stop := context.WithTimeout(ctx, size(r, 8*time.Second, 500*time.Millisecond))
	defer stop()
	payload := lectern.Text(strings.Repeat("x", 100))
	var sent atomic.Int64
	var failed atomic.Pointer[error]
	began, before := time.Now(), in.counted.appends.Load()
	inParallel(rooms*underWay, rooms*underWay, func(i int) {
		for sending.Err() == nil {
			switch _, err := masters[i%rooms].Broadcast(ctx, payload); {
			case err == nil:
				sent.Add(1)
			case errors.Is(err, lectern.ErrBusy):
				sleep(ctx, time.Millisecond)
			default:
				failed.Store(&err)
				return
			}
		}
	})
	took, appends := time.Since(began), in.counted.appends.Load()-before
	if err := failed.Load(); err != nil {
		return *err
	}
	for deadline := time.Now().Add(10 * time.Second); heard.Load() < sent.Load() && time.Now().Before(deadline); {
		sleep(ctx, 10*time.Millisecond)
	}
	r.told(what, fmt.Sprintf("%s, in %s groups a second; %d of %d not heard at the other hub within 10 s", thousands(perSecond(int(sent.Load()), took)),
		thousands(perSecond(int(appends), took)), sent.Load()-heard.Load(), sent.Load()))
	return nil
}

// joins measures how fast slaves join one channel.
func joins(ctx context.Context, r *report) error {
	in, err := r.openInside(true)
	if err != nil {
		return err
	}
	defer in.close()
	room := r.name()
	if _, err := in.client(0).Create(ctx, room, masterName); err != nil {
		return err
	}
	n := size(r, 20000, 500)
	began, before := time.Now(), in.counted.appends.Load()
	if err := in.join(ctx, room, n, nil); err != nil {
		return err
	}
	took := time.Since(began)
	rate := perSecond(n, took)
	r.judged(fmt.Sprintf("joins a second, one channel, three hubs, %s members in the process of the hubs", thousands(n)), "≥ 20,000",
		fmt.Sprintf("%s, in %s groups", thousands(rate), thousands(int(in.counted.appends.Load()-before))), rate >= 20_000)
	return nil
}

// channels measures what a lot of channels cost the nodes of NATS.
func channels(ctx context.Context, r *report) error {
	n := size(r, 10000, 100)
	in, err := r.openInside(true)
	if err != nil {
		return err
	}
	defer in.close()
	before, err := in.nodes.memory()
	if err != nil {
		return err
	}
	began := time.Now()
	stops := make([][]func(), len(in.engines))
	failures := make([]error, len(in.engines))
	inParallel(len(in.engines), len(in.engines), func(i int) { stops[i], failures[i] = subscribe(ctx, in.engines[i], n) })
	if err := errors.Join(failures...); err != nil {
		return err
	}
	took := time.Since(began)
	sleep(ctx, time.Second)
	after, err := in.nodes.memory()
	if err != nil {
		return err
	}
	grown := grownBy(before, after)
	r.judged(fmt.Sprintf("%s channels on three hubs: subscribing / memory of a node of NATS", thousands(n)), "≤ 1 s / ≤ 30 MB",
		fmt.Sprintf("%s / %.0f MB", ms(took), grown), took <= time.Second && grown <= 30)
	for _, all := range stops {
		for _, stop := range all {
			stop()
		}
	}
	began = time.Now()
	inParallel(n, 256, func(i int) {
		name := r.name()
		creator := in.client(i)
		err := patiently(ctx, func() error {
			_, err := creator.Create(ctx, name, masterName)
			return err
		})
		for k := 1; k < 3 && err == nil; k++ {
			err = joined(ctx, in.client(i+k), name, "student "+fmt.Sprint(k))
		}
		if err != nil {
			failures[0] = err
		}
	})
	if failures[0] != nil {
		return failures[0]
	}
	took = time.Since(began)
	if after, err = in.nodes.memory(); err != nil {
		return err
	}
	r.told("as many channels created, with a slave at each of the two other hubs",
		fmt.Sprintf("%s, %s entries a second; a node of NATS has %.0f MB more than before, what it keeps of the log included", ms(took), thousands(perSecond(3*n, took)), grownBy(before, after)))
	return nil
}

// subscribe follows so many keys, and returns when the server knows.
func subscribe(ctx context.Context, engine *natscluster.Engine, n int) (stops []func(), err error) {
	heard := make(chan struct{}, 1)
	var last cluster.Key
	for i := range n {
		last = cluster.KeyOf(fmt.Sprint("key ", i))
		stop, err := engine.Tail(last, func(cluster.Group) {
			select {
			case heard <- struct{}{}:
			default:
			}
		})
		if err != nil {
			return stops, err
		}
		stops = append(stops, stop)
	}
	if err := engine.Announce(last, 1); err != nil { // behind all of them on the connection
		return stops, err
	}
	select {
	case <-heard:
	case <-ctx.Done():
	}
	return stops, ctx.Err()
}

// grownBy is by how many MB the largest has grown.
func grownBy(before, after []uint64) (most float64) {
	for i := range before {
		most = max(most, (float64(after[i])-float64(before[i]))/1e6)
	}
	return most
}
