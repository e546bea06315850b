//go:build linux

// Command bench measures Lectern beside others, each server as a process of its
// own under the same load, and writes tables and plots.
//
//	go run . run [-short] [-rounds n] [-only workloads] [-servers names] [-profile dir] [-results dir]
//	go run . render DIR
//	go run . serve NAME
//
// Render writes the tables and plots of a run once more, from its results.json.
// Serve is one of the servers in Go, on a free port.
//
// It needs Linux.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(args[1], os.Stdin, os.Stdout)
	case len(args) == 2 && args[0] == "render":
		r, err := readResults(args[1])
		if err != nil {
			return err
		}
		return r.render(args[1])
	case len(args) > 0 && args[0] == "run":
		return run(ctx, args[1:])
	}
	return errors.New("usage: bench run [flags] | render DIR | serve NAME; bench run -h tells the flags")
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	short := flags.Bool("short", false, "a minute: a few servers, few members, one round")
	rounds := flags.Int("rounds", 0, "how often each server has its turn; 0: as many as each workload wants")
	only := flags.String("only", "", "the workloads, separated by commas; empty: all")
	servers := flags.String("servers", "", "the servers, separated by commas; empty: all")
	profiles := flags.String("profile", "", "the directory for a CPU profile of each workload of each server in Go")
	results := flags.String("results", "results", "the directory for what is written")
	if err := flags.Parse(args); err != nil {
		return err
	}
	b, err := newBench(*short, *rounds, *only, *servers, *profiles)
	if err != nil {
		return err
	}
	if err := b.run(ctx); err != nil {
		return err
	}
	if err := b.results.write(*results); err != nil {
		return err
	}
	fmt.Print(b.results.report())
	return nil
}
