package transporttest

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// flaw is one way of breaking the contract, and the case that is there to find
// it. It says what the suite has to say about it.
type flaw struct {
	name   string
	found  string // the name of the case
	says   string
	change func(*memory.Options)
	end    func(*broken)
}

func flaws() []flaw {
	return concatFlaws(messageFlaws, closeFlaws, endFlaws, livenessFlaws, powerFlaws)
}

func concatFlaws(groups ...[]flaw) (all []flaw) {
	for _, group := range groups {
		all = append(all, group...)
	}
	return all
}

// runFlawed runs one case against one flaw, in a bubble, and returns what the
// case reported.
func runFlawed(t *testing.T, c testCase, f flaw) (report *recorder) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		report = record(func(t testing.TB) {
			runCase(t, bubbleTime, c, func(_ testing.TB, s Settings) Pair {
				return breakPair(s, f.change, f.end, released)
			})
		})
		close(released) // whatever still hangs goes on, and the bubble can end
	})
	return report
}

func caseNamed(t *testing.T, name string) testCase {
	for _, c := range cases {
		switch name {
		case c.name:
			return c
		case byTryWrite(c).name:
			return byTryWrite(c)
		}
	}
	t.Fatalf("there is no case %s", name)
	return testCase{}
}

// TestTeeth runs the cases against adapters that break the contract.
func TestTeeth(t *testing.T) {
	for _, f := range flaws() {
		t.Run(f.found+"/"+f.name, func(t *testing.T) {
			report := runFlawed(t, caseNamed(t, f.found), f)
			require.NotEmpty(t, report.text(), "the case has passed")
			require.Contains(t, report.failures[0], f.says)
		})
	}
}

// TestEveryCaseHasTeeth checks that there is a flaw for every case.
func TestEveryCaseHasTeeth(t *testing.T) {
	found := map[string]bool{}
	for _, f := range flaws() {
		found[f.found] = true
	}
	for _, c := range cases {
		require.True(t, found[c.name], "no broken adapter shows that %s can fail", c.name)
	}
}

// TestNothingToFind checks the means by which the broken adapters are broken:
// with nothing replaced no case fails, in a bubble or in real time.
func TestNothingToFind(t *testing.T) {
	for _, c := range cases {
		report := runFlawed(t, c, flaw{end: func(b *broken) {
			b.read, b.write, b.close, b.setLimit = b.Conn.Read, b.Conn.Write, b.Conn.Close, b.Conn.SetMaxFrameBytes
			b.try, b.taken = b.Conn.TryWrite, b.Conn.Taken
		}})
		require.Empty(t, report.text(), c.name)
		require.False(t, report.skipped, c.name)
	}
	TestConn(t, func(_ testing.TB, s Settings) Pair {
		return breakPair(s, nil, nil, nil)
	})
}

// bare is a Conn without any optional power.
type bare struct{ transport.Conn }

// TestWithoutMeans checks that a pair that can be neither cut nor silenced, and
// whose ends have no optional power, is held against the rest.
func TestWithoutMeans(t *testing.T) {
	skipped := 0
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			report := record(func(t testing.TB) {
				runCase(t, bubbleTime, c, func(_ testing.TB, s Settings) Pair {
					a, b := memory.Pipe(memoryOptions(s))
					return Pair{A: bare{a}, B: bare{b}}
				})
			})
			require.Empty(t, report.text(), c.name)
			if report.skipped {
				skipped++
			}
		})
	}
	require.Equal(t, 8, skipped)
}
