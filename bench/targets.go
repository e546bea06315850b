//go:build linux

package main

import (
	"fmt"
	"math"
	"strings"
)

// target is what was to be reached, and what was measured for it.
type target struct{ work, target, measured, verdict string }

// lecternName is the server whose figures the targets are about.
const lecternName = "lectern"

// lecternWrapped is the server on whose connections a goroutine waits.
const lecternWrapped = "lectern wrapped"

// lecternHTTPStream is the one over plain HTTP, and lecternText the one over WebSocket that it is held
// against: both speak the text form.
const (
	lecternHTTPStream = "lectern httpstream"
	lecternText       = "lectern text"
)

// targets are judged by the figures alone. Those without their figures are left
// out.
func (r *results) targets() []target {
	var list []target
	judge := func(work, what, measured string, met bool) {
		verdict := "missed"
		if met {
			verdict = "met"
		}
		list = append(list, target{work, what, measured, verdict})
	}
	// within: the figure is at most so many times another server's.
	within := func(work, workload, metric, other string, times float64) {
		v, found := r.median(workload, lecternName, metric)
		base, there := r.median(workload, other, metric)
		if found && there && base > 0 {
			judge(work, fmt.Sprintf("at most %v × %s", times, other), fmt.Sprintf("%.2f ×", v/base), v <= times*base)
		}
	}
	within("sustained fan-out", "sustained", "cpu", "batched", 1.7)
	within("sustained fan-out", "sustained", "cpu", "melody", 0.1)
	within("sustained fan-out", "sustained", "cpu", "centrifuge", 0.5)
	for _, w := range []struct {
		workload string
		members  int
	}{{"single", r.Sizes.Members}, {"crowd", r.Sizes.Crowd}} {
		work := fmt.Sprintf("single broadcast, %d members", w.members)
		within(work, w.workload, "cpu", "one write", 1.25)
		last, found := r.median(w.workload, lecternName, "last")
		if name, best := r.best(w.workload, "last"); found && name != "" {
			judge(work, "the last member has it before any peer's", fmt.Sprintf("%.2f ms; %s %.2f ms", last, name, best), last <= best)
		}
	}
	within("private message, `ack` not asked for", "private", "cpu", "one write", 1.6)
	within("members to master", "members", "cpu", "one write", 1.2)
	for _, server := range []string{lecternName, lecternWrapped} {
		goroutines, _ := r.median("memory", server, "goroutines")
		bound, where := 6.0, "where a goroutine reads"
		if goroutines < 0.5 {
			bound, where = 3, "without a goroutine"
		}
		for _, m := range []struct{ metric, what string }{{"idle", "idle"}, {"after", "after traffic"}} {
			if v, found := r.median("memory", server, m.metric); found {
				judge("memory of a member, "+m.what, fmt.Sprintf("at most %v KB %s", bound, where), fmt.Sprintf("%.1f KB", v), v <= bound)
			}
		}
	}
	for _, s := range specs {
		// A broadcast's own few are spread over its receivers.
		if v, found := r.median("single", s.name, "allocs"); found && s.kind == ours {
			judge("allocations for each receiver, "+s.name, "0", fmt.Sprintf("%.3f", v), v < 0.05)
		}
	}
	if v, found := r.median("single", lecternHTTPStream, "cpu"); found {
		if base, there := r.median("single", lecternText, "cpu"); there && base > 0 {
			judge("single broadcast over plain HTTP", "at most 1.5 × WebSocket, text form", fmt.Sprintf("%.2f ×", v/base), v <= 1.5*base)
		}
	}
	if v, found := r.median("memory", lecternHTTPStream, "idle"); found {
		judge("memory of a member over plain HTTP, idle", "at most 6 KB without a goroutine", fmt.Sprintf("%.1f KB", v), v <= 6)
	}
	within("joining", "connect", "cpu", "gorilla loop", 1.3)
	// The loop has no joins: its members are in with the handshake.
	within("joining", "connect", "cpu", "gorilla join", 1.3)
	r.judgeGrowth(judge)
	within("latency, median", "latency", "median", "gorilla loop", 1.1)
	worst, at := 0.0, ""
	for _, c := range r.Cells {
		if c.Server != lecternText || c.Metric != "cpu" {
			continue
		}
		if base, found := r.median(c.Workload, lecternName, "cpu"); found && median(c.Rounds)/base > worst {
			worst, at = median(c.Rounds)/base, c.Workload
		}
	}
	if at != "" {
		judge("text form", "at most 1.5 × the binary form", fmt.Sprintf("%.2f × at worst, %s", worst, at), worst <= 1.5)
	}
	return list
}

// judgeGrowth is about what many members change.
func (r *results) judgeGrowth(judge func(work, what, measured string, met bool)) {
	spread := func(server string) (lowest, highest float64) {
		lowest = math.Inf(1)
		for _, n := range r.Sizes.Growth {
			if v, found := r.median(grown("growth", n), server, "cpu"); found {
				lowest, highest = min(lowest, v), max(highest, v)
			}
		}
		return lowest, highest
	}
	if lowest, highest := spread(lecternName); highest > 0 {
		measured := fmt.Sprintf("%s to %s µs", figure(lowest), figure(highest))
		if least, most := spread("one write"); most > 0 {
			measured += fmt.Sprintf("; one write %s to %s µs", figure(least), figure(most))
		}
		judge("growth, a delivery", "flat within 20 %", measured, highest <= 1.2*lowest)
	}
	r.judgeGrowthBeside("one write", judge)
	for _, w := range []struct{ workload, what string }{{"join", "a join"}, {"lose", "a loss"}} {
		if len(r.Sizes.Growth) == 0 {
			return
		}
		few, found := r.median(grown(w.workload, r.Sizes.Growth[0]), lecternName, "cpu")
		many, there := r.median(grown(w.workload, r.Sizes.Growth[len(r.Sizes.Growth)-1]), lecternName, "cpu")
		if found && there {
			judge("growth, "+w.what, "at most 1.2 × with many", fmt.Sprintf("%.2f ×", many/few), many <= 1.2*few)
		}
	}
}

// judgeGrowthBeside is about what of the growth is not the other server's too: with
// many sockets, the kernel's own part of a delivery costs more.
func (r *results) judgeGrowthBeside(other string, judge func(work, what, measured string, met bool)) {
	var ratios []string
	few, worst := 0.0, 0.0
	for _, n := range r.Sizes.Growth {
		v, found := r.median(grown("growth", n), lecternName, "cpu")
		base, there := r.median(grown("growth", n), other, "cpu")
		if !found || !there || base == 0 {
			return
		}
		ratio := v / base
		if len(ratios) == 0 {
			few = ratio
		}
		worst = max(worst, ratio)
		ratios = append(ratios, fmt.Sprintf("%.2f", ratio))
	}
	if len(ratios) > 0 {
		judge("growth, a delivery beside "+other, "at most 1.2 × with many", strings.Join(ratios, ", ")+" ×", worst <= 1.2*few)
	}
}

// best is the peer with the lowest figure.
func (r *results) best(workload, metric string) (name string, lowest float64) {
	for _, s := range specs {
		if v, found := r.median(workload, s.name, metric); found && s.kind == peer && (name == "" || v < lowest) {
			name, lowest = s.name, v
		}
	}
	return name, lowest
}
