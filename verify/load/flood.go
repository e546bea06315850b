package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// limits are those of the zero lectern.Policy, as it documents them.
var limits = lectern.Policy{
	Outbox: lectern.QueueLimit{Messages: 256, Bytes: 1 << 20},
	Replay: lectern.QueueLimit{Messages: 256, Bytes: 1 << 20},
}

// What a connection costs in the hub beyond the messages that wait for it: the
// stacks of its reader, its writer and one that closes it, the buffers of the
// HTTP server and of the framing, and its part of the channel; and the buffer
// for a batch that is being written, which one that is stuck keeps.
const (
	connectionCost = 48 << 10
	batchBuffer    = 72 << 10
	sliceHeader    = 24
)

// flood: a master broadcasts as fast as it may to slaves that never read. Those
// that are cut off for it are replaced by new ones, so that there are always as
// many. What the hub holds for all of them has a bound.
func flood(ctx context.Context, r *verdict.Report, short bool) error {
	const size, rate = 4 << 10, 500
	n, lasting := 1_000, 20*time.Second
	if short {
		n, lasting = 200, 6*time.Second
	}
	h, err := startHub(ctx, settings{SlaveTimeout: time.Second})
	if err != nil {
		return err
	}
	defer h.stop()
	idle, err := h.collected()
	if err != nil {
		return err
	}
	master, err := createChannel(ctx, h.Address, "c")
	if err != nil {
		return err
	}
	crowd := &crowd{hub: h, members: make(map[string]*peer), gone: make(chan string, 100_000)}
	var acks, refused atomic.Int64
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			data, err := master.read()
			if err != nil {
				return
			}
			switch {
			case bytes.HasPrefix(data, []byte(`{"type":"ack"`)):
				acks.Add(1)
			case bytes.HasPrefix(data, []byte(`{"type":"error"`)):
				refused.Add(1)
			case bytes.HasPrefix(data, []byte(`{"type":"presence"`)):
				crowd.told(data)
			}
		}
	})
	defer readers.Wait()
	defer master.hangUp()
	defer crowd.hangUp()
	if err := inParallel(ctx, 32, n, func(int) error { return crowd.enter(ctx) }); err != nil {
		return err
	}
	rest, err := h.stats()
	if err != nil {
		return err
	}

	over, stop := context.WithTimeout(ctx, lasting)
	defer stop()
	var replacing sync.WaitGroup
	for range 8 {
		replacing.Go(func() { crowd.replace(over) })
	}
	sent, text := 0, strings.Repeat("x", size)
	start := time.Now()
	ticker := time.NewTicker(time.Second / 100)
	defer ticker.Stop()
	for over.Err() == nil {
		// Never more unanswered than the hub remembers the answers of, and never
		// more than the rate. The hub may be slower.
		for sent < int(time.Since(start).Seconds()*rate) && int64(sent)-acks.Load()-refused.Load() < 64 {
			sent++
			if err := master.send(`{"type":"send","ref":%d,"channel":"c","text":"%s"}`, sent+1, text); err != nil {
				return err
			}
		}
		select {
		case <-ticker.C:
		case <-over.Done():
		}
	}
	took := time.Since(start)
	replacing.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	peak, err := h.stats()
	if err != nil {
		return err
	}

	// The bound. A connection holds what waits and the batch that is being
	// written, each within the outbox's limits, and after that is closed within
	// two seconds. Messages are shared; a slice may be twice as large as what is
	// in it.
	frame := size + 128
	perSecond := float64(acks.Load()) / took.Seconds()
	queued := 2 * min(limits.Outbox.Messages, limits.Outbox.Bytes/frame)
	shared := 2 * frame * (queued + int(2*perSecond))
	replay := 2 * 2 * limits.Replay.Bytes
	connections := peak.PeakDescriptors - idle.Descriptors
	perConnection := connectionCost + batchBuffer + 2*limits.Outbox.Messages*sliceHeader
	live := shared + replay + connections*perConnection
	// The collector lets the heap grow to twice of what is alive.
	bound := idle.RSS + 2*uint64(live)
	unshared := idle.RSS + uint64(connections*(connectionCost+2*limits.Outbox.Bytes))

	r.Figure("slaves that never read", "%d at a time, %d in all", n, crowd.count())
	r.Figure("broadcasts", "%.0f a second of %d bytes, %d refused", perSecond, size, refused.Load())
	r.Figure("connections of the hub at most", "%d, those being closed included", connections)
	r.Figure("memory idle, with all of them, at most", "%s, %s, %s", verdict.MiB(idle.RSS), verdict.MiB(rest.RSS), verdict.MiB(peak.PeakRSS))
	r.Figure("heap at most", "%s", verdict.MiB(peak.PeakHeap))
	r.Figure("bound: idle + 2 x what can be alive", "%s + 2 x %s = %s", verdict.MiB(idle.RSS), verdict.MiB(uint64(live)), verdict.MiB(bound))
	r.Figure("  shared messages, replay, connections", "%s, %s, %s", verdict.MiB(uint64(shared)), verdict.MiB(uint64(replay)), verdict.MiB(uint64(connections*perConnection)))
	r.Figure("(with a copy of each message for each slave)", "(%s)", verdict.MiB(unshared))
	r.Target(peak.PeakRSS < bound && peak.PeakHeap < bound, "memory and heap below the bound")
	r.Target(acks.Load() > 0 && crowd.count() > n, "and slaves were cut off for not reading")
	return nil
}

// crowd is slaves that never read.
type crowd struct {
	hub  hubProcess
	gone chan string

	mu      sync.Mutex
	number  int
	members map[string]*peer
}

func (c *crowd) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.number
}

// enter adds one.
func (c *crowd) enter(ctx context.Context) error {
	c.mu.Lock()
	c.number++
	name := fmt.Sprint("deaf", c.number)
	c.mu.Unlock()
	p, err := joinChannel(ctx, c.hub.Address, "c", name, true)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members[name] = p
	return nil
}

// told takes a presence that the master was sent: who is away was cut off.
func (c *crowd) told(data []byte) {
	var presence struct{ Username, Role, State string }
	if json.Unmarshal(data, &presence) == nil && presence.Role == "slave" && presence.State == "away" {
		select {
		case c.gone <- presence.Username:
		default:
		}
	}
}

// replace lets another one in for each that was cut off.
func (c *crowd) replace(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case name := <-c.gone:
			c.mu.Lock()
			p := c.members[name]
			delete(c.members, name)
			c.mu.Unlock()
			if p != nil {
				p.reset()
			}
			// One that does not get in for the crowd is missed by nobody.
			_ = c.enter(ctx)
		}
	}
}

func (c *crowd) hangUp() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.members {
		p.reset()
	}
}
