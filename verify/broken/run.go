package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lectern-go/lectern/verify/internal/testbinary"
)

// share is how many rounds of the code as it is may fail, of a hundred.
const share = 2

// run tries the variants, and reports whether each was found that is to be.
func run(ctx context.Context, o options, out io.Writer) (found bool, err error) {
	all := variants()
	if o.only != "" {
		all = slices.DeleteFunc(all, func(v variant) bool { return v.name != o.only })
		if len(all) == 0 {
			return false, fmt.Errorf("there is no variant %s", o.only)
		}
	}
	if o.quick {
		all = slices.DeleteFunc(all, func(v variant) bool { return len(v.seeds) == 0 })
	}
	if o.list {
		for _, v := range all {
			fmt.Fprintf(out, "%s (%s): %s\n", v.name, v.of, v.broken)
		}
		return true, nil
	}
	begun := time.Now()
	folder, err := os.MkdirTemp("", "broken")
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	unbroken, err := build(ctx, o, folder, &variant{name: "unbroken"})
	if err != nil {
		return false, err
	}
	if !o.skips && !o.quick {
		if passes, err := unbroken.passes(ctx, o, out); !passes || err != nil {
			return false, err
		}
	}
	t := trial{options: o, folder: folder, unbroken: unbroken, out: out}
	if err := t.tryAll(ctx, all); err != nil {
		return false, err
	}
	fmt.Fprintf(out, "%d of %d variants are found, %d are not, as expected, and %d are not that should be; %.0f s\n",
		t.found, len(all), t.expected, t.missed, time.Since(begun).Seconds())
	return t.missed == 0, nil
}

// build builds the simulation with the variant in it.
func build(ctx context.Context, o options, folder string, v *variant) (*simulation, error) {
	files, err := v.apply(o.root)
	if err != nil {
		return nil, err
	}
	if folder = filepath.Join(folder, v.name); os.Mkdir(folder, 0o700) != nil {
		return nil, fmt.Errorf("%s: there are two of that name", v.name)
	}
	overlay, err := testbinary.Overlay(folder, files)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Join(o.root, "test", "cluster"))
	if err != nil {
		return nil, err
	}
	s := &simulation{dir: dir, binary: filepath.Join(folder, "rounds"), silence: o.silence, with: v.with}
	if err := testbinary.Build(ctx, dir, overlay, s.binary); err != nil {
		return nil, fmt.Errorf("%s does not build: %w", v.name, err)
	}
	return s, nil
}

// passes plays rounds of the code as it is.
func (s *simulation) passes(ctx context.Context, o options, out io.Writer) (bool, error) {
	most := o.rounds * share / 100
	failed, all, err := s.fails(ctx, o.rounds, most+1, 0)
	if err != nil {
		return false, err
	}
	for _, r := range all {
		fmt.Fprintf(out, "unbroken: a round fails, with the seed %d: %s\n", r.seed, r.seen)
	}
	if failed > most {
		fmt.Fprintf(out, "unbroken: more than %d of %d rounds fail, so nothing is shown by others that do\n", most, o.rounds)
		return false, nil
	}
	fmt.Fprintf(out, "unbroken: %d of %d rounds fail, and %d may\n", failed, o.rounds, most)
	return true, nil
}

// trial tries variants, several at once.
type trial struct {
	options
	folder   string
	unbroken *simulation
	out      io.Writer

	mu                      sync.Mutex
	found, expected, missed int
}

func (t *trial) tryAll(ctx context.Context, all []variant) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next := make(chan *variant)
	var workers sync.WaitGroup
	for range max(t.parallel, 1) {
		workers.Go(func() {
			for v := range next {
				if err := t.try(ctx, v); err != nil {
					cancel(err) // the first one counts
				}
			}
		})
	}
	for i := range all {
		next <- &all[i]
	}
	close(next)
	workers.Wait()
	return context.Cause(ctx)
}

func (t *trial) try(ctx context.Context, v *variant) error {
	if ctx.Err() != nil {
		return nil
	}
	s, err := build(ctx, t.options, t.folder, v)
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(filepath.Dir(s.binary)) }()
	h := hunt{options: t.options, broken: s, unbroken: t.unbroken}
	if err := h.hunt(ctx, v.seeds); err != nil {
		return fmt.Errorf("%s: %w", v.name, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.report(v, &h)
	return nil
}

func (t *trial) report(v *variant, h *hunt) {
	said := "NOT FOUND in " + strconv.Itoa(h.played) + " rounds"
	if h.unsure > 0 {
		said += fmt.Sprintf(" (%d rounds have failed, and none again by its seed alone)", h.unsure)
	}
	switch {
	case h.found:
		t.found++
		said = fmt.Sprintf("found after %d rounds, with the seed %d: %s", h.played, h.seed, h.seen)
		if v.unseen != "" {
			said += "\n    it was expected not to be: " + v.unseen
		}
	case v.unseen != "":
		t.expected++
		said += ", as expected: " + v.unseen
	default:
		t.missed++
	}
	fmt.Fprintf(t.out, "%s (%s): %s\n", v.name, v.of, said)
}
