// Package verdict prints figures, and whether they are as they are to be.
package verdict

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Report prints figures and verdicts.
type Report struct {
	// Missed: a target was.
	Missed bool
}

// Figure prints what was measured.
func (r *Report) Figure(name, format string, values ...any) {
	fmt.Printf("%-44s %s\n", name, fmt.Sprintf(format, values...))
}

// Target prints what was to be reached, and whether it was.
func (r *Report) Target(met bool, format string, values ...any) {
	verdict := "ok"
	if !met {
		verdict, r.Missed = "missed", true
	}
	r.Figure("target: "+fmt.Sprintf(format, values...), "%s", verdict)
}

// None prints a number that has to be zero.
func (r *Report) None(name string, n int) {
	r.Figure(name, "%d", n)
	r.Target(n == 0, "0 %s", name)
}

// MiB is a number of bytes, for people.
func MiB(bytes uint64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }

// Percentile of sorted durations.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(p*float64(len(sorted))))]
}

// Spread is the median, the 99th percentile and the longest of the durations, which it sorts.
func Spread(d []time.Duration) string {
	slices.Sort(d)
	return strings.Join([]string{
		"p50", Percentile(d, 0.5).Round(10 * time.Microsecond).String(),
		"p99", Percentile(d, 0.99).Round(10 * time.Microsecond).String(),
		"max", Percentile(d, 1).Round(10 * time.Microsecond).String(),
	}, " ")
}
