package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lectern-go/lectern/verify/internal/testbinary"
)

// stage is one test package, built once with all mutants in it.
type stage struct {
	name string
	dir  string
	// build is the arguments of the build, args those of the run.
	build, args []string
	binary      string
	timeout     time.Duration
	memory      uint64
}

// goTestFlags are those of go test that the test binary knows with test. before them.
var goTestFlags = []string{"count", "cpu", "failfast", "fullpath", "parallel", "run", "short", "shuffle", "skip", "timeout", "v"}

// parseStage reads a folder and, behind it, arguments of go test.
func parseStage(words string) (*stage, error) {
	fields := strings.Fields(words)
	if len(fields) == 0 {
		return nil, errors.New("a test package has no name")
	}
	dir, err := filepath.Abs(fields[0])
	if err != nil {
		return nil, err
	}
	s := &stage{name: strings.Join(fields, " "), dir: dir}
	for _, field := range fields[1:] {
		name, value, valued := strings.Cut(strings.TrimLeft(field, "-"), "=")
		switch {
		case !strings.HasPrefix(field, "-"):
			s.args = append(s.args, field) // the value of the one before
		case name == "race":
			s.build = append(s.build, field)
		case slices.Contains(goTestFlags, name) && valued:
			s.args = append(s.args, "-test."+name+"="+value)
		case slices.Contains(goTestFlags, name):
			s.args = append(s.args, "-test."+name)
		default:
			s.args = append(s.args, field)
		}
	}
	return s, nil
}

// The bounds of a run: a mutant may make its tests endless, and is caught then. The
// clean run has the machine for itself, the others share it.
const (
	cleanTimeout   = 10 * time.Minute
	timesClean     = 10
	leastOfTimeout = 5 * time.Second
)

// prepare builds the test binary and makes sure that it has the mutants in it and
// passes while none is in effect. It returns how long that took.
func (s *stage) prepare(ctx context.Context, folder, overlay string, o options) (time.Duration, error) {
	s.binary = filepath.Join(folder, "tests")
	if err := os.Mkdir(folder, 0o700); err != nil {
		return 0, err
	}
	if err := testbinary.Build(ctx, s.dir, overlay, s.binary, s.build...); err != nil {
		return 0, fmt.Errorf("%s: the instrumented package does not build: %w", s.name, err)
	}
	if _, err := os.Stat(s.binary); err != nil {
		return 0, fmt.Errorf("%s: there are no tests", s.name)
	}
	s.timeout, s.memory = cleanTimeout, o.memory
	unknown, err := s.run(ctx, "none", []string{"-test.list", "^$"})
	if err != nil {
		return 0, err
	}
	if !strings.Contains(unknown.said, noMutant) {
		return 0, fmt.Errorf("%s: these tests do not use the package", s.name)
	}
	start := time.Now()
	clean, err := s.run(ctx, "", s.args)
	if err != nil {
		return 0, err
	}
	if clean.caught {
		return 0, fmt.Errorf("%s: the tests fail without any mutant (%s)\n%s", s.name, clean.how, clean.said)
	}
	took := time.Since(start)
	s.timeout = o.timeout
	if s.timeout == 0 {
		s.timeout = max(timesClean*took, leastOfTimeout)
	}
	return took, nil
}

// test runs the tests with one mutant in effect.
func (s *stage) test(ctx context.Context, m *mutant) (outcome, error) {
	return s.run(ctx, strconv.Itoa(m.number), append([]string{"-test.failfast"}, s.args...))
}

// outcome is what tests say about a mutant.
type outcome struct {
	caught bool
	// how is the test that failed, or what else has shown the mutant.
	how  string
	said string
}

const (
	byTime   = "it takes too long"
	byMemory = "it takes too much memory"
	byExit   = "the tests end early"
)

var failedTest = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

// run runs the test binary. The error is of what has nothing to do with the tests.
func (s *stage) run(ctx context.Context, choice string, args []string) (outcome, error) {
	command := exec.Command(s.binary, args...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), variable+"="+choice)
	end, said, err := testbinary.Run(ctx, command, testbinary.Bounds{Time: s.timeout, Memory: s.memory})
	if err != nil {
		return outcome{}, err
	}
	o := outcome{caught: end != testbinary.Passed, said: said}
	switch end {
	case testbinary.TooLarge:
		o.how = byMemory
	case testbinary.Late:
		o.how = byTime
	case testbinary.Failed:
		o.how = byExit
		if failed := failedTest.FindStringSubmatch(said); failed != nil {
			o.how = failed[1]
		}
	}
	return o, nil
}
