package clustertest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

type appended struct {
	position cluster.Position
	err      error
}

// Append implements [cluster.Log].
func (h *hub) Append(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	if err := g.Check(); err != nil {
		return 0, err
	}
	if err := h.begin(ctx); err != nil {
		return 0, err
	}
	n := h.network
	g.Body = slices.Clone(g.Body)
	answer := make(chan appended, 1)
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return 0, cluster.ErrClosed
	}
	d := n.roll(h, "append", key)
	timeout := n.faults.Timeout
	if h.isolated.IsZero() {
		n.going.Go(func() { n.append(h, key, g, d, answer) })
	} else {
		n.counts["appends cut off"]++
	}
	n.mu.Unlock()

	timer := time.NewTimer(timeout)
	defer timer.Stop()
	result := appended{err: ErrOutcome}
	select {
	case result = <-answer:
	case <-timer.C:
	case <-ctx.Done():
		result.err = ctx.Err()
	case <-h.ended:
	}
	if err := h.gate(); err != nil {
		return 0, err
	}
	return result.position, result.err
}

// append carries an append out, whether or not somebody waits for it.
func (n *Network) append(h *hub, key cluster.Key, g cluster.Group, d dice, answer chan<- appended) {
	there, back := d.latency(), d.latency()
	silent := false
	switch roll, f := d.Float64(), d.faults; {
	case roll < f.AppendLost:
		n.count("appends lost")
		return
	case roll < f.AppendLost+f.AnswerLost:
		n.count("answers lost")
		silent = true
	case roll < f.AppendLost+f.AnswerLost+f.AppendLate:
		n.count("appends late")
		there += d.upTo(f.LateBy)
	}
	if !n.pass(there) {
		return
	}
	shard := key.Shard(n.shards)
	n.mu.Lock()
	wait := time.Until(n.elections[shard])
	n.mu.Unlock()
	if wait > 0 {
		if d.happens(0.5) {
			n.count("appends lost by an election")
			return
		}
		n.count("appends after an election")
		if !n.pass(wait + d.upTo(time.Second)) {
			return
		}
	}
	position, err := n.commit(key, g)
	n.mu.Lock()
	silent = silent || !h.isolated.IsZero()
	n.mu.Unlock()
	if !silent && n.pass(back) {
		answer <- appended{position, err}
	}
}

// commit appends to the log, and notes it for those who read what was.
func (n *Network) commit(key cluster.Key, g cluster.Group) (cluster.Position, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if last, err := n.log.Last(n.ctx, key); n.full(key.Shard(n.shards)) && last.Position == g.After && (err == nil || errors.Is(err, cluster.ErrNone)) {
		n.counts["appends without room"]++
		return 0, cluster.ErrFull // what has been appended, or cannot be, is told all the same
	}
	position, err := n.log.Append(n.ctx, key, g)
	past := n.past[key]
	if err != nil || len(past) > 0 && past[len(past)-1].Position >= position {
		return position, err
	}
	g.Position = position
	for len(past) > 1 && time.Since(past[1].at) > n.faults.StaleBy {
		past = past[1:]
	}
	n.past[key] = append(past, stamped{g, time.Now()})
	return position, nil
}

// pass lets time pass for what nobody waits for.
func (n *Network) pass(d time.Duration) bool {
	if d <= 0 {
		return n.ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-n.ctx.Done():
		return false
	}
}

func (n *Network) count(what string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts[what]++
}

// reach is the way to the log and back for a call that only reads.
func (h *hub) reach(ctx context.Context, d dice) error {
	n := h.network
	n.mu.Lock()
	cut := !h.isolated.IsZero()
	timeout := n.faults.Timeout
	n.mu.Unlock()
	if cut {
		if err := h.wait(ctx, timeout); err != nil {
			return err
		}
		return ErrOutcome
	}
	return h.wait(ctx, d.latency()+d.latency())
}

// Last implements [cluster.Log].
func (h *hub) Last(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	if err := h.begin(ctx); err != nil {
		return cluster.Group{}, err
	}
	n := h.network
	n.mu.Lock()
	d := n.roll(h, "last", key)
	n.mu.Unlock()
	if err := h.reach(ctx, d); err != nil {
		return cluster.Group{}, err
	}
	n.mu.Lock()
	led := !n.leaderless(key.Shard(n.shards))
	stale := d.happens(n.faults.Stale) || !led && d.happens(0.5)
	if led || stale {
		defer n.mu.Unlock()
		if stale {
			return n.asOf(ctx, key, time.Now().Add(-d.upTo(n.faults.StaleBy)))
		}
		return n.log.Last(ctx, key)
	}
	n.mu.Unlock()
	if err := h.wait(ctx, d.faults.Timeout); err != nil {
		return cluster.Group{}, err
	}
	return cluster.Group{}, ErrOutcome
}

