// Package lecternprom exports what a Lectern hub does as Prometheus metrics.
//
//	observer, err := lecternprom.NewObserver(prometheus.DefaultRegisterer, lecternprom.Options{})
//	…
//	hub, err := lectern.NewHub(lectern.Policy{Observer: observer})
//	…
//	http.Handle("/metrics", promhttp.Handler())
//
// The package's name differs from its directory's, so that it can be imported
// beside client_golang's prometheus without an alias.
//
// Each of lectern.Metrics is exported as lectern_ and its name: a
// lectern.MetricCounter as a counter, with _total behind it, a lectern.MetricGauge
// as a gauge and a lectern.MetricHistogram as a histogram. Every series exists from
// the start, with the value zero. Labels come from fixed sets; names of channels and
// users, and texts of peers, are never among them, so that no peer can add a series.
package lecternprom
