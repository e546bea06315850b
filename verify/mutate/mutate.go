package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mutate tests the package, and reports whether it is held: nothing survives that is
// not accepted, and nothing is accepted that is not there.
func mutate(ctx context.Context, o options, out io.Writer) (held bool, err error) {
	start := time.Now()
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return false, err
	}
	name, sources, mutants, err := readPackage(dir)
	if err != nil {
		return false, err
	}
	list, err := readAccepted(o.equivalent, name)
	if err != nil {
		return false, err
	}
	// The list is held against all, whatever is chosen.
	unknown := list.unknown(mutants)
	slices.Sort(unknown)
	mutants, err = choose(o, mutants, out)
	if err != nil {
		return false, err
	}
	if o.list {
		for _, m := range mutants {
			fmt.Fprintln(out, m)
		}
		return true, nil
	}
	fmt.Fprintf(out, "%s: %d mutants\n", o.dir, len(mutants))
	survivors, err := testInTurn(ctx, o, out, func(folder string) (string, error) {
		return writeOverlay(folder, dir, name, sources)
	}, mutants)
	if err != nil {
		return false, err
	}
	v := verdict{mutants: mutants, survivors: survivors, list: list, unknown: unknown}
	v.print(out, time.Since(start))
	return v.held(), nil
}

// choose takes those mutants that the options ask for.
func choose(o options, mutants []*mutant, out io.Writer) ([]*mutant, error) {
	if o.only != "" {
		i := slices.IndexFunc(mutants, func(m *mutant) bool { return m.id() == o.only })
		if i < 0 {
			return nil, fmt.Errorf("there is no mutant %s", o.only)
		}
		return mutants[i : i+1], nil
	}
	if o.in != "" {
		files := strings.Split(o.in, ",")
		for _, file := range files {
			if !slices.ContainsFunc(mutants, func(m *mutant) bool { return m.isIn(file) }) {
				return nil, fmt.Errorf("there is no mutant in %s", file)
			}
		}
		mutants = slices.DeleteFunc(slices.Clone(mutants), func(m *mutant) bool { return !slices.ContainsFunc(files, m.isIn) })
	}
	if o.draw == 0 || o.draw >= len(mutants) {
		return mutants, nil
	}
	fmt.Fprintf(out, "%d of %d mutants are drawn, with -seed %d\n", o.draw, len(mutants), o.seed)
	drawn := slices.Clone(mutants)
	order := rand.New(rand.NewPCG(o.seed, 0))
	order.Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	drawn = drawn[:o.draw]
	slices.SortFunc(drawn, func(a, b *mutant) int { return a.number - b.number })
	return drawn, nil
}

// testInTurn gives the mutants to the package's own tests, and what they do not
// catch to the next tests. It returns what none of them has caught.
func testInTurn(ctx context.Context, o options, out io.Writer, overlayIn func(folder string) (string, error), mutants []*mutant) (survivors []*mutant, err error) {
	folder, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	overlay, err := overlayIn(folder)
	if err != nil {
		return nil, err
	}
	survivors = mutants
	for i, words := range append([]string{o.dir + " " + o.own}, o.tests...) {
		if len(survivors) == 0 {
			break
		}
		s, err := parseStage(words)
		if err != nil {
			return nil, err
		}
		start := time.Now()
		clean, err := s.prepare(ctx, filepath.Join(folder, strconv.Itoa(i)), overlay, o)
		if err != nil {
			return nil, err
		}
		built := time.Since(start)
		start = time.Now()
		outcomes, err := testAll(ctx, s, survivors)
		if err != nil {
			return nil, err
		}
		tested := len(survivors)
		survivors = report(out, o, survivors, outcomes)
		fmt.Fprintf(out, "%s: %d of %d caught (%d by the timeout of %s) in %s; before: %s for the build, and a clean run of %s\n",
			s.name, tested-len(survivors), tested, late(outcomes), seconds(s.timeout),
			seconds(time.Since(start)), seconds(built-clean), seconds(clean))
	}
	return survivors, nil
}

// testAll tests several mutants at once.
func testAll(ctx context.Context, s *stage, mutants []*mutant) ([]outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	outcomes := make([]outcome, len(mutants))
	next := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for i := range next {
				var err error
				if outcomes[i], err = s.test(ctx, mutants[i]); err != nil {
					cancel(err) // the first one counts
				}
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	workers.Wait()
	return outcomes, context.Cause(ctx)
}

// report tells what happened to each where that is asked for, and returns those that were not caught.
func report(out io.Writer, o options, mutants []*mutant, outcomes []outcome) (survivors []*mutant) {
	for i, m := range mutants {
		if o.only != "" {
			fmt.Fprint(out, outcomes[i].said)
		}
		switch {
		case !outcomes[i].caught:
			survivors = append(survivors, m)
		case o.verbose || o.only != "":
			fmt.Fprintf(out, "%s\n    caught: %s\n", m, outcomes[i].how)
		}
	}
	return survivors
}

func late(outcomes []outcome) (count int) {
	for _, o := range outcomes {
		if o.how == byTime {
			count++
		}
	}
	return count
}

// verdict is what a run has shown.
type verdict struct {
	mutants, survivors []*mutant
	list               accepted
	unknown            []string
}

// unlisted is the survivors that nobody has accepted.
func (v *verdict) unlisted() []*mutant {
	return slices.DeleteFunc(slices.Clone(v.survivors), func(m *mutant) bool { return v.list[m.key()] != "" })
}

func (v *verdict) held() bool { return len(v.unlisted()) == 0 && len(v.unknown) == 0 }

func (v *verdict) print(out io.Writer, took time.Duration) {
	for _, m := range v.survivors {
		if reason := v.list[m.key()]; reason != "" {
			fmt.Fprintf(out, "survives, as listed: %s\n    %s\n", m, reason)
		}
	}
	for _, m := range v.mutants {
		if v.list[m.key()] != "" && !slices.Contains(v.survivors, m) {
			fmt.Fprintf(out, "listed, but caught: %s\n", m)
		}
	}
	for _, key := range v.unknown {
		fmt.Fprintf(out, "listed, but not there: %s\n", key)
	}
	unlisted := v.unlisted()
	for _, m := range unlisted {
		fmt.Fprintf(out, "survives: %s\n    in the list it would be: %s: why\n", m, m.key())
	}
	fmt.Fprintf(out, "%d of %d caught, %d survive as listed, %d survive that are not; %s\n",
		len(v.mutants)-len(v.survivors), len(v.mutants), len(v.survivors)-len(unlisted), len(unlisted), seconds(took))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
