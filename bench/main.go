//go:build linux

// Command bench measures Lectern beside others, each server as a process of its
// own under the same load, and writes tables and plots.
//
//	go run . run [-short] [-rounds n] [-only workloads] [-servers names] [-profile dir] [-results dir]
//	go run . serve NAME
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
	case len(args) > 0 && args[0] == "run":
		return run(ctx, args[1:])
	}
	return errors.New("usage: bench run [flags] | serve NAME; bench run -h tells the flags")
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
	return b.results.write(*results)
}
