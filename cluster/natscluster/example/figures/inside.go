//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/cluster/natscluster"
)

// inside are three hubs in this process, whose members need no sockets.
type inside struct {
	report  *report
	nodes   *nodes // nil: the engine is the one in the process
	engines []*natscluster.Engine
	local   *cluster.Local
	hubs    []*lectern.Hub
	counted *counter
	clients []*lectern.Client
	mu      sync.Mutex
}

// openInside starts them, on nodes of NATS or else on the engine of one process.
func (r *report) openInside(onNATS bool) (in *inside, err error) {
	in = &inside{report: r, counted: new(counter)}
	defer func() {
		if err != nil {
			in.close()
		}
	}()
	p := policy()
	p.Observer = in.counted
	p.SlaveTimeout = time.Hour // in the largest channel nobody is on a connection
	if !onNATS {
		in.local = cluster.NewLocal()
	} else if in.nodes, err = r.nodes(); err != nil {
		in.nodes = nil
		return in, err
	}
	for range 3 {
		if onNATS {
			engine, err := openEngine(in.nodes.url())
			if err != nil {
				return in, err
			}
			in.engines = append(in.engines, engine)
			p.Cluster = engine
		} else {
			p.Cluster = in.local
		}
		hub, err := lectern.NewHub(p)
		if err != nil {
			return in, err
		}
		in.hubs = append(in.hubs, hub)
	}
	sleep(context.Background(), time.Second) // until they hear each other
	return in, nil
}

func (in *inside) client(hub int) *lectern.Client {
	c := lectern.NewClient(in.hubs[hub%len(in.hubs)], lectern.ClientOptions{})
	in.mu.Lock()
	defer in.mu.Unlock()
	in.clients = append(in.clients, c)
	return c
}

func (in *inside) close() {
	for _, hub := range in.hubs {
		_ = hub.Close()
	}
	inParallel(len(in.clients), 64, func(i int) { _ = in.clients[i].Close() })
	for _, engine := range in.engines {
		_ = engine.Close()
	}
	if in.local != nil {
		_ = in.local.Close()
	}
	if in.nodes != nil {
		in.nodes.close()
	}
}

// join has so many slaves join the channel, over all hubs, many at once.
func (in *inside) join(ctx context.Context, channel string, n int, then func(context.Context, *lectern.Client) error) error {
	var failed atomic.Pointer[error]
	inParallel(n, 1024, func(i int) {
		if failed.Load() != nil {
			return
		}
		c := lectern.NewClient(in.hubs[i%len(in.hubs)], lectern.ClientOptions{})
		err := joined(ctx, c, channel, fmt.Sprint("student ", i))
		if err == nil && then != nil {
			err = then(ctx, c)
		} else {
			in.mu.Lock()
			in.clients = append(in.clients, c)
			in.mu.Unlock()
		}
		if err != nil {
			failed.CompareAndSwap(nil, &err)
		}
	})
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func joined(ctx context.Context, c *lectern.Client, channel, name string) error {
	return patiently(ctx, func() error {
		_, err := c.Join(ctx, channel, name)
		return err
	})
}

// counter is told what the hubs do.
type counter struct{ appends, bytes atomic.Int64 }

// Add implements lectern.Observer.
func (c *counter) Add(metric lectern.Metric, label string, delta int64) {
	if metric == lectern.MetricAppends && label == "committed" {
		c.appends.Add(delta)
	}
}

// Observe implements it too.
func (c *counter) Observe(metric lectern.Metric, value float64) {
	if metric == lectern.MetricGroupBytes {
		c.bytes.Add(int64(value))
	}
}

// resume measures how long a master takes to come back at another hub than the one that owns its channel.
func resume(ctx context.Context, r *report) error {
	for _, c := range []struct {
		members, rounds int
		target          string
		met             func(times) bool
	}{
		{30, 60, "p50 ≤ 20 ms, max ≤ 0.2 s", func(t times) bool { return t.at(.5) <= 20*time.Millisecond && t.max() <= 200*time.Millisecond }},
		{20000, 9, "≤ 0.2 s", func(t times) bool { return t.max() <= 200*time.Millisecond }},
	} {
		in, err := r.openInside(true)
		if err != nil {
			return err
		}
		members := size(r, c.members, c.members/30)
		took, err := in.roam(ctx, members, size(r, c.rounds, 3), nil)
		in.close()
		if err != nil {
			return err
		}
		r.judged(fmt.Sprintf("a master comes back at another hub, %s members (%d times), p50 / max", thousands(members), len(took)), c.target,
			fmt.Sprintf("%s / %s", ms(took.at(.5)), ms(took.max())), c.met(took))
	}
	return nil
}

// roam has the master of a channel come back at one hub after the other, each time by its ticket.
func (in *inside) roam(ctx context.Context, members, rounds int, then func(context.Context, *lectern.Client) error) (took times, err error) {
	room := in.report.name()
	master, err := in.client(0).Create(ctx, room, masterName)
	if err != nil {
		return nil, err
	}
	if err := in.join(ctx, room, members, then); err != nil {
		return nil, err
	}
	sleep(ctx, time.Second)
	for i := range rounds {
		c := in.client(i + 1)
		ticket := master.Ticket()
		began := time.Now()
		if master, err = c.ResumeMaster(ctx, ticket); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		if n := len(master.Members()); n != members {
			return nil, fmt.Errorf("the master that has come back knows of %d members, not of %d", n, members)
		}
		sleep(ctx, 300*time.Millisecond)
	}
	return took, nil
}
