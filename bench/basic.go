//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lectern-go/lectern/internal/machine"
)

// connect is what it takes to let members in.
func connect(_ context.Context, s *session) error {
	// The first connections cost what later ones do not.
	const first = 10
	if err := s.join(first); err != nil {
		return err
	}
	c, err := s.measure("connect", func() error { return s.join(s.sizes.Members) })
	if err != nil {
		return err
	}
	s.record("connect", c, s.sizes.Members-first)
	return nil
}

// basic is what is done with members that all read.
func basic(_ context.Context, s *session) error {
	if err := s.join(s.sizes.Members); err != nil {
		return err
	}
	e := extent{d: s.sizes.Time}
	for _, w := range []struct {
		name string
		ours bool // and nobody else's
		run  func(name string) error
	}{
		{"sustained", false, func(name string) error { return s.broadcasts(name, e, inFlight) }},
		{"single", false, func(name string) error { return s.broadcasts(name, e, 1) }},
		{"private", false, func(name string) error { return s.privates(name, e, false) }},
		{"private-ack", true, func(name string) error { return s.privates(name, e, true) }},
		{"members", false, func(name string) error { return s.reports(name, e, false) }},
		{"members-ack", true, func(name string) error { return s.reports(name, e, true) }},
	} {
		if !s.wants(w.name) || w.ours && s.spec.kind != ours {
			continue
		}
		if err := w.run(w.name); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// crowd is what is done with many members, and what they take up.
func crowd(_ context.Context, s *session) error {
	// What the server takes up by itself, and grows to with a few, is not its
	// members'.
	first := min(100, s.sizes.Crowd/5)
	if err := s.join(first); err != nil {
		return err
	}
	empty, err := s.footprint()
	if err != nil {
		return err
	}
	c, err := s.measure("crowd connect", func() error { return s.join(s.sizes.Crowd) })
	if err != nil {
		return err
	}
	members := s.sizes.Crowd - first
	if s.wants("crowd") {
		s.record("crowd connect", c, members)
	}
	note := func(metric string) error {
		now, err := s.footprint()
		if err == nil && s.wants("memory") {
			s.results.add("memory", s.spec.name, metric, (now.bytes-empty.bytes)/1024/float64(members))
			if now.goroutines > 0 {
				s.results.add("memory", s.spec.name, "goroutines", float64(now.goroutines-empty.goroutines)/float64(members))
			}
		}
		return err
	}
	if err := note("idle"); err != nil {
		return err
	}
	if err := s.broadcasts("crowd", extent{d: s.sizes.Time}, 1); err != nil {
		return err
	}
	if !s.wants("memory") {
		return nil
	}
	// Each member has said something too.
	if err := s.reports("crowd members", extent{n: s.sizes.Crowd}, false); err != nil {
		return err
	}
	return note("after")
}

type footprint struct {
	bytes      float64
	goroutines int
}

// footprint is what the server takes up when it has nothing to do and has freed
// what it can.
func (s *session) footprint() (footprint, error) {
	if err := s.fleet.Idle(200 * time.Millisecond); err != nil {
		return footprint{}, err
	}
	st, err := s.proc.ask("gc")
	if err != nil {
		return footprint{}, err
	}
	resident, err := machine.Memory(s.proc.ID(), "VmRSS")
	return footprint{float64(resident), st.Goroutines}, err
}

// joining is how many more join where that is measured.
const joining = 1000

// growth is what a delivery and a join cost with few members and with many.
func growth(_ context.Context, s *session) error {
	for _, n := range s.sizes.Growth {
		if err := s.join(n); err != nil {
			return err
		}
		if err := s.broadcasts(grown("growth", n), extent{d: s.sizes.Time}, 1); err != nil {
			return err
		}
		if s.spec.kind != ours || n != s.sizes.Growth[0] && n != s.sizes.Growth[len(s.sizes.Growth)-1] {
			continue
		}
		// More members on connections that are there already, and their end.
		if err := s.fleet.Connect(n + joining); err != nil {
			return err
		}
		c, err := s.measure(grown("join", n), s.fleet.Enter)
		if err != nil {
			return err
		}
		s.record(grown("join", n), c, joining)
		c, err = s.measure(grown("lose", n), func() error {
			s.fleet.HangUp(n)
			return s.fleet.Idle(300 * time.Millisecond)
		})
		if err != nil {
			return err
		}
		s.results.add(grown("lose", n), s.spec.name, "cpu", float64(c.cpu)/joining/1e3)
	}
	return nil
}

// grown is the name of a workload with so many members.
func grown(workload string, members int) string { return fmt.Sprintf("%s at %d", workload, members) }
