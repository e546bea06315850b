package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

// atGate is what waits at a gate, or is through.
type atGate struct {
	ticket *ticket
	err    error
}

func enter(ctx context.Context, g *Gate, key cluster.Key) *atGate {
	a := &atGate{}
	go func() { a.ticket, a.err = g.enter(ctx, key) }()
	synctest.Wait()
	return a
}

func (a *atGate) in() bool { synctest.Wait(); return a.ticket != nil }

// keyIn is a key of a shard.
func keyIn(shard byte) cluster.Key { return cluster.Key{1: shard} }

func TestOneAppendProbesAShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, g := t.Context(), NewGate(4)
		a, b, c := enter(ctx, g, keyIn(1)), enter(ctx, g, keyIn(1)), enter(ctx, g, keyIn(1))
		require.True(t, a.in() && b.in() && c.in(), "all go out while nothing is known to be wrong")
		a.ticket.unanswered()
		b.ticket.unanswered()
		d, e := enter(ctx, g, keyIn(1)), enter(ctx, g, keyIn(1))
		require.False(t, d.in() || e.in())
		require.True(t, enter(ctx, g, keyIn(2)).in(), "another shard")

		b.ticket.leave()
		require.False(t, d.in() || e.in(), "not the one that probes has left")
		a.ticket.leave()
		require.True(t, d.in(), "it has waited longest")
		require.False(t, e.in())
		again := enter(ctx, g, keyIn(1))
		d.ticket.unanswered()
		d.ticket.leave()
		require.True(t, e.in())
		require.False(t, again.in())
		e.ticket.unanswered()

		more := enter(ctx, g, keyIn(1))
		c.ticket.answered() // which went out before the gate was shut
		require.True(t, again.in() && more.in())
		require.True(t, enter(ctx, g, keyIn(1)).in())

		// Those that went out then are not who probes now.
		again.ticket.unanswered()
		e.ticket.leave()
		last := enter(ctx, g, keyIn(1))
		require.False(t, last.in())
		again.ticket.answered()
		require.True(t, last.in())
	})
}

// A lone append that is lost while others are answered stops nobody.
func TestALoneLossDoesNotShutTheGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, g := t.Context(), NewGate(4)
		a, b := enter(ctx, g, keyIn(1)), enter(ctx, g, keyIn(1))
		b.ticket.answered()
		a.ticket.unanswered()
		c := enter(ctx, g, keyIn(1))
		require.True(t, c.in())
		c.ticket.unanswered() // nothing was answered since it went out
		require.False(t, enterFor(g, keyIn(1)))
	})
}

// enterFor tells whether the gate lets somebody through, who is not there afterwards.
func enterFor(g *Gate, key cluster.Key) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	t, err := g.enter(ctx, key)
	t.leave()
	return err == nil
}

func TestWhoLeavesTheGateHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1)
		probe := enter(t.Context(), g, keyIn(0))
		probe.ticket.unanswered()
		ctx, cancel := context.WithCancel(t.Context())
		a, b := enter(ctx, g, keyIn(0)), enter(t.Context(), g, keyIn(0))
		cancel()
		synctest.Wait()
		require.ErrorIs(t, a.err, context.Canceled)
		probe.ticket.leave()
		require.True(t, b.in())
		b.ticket.leave()
		require.True(t, enterFor(g, keyIn(0)), "nobody waits, so the next one probes")
		require.True(t, enterFor(g, keyIn(0)))

		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		_, err := g.enter(ctx, keyIn(0))
		require.ErrorIs(t, err, context.Canceled)
	})
}

// Who is granted the probe in the instant in which its context ends passes it on.
func TestAGrantThatComesTooLate(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			g := NewGate(1)
			probe := enter(t.Context(), g, keyIn(0))
			probe.ticket.unanswered()
			ctx, cancel := context.WithCancel(t.Context())
			a, b := enter(ctx, g, keyIn(0)), enter(t.Context(), g, keyIn(0))
			cancel()
			probe.ticket.leave()
			if a.in() {
				a.ticket.leave()
			}
			require.True(t, b.in())
		})
	}
}

// Without a leader a thousand channels send one append at a time, and when there is one they all get in.
func TestAnElectionWithManyChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const channels = 1000
		local := cluster.NewLocal()
		log := &dead{Local: local, until: time.Now().Add(6 * time.Second)}
		gate := NewGate(1)
		done := make(chan error)
		for i := range channels {
			go func() {
				w := NewWriter(log, gate, cluster.Key{2: byte(i >> 8), 3: byte(i)}, 0, 0)
				_, err := w.Append(t.Context(), cluster.NewNonce(), cluster.Own, own)
				done <- err
			}()
		}
		began := time.Now()
		for range channels {
			require.NoError(t, <-done)
		}
		require.LessOrEqual(t, time.Since(began), 6*time.Second+600*time.Millisecond)
		// At first all, as nobody knows; then one every quarter of a second; then all.
		require.LessOrEqual(t, log.sent.Load(), int64(2*channels+25))
	})
}
