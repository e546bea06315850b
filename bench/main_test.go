//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lectern-go/lectern/bench/load"
)

// TestMain lets the test binary be a server, as the program is.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		if err := command(context.Background(), os.Args[1:]); err != nil {
			panic(err)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// brought is a bench with 20 members on every server that this machine can run.
func brought(t *testing.T, only string) *bench {
	b, err := newBench(true, 1, only, "", "")
	require.NoError(t, err)
	b.specs = specs
	require.NoError(t, b.prepare())
	b.sizes.Members = 20
	return b
}

// each runs a test on each server.
func each(t *testing.T, run func(t *testing.T, s *session)) {
	b := brought(t, "")
	for _, spec := range b.specs {
		t.Run(spec.name, func(t *testing.T) {
			s, err := b.open(t.Context(), spec)
			require.NoError(t, err)
			defer func() { require.NoError(t, s.close()) }()
			require.NoError(t, s.join(20))
			run(t, s)
		})
	}
}

func TestEveryDelivery(t *testing.T) {
	each(t, func(t *testing.T, s *session) {
		received := make(map[int]int)
		total := 0
		s.fleet.Delivered = func(c *load.Conn, messages int) {
			received[c.Number] += messages
			total += messages
		}
		wait := func(n int) {
			require.NoError(t, s.fleet.Wait(func() bool { return total >= n }, s.waiting))
			require.Equal(t, n, total)
			total = 0
		}

		for range 30 {
			s.fleet.Broadcast(s.next(), payload)
		}
		wait(20 * 30)
		for member := range 20 {
			require.Equal(t, 30, received[member])
		}
		require.Zero(t, received[load.Master], "a broadcast is for the members")

		s.fleet.Private(0, 7, payload)
		wait(1)
		require.Equal(t, 31, received[7])

		s.fleet.Report(0, 7, payload)
		wait(1)
		require.Equal(t, 1, received[load.Master])
	})
}

// Whoever has queues goes on for the others past a member that does not read.
func TestStalledMember(t *testing.T) {
	b := brought(t, "stalled")
	for _, name := range []string{"gorilla chat", "lectern"} {
		require.NoError(t, b.turn(t.Context(), stage{run: stalled(1)}, specsNamed(t, name)))
		reached, found := b.results.median("stalled, 1", name, "reached")
		require.True(t, found)
		require.Equal(t, 1.0, reached, "%s goes on for the others", name)
	}
}

func specsNamed(t *testing.T, name string) []spec {
	found, err := chosen(name)
	require.NoError(t, err)
	return found
}

// A run of everything, as small as can be, and what it writes.
func TestRun(t *testing.T) {
	b, err := newBench(true, 1, "", "one write,gorilla loop,lectern,lectern netconn", filepath.Join(t.TempDir(), "profiles"))
	require.NoError(t, err)
	b.sizes = sizes{Members: 20, Crowd: 40, Growth: []int{10, 30}, Time: 1, Stalled: 1, Latency: 2}
	b.results.Sizes = b.sizes
	require.NoError(t, b.run(t.Context()))
	dir := t.TempDir()
	require.NoError(t, b.results.write(dir))
	for _, name := range []string{resultsFile, tablesFile, "cpu.svg", "memory.svg", "growth.svg"} {
		require.FileExists(t, filepath.Join(dir, name))
	}
	for _, workload := range []string{"connect", "sustained", "single", "private", "members", "private-ack", "members-ack", "crowd",
		"growth at 30", "join at 30", "lose at 30", "stalled, 10"} {
		cpu, found := b.results.median(workload, lecternName, "cpu")
		require.True(t, found, workload)
		require.Positive(t, cpu, workload)
	}
	read, err := readResults(dir)
	require.NoError(t, err)
	require.Equal(t, b.results.report(), read.report())
	profiles, err := os.ReadDir(b.profiles)
	require.NoError(t, err)
	require.NotEmpty(t, profiles)
}

// A server that is lost is an error, and not a figure.
func TestLostServer(t *testing.T) {
	b := brought(t, "")
	s, err := b.open(t.Context(), specsNamed(t, "lectern")[0])
	require.NoError(t, err)
	defer s.fleet.Close()
	require.NoError(t, s.join(20))
	require.NoError(t, s.proc.Kill())
	_, err = s.fanOut(payload, extent{n: 1}, 1)
	require.ErrorContains(t, err, "has ended")
	require.False(t, errors.Is(err, load.ErrTimeout))
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{
		nil, {"serve"}, {"serve", "nobody"}, {"run", "-only", "nothing"}, {"run", "-servers", "nobody"}, {"render", t.TempDir()},
	} {
		require.Error(t, command(t.Context(), args), "%v", args)
	}
}
