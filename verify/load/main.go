// Command load puts a hub under load, from the outside, and holds what it does
// against targets. The hub is a process of its own, so its figures are its own.
//
//	go run ./load [-short] all | master-down | stalled | flood | handshakes | churn ...
//
// It ends with status 1 where a target is missed. It needs Linux.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/lectern-go/lectern/internal/machine"
	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// scenario is one kind of load. It prints its figures, and returns whether the
// targets were met.
type scenario struct {
	name string
	run  func(ctx context.Context, r *verdict.Report, short bool) error
}

var scenarios = []scenario{
	{"master-down", masterDown},
	{"stalled", stalled},
	{"flood", flood},
	{"handshakes", handshakes},
	{"churn", churn},
}

func main() {
	if settings := os.Getenv(hubVariable); settings != "" {
		if err := runHub(settings); err != nil {
			fmt.Fprintln(os.Stderr, "hub:", err)
			os.Exit(1)
		}
		return
	}
	short := flag.Bool("short", false, "less of everything, for a test run; the targets are the same")
	flag.Usage = usage
	flag.Parse()
	chosen, err := choose(flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if !runAll(ctx, chosen, *short) {
		stop()
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: load [-short] all | scenario ...")
	for _, s := range scenarios {
		fmt.Fprintln(os.Stderr, "  ", s.name)
	}
}

func choose(names []string) ([]scenario, error) {
	if slices.Equal(names, []string{"all"}) {
		return scenarios, nil
	}
	var chosen []scenario
	for _, name := range names {
		i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no scenario %q", name)
		}
		chosen = append(chosen, scenarios[i])
	}
	if chosen == nil {
		return nil, fmt.Errorf("no scenario is named")
	}
	return chosen, nil
}

// descriptors is how many files each of the two processes has to be able to
// hold open.
const descriptors = 10_500

func runAll(ctx context.Context, chosen []scenario, short bool) bool {
	// The Go runtime has raised the soft limit to the hard one already.
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < descriptors && !short {
		fmt.Fprintf(os.Stderr, "at most %d files can be open, and %d are needed (%v)\n", limit.Cur, descriptors, err)
		return false
	}
	fmt.Printf("%s, GOMAXPROCS=%d, %d files\n", runtime.Version(), runtime.GOMAXPROCS(0), limit.Cur)
	met := true
	for _, s := range chosen {
		fmt.Printf("\n== %s\n", s.name)
		start, then := time.Now(), machine.Look()
		r := new(verdict.Report)
		if err := s.run(ctx, r, short); err != nil {
			fmt.Printf("failed: %v\n", err)
			met = false
		}
		met = met && !r.Missed
		own, others := machine.Look().Since(then)
		fmt.Printf("(%.0f s; processors: %.0f %% for this, %.0f %% for others on the machine)\n",
			time.Since(start).Seconds(), 100*own, 100*others)
		if ctx.Err() != nil {
			return false
		}
	}
	return met
}
