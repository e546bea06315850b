//go:build linux

// Command figures measures what a cluster on NATS does, on the real code, and writes a table with a target
// for each figure:
//
//	go run ./cluster/natscluster/example/figures [-short] [-rows names] [-out file]
//
// Three nodes of NATS are processes of their own, each part of the log on all three, with files. Hubs are processes where they are
// killed, stopped or reached by sockets, and otherwise in this one, whose members then cost no sockets.
// It needs Linux. docs/CLUSTER.md has what a run gave.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/lectern-go/lectern/internal/machine"
)

// roleVariable is the variable of the environment that makes this program one of its own processes: what it is.
const roleVariable = "LECTERN_FIGURES_ROLE"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := command(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "figures:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string, out io.Writer) error {
	if role := os.Getenv(roleVariable); role != "" {
		return beProcess(role, args)
	}
	flags := flag.NewFlagSet("figures", flag.ContinueOnError)
	short := flags.Bool("short", false, "a minute or two: few members and one round; it shows that everything works, and no figures to go by")
	only := flags.String("rows", "", "measure these only, a `list` with commas of "+strings.Join(rowNames(), ", "))
	file := flags.String("out", "", "write the table to this `file` too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errors.New("unexpected arguments")
	}
	chosen, err := rowsNamed(*only)
	if err != nil {
		return err
	}
	r := newReport(*short)
	defer r.close()
	var failed []error
	for _, row := range chosen {
		fmt.Fprintf(os.Stderr, "%6.1fs %s\n", r.took().Seconds(), row.name)
		if err := r.measure(ctx, row); err != nil {
			failed = append(failed, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	r.close()
	table := r.markdown(args)
	if *file != "" {
		if err := os.WriteFile(*file, []byte(table), 0o644); err != nil {
			return err
		}
	}
	_, err = io.WriteString(out, table)
	return errors.Join(append(failed, err)...)
}

// measure measures a row, and tells how much of the machine others have used meanwhile.
func (r *report) measure(ctx context.Context, row row) error {
	then, first := machine.Look(), len(r.figures)
	err := row.measure(ctx, r)
	if err != nil {
		err = fmt.Errorf("%s: %w", row.name, err)
		r.add(figure{what: row.name, measured: "not measured: see what the command says", verdict: "**failed**"})
		fmt.Fprintln(os.Stderr, "figures:", err)
	}
	_, others := machine.Look().Since(then)
	for i := range r.figures[first:] {
		r.figures[first+i].others = others
	}
	debug.FreeOSMemory()
	return err
}

// A row measures something that belongs together: one figure or some.
type row struct {
	name    string
	measure func(context.Context, *report) error
}

var rows = []row{
	{"latency", latency},
	{"resume", resume},
	{"kill", kill},
	{"away", away},
	{"leader", leader},
	{"upgrade", upgrade},
	{"rolling", rolling},
	{"many", many},
	{"appends", appends},
	{"messages", messages},
	{"joins", joins},
	{"channels", channels},
	{"crowd", crowd},
	{"million", million},
}

func rowNames() (names []string) {
	for _, r := range rows {
		names = append(names, r.name)
	}
	return names
}

func rowsNamed(list string) (chosen []row, err error) {
	if list == "" {
		return rows, nil
	}
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(rows, func(r row) bool { return r.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no row %q: there are %s", name, strings.Join(rowNames(), ", "))
		}
		chosen = append(chosen, rows[i])
	}
	return chosen, nil
}
