//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lectern-go/lectern/internal/machine"
)

// A report is what was measured.
type report struct {
	short   bool
	began   time.Time
	then    machine.Usage
	figures []figure
	// shared are nodes of NATS for all rows, or nil, and named how many names there are by now: of what one row has
	// left behind another one takes nothing for its own.
	shared *nodes
	named  atomic.Int64
}

// name is one that no channel has had before.
func (r *report) name() string { return fmt.Sprint("room ", r.named.Add(1)) }

// close ends what the rows share. Only processes that have ended are in what the run used.
func (r *report) close() {
	if r.shared != nil {
		r.shared.end()
		r.shared = nil
	}
}

// figure is one line of the table. others is the share of the processors that others have used meanwhile.
type figure struct {
	what, target, measured, verdict string
	others                          float64
}

func newReport(short bool) *report {
	return &report{short: short, began: time.Now(), then: machine.Look()}
}

func (r *report) took() time.Duration { return time.Since(r.began) }

// size is the first number, or in a short run the second.
func size[T any](r *report, long, short T) T {
	if r.short {
		return short
	}
	return long
}

// judged is a figure that has a target.
func (r *report) judged(what, target, measured string, met bool) {
	verdict := "met"
	if !met {
		verdict = "**missed**"
	}
	if r.short {
		verdict = "short" // says nothing
	}
	r.add(figure{what: what, target: target, measured: measured, verdict: verdict})
}

// told is a figure without one.
func (r *report) told(what, measured string) { r.add(figure{what: what, measured: measured}) }

func (r *report) add(f figure) {
	fmt.Fprintf(os.Stderr, "        %s: %s %s\n", f.what, f.measured, f.verdict)
	r.figures = append(r.figures, f)
}

func (r *report) markdown(args []string) string {
	var b strings.Builder
	own, others := machine.Look().Since(r.then)
	fmt.Fprintf(&b, "`%s`\n\n", strings.Join(append([]string{"go run ./cluster/natscluster/example/figures"}, args...), " "))
	fmt.Fprintf(&b, "%s. The run took %.1f minutes, in which it used %.0f %% of the processors and others %.0f %%.\n", where(), r.took().Minutes(), 100*own, 100*others)
	if r.short {
		b.WriteString("\n**A short run: few members and one round. It shows that everything works, and no figures to go by.**\n")
	}
	b.WriteString("\n| figure | target | measured | | others |\n|---|---|---|---|---|\n")
	for _, f := range r.figures {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %.0f %% |\n", f.what, f.target, f.measured, f.verdict, 100*f.others)
	}
	return b.String()
}

// where is the machine, and what was measured.
func where() string {
	parts := []string{time.Now().UTC().Format(time.DateOnly)}
	info, _ := os.ReadFile("/proc/cpuinfo")
	if _, rest, found := strings.Cut(string(info), "model name"); found {
		line, _, _ := strings.Cut(rest, "\n")
		parts = append(parts, strings.Trim(line, "\t :"))
	}
	parts = append(parts, fmt.Sprintf("%d processors", runtime.NumCPU()))
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		parts = append(parts, "Linux "+unix.ByteSliceToString(name.Release[:]))
	}
	parts = append(parts, runtime.Version())
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, m := range build.Deps {
			if m.Path == "github.com/nats-io/nats-server/v2" {
				parts = append(parts, "nats-server "+m.Version)
			}
		}
	}
	if out, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output(); err == nil {
		parts = append(parts, "Lectern at "+strings.TrimSpace(string(out)))
	}
	return strings.Join(parts, ", ")
}

// times are durations that were measured.
type times []time.Duration

// at is a quantile of them, from 0 to 1.
func (t times) at(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

func (t times) max() time.Duration { return t.at(1) }

// ms is a duration as it is told.
func ms(d time.Duration) string {
	switch v := float64(d) / 1e6; {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.1f s", v/1000)
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", v/1000)
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", v)
	default:
		return fmt.Sprintf("%.2f ms", v)
	}
}

// thousands is a number with commas.
func thousands[N int | uint64 | float64](n N) string {
	text := fmt.Sprintf("%.0f", float64(n))
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// perSecond is how many there are in a second.
func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }
