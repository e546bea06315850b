//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lectern-go/lectern/internal/machine"
)

// bench is one run.
type bench struct {
	sizes    sizes
	rounds   int
	only     []string
	specs    []spec
	named    bool // they are the user's choice
	profiles string
	results  *results
}

// sizes are how much of everything there is.
type sizes struct {
	Members int           // of the basic workloads and with a stalled one
	Crowd   int           // members of the larger ones
	Growth  []int         // members of the growing ones
	Time    time.Duration // of one measurement
	Stalled int           // broadcasts past a stalled member
	Latency int           // messages
}

var (
	full = sizes{
		Members: 1000, Crowd: 10_000, Growth: []int{100, 1000, 5000, 15_000},
		Time: 600 * time.Millisecond, Stalled: 450, Latency: 300,
	}
	brief = sizes{
		Members: 200, Crowd: 500, Growth: []int{100, 500},
		Time: 200 * time.Millisecond, Stalled: 450, Latency: 30,
	}
)

// briefServers are those of a short run.
const briefServers = "one write,batched,gorilla loop,melody,lectern,lectern text,lectern netconn"

func newBench(short bool, rounds int, only, servers, profiles string) (*bench, error) {
	b := &bench{sizes: full, rounds: rounds, named: servers != "", profiles: profiles}
	if short {
		b.sizes, b.rounds = brief, cmp.Or(rounds, 1)
		servers = cmp.Or(servers, briefServers)
	}
	b.results = &results{Short: short, Sizes: b.sizes}
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

// descriptors is how many files each process must be able to hold open.
func (b *bench) descriptors() uint64 {
	return uint64(max(b.sizes.Members, b.sizes.Crowd, b.sizes.Growth[len(b.sizes.Growth)-1]+joining) + 100)
}

// prepare looks whether everything is there that the servers need. A server that
// cannot run is left out, but where it is named.
func (b *bench) prepare() error {
	// The Go runtime has raised the soft limit to the hard one already.
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur < b.descriptors() {
		return fmt.Errorf("%d files can be open, and %d are needed: see ulimit -n", limit.Cur, b.descriptors())
	}
	if !slices.ContainsFunc(b.specs, func(s spec) bool { return s.script != "" }) {
		return nil
	}
	err := installNode()
	if err == nil {
		return nil
	}
	if b.named {
		return err
	}
	b.specs = slices.DeleteFunc(slices.Clone(b.specs), func(s spec) bool { return s.script != "" })
	b.results.LeftOut = append(b.results.LeftOut, fmt.Sprintf("the servers on Node: %v", err))
	return nil
}

// installNode installs what package-lock.json names, where that is not there.
func installNode() error {
	if _, err := exec.LookPath("node"); err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join("node", "node_modules")); err == nil {
		return nil
	}
	npm := exec.Command("npm", "ci")
	npm.Dir, npm.Stderr = "node", os.Stderr
	if err := npm.Run(); err != nil {
		return fmt.Errorf("npm ci: %w", err)
	}
	return nil
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
	servers   []string // that take part where none are named; all where empty
	rounds    int
	run       func(ctx context.Context, s *session) error
	// all is in place of run where the servers are up at the same time.
	all func(ctx context.Context, sessions []*session) error
}

var stages = []stage{
	{name: "connect", rounds: 15, run: connect, workloads: []string{"connect"}},
	{name: "basic", rounds: 5, run: basic, workloads: []string{
		"sustained", "single", "private", "private-ack", "members", "members-ack"}},
	{name: "crowd", rounds: 3, run: crowd, workloads: []string{"memory", "crowd"}},
	{name: "growth", rounds: 7, run: growth, workloads: []string{"growth"}, servers: []string{
		"one write", "lectern", "lectern text", "lectern netconn"}},
	{name: "stalled, 0", rounds: 1, run: stalled(0), workloads: []string{"stalled"}},
	{name: "stalled, 1", rounds: 1, run: stalled(1), workloads: []string{"stalled"}},
	{name: "stalled, 10", rounds: 1, run: stalled(10), workloads: []string{"stalled"}},
	{name: "latency", rounds: 3, all: latency, workloads: []string{"latency"}},
}

func (b *bench) run(ctx context.Context) error {
	if err := b.prepare(); err != nil {
		return err
	}
	began, then := time.Now(), machine.Look()
	b.results.Machine = lookAtEnvironment()
	defer func() {
		b.results.Machine.Minutes = time.Since(began).Minutes()
		_, b.results.Machine.Others = machine.Look().Since(then)
	}()
	for _, stage := range stages {
		if !slices.ContainsFunc(stage.workloads, b.wants) {
			continue
		}
		specs := b.specs
		if !b.named {
			specs = slices.DeleteFunc(slices.Clone(specs), func(s spec) bool {
				return len(stage.servers) > 0 && !slices.Contains(stage.servers, s.name) || s.only != "" && s.only != stage.name
			})
		}
		rounds := cmp.Or(b.rounds, stage.rounds)
		for round := range rounds {
			turns := [][]spec{specs}
			if stage.all == nil {
				turns = slices.Collect(slices.Chunk(specs, 1))
			}
			for _, turn := range turns {
				began := time.Now()
				if err := b.turn(ctx, stage, turn); err != nil {
					return fmt.Errorf("%s: %w", stage.name, err)
				}
				fmt.Fprintf(os.Stderr, "%s, round %d of %d, %s: %.1f s\n",
					stage.name, round+1, rounds, names(turn), time.Since(began).Seconds())
			}
		}
	}
	return nil
}

func names(specs []spec) string {
	if len(specs) > 1 {
		return fmt.Sprint(len(specs), " servers")
	}
	return specs[0].name
}

func (b *bench) turn(ctx context.Context, stage stage, specs []spec) (err error) {
	sessions := make([]*session, len(specs))
	for i, spec := range specs {
		s, err := b.open(ctx, spec)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.close()) }()
		sessions[i] = s
	}
	if stage.all != nil {
		return stage.all(ctx, sessions)
	}
	if err := stage.run(ctx, sessions[0]); err != nil {
		return fmt.Errorf("%s: %w", specs[0].name, err)
	}
	return nil
}
