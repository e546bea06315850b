package lecternprom_test

import (
	"math"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"

	"github.com/lectern-go/lectern"
	lecternprom "github.com/lectern-go/lectern/metrics/prometheus"
)

func newObserver(t testing.TB, options lecternprom.Options) (*lecternprom.Observer, *prometheus.Registry) {
	registry := prometheus.NewPedanticRegistry()
	observer, err := lecternprom.NewObserver(registry, options)
	require.NoError(t, err)
	return observer, registry
}

// series lists all series, each as its name and labels, with their values: of a
// histogram, how often it has observed.
func series(t testing.TB, registry *prometheus.Registry) map[string]float64 {
	families, err := registry.Gather()
	require.NoError(t, err)
	all := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			id := family.GetName()
			for _, label := range metric.GetLabel() {
				id += " " + label.GetName() + "=" + label.GetValue()
			}
			switch family.GetType() {
			case dto.MetricType_COUNTER:
				all[id] = metric.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				all[id] = metric.GetGauge().GetValue()
			case dto.MetricType_HISTOGRAM:
				all[id] = float64(metric.GetHistogram().GetSampleCount())
			default:
				t.Errorf("%s is a %v", id, family.GetType())
			}
		}
	}
	return all
}

// Every series is there before anything has happened, and nothing else.
func TestAllSeriesFromTheStart(t *testing.T) {
	_, registry := newObserver(t, lecternprom.Options{})
	want := map[string]float64{}
	for _, metric := range lectern.Metrics() {
		name := "lectern_" + metric.String()
		if metric.Kind() == lectern.MetricCounter {
			name += "_total"
		}
		if metric.Label() == "" {
			want[name] = 0
		}
		for _, label := range metric.Labels() {
			want[name+" "+metric.Label()+"="+label] = 0
		}
	}
	require.Equal(t, want, series(t, registry))
	require.Contains(t, want, "lectern_refused_total code=no_such_slave")
	require.Contains(t, want, "lectern_channels")
}

