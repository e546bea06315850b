//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/lectern-go/lectern/bench/load"
)

// session is one server with the load generator's connections to it.
type session struct {
	*bench
	spec  spec
	proc  serverProcess
	fleet *load.Fleet
	ref   int
	// waiting is how long nothing may come before it is an error.
	waiting time.Duration
}

// open starts a server.
func (b *bench) open(ctx context.Context, s spec) (*session, error) {
	proc, err := start(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	fleet, err := load.New(s.dialect(), s.framing, proc.Address)
	if err != nil {
		return nil, errors.Join(err, proc.Kill())
	}
	return &session{bench: b, spec: s, proc: proc, fleet: fleet, waiting: 15 * time.Second}, nil
}

// close kills the server: how it ends is not what is measured.
func (s *session) close() error {
	s.fleet.Close()
	return s.proc.Kill()
}

// join brings the members up to n, all let in.
func (s *session) join(n int) error {
	if err := s.fleet.Join(n); err != nil {
		return err
	}
	return s.present(n)
}

// present waits until the server has n members, where it counts them.
func (s *session) present(n int) error {
	for began := time.Now(); ; {
		now, err := s.proc.ask("stats")
		if err != nil || now.Members < 0 || now.Members == n {
			return err
		}
		if time.Since(began) > 10*time.Second {
			return fmt.Errorf("%d members are there, not %d", now.Members, n)
		}
		if err := s.fleet.Idle(time.Millisecond); err != nil {
			return err
		}
	}
}

// next is the ref of the next message.
func (s *session) next() int {
	s.ref++
	return s.ref
}

// cost is what some work has taken.
type cost struct {
	cpu, wall time.Duration
	mallocs   uint64
}

// measure runs work and tells what it took the server. With a profile
// asked for, the server in Go takes one of just this.
func (s *session) measure(workload string, work func() error) (cost, error) {
	if s.profiles != "" && s.spec.script == "" {
		file := strings.ReplaceAll(s.spec.name+" "+workload, " ", "-") + ".pprof"
		if _, err := s.proc.ask("profile " + filepath.Join(s.profiles, file)); err != nil {
			return cost{}, err
		}
	}
	before, err := s.proc.ask("stats")
	if err != nil {
		return cost{}, err
	}
	cpu, err := s.proc.cpu()
	if err != nil {
		return cost{}, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return cost{}, err
	}
	c := cost{wall: time.Since(began)}
	used, err := s.proc.cpu()
	if err != nil {
		return cost{}, err
	}
	c.cpu = used - cpu
	command := "stats"
	if s.profiles != "" && s.spec.script == "" {
		command = "profile"
	}
	after, err := s.proc.ask(command)
	c.mallocs = after.Mallocs - before.Mallocs
	return c, err
}

// record notes a cost by operation, in µs.
func (s *session) record(workload string, c cost, operations int) {
	n := float64(operations)
	s.results.add(workload, s.spec.name, "cpu", float64(c.cpu)/n/1e3)
	s.results.add(workload, s.spec.name, "wall", float64(c.wall)/n/1e3)
	if s.spec.script == "" {
		s.results.add(workload, s.spec.name, "allocs", float64(c.mallocs)/n)
	}
}
