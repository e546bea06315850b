//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/lectern-go/lectern/bench/load"
)

// larger is the payload past a stalled member, so that what is kept for it is
// full soon: after some 100 in the system's buffers and 256 in a server's. Some servers take no more than 512 bytes by default.
var larger = bytes.Repeat([]byte("0123456789"), 45)

// stalledPatience is how long nobody hears anything until the server is said to
// stand still.
const stalledPatience = 3 * time.Second

// stalled is sustained fan-out while some members never read.
func stalled(deaf int) func(context.Context, *session) error {
	name := fmt.Sprintf("stalled, %d", deaf)
	return func(_ context.Context, s *session) error {
		if chat, is := s.fleet.Dialect().(*load.Chat); is {
			chat.Payload = len(larger)
		}
		s.fleet.Narrow = deaf
		if err := s.join(s.sizes.Members); err != nil {
			return err
		}
		s.fleet.Deafen()
		s.waiting = stalledPatience
		var f fanOut
		c, err := s.measure(name, func() (err error) {
			f, err = s.fanOut(larger, extent{n: s.sizes.Stalled}, inFlight)
			if errors.Is(err, load.ErrTimeout) {
				return nil
			}
			return err
		})
		if err != nil {
			return err
		}
		s.results.add(name, s.spec.name, "reached", min(1, float64(f.complete)/float64(s.sizes.Stalled)))
		if f.complete < s.sizes.Stalled {
			return nil // it stands still; there is no more to say
		}
		s.record(name, c, f.complete*(s.sizes.Members-deaf))
		slices.Sort(f.last)
		s.results.add(name, s.spec.name, "p99", f.last[len(f.last)*99/100].Seconds()*1e3)
		s.results.add(name, s.spec.name, "longest", f.last[len(f.last)-1].Seconds()*1e3)
		return nil
	}
}

// latency is the time of a single delivery at ten messages a second. All servers
// are up at the same time and have their turn within each tenth of a second, in an
// order that changes: what the one before still does would else always meet the same.
func latency(_ context.Context, sessions []*session) error {
	for _, s := range sessions {
		if err := s.join(1); err != nil {
			return fmt.Errorf("%s: %w", s.spec.name, err)
		}
	}
	times := make([][]time.Duration, len(sessions))
	step := 100 * time.Millisecond / time.Duration(len(sessions))
	next := time.Now()
	for range sessions[0].sizes.Latency {
		for _, i := range rand.Perm(len(sessions)) {
			s := sessions[i]
			next = next.Add(step)
			if err := s.fleet.Idle(time.Until(next)); err != nil {
				return fmt.Errorf("%s: %w", s.spec.name, err)
			}
			f, err := s.fanOut(payload, extent{n: 1}, 1)
			if err != nil {
				return fmt.Errorf("%s: %w", s.spec.name, err)
			}
			times[i] = append(times[i], f.last...)
		}
	}
	for i, s := range sessions {
		slices.Sort(times[i])
		n := len(times[i])
		s.results.add("latency", s.spec.name, "median", float64(times[i][n/2])/1e3)
		s.results.add("latency", s.spec.name, "p99", float64(times[i][n*99/100])/1e3)
	}
	return nil
}
