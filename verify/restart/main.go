// Command restart replaces the process of a hub under load, again and again, and accounts for
// every message of its members meanwhile.
//
//	go run ./restart [-short] [-kill] [-times n] [-slaves n] [-scripts n] [-rate n] [-grace time] [-every time] [-seed n]
//
// With -kill the processes are killed instead, and everybody has to be told so. It ends with
// status 1 where a target is missed. It needs node.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"time"

	"github.com/lectern-go/lectern/internal/machine"
	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// options are the flags.
type options struct {
	times, slaves, scripts, rate int
	grace, every                 time.Duration
	seed                         uint64
}

func main() {
	if encoded := os.Getenv(hubVariable); encoded != "" {
		if err := runHub(encoded); err != nil {
			fmt.Fprintln(os.Stderr, "hub:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.times, "times", 20, "how often the process is replaced")
	flag.IntVar(&o.slaves, "slaves", 200, "how many slaves are in Go, over WebSocket and netconn")
	flag.IntVar(&o.scripts, "scripts", 4, "how many slaves are in JavaScript")
	flag.IntVar(&o.rate, "rate", 500, "how many messages a second the master sends")
	flag.DurationVar(&o.grace, "grace", 200*time.Millisecond, "the time that Shutdown has; 0: it spreads nothing")
	flag.DurationVar(&o.every, "every", 11*time.Second, "how long from one replacement to the next, and how long who is away has")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano())%1_000_000, "of what is drawn at random")
	short := flag.Bool("short", false, "three replacements under less load, for a test run; the targets are the same")
	kill := flag.Bool("kill", false, "kill the processes in place of stopping them")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if *short {
		o.times, o.slaves, o.scripts, o.rate, o.every = 3, min(o.slaves, 50), min(o.scripts, 2), min(o.rate, 200), min(o.every, 4*time.Second)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Printf("%s, GOMAXPROCS=%d, seed %d\n", runtime.Version(), runtime.GOMAXPROCS(0), o.seed)
	run := replaceAll
	if *kill {
		run = killAll
	}
	start, then := time.Now(), machine.Look()
	r := new(verdict.Report)
	if err := run(ctx, r, o); err != nil {
		fmt.Printf("failed: %v\n", err)
		r.Missed = true
	}
	own, others := machine.Look().Since(then)
	fmt.Printf("(%.0f s; processors: %.0f %% for this, %.0f %% for others on the machine)\n",
		time.Since(start).Seconds(), 100*own, 100*others)
	if r.Missed {
		stop()
		os.Exit(1)
	}
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond))
}
