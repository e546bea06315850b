//go:build linux

package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern/bench/load"
)

// payload is what is sent: 128 bytes without an end of line, which gorilla's
// chat pattern puts between messages.
var payload = []byte(fmt.Sprintf("%0128d", 0))

const (
	// inFlight is how many broadcasts are under way at a time where it is not one.
	inFlight = 16
	// burst is how many messages to one receiver are sent at once, the next ones
	// when all have come.
	burst = 64
)

// extent is how much is sent: for a while, but one message at least, or a number
// of messages where that is given.
type extent struct {
	d time.Duration
	n int
}

// done tells whether that is enough.
func (e extent) done(began time.Time, sent int) bool {
	if e.n > 0 {
		return sent >= e.n
	}
	return sent > 0 && time.Since(began) >= e.d
}

// a fifth is for warming up.
func (e extent) fifth() extent { return extent{e.d / 5, e.n / 5} }

// fanOut sends broadcasts of a payload with so many in flight: the next one is
// sent when the last member has received the oldest that is under way, and what
// is then to be sent is sent in one write. It returns when everybody has
// everything. Members that are deaf do not count.
type fanOut struct {
	sent, complete int
	first, last    []time.Duration // of each, from its sending
}

func (s *session) fanOut(payload []byte, e extent, flight int) (fanOut, error) {
	var f fanOut
	type broadcast struct {
		sent time.Time
		have int
	}
	underWay := make([]broadcast, flight)
	hearing := 0
	for _, c := range s.fleet.Members {
		c.Received = 0
		if !c.Deaf {
			hearing++
		}
	}
	s.fleet.Delivered = func(c *load.Conn, messages int) {
		if c.Number == load.Master || c.Deaf {
			return
		}
		now := time.Now()
		for i := c.Received - messages; i < c.Received; i++ {
			b := &underWay[i%flight]
			b.have++
			if b.have == 1 {
				f.first = append(f.first, now.Sub(b.sent))
			}
			if b.have == hearing {
				f.last = append(f.last, now.Sub(b.sent))
				f.complete++
			}
		}
	}
	defer func() { s.fleet.Delivered = nil }()
	for began := time.Now(); ; {
		if !e.done(began, f.sent) {
			now := time.Now()
			s.fleet.Together(func() {
				for ; f.sent-f.complete < flight; f.sent++ {
					underWay[f.sent%flight] = broadcast{sent: now}
					s.fleet.Broadcast(s.next(), payload)
				}
			})
		}
		if f.sent == f.complete {
			return f, nil
		}
		before := f.complete
		if err := s.fleet.Wait(func() bool { return f.complete > before }, s.waiting); err != nil {
			return f, fmt.Errorf("broadcast %d of %d: %w", f.complete+1, f.sent, err)
		}
	}
}

// broadcasts measures fanOut.
func (s *session) broadcasts(workload string, e extent, flight int) error {
	if _, err := s.fanOut(payload, e.fifth(), flight); err != nil {
		return err
	}
	var f fanOut
	c, err := s.measure(workload, func() (err error) {
		f, err = s.fanOut(payload, e, flight)
		return err
	})
	if err != nil {
		return err
	}
	s.record(workload, c, f.sent*len(s.fleet.Members))
	if flight == 1 {
		s.results.add(workload, s.spec.name, "first", median(f.first).Seconds()*1e3)
		s.results.add(workload, s.spec.name, "last", median(f.last).Seconds()*1e3)
	}
	return nil
}

// singles measures messages to one receiver, each member's turn in order, in
// bursts: from the master to one, or from one to the master.
func (s *session) singles(workload string, e extent, send func(i int)) error {
	run := func(e extent) (int, error) {
		sent, received := 0, 0
		s.fleet.Delivered = func(_ *load.Conn, messages int) { received += messages }
		defer func() { s.fleet.Delivered = nil }()
		for began := time.Now(); ; {
			if e.done(began, sent) {
				return sent, nil
			}
			s.fleet.Together(func() {
				for range burst {
					send(sent % len(s.fleet.Members))
					sent++
				}
			})
			if err := s.fleet.Wait(func() bool { return received == sent }, s.waiting); err != nil {
				return sent, fmt.Errorf("message %d of %d: %w", received+1, sent, err)
			}
		}
	}
	if _, err := run(e.fifth()); err != nil {
		return err
	}
	var sent int
	c, err := s.measure(workload, func() (err error) {
		sent, err = run(e)
		return err
	})
	if err == nil {
		s.record(workload, c, sent)
	}
	return err
}

func (s *session) privates(workload string, e extent, acknowledged bool) error {
	return s.singles(workload, e, func(i int) { s.fleet.Private(s.refIf(acknowledged), i, payload) })
}

func (s *session) reports(workload string, e extent, acknowledged bool) error {
	return s.singles(workload, e, func(i int) { s.fleet.Report(s.refIf(acknowledged), i, payload) })
}

func (s *session) refIf(acknowledged bool) int {
	if acknowledged {
		return s.next()
	}
	return 0
}

func median[T ~int64 | ~float64](values []T) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 0 {
		return (sorted[middle-1] + sorted[middle]) / 2
	}
	return sorted[middle]
}
