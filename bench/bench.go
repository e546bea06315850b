//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// bench is one run.
type bench struct {
	sizes    sizes
	rounds   int
	only     []string
	specs    []spec
	profiles string
	patience time.Duration
	results  *results
}

// sizes are how much of everything there is.
type sizes struct {
	members int           // of the basic workloads
	d       time.Duration // of one measurement
}

var (
	full  = sizes{members: 1000, d: 800 * time.Millisecond}
	brief = sizes{members: 200, d: 200 * time.Millisecond}
)

func newBench(short bool, rounds int, only, servers, profiles string) (*bench, error) {
	b := &bench{sizes: full, rounds: rounds, profiles: profiles, patience: 15 * time.Second, results: newResults()}
	if short {
		b.sizes, b.rounds = brief, cmp.Or(rounds, 1)
		servers = cmp.Or(servers, "one write,batched,gorilla loop,lectern,lectern text,lectern netconn")
	}
	if only != "" {
		b.only = strings.Split(only, ",")
	}
	for _, name := range b.only {
		if !slices.ContainsFunc(stages, func(s stage) bool { return slices.Contains(s.workloads, name) }) {
			return nil, fmt.Errorf("there is no workload %q", name)
		}
	}
	if profiles != "" {
		if err := os.MkdirAll(profiles, 0o777); err != nil {
			return nil, err
		}
	}
	var err error
	b.specs, err = chosen(servers)
	return b, err
}

// wants tells whether the workload is part of the run.
func (b *bench) wants(workload string) bool {
	return len(b.only) == 0 || slices.Contains(b.only, workload)
}

// stage is what is done on one start of a server. In each round each server has
// its turn, so that what else the machine does meets all of them alike.
type stage struct {
	name      string
	workloads []string
	rounds    int
	run       func(ctx context.Context, s *session) error
}

var stages = []stage{
	{"basic", []string{"connect", "sustained", "single", "private", "private, acknowledged", "members", "members, acknowledged"}, 5, basic},
}

func (b *bench) run(ctx context.Context) error {
	for _, stage := range stages {
		if !slices.ContainsFunc(stage.workloads, b.wants) {
			continue
		}
		rounds := cmp.Or(b.rounds, stage.rounds)
		for round := range rounds {
			for _, spec := range b.specs {
				began := time.Now()
				if err := b.turn(ctx, stage, spec); err != nil {
					return fmt.Errorf("%s, %s: %w", stage.name, spec.name, err)
				}
				fmt.Fprintf(os.Stderr, "%s, round %d of %d, %s: %.1f s\n", stage.name, round+1, rounds, spec.name, time.Since(began).Seconds())
			}
		}
	}
	return nil
}

func (b *bench) turn(ctx context.Context, stage stage, spec spec) (err error) {
	s, err := b.open(ctx, spec)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return stage.run(ctx, s)
}

// basic is what is done with members that all read.
func basic(_ context.Context, s *session) error {
	if err := s.join(10); err != nil {
		return err
	}
	c, err := s.measure("connect", func() error { return s.join(s.sizes.members) })
	if err != nil {
		return err
	}
	if s.wants("connect") {
		s.record("connect", c, s.sizes.members-10)
	}
	d, mine := s.sizes.d, s.spec.kind == ours
	for _, w := range []struct {
		name    string
		oursToo bool
		run     func(name string) error
	}{
		{"sustained", false, func(name string) error { return s.broadcasts(name, d, inFlight) }},
		{"single", false, func(name string) error { return s.broadcasts(name, d, 1) }},
		{"private", false, func(name string) error { return s.privates(name, d, false) }},
		{"private, acknowledged", true, func(name string) error { return s.privates(name, d, true) }},
		{"members", false, func(name string) error { return s.reports(name, d, false) }},
		{"members, acknowledged", true, func(name string) error { return s.reports(name, d, true) }},
	} {
		if !s.wants(w.name) || w.oursToo && !mine {
			continue
		}
		if err := w.run(w.name); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}
