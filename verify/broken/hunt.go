package main

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lectern-go/lectern/verify/internal/testbinary"
)

// simulation is the simulation, built.
type simulation struct {
	dir, binary string
	silence     time.Duration
	// with is what the rounds have that it draws, or empty.
	with string
}

// played is what came of some rounds, up to the first that fails.
type played struct {
	played int
	failed bool
	seed   uint64
	seen   string
}

var (
	begins = regexp.MustCompile(`(?m)^=== RUN +TestRounds/seed=(\d+)`)
	seen   = regexp.MustCompile(`-cluster\.seed=\d+ \([^)]*\): (.*)`)
	dies   = regexp.MustCompile(`(?m)^(?:panic|fatal error): .*`)
)

const hangs = "it hangs"

// memory is what rounds may take.
const memory = 2 << 30

// play plays up to so many rounds, of the seed or, where that is zero, of seeds that it draws.
func (s *simulation) play(ctx context.Context, rounds int, seed uint64) (played, error) {
	args := []string{"-test.run=^TestRounds$", "-test.v", "-cluster.faults", "-cluster.rounds=" + strconv.Itoa(rounds)}
	if s.with != "" {
		args = append(args, "-cluster.with="+s.with)
	}
	if seed != 0 {
		args = append(args, "-cluster.seed="+strconv.FormatUint(seed, 10))
	}
	command := exec.Command(s.binary, args...)
	command.Dir = s.dir
	end, said, err := testbinary.Run(ctx, command, testbinary.Bounds{Quiet: s.silence, Memory: memory})
	if err != nil {
		return played{}, err
	}
	all := begins.FindAllStringSubmatch(said, -1)
	p := played{played: len(all), failed: end != testbinary.Passed}
	if !p.failed {
		p.played = rounds // what is said may have been cut off
		return p, nil
	}
	if len(all) > 0 {
		p.seed, _ = strconv.ParseUint(all[len(all)-1][1], 10, 64)
	}
	switch what := seen.FindStringSubmatch(said); {
	case end == testbinary.Late:
		p.seen = hangs
	case end == testbinary.TooLarge:
		p.seen = "it takes too much memory"
	case what != nil:
		p.seen = what[1]
	default:
		p.seen = dies.FindString(said)
	}
	p.seen = short(p.seen)
	return p, nil
}

// short is what goes into a line.
func short(s string) string {
	const most = 200
	if s = strings.TrimSpace(s); len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + " ..."
	}
	return s
}

// hunt looks for a round that shows that a variant is broken.
type hunt struct {
	options
	broken, unbroken *simulation

	played int
	found  bool
	seed   uint64
	seen   string
	// unsure counts the rounds that have failed and were not taken for that.
	unsure int
}

// batch is how many rounds a process plays.
const batch = 50

// hunt plays the seeds that are known, and then others.
func (h *hunt) hunt(ctx context.Context, seeds []uint64) error {
	for _, seed := range seeds {
		if err := h.try(ctx, h.repeats, seed); h.found || err != nil {
			return err
		}
	}
	for !h.quick && h.played < h.rounds {
		if err := h.try(ctx, min(batch, h.rounds-h.played), 0); h.found || err != nil {
			return err
		}
	}
	return nil
}

// try plays some rounds. One that fails counts where its seed fails often, and never with the code as it is: that may
// have mistakes that nobody has found yet.
func (h *hunt) try(ctx context.Context, rounds int, seed uint64) error {
	r, err := h.broken.play(ctx, rounds, seed)
	if h.played += max(r.played, 1); err != nil || !r.failed {
		return err
	}
	need := max(h.repeats/5, 1)
	again, _, err := h.broken.fails(ctx, h.repeats, need, r.seed)
	if err != nil {
		return err
	}
	if again >= need {
		clean, _, err := h.unbroken.fails(ctx, h.repeats, 1, r.seed)
		if err != nil {
			return err
		}
		if clean == 0 {
			h.found, h.seed, h.seen = true, r.seed, r.seen
			return nil
		}
	}
	h.unsure++
	return nil
}

// fails plays so many rounds, of the seed or, where that is zero, of seeds that it draws, until so many have failed. It
// returns how many have, and what they were.
func (s *simulation) fails(ctx context.Context, rounds, enough int, seed uint64) (failed int, all []played, err error) {
	for done := 0; done < rounds && failed < enough; {
		r, err := s.play(ctx, rounds-done, seed)
		if err != nil {
			return failed, all, err
		}
		if done += max(r.played, 1); !r.failed {
			continue
		}
		all = append(all, r)
		if failed++; r.seen == hangs {
			failed = enough // to wait so long once more shows no more
		}
	}
	return failed, all, nil
}
