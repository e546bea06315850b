//go:build linux

package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The verdicts follow from the figures, whichever way these are.
func TestTargets(t *testing.T) {
	verdicts := func(sustained, text float64) map[string]string {
		r := &results{Sizes: full}
		for server, cpu := range map[string]float64{
			"batched": 0.4, "melody": 7, "lectern": sustained, "lectern text": text,
		} {
			r.add("sustained", server, "cpu", cpu)
		}
		found := make(map[string]string)
		for _, target := range r.targets() {
			found[target.target] = target.verdict
		}
		return found
	}
	require.Equal(t, map[string]string{
		"at most 1.7 × batched": "met", "at most 0.1 × melody": "met", "at most 1.5 × the binary form": "met",
	}, verdicts(0.5, 0.6))
	require.Equal(t, map[string]string{
		"at most 1.7 × batched": "missed", "at most 0.1 × melody": "missed", "at most 1.5 × the binary form": "missed",
	}, verdicts(0.8, 1.3))
}

// What grows for everybody is told, and not held against one.
func TestTargetsOfGrowth(t *testing.T) {
	verdicts := func(many float64) (flat, beside string) {
		r := &results{Sizes: full}
		for i, n := range full.Growth {
			r.add(grown("growth", n), "one write", "cpu", 4+float64(i))
			r.add(grown("growth", n), "lectern", "cpu", 5+float64(i)*many)
		}
		for _, target := range r.targets() {
			switch target.work {
			case "growth, a delivery":
				flat = target.verdict
			case "growth, a delivery beside one write":
				beside = target.verdict
			}
		}
		return flat, beside
	}
	flat, beside := verdicts(0.3)
	require.Equal(t, []string{"met", "met"}, []string{flat, beside})
	flat, beside = verdicts(1)
	require.Equal(t, []string{"missed", "met"}, []string{flat, beside})
	flat, beside = verdicts(4)
	require.Equal(t, []string{"missed", "missed"}, []string{flat, beside})
}

func TestMedian(t *testing.T) {
	require.Zero(t, median([]float64{}))
	require.Equal(t, 2.0, median([]float64{9, 1, 2}))
	require.Equal(t, 1.5, median([]float64{2, 1}))
}
