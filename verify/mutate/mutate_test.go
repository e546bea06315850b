package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// asked is a run over a package of testdata, with a list of those lines.
func asked(t *testing.T, dir string, list ...string) options {
	t.Helper()
	equivalent := filepath.Join(t.TempDir(), "equivalent.txt")
	require.NoError(t, os.WriteFile(equivalent, []byte(strings.Join(list, "\n")), 0o600))
	// So little memory that the machine does not notice the one that takes all of it.
	return options{dir: "testdata/" + dir, equivalent: equivalent, memory: gibibyte / 4, timeout: 20 * time.Second, seed: 1}
}

// play runs it, and returns what it says, by line.
func play(t *testing.T, o options) (held bool, lines []string) {
	t.Helper()
	var out bytes.Buffer
	held, err := mutate(t.Context(), o, &out)
	require.NoError(t, err)
	t.Log(out.String())
	return held, strings.Split(out.String(), "\n")
}

// after is the rest of the lines that begin so.
func after(lines []string, beginning string) (rest []string) {
	for _, line := range lines {
		if more, ok := strings.CutPrefix(line, beginning); ok {
			rest = append(rest, more)
		}
	}
	return rest
}

// The gate without its endless functions, which have a test of their own.
const gateInTime = "-skip=Halvings|Numbers"

// What nobody tests in the gate, with gateInTime.
var endless = []string{
	"gate.go:61:6:removed: n > 1 → false",
	"gate.go:61:8:boundary: n > 1 → n >= 1",
	"gate.go:61:8:inverted: n > 1 → n <= 1",
	"gate.go:70:6:removed: len(list) < n → false",
	"gate.go:70:16:boundary: len(list) < n → len(list) <= n",
	"gate.go:70:16:inverted: len(list) < n → len(list) >= n",
}

func TestSurvivors(t *testing.T) {
	o := asked(t, "gate")
	o.own, o.tests = gateInTime, []string{"testdata/gate/later"}
	held, lines := play(t, o)
	require.False(t, held)
	survivors := append([]string{
		"gate.go:27:48:boundary: g.Inside > g.Most-2 → g.Inside >= g.Most-2",
		"gate.go:30:56:right-dropped: g.Keeper != nil && g.Keeper.Awake → g.Keeper != nil",
		"gate.go:35:10:boundary: left < 0 → left <= 0",
		"gate.go:50:5:removed: g.Inside == 0 → false",
		"gate.go:50:14:inverted: g.Inside == 0 → g.Inside != 0",
		"gate.go:53:5:removed: g.Inside == 0 → false",
		"gate.go:53:14:inverted: g.Inside == 0 → g.Inside != 0",
	}, endless...)
	require.Equal(t, survivors, after(lines, "survives: "))
	require.Contains(t, lines, "    in the list it would be: removed#2 gate.Gate.Empty `g.Inside == 0`: why")
	require.Len(t, after(lines, "18 of 31 caught, 0 survive as listed, 13 survive that are not; "), 1)
	require.Len(t, after(lines, "testdata/gate/later: 2 of 15 caught "), 1)
}

func TestAcceptedSurvivors(t *testing.T) {
	equivalent := "boundary gate.Gate.Left `left < 0`: it is zero anyway"
	o := asked(t, "gate", equivalent)
	o.own, o.only = gateInTime, "gate.go:35:10:boundary"
	held, lines := play(t, o)
	require.True(t, held)
	require.Empty(t, after(lines, "survives: "))
	require.Len(t, after(lines, "survives, as listed: gate.go:35:10:boundary: "), 1)
	require.Contains(t, lines, "    it is zero anyway")
	require.Len(t, after(lines, "0 of 1 caught, 1 survive as listed, 0 survive that are not; "), 1)

	// Its neighbour is caught: that somebody has listed it is told, no more.
	o = asked(t, "gate", equivalent, "inverted gate.Gate.Left `left < 0`: a mistake")
	o.own, o.only = gateInTime, "gate.go:35:10:inverted"
	held, lines = play(t, o)
	require.True(t, held)
	require.Equal(t, []string{"gate.go:35:10:inverted: left < 0 → left >= 0"}, after(lines, "listed, but caught: "))

	// What is not there fails, though another one is tested.
	gone := "removed#3 gate.Gate.Empty `g.Inside == 0`"
	o = asked(t, "gate", equivalent, gone+": why")
	o.own, o.only = gateInTime, "gate.go:35:10:inverted"
	held, lines = play(t, o)
	require.False(t, held)
	require.Equal(t, []string{gone}, after(lines, "listed, but not there: "))
}

