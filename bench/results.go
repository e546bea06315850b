//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// results are the figures, one of each round.
type results struct {
	Cells []*cell `json:"cells"`
}

// cell is a figure of a server in a workload.
type cell struct {
	Workload string    `json:"workload"`
	Server   string    `json:"server"`
	Metric   string    `json:"metric"`
	Rounds   []float64 `json:"rounds"`
}

func newResults() *results { return new(results) }

func (r *results) find(workload, server, metric string) *cell {
	for _, c := range r.Cells {
		if c.Workload == workload && c.Server == server && c.Metric == metric {
			return c
		}
	}
	return nil
}

func (r *results) add(workload, server, metric string, value float64) {
	c := r.find(workload, server, metric)
	if c == nil {
		c = &cell{Workload: workload, Server: server, Metric: metric}
		r.Cells = append(r.Cells, c)
	}
	c.Rounds = append(c.Rounds, value)
}

// median of the rounds, and whether there is one.
func (r *results) median(workload, server, metric string) (float64, bool) {
	c := r.find(workload, server, metric)
	if c == nil {
		return 0, false
	}
	return median(c.Rounds), true
}

func (r *results) write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(data, '\n'), 0o666); err != nil {
		return err
	}
	table := r.table()
	fmt.Print(table)
	return os.WriteFile(filepath.Join(dir, "results.md"), []byte(table), 0o666)
}

func (r *results) table() string {
	var b strings.Builder
	columns := []string{}
	for _, stage := range stages {
		columns = append(columns, stage.workloads...)
	}
	fmt.Fprintf(&b, "| server | %s |\n|---|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
	for _, s := range specs {
		fmt.Fprintf(&b, "| %s |", s.name)
		for _, w := range columns {
			if v, found := r.median(w, s.name, "cpu"); found {
				fmt.Fprintf(&b, " %.3g |", v)
			} else {
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
