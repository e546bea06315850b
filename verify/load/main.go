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
	"strings"
	"syscall"
	"time"

	"github.com/lectern-go/lectern/internal/machine"
)

// scenario is one kind of load. It prints its figures, and returns whether the
// targets were met.
type scenario struct {
	name string
	run  func(ctx context.Context, r *report, short bool) error
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
		r := new(report)
		if err := s.run(ctx, r, short); err != nil {
			fmt.Printf("failed: %v\n", err)
			met = false
		}
		met = met && !r.missed
		own, others := machine.Look().Since(then)
		fmt.Printf("(%.0f s; processors: %.0f %% for this, %.0f %% for others on the machine)\n",
			time.Since(start).Seconds(), 100*own, 100*others)
		if ctx.Err() != nil {
			return false
		}
	}
	return met
}

// report prints figures and verdicts.
type report struct{ missed bool }

func (r *report) figure(name, format string, values ...any) {
	fmt.Printf("%-44s %s\n", name, fmt.Sprintf(format, values...))
}

// target prints what was to be reached, and whether it was.
func (r *report) target(met bool, format string, values ...any) {
	verdict := "ok"
	if !met {
		verdict, r.missed = "missed", true
	}
	r.figure("target: "+fmt.Sprintf(format, values...), "%s", verdict)
}

func mib(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// percentile of sorted durations.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

func spread(d []time.Duration) string {
	slices.Sort(d)
	return strings.Join([]string{
		"p50", percentile(d, 0.5).Round(10 * time.Microsecond).String(),
		"p99", percentile(d, 0.99).Round(10 * time.Microsecond).String(),
		"max", percentile(d, 1).Round(10 * time.Microsecond).String(),
	}, " ")
}