func TestArgumentsOfTests(t *testing.T) {
	o := asked(t, "gate")
	o.own, o.only = gateInTime, "gate.go:30:56:right-dropped"
	o.tests = []string{"testdata/gate/later -run=Sleeper -sleeper"}
	held, lines := play(t, o)
	require.True(t, held)
	require.Contains(t, lines, "    caught: TestSleeper")

	o.tests = []string{"testdata/gate/later -run Reopen -sleeper"}
	held, _ = play(t, o)
	require.False(t, held)
}

func TestEndlessMutants(t *testing.T) {
	o := asked(t, "gate")
	o.own, o.only, o.timeout = "-run=Halvings", "gate.go:61:8:inverted", 2*time.Second
	held, lines := play(t, o)
	require.True(t, held)
	require.Contains(t, lines, "    caught: "+byTime)

	if _, err := os.Stat("/proc/self/statm"); err != nil {
		t.Skip("this system does not tell what memory a process has")
	}
	o = asked(t, "gate")
	o.own, o.only = "-run=Numbers", "gate.go:70:16:inverted"
	held, lines = play(t, o)
	require.True(t, held)
	require.Contains(t, lines, "    caught: "+byMemory)
}

// Every form of condition keeps its meaning while no mutant is in effect, and
// has it changed by each of them.
func TestEveryFormOfCondition(t *testing.T) {
	held, lines := play(t, asked(t, "shapes"))
	require.True(t, held)
	require.Len(t, after(lines, "56 of 56 caught, "), 1)
}

func TestDraw(t *testing.T) {
	o := asked(t, "shapes")
	o.draw, o.list, o.seed = 5, true, 7
	held, drawn := play(t, o)
	require.True(t, held)
	require.Equal(t, "5 of 56 mutants are drawn, with -seed 7", drawn[0])
	require.Len(t, after(drawn, "shapes.go:"), 5)
	_, again := play(t, o)
	require.Equal(t, drawn, again)
	o.seed = 8
	_, other := play(t, o)
	require.NotEqual(t, drawn[1:], other[1:])

	o.draw = 100
	_, all := play(t, o)
	require.Len(t, after(all, "shapes.go:"), 56)
}

func TestInOneFile(t *testing.T) {
	o := asked(t, "shapes")
	o.list, o.in = true, "shapes.go"
	held, all := play(t, o)
	require.True(t, held)
	require.Len(t, after(all, "shapes.go:"), 56)
}

func TestRefused(t *testing.T) {
	refused := func(o options, words string) {
		t.Helper()
		_, err := mutate(t.Context(), o, new(bytes.Buffer))
		require.ErrorContains(t, err, words)
	}
	refused(asked(t, "failing"), "the tests fail without any mutant (TestSame)")
	refused(asked(t, "nowhere"), "nowhere")
	o := asked(t, "gate")
	o.own, o.tests = gateInTime, []string{"testdata/apart"}
	refused(o, "testdata/apart: these tests do not use the package")
	o.tests = []string{" "}
	refused(o, "has no name")
	o.own = "-race=maybe"
	refused(o, "does not build")
	o = asked(t, "gate")
	o.only = "gate.go:1:1:removed"
	refused(o, "there is no mutant gate.go:1:1:removed")
	o.only, o.in = "", "gate.go,nowhere.go"
	refused(o, "there is no mutant in nowhere.go")
	o.equivalent = "nowhere.txt"
	refused(o, "nowhere.txt")
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := mutate(ctx, asked(t, "gate"), new(bytes.Buffer))
	require.ErrorIs(t, err, context.Canceled)
}
