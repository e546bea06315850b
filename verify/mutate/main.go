// Command mutate makes sure that every guard and every comparison of a package
// is held by a test: it changes one after the other, and at least one test has to
// fail for each.
//
//	go run ./mutate [flags] package [tests ...]
//
// The package is a folder. Its own tests run first; what they do not catch goes
// on to the next of the test packages, which are folders too, each quoted together
// with the arguments that it has for go test ("../test/model -model.rounds=200").
//
// It ends with status 1 where a mutant survives that the list of equivalent ones
// does not name, or where the list names one that is not there.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"time"
)

// options is what a run is asked for.
type options struct {
	dir string
	// own is the arguments of the package's own tests; tests is the packages after them.
	own   string
	tests []string
	// draw is how many mutants are drawn with the seed, or zero for all.
	draw int
	seed uint64
	only string
	// in is the files whose mutants are taken, or empty for all.
	in string
	// equivalent is the file that lists the survivors that are accepted.
	equivalent string
	// timeout is what each run has, or zero for a multiple of what the clean run takes.
	timeout time.Duration
	// memory is what each run may take, in bytes.
	memory  uint64
	list    bool
	verbose bool
}

const gibibyte = 1 << 30

func main() {
	o := options{memory: 2 * gibibyte}
	flag.StringVar(&o.own, "own", "", "arguments of the package's own tests, as for go test")
	flag.IntVar(&o.draw, "draw", 0, "draw so many of the mutants instead of taking all")
	flag.Uint64Var(&o.seed, "seed", 0, "what decides the draw; 0 takes one that it prints")
	flag.StringVar(&o.only, "only", "", "take the one mutant of this id, and show what the tests say")
	flag.StringVar(&o.in, "in", "", "take the mutants of the files with these names alone, separated by commas")
	flag.StringVar(&o.equivalent, "equivalent", "mutate/equivalent.txt", "the list of survivors that are accepted")
	flag.DurationVar(&o.timeout, "timeout", 0, "what each run may take (10 times the clean run, but at least 5 s)")
	flag.BoolVar(&o.list, "list", false, "list the mutants and test nothing")
	flag.BoolVar(&o.verbose, "v", false, "tell of each mutant which test has caught it")
	flag.Usage = usage
	flag.Parse()
	if flag.NArg() == 0 {
		usage()
		os.Exit(2)
	}
	o.dir, o.tests = flag.Arg(0), flag.Args()[1:]
	for o.seed == 0 {
		o.seed = rand.Uint64() >> 32 // short enough to be typed
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	held, err := mutate(ctx, o, os.Stdout)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case !held:
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: mutate [flags] package [tests ...]")
	flag.PrintDefaults()
}