func TestNamesAreAsPrometheusWantsThem(t *testing.T) {
	observer, _ := newObserver(t, lecternprom.Options{})
	problems, err := testutil.CollectAndLint(observer)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestExposition(t *testing.T) {
	observer, registry := newObserver(t, lecternprom.Options{
		Buckets: map[lectern.Metric][]float64{lectern.MetricQueueDepth: {1, 10}},
	})
	observer.Add(lectern.MetricConnections, "", 3)
	observer.Add(lectern.MetricConnections, "", -1)
	observer.Add(lectern.MetricBytesReceived, "master", math.MaxUint32)
	observer.Add(lectern.MetricBytesReceived, "slave", 5)
	observer.Add(lectern.MetricBytesReceived, "slave", 6)
	observer.Add(lectern.MetricLeaves, "unheard of", 1) // makes no series
	observer.Observe(lectern.MetricQueueDepth, 1)
	observer.Observe(lectern.MetricQueueDepth, 300)
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP lectern_bytes_received_total Bytes of payload accepted, by the sender's role.
# TYPE lectern_bytes_received_total counter
lectern_bytes_received_total{role="master"} 4.294967295e+09
lectern_bytes_received_total{role="service"} 0
lectern_bytes_received_total{role="slave"} 11
# HELP lectern_connections Open connections.
# TYPE lectern_connections gauge
lectern_connections 2
# HELP lectern_queue_depth Messages in the longest queue, at each message to all.
# TYPE lectern_queue_depth histogram
lectern_queue_depth_bucket{le="1"} 1
lectern_queue_depth_bucket{le="10"} 1
lectern_queue_depth_bucket{le="+Inf"} 2
lectern_queue_depth_sum 301
lectern_queue_depth_count 2
`), "lectern_bytes_received_total", "lectern_connections", "lectern_queue_depth"))
	require.Len(t, series(t, registry), len(series(t, second(newObserver(t, lecternprom.Options{})))))
}

// What a service counts by topic is what it has named, and the rest.
func TestTopics(t *testing.T) {
	observer, registry := newObserver(t, lecternprom.Options{Topics: []string{"slide", "hand"}})
	observer.Add(lectern.MetricMessagesByTopic, "slide", 2)
	observer.Add(lectern.MetricMessagesByTopic, "other", 1)
	observer.Add(lectern.MetricMessagesByTopic, "unheard of", 1) // makes no series
	all := series(t, registry)
	require.EqualValues(t, 2, all["lectern_messages_by_topic_total topic=slide"])
	require.EqualValues(t, 1, all["lectern_messages_by_topic_total topic=other"])
	require.Contains(t, all, "lectern_messages_by_topic_total topic=hand")
	require.NotContains(t, all, "lectern_messages_by_topic_total topic=unheard of")
	require.Len(t, all, len(series(t, second(newObserver(t, lecternprom.Options{}))))+2)
}

func second[T, U any](_ T, u U) U { return u }

// The error is one, never a panic, and leaves the registry as it was.
func TestRegisteredTwice(t *testing.T) {
	observer, registry := newObserver(t, lecternprom.Options{})
	_, err := lecternprom.NewObserver(registry, lecternprom.Options{})
	var already prometheus.AlreadyRegisteredError
	require.ErrorAs(t, err, &already)
	require.Same(t, observer, already.ExistingCollector)

	require.True(t, registry.Unregister(observer))
	require.Empty(t, series(t, registry))
	_, err = lecternprom.NewObserver(registry, lecternprom.Options{})
	require.NoError(t, err)

	// Somebody else has a metric of one of the names.
	registry = prometheus.NewPedanticRegistry()
	registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "lectern_joins_total", Help: "Something else."}))
	_, err = lecternprom.NewObserver(registry, lecternprom.Options{})
	require.Error(t, err)
	require.Equal(t, map[string]float64{"lectern_joins_total": 0}, series(t, registry))
}

func TestTwoHubsToldApart(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	for _, hub := range []string{"a", "b"} {
		observer, err := lecternprom.NewObserver(prometheus.WrapRegistererWith(prometheus.Labels{"hub": hub}, registry), lecternprom.Options{})
		require.NoError(t, err)
		observer.Add(lectern.MetricJoins, "", int64(len(hub)))
	}
	require.EqualValues(t, 1, series(t, registry)["lectern_joins_total hub=a"])
	require.EqualValues(t, 1, series(t, registry)["lectern_joins_total hub=b"])
}

func TestBucketsThatMakeNoSense(t *testing.T) {
	for _, c := range []struct {
		metric  lectern.Metric
		buckets []float64
		text    string
	}{
		{lectern.MetricQueueDepth, []float64{1, 2, 2}, "queue_depth do not rise"},
		{lectern.MetricClosingSeconds, []float64{1, math.NaN()}, "closing_seconds do not rise"},
		{lectern.MetricJoins, []float64{1}, "joins is no distribution"},
		{lectern.Metric(200), []float64{1}, "unknown is no distribution"},
	} {
		_, err := lecternprom.NewObserver(prometheus.NewRegistry(), lecternprom.Options{
			Buckets: map[lectern.Metric][]float64{c.metric: c.buckets},
		})
		require.ErrorContains(t, err, c.text)
	}
}

func TestNothingIsAllocated(t *testing.T) {
	observer, _ := newObserver(t, lecternprom.Options{})
	require.Zero(t, testing.AllocsPerRun(100, func() {
		observer.Add(lectern.MetricConnections, "", 1)
		observer.Add(lectern.MetricMessagesReceived, "slave", 1)
		observer.Add(lectern.MetricFramesRefused, string(lectern.ErrBusy.Code), 1)
		observer.Observe(lectern.MetricQueueDepth, 17)
	}))
}

func BenchmarkAdd(b *testing.B) {
	for _, c := range []struct {
		name   string
		metric lectern.Metric
		label  string
	}{
		{"without label", lectern.MetricJoins, ""},
		{"role", lectern.MetricMessagesSent, "slave"},
		{"code", lectern.MetricFramesRefused, string(lectern.ErrNoSuchSlave.Code)},
	} {
		b.Run(c.name, func(b *testing.B) {
			observer, _ := newObserver(b, lecternprom.Options{})
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					observer.Add(c.metric, c.label, 1)
				}
			})
		})
	}
}

func BenchmarkObserve(b *testing.B) {
	observer, _ := newObserver(b, lecternprom.Options{})
	b.ReportAllocs()
	for b.Loop() {
		observer.Observe(lectern.MetricQueueDepth, 17)
	}
}
