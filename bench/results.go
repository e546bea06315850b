//go:build linux

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// results are the figures of a run, one of each round, and where it was.
type results struct {
	Machine environment `json:"machine"`
	Short   bool        `json:"short"`
	Sizes   sizes       `json:"sizes"`
	LeftOut []string    `json:"left_out,omitempty"`
	Cells   []*cell     `json:"cells"`
}

// cell is a figure of a server in a workload.
type cell struct {
	Workload string    `json:"workload"`
	Server   string    `json:"server"`
	Metric   string    `json:"metric"`
	Rounds   []float64 `json:"rounds"`
}

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

// The files that a run writes, and "plot" reads and writes.
const (
	resultsFile = "results.json"
	tablesFile  = "results.md"
)

func (r *results) write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	data, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, resultsFile), append(data, '\n'), 0o666); err != nil {
		return err
	}
	return r.render(dir)
}

// render writes what can be made of the figures.
func (r *results) render(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, tablesFile), []byte(r.report()), 0o666); err != nil {
		return err
	}
	return r.plots(dir)
}

func readResults(dir string) (*results, error) {
	data, err := os.ReadFile(filepath.Join(dir, resultsFile))
	if err != nil {
		return nil, err
	}
	r := new(results)
	return r, json.Unmarshal(data, r)
}