// asOf is what was last then. The caller has the lock.
func (n *Network) asOf(ctx context.Context, key cluster.Key, at time.Time) (cluster.Group, error) {
	n.counts["stale reads"]++
	past := n.past[key]
	for _, s := range slices.Backward(past) {
		if age := time.Since(s.at); !s.at.After(at) && age < n.log.Keeps() {
			s.Age = age
			return s.Group, nil
		}
	}
	if len(past) > 0 && time.Since(past[len(past)-1].at) < n.log.Keeps() {
		return cluster.Group{}, cluster.ErrNone // it had not begun
	}
	return n.log.Last(ctx, key)
}

// LastLinearizable implements [cluster.Log].
func (h *hub) LastLinearizable(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	if err := h.begin(ctx); err != nil {
		return cluster.Group{}, err
	}
	n := h.network
	n.mu.Lock()
	d := n.roll(h, "linearizable", key)
	n.mu.Unlock()
	if err := h.reach(ctx, d); err != nil {
		return cluster.Group{}, err
	}
	n.mu.Lock()
	led, full := !n.leaderless(key.Shard(n.shards)), n.full(key.Shard(n.shards))
	n.mu.Unlock()
	if led && full {
		return cluster.Group{}, cluster.ErrFull
	}
	if !led || d.happens(d.faults.AppendLost+d.faults.AnswerLost) {
		if err := h.wait(ctx, d.faults.Timeout); err != nil {
			return cluster.Group{}, err
		}
		return cluster.Group{}, ErrOutcome
	}
	return n.log.LastLinearizable(ctx, key)
}

// Read implements [cluster.Log].
func (h *hub) Read(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) iter.Seq2[cluster.Group, error] {
	return func(yield func(cluster.Group, error) bool) {
		if after >= until {
			return
		}
		n := h.network
		err := h.begin(ctx)
		n.mu.Lock()
		d := n.roll(h, "read", key)
		n.mu.Unlock()
		if err == nil {
			err = h.reach(ctx, d)
		}
		left := -1
		if d.happens(d.faults.ReadFails) {
			left = d.IntN(20)
			n.count("reads that fail")
		}
		if err == nil {
			for g, err := range n.log.Read(ctx, key, kinds, after, until) {
				if left--; left == -1 {
					break
				}
				if gated := h.gate(); gated != nil {
					g, err = cluster.Group{}, gated
				}
				if !yield(g, err) || err != nil || g.Position == until {
					return
				}
			}
			err = ErrOutcome
		}
		yield(cluster.Group{}, err)
	}
}

// Tail implements [cluster.Log].
func (h *hub) Tail(key cluster.Key, f func(cluster.Group)) (stop func(), err error) {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.closing {
		return nil, cluster.ErrClosed
	}
	d := newDelivery(h, f)
	stopLog, err := n.log.Tail(key, func(g cluster.Group) {
		n.mu.Lock()
		defer n.mu.Unlock()
		dice := n.dice(draw{h.number, "tail", key}, uint64(g.Position))
		if !h.isolated.IsZero() || dice.happens(n.faults.TailLost) {
			n.counts["groups missing on tails"]++
			return
		}
		d.ordered(dice.latency(), g)
	})
	if err != nil {
		d.stop()
		return nil, err
	}
	h.tails = append(h.tails, d)
	d.key = key
	return h.register(func() {
		stopLog()
		n.mu.Lock()
		h.tails = slices.DeleteFunc(h.tails, func(other *delivery[cluster.Group]) bool { return other == d })
		n.mu.Unlock()
		d.stop()
	}), nil
}

// Announce implements [cluster.Log].
func (h *hub) Announce(key cluster.Key, last cluster.Position) error {
	n := h.network
	return h.send(func() {
		for _, to := range n.hubs {
			for _, d := range to.tails {
				if d.key != key {
					continue
				}
				if after, arrives := n.crosses(h, to, n.roll(to, "announcement", key)); arrives {
					d.later(after, cluster.Group{Before: last})
				}
			}
		}
	})
}
