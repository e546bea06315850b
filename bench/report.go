//go:build linux

package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// column is a figure of a table, with what it is compared with.
type column struct {
	title    string
	workload string
	metric   string
	// to is the server that the figure is given as a multiple of, or empty.
	to string
}

// report is the tables, in Markdown.
func (r *results) report() string {
	var b strings.Builder
	b.WriteString("# Results\n\nWritten by `go run . run` in `bench/`; what is measured, and how, is in [../README.md](../README.md).\n\n")
	r.where(&b)
	members, crowd := r.Sizes.Members, r.Sizes.Crowd
	b.WriteString("\n## Targets\n\n| work | target | measured | |\n|---|---|---|---|\n")
	for _, t := range r.targets() {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.work, t.target, t.measured, t.verdict)
	}
	r.table(&b, "Processor time of the server, in µs for each delivery or operation",
		"In brackets as a multiple of `one write`; sustained fan-out as a multiple of `batched`.", []column{
			{fmt.Sprintf("sustained, %d members", members), "sustained", "cpu", "batched"},
			{fmt.Sprintf("single, %d", members), "single", "cpu", "one write"},
			{fmt.Sprintf("single, %d", crowd), "crowd", "cpu", "one write"},
			{"private", "private", "cpu", "one write"},
			{"members to master", "members", "cpu", "one write"},
			{"connect and join", "connect", "cpu", "one write"},
		})
	r.table(&b, "With acknowledgements asked for, in µs", "", []column{
		{"private", "private-ack", "cpu", ""},
		{"members to master", "members-ack", "cpu", ""},
	})
	r.table(&b, fmt.Sprintf("Memory of a member, of %d", crowd),
		"KB resident in the server's process, after a garbage collection. Allocations are for each delivery of a single broadcast.", []column{
			{"idle", "memory", "idle", ""},
			{"after traffic", "memory", "after", ""},
			{"goroutines", "memory", "goroutines", ""},
			{"allocations", "single", "allocs", ""},
		})
	r.table(&b, "Time until the members have a single broadcast, in ms", "From its sending, the median.", []column{
		{fmt.Sprintf("first of %d", members), "single", "first", ""},
		{fmt.Sprintf("last of %d", members), "single", "last", ""},
		{fmt.Sprintf("first of %d", crowd), "crowd", "first", ""},
		{fmt.Sprintf("last of %d", crowd), "crowd", "last", ""},
	})
	r.table(&b, "Wall time, in µs for each delivery or operation", "The load generator's part is in it.", []column{
		{"sustained", "sustained", "wall", ""},
		{"single", "single", "wall", ""},
		{"private", "private", "wall", ""},
		{"members to master", "members", "wall", ""},
		{"connect and join", "connect", "wall", ""},
	})
	r.table(&b, "Latency at 10 messages a second, in µs", "", []column{
		{"median", "latency", "median", ""},
		{"p99", "latency", "p99", ""},
	})
	r.table(&b, fmt.Sprintf("Members that never read, of %d", members),
		"What the others had of it, with 16 broadcasts under way: how much of what was to be sent was sent before nobody heard anything "+
			"for 3 s; the time until the last of them had a broadcast, in ms; and µs of wall time for each delivery.", []column{
			{"none: p99", "stalled, 0", "p99", ""},
			{"longest", "stalled, 0", "longest", ""},
			{"wall", "stalled, 0", "wall", ""},
			{"one: sent", "stalled, 1", "reached", ""},
			{"p99", "stalled, 1", "p99", ""},
			{"longest", "stalled, 1", "longest", ""},
			{"wall", "stalled, 1", "wall", ""},
			{"ten: sent", "stalled, 10", "reached", ""},
			{"p99", "stalled, 10", "p99", ""},
			{"longest", "stalled, 10", "longest", ""},
			{"wall", "stalled, 10", "wall", ""},
		})
	var growth, joins []column
	for _, n := range r.Sizes.Growth {
		growth = append(growth, column{fmt.Sprint(n), grown("growth", n), "cpu", ""})
	}
	if n := r.Sizes.Growth; len(n) > 0 {
		for _, members := range []int{n[0], n[len(n)-1]} {
			joins = append(joins,
				column{fmt.Sprintf("join %d", members), grown("join", members), "cpu", ""},
				column{fmt.Sprintf("loss beside %d", members), grown("lose", members), "cpu", ""})
		}
	}
	r.table(&b, "Growth: µs for each delivery of a single broadcast, by members", "", growth)
	r.table(&b, "Growth: µs for each join on an open connection, and for each connection lost", "The master is told of both.", joins)
	return b.String()
}

func (r *results) where(b *strings.Builder) {
	m := r.Machine
	fmt.Fprintf(b, "%s, %s, %d processors, Linux %s, %s", m.Date, m.CPU, m.Processors, m.Kernel, m.Go)
	if m.Node != "" {
		fmt.Fprintf(b, ", Node %s", m.Node)
	}
	if m.Commit != "" {
		fmt.Fprintf(b, ", Lectern at %s", m.Commit)
	}
	b.WriteString(".\n")
	for _, name := range slices.Sorted(maps.Keys(m.Versions)) {
		fmt.Fprintf(b, "- %s %s\n", name, strings.TrimPrefix(m.Versions[name], "v"))
	}
	fmt.Fprintf(b, "\nThe run took %.1f minutes, in which others used %.0f %% of the processors. Each figure is the median of its rounds.\n",
		m.Minutes, 100*m.Others)
	if r.Short {
		b.WriteString("\n**A short run: fewer members, one round. It shows that everything works, and no figures to go by.**\n")
	}
	for _, reason := range r.LeftOut {
		fmt.Fprintf(b, "\nLeft out: %s.\n", reason)
	}
}

// table writes the servers that have a figure in it.
func (r *results) table(b *strings.Builder, title, note string, columns []column) {
	var rows strings.Builder
	for _, s := range specs {
		var row strings.Builder
		any := false
		for _, c := range columns {
			v, found := r.median(c.workload, s.name, c.metric)
			any = any || found
			row.WriteString(" ")
			if found {
				row.WriteString(figure(v))
				if base, there := r.median(c.workload, c.to, c.metric); there && base > 0 && c.to != s.name {
					fmt.Fprintf(&row, " (%s×)", figure(v/base))
				}
			}
			row.WriteString(" |")
		}
		if any {
			fmt.Fprintf(&rows, "| %s |%s\n", s.name, row.String())
		}
	}
	if rows.Len() == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n", title)
	if note != "" {
		fmt.Fprintf(b, "%s\n\n", note)
	}
	b.WriteString("| server |")
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.title)
	}
	fmt.Fprintf(b, "\n|---|%s\n%s", strings.Repeat("---|", len(columns)), rows.String())
}

// figure has two or three digits that mean something.
func figure(v float64) string {
	switch {
	case v >= 100 || v == 0 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
