package stage

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
)

// Ledger is an Observer for tests. It keeps the counts and values that it gets, and checks
// that their labels and kinds are right. mu guards its fields.
type Ledger struct {
	mu     sync.Mutex
	counts map[string]int64
	values map[lectern.Metric][]float64
	wrong  []string
	topics []string
}

// NewLedger returns an empty Ledger, for a hub whose Policy has these Topics.
func NewLedger(topics ...string) *Ledger {
	return &Ledger{topics: topics, counts: map[string]int64{}, values: map[lectern.Metric][]float64{}}
}

// Add adds to a count. The key of a count is the name of its metric, and its label after a
// space where it has one.
func (l *Ledger) Add(metric lectern.Metric, label string, delta int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	labelled := slices.Contains(metric.Labels(), label) || metric.Label() == "" && label == "" ||
		metric == lectern.MetricMessagesByTopic && slices.Contains(l.topics, label)
	if !labelled || metric.Kind() == lectern.MetricHistogram || metric.Kind() == lectern.MetricCounter && delta < 0 {
		l.wrong = append(l.wrong, fmt.Sprint(metric, label, delta))
	}
	key := metric.String()
	if label != "" {
		key += " " + label
	}
	l.counts[key] += delta
}

// Observe keeps a value.
func (l *Ledger) Observe(metric lectern.Metric, value float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if metric.Kind() != lectern.MetricHistogram {
		l.wrong = append(l.wrong, fmt.Sprint(metric, value))
	}
	l.values[metric] = append(l.values[metric], value)
}

// Count returns the count under that key.
func (l *Ledger) Count(key string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[key]
}

// Values returns the values of the metric.
func (l *Ledger) Values(metric lectern.Metric) []float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.values[metric])
}

// Clear removes the counts and values, but not what was wrong.
func (l *Ledger) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.counts)
	clear(l.values)
}

// Has expects these counts, and that nothing was wrong.
func (l *Ledger) Has(t *testing.T, counts map[string]int64) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	require.Empty(t, l.wrong)
	for key, n := range counts {
		require.Equal(t, n, l.counts[key], key)
	}
}
