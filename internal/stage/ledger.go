package stage

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Ledger is an Observer. It keeps what it is told, and checks that it makes sense.
type Ledger struct {
	mu     sync.Mutex
	counts map[string]int64
	values map[lectern.Metric][]float64
	wrong  []string
}

// NewLedger is an empty one.
func NewLedger() *Ledger {
	return &Ledger{counts: map[string]int64{}, values: map[lectern.Metric][]float64{}}
}

// Add counts. A count is kept under the name of its metric and its label.
func (l *Ledger) Add(metric lectern.Metric, label string, delta int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	labelled := slices.Contains(metric.Labels(), label) || metric.Label() == "" && label == ""
	if !labelled || metric.Kind() == lectern.MetricHistogram || metric.Kind() == lectern.MetricCounter && delta < 0 {
		l.wrong = append(l.wrong, fmt.Sprint(metric, label, delta))
	}
	key := metric.String()
	if label != "" {
		key += " " + label
	}
	l.counts[key] += delta
}

// Observe keeps the value.
func (l *Ledger) Observe(metric lectern.Metric, value float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if metric.Kind() != lectern.MetricHistogram {
		l.wrong = append(l.wrong, fmt.Sprint(metric, value))
	}
	l.values[metric] = append(l.values[metric], value)
}

// Count is what has been counted under that name.
func (l *Ledger) Count(key string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[key]
}

// Values are what has been observed of the metric.
func (l *Ledger) Values(metric lectern.Metric) []float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.values[metric])
}

// Clear forgets what was told, but not what made no sense.
func (l *Ledger) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.counts)
	clear(l.values)
}

// Has expects these counts, and that all that was told makes sense.
func (l *Ledger) Has(t *testing.T, counts map[string]int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.wrong)
	for key, n := range counts {
		require.Equal(t, n, l.counts[key], key)
	}
}
