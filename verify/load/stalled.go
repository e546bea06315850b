package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// stalled: a master broadcasts steadily, and some of its slaves never read. The
// others must not notice. Rounds without, with one and with ten such slaves take
// turns; each is compared with the one without in the same turn, and two rounds
// without any show how much the measurement itself varies.
func stalled(ctx context.Context, r *verdict.Report, short bool) error {
	const target = 0.05
	n, turns, lasting := 1_000, 5, 8*time.Second
	if short {
		n, turns, lasting = 200, 2, time.Second
	}
	b, err := newBroadcast(ctx, n)
	if err != nil {
		return err
	}
	defer b.close()
	if _, err := b.round(ctx, 0, lasting/2); err != nil { // to warm up
		return err
	}
	rounds := []struct {
		name    string
		stalled int
	}{{"none", 0}, {"none again", 0}, {"one", 1}, {"ten", 10}}
	p99 := make([][]time.Duration, len(rounds))
	for turn := range turns {
		for i := range rounds {
			// Each turn begins with another one, so that none is always first.
			i = (i + turn) % len(rounds)
			took, err := b.round(ctx, rounds[i].stalled, lasting)
			if err != nil {
				return err
			}
			if len(took) == 0 {
				return fmt.Errorf("nothing was delivered")
			}
			slices.Sort(took)
			p99[i] = append(p99[i], verdict.Percentile(took, 0.99))
		}
	}
	r.Figure("slaves that read", "%d", n)
	r.Figure("a round", "%v of %d messages a second, 512 bytes", lasting, perSecond)
	for i, round := range rounds {
		var list []string
		for _, d := range p99[i] {
			list = append(list, d.Round(10*time.Microsecond).String())
		}
		r.Figure("p99 with "+round.name+" stalled, "+strconv.Itoa(turns)+" turns", "%s", strings.Join(list, " "))
	}
	// The median over the turns, of the change within a turn.
	change := func(i int) float64 {
		changes := make([]float64, turns)
		for turn := range turns {
			// Both rounds without any make what the others are compared with.
			none := float64(p99[0][turn]+p99[1][turn]) / 2
			if i == 1 {
				none = float64(p99[0][turn])
			}
			changes[turn] = float64(p99[i][turn])/none - 1
		}
		slices.Sort(changes)
		return changes[turns/2]
	}
	var noise float64
	for turn := range turns {
		noise = max(noise, math.Abs(float64(p99[1][turn])/float64(p99[0][turn])-1))
	}
	r.Figure("change between two rounds with none, median", "%+.1f %%", 100*change(1))
	r.Figure("and at most: the noise", "%.1f %%", 100*noise)
	r.Figure("change with one stalled, median", "%+.1f %%", 100*change(2))
	r.Figure("change with ten stalled, median", "%+.1f %%", 100*change(3))
	for _, i := range []int{2, 3} {
		within := change(i) < target
		if !within && change(i) <= noise {
			r.Figure(fmt.Sprintf("target: less than 5 %% with %s", rounds[i].name), "ok (not told from the noise)")
			continue
		}
		r.Target(within, "less than 5 %% with %s", rounds[i].name)
	}
	return nil
}

// perSecond is how many messages the master of a broadcast sends a second.
const perSecond = 20

// broadcast is a master, and slaves that read and say how long each message
// took.
type broadcast struct {
	hub     hubProcess
	master  *peer
	readers sync.WaitGroup
	slaves  []*listener
	acks    atomic.Int64
	number  int // of the slaves that never read
	ref     int
}

// listener is a slave that reads.
type listener struct {
	*peer
	mu   sync.Mutex
	took []time.Duration
}

var mark = []byte(`"text":"at `)

func newBroadcast(ctx context.Context, n int) (*broadcast, error) {
	h, err := startHub(ctx, settings{})
	if err != nil {
		return nil, err
	}
	b := &broadcast{hub: h, slaves: make([]*listener, n)}
	if b.master, err = createChannel(ctx, h.Address, "c"); err != nil {
		_ = h.stop()
		return nil, err
	}
	b.readers.Go(func() {
		for {
			data, err := b.master.read()
			if err != nil {
				return
			}
			if bytes.HasPrefix(data, []byte(`{"type":"ack"`)) {
				b.acks.Add(1)
			}
		}
	})
	err = inParallel(ctx, 32, n, func(i int) error {
		p, err := joinChannel(ctx, h.Address, "c", fmt.Sprint("slave", i), false)
		if err != nil {
			return err
		}
		s := &listener{peer: p}
		b.slaves[i] = s
		b.readers.Go(s.listen)
		return nil
	})
	if err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *broadcast) close() {
	for _, s := range b.slaves {
		if s != nil {
			s.hangUp()
		}
	}
	b.master.hangUp()
	b.readers.Wait()
	_ = b.hub.stop()
}

// began is what the times in messages count from.
var began = time.Now()

func (s *listener) listen() {
	for {
		data, err := s.read()
		if err != nil {
			return
		}
		_, rest, ok := bytes.Cut(data, mark)
		if !ok {
			continue
		}
		at, _, _ := bytes.Cut(rest, []byte(" "))
		sent, err := strconv.ParseInt(string(at), 10, 64)
		if err != nil {
			continue
		}
		took := time.Since(began) - time.Duration(sent)
		s.mu.Lock()
		s.took = append(s.took, took)
		s.mu.Unlock()
	}
}

// send broadcasts a message that says when it was sent.
func (b *broadcast) send(size int) error {
	b.ref++
	text := fmt.Sprintf("at %d ", time.Since(began))
	return b.master.send(`{"type":"send","ref":%d,"channel":"c","text":"%s%s"}`, b.ref, text, strings.Repeat("x", max(0, size-len(text))))
}

// round broadcasts for so long beside slaves that never read, and returns how
// long the deliveries to the others took.
func (b *broadcast) round(ctx context.Context, deaf int, lasting time.Duration) ([]time.Duration, error) {
	var stuck []*peer
	defer func() {
		for _, p := range stuck {
			p.reset()
		}
	}()
	for range deaf {
		name := fmt.Sprint("deaf", b.number)
		b.number++
		p, err := joinChannel(ctx, b.hub.Address, "c", name, true)
		if err != nil {
			return nil, err
		}
		stuck = append(stuck, p)
		// What the system's buffers take, so that the hub is stuck from the start.
		for range 40 {
			b.ref++
			err := b.master.send(`{"type":"send","ref":%d,"channel":"c","to":%q,"text":"%s"}`, b.ref, name, strings.Repeat("y", 4<<10))
			if err != nil {
				return nil, err
			}
		}
	}
	if err := pause(ctx, 300*time.Millisecond); err != nil {
		return nil, err
	}
	for _, s := range b.slaves {
		s.mu.Lock()
		s.took = s.took[:0]
		s.mu.Unlock()
	}
	ticker := time.NewTicker(time.Second / perSecond)
	defer ticker.Stop()
	for end := time.Now().Add(lasting); time.Now().Before(end); {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if err := b.send(512); err != nil {
			return nil, err
		}
	}
	if err := pause(ctx, 200*time.Millisecond); err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, s := range b.slaves {
		s.mu.Lock()
		all = append(all, s.took...)
		s.mu.Unlock()
	}
	return all, nil
}
