// Command broken makes sure that the simulation of a cluster, TestRounds of test/cluster, would notice the holes
// that the design of the cluster closes: it opens one after the other, and rounds have to fail for each.
//
//	go run ./broken [flags]
//
// First the code as it is has to pass as many rounds. It ends with status 1 where that fails or a variant is not
// found, and with 2 where something could not be tried.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"
)

// options is what a run is asked for.
type options struct {
	root string
	// rounds is how many are played of each variant at most, and repeats how often the seed of one that has failed.
	rounds, repeats int
	// quick plays the seeds alone that are known for a variant, and leaves out variants without any.
	quick bool
	// silence is how long a round may take.
	silence  time.Duration
	parallel int
	skips    bool
	only     string
	list     bool
}

func main() {
	o := options{}
	flag.StringVar(&o.root, "root", "..", "the folder of the library")
	flag.IntVar(&o.rounds, "rounds", 250, "play so many rounds of each variant at most, and of the code as it is")
	flag.IntVar(&o.repeats, "repeats", 20, "play the seed of a round that has failed so often again, with the code as it is too")
	flag.BoolVar(&o.quick, "quick", false, "play only the seeds that are known to show a variant")
	flag.DurationVar(&o.silence, "silence", 10*time.Second, "what one round may take")
	flag.IntVar(&o.parallel, "parallel", runtime.GOMAXPROCS(0), "try so many variants at once")
	flag.BoolVar(&o.skips, "skip-unbroken", false, "do not play rounds of the code as it is first")
	flag.StringVar(&o.only, "only", "", "try the variant of this name alone")
	flag.BoolVar(&o.list, "list", false, "list the variants and try nothing")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	found, err := run(ctx, o, os.Stdout)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case !found:
		os.Exit(1)
	}
}
