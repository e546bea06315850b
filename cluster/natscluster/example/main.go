// Example is a cluster on a laptop: NATS in the process, three hubs on three ports, classes spread over them,
// and a page with buttons that kill, freeze and cut off a hub, which shows who owns what.
//
//	go run ./cluster/natscluster/example
//
// With -check it plays all that by itself, against clients that check what they hear, tells what has happened, and ends
// with 0 only if nothing was lost, doubled, out of order or evicted. With -rounds there are three nodes of NATS as processes, and
// what happens is drawn by chance. See README.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
)

// asProcess is the variable of the environment by which this program is started as a hub, or as a node of NATS.
const asProcess = "LECTERN_EXAMPLE_PROCESS"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second one ends it at once
	os.Exit(status(run(ctx, os.Args[1:], os.Stdout, os.Stderr), os.Stderr))
}

// errUsage is the error of flags that make no sense, which the user has been told already.
var errUsage = errors.New("usage")

// status tells the user what went wrong, and returns the exit status.
func status(err error, stderr io.Writer) int {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage):
		return 2
	}
	fmt.Fprintln(stderr, "example:", err)
	return 1
}

// runProcess is the program as it is started by itself.
func runProcess(ctx context.Context, args []string) error {
	switch {
	case len(args) == 4 && args[0] == "hub":
		replicas, err := strconv.Atoi(args[3])
		if err != nil {
			return err
		}
		return runHub(ctx, args[1], args[2], replicas)
	case len(args) == 6 && args[0] == "node":
		return runNode(ctx, args[1], args[2], args[3], args[4], args[5])
	}
	return errUsage
}

// run is the program. It returns when ctx is done and everything has ended.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if os.Getenv(asProcess) != "" {
		return runProcess(ctx, args)
	}
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, remove, err := folder(s.dir)
	if err != nil {
		return err
	}
	port := s.port + 1 // behind the page
	if s.check || s.rounds > 0 {
		port = 0
	}
	start := startLaptop
	if s.rounds > 0 {
		start = startMachines
	}
	l, err := start(dir, s.hubs, port)
	if err != nil {
		return err
	}
	if s.rounds > 0 {
		err = playRounds(ctx, l, s.classes, s.slaves, s.rounds, stdout)
	} else if s.check {
		err = check(ctx, l, s.classes, s.slaves, s.scenes, stdout)
	} else {
		err = show(ctx, l, s, stdout)
	}
	l.Close()
	if err != nil && s.dir == "" {
		fmt.Fprintf(stdout, "what the hubs have logged is in %s\n", dir)
		return err
	}
	remove()
	return err
}

// settings is what the flags say.
type settings struct {
	check   bool
	rounds  int
	scenes  []scene
	dir     string
	port    int
	hubs    int
	classes int
	slaves  int
}

func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("example", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&s.check, "check", false, "play the scenes by itself, tell what becomes of what is sent, and end")
	flags.IntVar(&s.rounds, "rounds", 0, "play so `many` rounds instead, on three nodes of NATS: in each a hub, a node, or the leader of a part of the log is killed or frozen")
	s.scenes = scenes
	flags.Func("scenes", "with -check: play these only, a `list` of calm, kill, freeze, cut, rolling restart, in its order", func(list string) (err error) {
		s.scenes, err = scenesNamed(list)
		return err
	})
	flags.StringVar(&s.dir, "dir", "", "keep what NATS stores and the hubs log in this `folder`; by default in one that is removed at the end")
	flags.IntVar(&s.port, "port", 8100, "serve the page on this `port`, the hubs on those that follow, and behind them the door that leads to any hub")
	flags.IntVar(&s.hubs, "hubs", 3, "start so `many` hubs")
	flags.IntVar(&s.classes, "classes", 30, "have so `many` channels")
	flags.IntVar(&s.slaves, "slaves", 5, "have so `many` slaves in each")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return s, err
	case err != nil:
		return s, errUsage // the flag package has said what is wrong
	}
	if flags.NArg() > 0 || s.hubs < 1 || s.classes < 0 || s.slaves < 0 || s.port < 1 || s.rounds < 0 || s.rounds > 0 && (s.check || s.hubs < 2) {
		fmt.Fprintln(stderr, "example: unexpected arguments")
		flags.Usage()
		return s, errUsage
	}
	return s, nil
}
