package clustertest

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern/cluster"
)

var flaws = slices.Concat(logFlaws, readFlaws, tailFlaws, busFlaws, endFlaws)

// runFlawed runs one case against one flaw, in a bubble, and returns what the case
// reported.
func runFlawed(t *testing.T, c testCase, f flaw) (report *recorder) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		var made []*broken
		report = record(func(t testing.TB) {
			runCase(t, bubbleTime, c, func(_ testing.TB, s Settings) []cluster.Engine {
				said := s
				if f.settings != nil {
					f.settings(&s)
				}
				b := newBroken(said, s, released)
				if f.breaking != nil {
					f.breaking(b)
				}
				made = append(made, b)
				return slices.Repeat([]cluster.Engine{b}, s.Engines)
			})
		})
		close(released) // whatever still hangs goes on, and the bubble can end
		for _, b := range made {
			require.NoError(t, b.Local.Close())
		}
	})
	return report
}

func caseNamed(t *testing.T, name string) testCase {
	i := slices.IndexFunc(cases, func(c testCase) bool { return c.name == name })
	require.GreaterOrEqual(t, i, 0, "there is no case %s", name)
	return cases[i]
}

// TestTeeth runs the cases against engines that break the contract.
func TestTeeth(t *testing.T) {
	for _, f := range flaws {
		t.Run(f.found+"/"+f.name, func(t *testing.T) {
			report := runFlawed(t, caseNamed(t, f.found), f)
			require.NotEmpty(t, report.text(), "the case has passed")
			require.Contains(t, report.failures[0], f.says)
		})
	}
}

// TestEveryCaseHasTeeth checks that there is a flaw for every case.
func TestEveryCaseHasTeeth(t *testing.T) {
	for _, c := range cases {
		require.True(t, slices.ContainsFunc(flaws, func(f flaw) bool { return f.found == c.name }), "no broken engine shows that %s can fail", c.name)
	}
}

// TestNothingToFind checks the means by which the broken engines are broken: with nothing
// replaced no case fails.
func TestNothingToFind(t *testing.T) {
	for _, c := range cases {
		require.Empty(t, runFlawed(t, c, flaw{}).text(), c.name)
	}
}
