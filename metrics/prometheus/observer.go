package lecternprom

import (
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lectern-go/lectern"
)

// Options sets up an Observer. The zero value is good.
type Options struct {
	// Buckets are the upper bounds of the histograms of single metrics, rising,
	// in the metric's unit; +Inf is added. A metric that is not in it has its
	// default: for lectern.MetricQueueDepth 0 and the powers of two from 1 to 1024
	// messages, for lectern.MetricClosingSeconds from 1 ms to 10 s, for
	// lectern.MetricAppendSeconds from 0.25 ms to 1 s, for lectern.MetricGroupBytes from 128 bytes to 256 KiB. Where
	// lectern.Policy.Outbox allows longer queues than 1024, the former should
	// reach as far.
	Buckets map[lectern.Metric][]float64

	// Topics are lectern.Policy.Topics: each of them is a label of
	// lectern.MetricMessagesByTopic, beside "other".
	Topics []string
}

// Observer is a lectern.Observer that keeps the metrics for Prometheus. It is
// made by NewObserver and safe for concurrent use. Several hubs may have the
// same one; it then tells of all of them together.
//
// It is also the prometheus.Collector that NewObserver registers: give it to
// Registerer.Unregister where it is no longer wanted.
type Observer struct {
	// By lectern.Metric. A metric is in one of the two.
	adders    []map[string]adder // by label, or by "" where it has none
	observers []prometheus.Observer

	collectors []prometheus.Collector
}

var (
	_ lectern.Observer     = (*Observer)(nil)
	_ prometheus.Collector = (*Observer)(nil)
)

// adder is what a counter and a gauge have in common.
type adder interface{ Add(float64) }

// NewObserver makes an Observer and registers it. The error is the registerer's:
// a prometheus.AlreadyRegisteredError where it has such an Observer already. Then
// nothing has been registered. To tell several hubs of one process apart, give
// each an Observer of its own and its registerer a label, by
// prometheus.WrapRegistererWith. It is an error too where options.Buckets do not
// rise, or are for a metric that is no lectern.MetricHistogram.
func NewObserver(registerer prometheus.Registerer, options Options) (*Observer, error) {
	if err := options.validate(); err != nil {
		return nil, err
	}
	all := lectern.Metrics()
	o := &Observer{adders: make([]map[string]adder, len(all)), observers: make([]prometheus.Observer, len(all))}
	for _, metric := range all {
		o.add(metric, options)
	}
	if err := registerer.Register(o); err != nil {
		return nil, fmt.Errorf("lecternprom: %w", err)
	}
	return o, nil
}

// add makes the metric, with all of its series.
func (o *Observer) add(metric lectern.Metric, options Options) {
	name, help := prometheus.BuildFQName(namespace, "", metric.String()), metric.Help()
	switch metric.Kind() {
	case lectern.MetricCounter:
		vec := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name + "_total", Help: help}, labelNames(metric))
		o.collectors = append(o.collectors, vec)
		o.adders[metric] = series(metric, options, func(labels ...string) adder { return vec.WithLabelValues(labels...) })
	case lectern.MetricGauge:
		vec := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labelNames(metric))
		o.collectors = append(o.collectors, vec)
		o.adders[metric] = series(metric, options, func(labels ...string) adder { return vec.WithLabelValues(labels...) })
	case lectern.MetricHistogram:
		histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: options.buckets(metric)})
		o.collectors = append(o.collectors, histogram)
		o.observers[metric] = histogram
	}
}

const namespace = "lectern"

func labelNames(metric lectern.Metric) []string {
	if metric.Label() == "" {
		return nil
	}
	return []string{metric.Label()}
}

// series makes the series of every label that the metric is ever given, so that
// Add only looks them up.
func series(metric lectern.Metric, options Options, child func(labels ...string) adder) map[string]adder {
	if metric.Label() == "" {
		return map[string]adder{"": child()}
	}
	all := make(map[string]adder)
	labels := metric.Labels()
	if metric == lectern.MetricMessagesByTopic {
		labels = append(labels, options.Topics...)
	}
	for _, label := range labels {
		all[label] = child(label)
	}
	return all
}

// Add is for the hub.
func (o *Observer) Add(metric lectern.Metric, label string, delta int64) {
	if series, ok := o.adders[metric][label]; ok {
		series.Add(float64(delta))
	}
}

// Observe is for the hub.
func (o *Observer) Observe(metric lectern.Metric, value float64) {
	if histogram := o.observers[metric]; histogram != nil {
		histogram.Observe(value)
	}
}

// Describe is for the registry.
func (o *Observer) Describe(descriptions chan<- *prometheus.Desc) {
	for _, collector := range o.collectors {
		collector.Describe(descriptions)
	}
}

// Collect is for the registry.
func (o *Observer) Collect(metrics chan<- prometheus.Metric) {
	for _, collector := range o.collectors {
		collector.Collect(metrics)
	}
}

var defaultBuckets = map[lectern.Metric][]float64{
	lectern.MetricQueueDepth:     {0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024},
	lectern.MetricClosingSeconds: {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10},
	lectern.MetricAppendSeconds:  {0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1},
	lectern.MetricGroupBytes:     {128, 256, 512, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10},
}

func (o Options) buckets(metric lectern.Metric) []float64 {
	if buckets := o.Buckets[metric]; len(buckets) > 0 {
		return buckets
	}
	return defaultBuckets[metric]
}

func (o Options) validate() error {
	for _, metric := range slices.Sorted(maps.Keys(o.Buckets)) {
		if !slices.Contains(lectern.Metrics(), metric) || metric.Kind() != lectern.MetricHistogram {
			return fmt.Errorf("lecternprom: Options.Buckets: %v is no distribution", metric)
		}
		buckets := o.Buckets[metric]
		for i := 1; i < len(buckets); i++ {
			if !(buckets[i-1] < buckets[i]) {
				return fmt.Errorf("lecternprom: Options.Buckets: those of %v do not rise", metric)
			}
		}
	}
	return nil
}
