package lectern

import (
	"slices"

	"github.com/lectern-go/lectern/internal/hub"
	"github.com/lectern-go/lectern/internal/wire"
)

// Observer is told what a hub does, in counts and durations, for a metrics
// library to hang on: see the module metrics/prometheus.
//
// Its methods are called from many goroutines at once, without any lock of the
// hub's held, on the way of every message. They must be fast, must not block,
// and must not call Close or Shutdown of the hub. A panic is caught and logged; but
// they must not end the goroutine, as FailNow of a test does: the process ends with it.
type Observer interface {
	// Add adds delta to a metric of the kind Count or Level. label is one of the
	// metric's Labels, or empty where it has none.
	Add(metric Metric, label string, delta int64)
	// Observe tells one value of a metric of the kind Distribution.
	Observe(metric Metric, value float64)
}

// Metric is something that an Observer is told of. Metrics lists them all.
type Metric uint8

const (
	// Connections are those that are open.
	Connections Metric = iota
	// ChannelsOpen are the channels that exist.
	ChannelsOpen
	// Slaves are those of all channels, those away included.
	Slaves
	// MessagesReceived are those that the hub has accepted, by the sender's role.
	MessagesReceived
	// BytesReceived is the size of their payloads, by the sender's role.
	BytesReceived
	// MessagesSent are those queued for a receiver, one for each, by its role.
	MessagesSent
	// BytesSent is the size of these as encoded, by the receiver's role.
	BytesSent
	// Dropped are messages that were not sent to their receiver, by reason: what
	// a full queue has dropped, and what was no longer kept at a resume.
	Dropped
	// Refused are frames that were answered by an error, by its code.
	Refused
	// Joins are slaves that have joined.
	Joins
	// Leaves are slaves that have left, by reason.
	Leaves
	// Resumes are members that have come back, by their role.
	Resumes
	// Lost are connections of members that have ended without a leave, by the
	// member's role.
	Lost
	// QueueDepth is how many messages wait in the longest queue of a channel's
	// slaves, at each message to all.
	QueueDepth
	// ClosingTime is how long after X the last slave of a channel was told of
	// it and let go, in seconds, where its master was down.
	ClosingTime

	metricCount
)

// MetricKind tells how a metric's values are to be understood.
type MetricKind uint8

const (
	// Count only rises.
	Count MetricKind = iota
	// Level rises and falls.
	Level
	// Distribution is of single values.
	Distribution
)

const (
	labelMaster = "master"
	labelSlave  = "slave"
	labelSlow   = "slow"
	labelReplay = "replay"
)

var (
	roleLabels = []string{labelMaster, labelSlave}
	// leaveLabels are how a slave can leave; a master's own words in a kick are
	// never a label.
	leaveLabels = []string{"left", "kicked", "timeout", "master_left", "master_down", "channel_closed", "shutdown"}
)

var metrics = [metricCount]struct {
	name, label, help string
	kind              MetricKind
	labels            []string
}{
	Connections:      {name: "connections", help: "Open connections.", kind: Level},
	ChannelsOpen:     {name: "channels", help: "Channels that exist.", kind: Level},
	Slaves:           {name: "slaves", help: "Slaves of all channels, those away included.", kind: Level},
	MessagesReceived: {name: "messages_received", label: "role", help: "Messages accepted, by the sender's role.", labels: roleLabels},
	BytesReceived:    {name: "bytes_received", label: "role", help: "Bytes of payload accepted, by the sender's role.", labels: roleLabels},
	MessagesSent:     {name: "messages_sent", label: "role", help: "Messages queued for a receiver, by its role.", labels: roleLabels},
	BytesSent:        {name: "bytes_sent", label: "role", help: "Encoded bytes of messages queued, by the receiver's role.", labels: roleLabels},
	Dropped:          {name: "dropped", label: "reason", help: "Messages that did not reach a receiver.", labels: []string{labelSlow, labelReplay}},
	Refused:          {name: "refused", label: "code", help: "Frames refused, by code.", labels: refusalLabels()},
	Joins:            {name: "joins", help: "Slaves that have joined."},
	Leaves:           {name: "leaves", label: "reason", help: "Slaves that have left, by reason.", labels: leaveLabels},
	Resumes:          {name: "resumes", label: "role", help: "Members that have come back.", labels: roleLabels},
	Lost:             {name: "lost", label: "role", help: "Members whose connection was lost.", labels: roleLabels},
	QueueDepth:       {name: "queue_depth", help: "Messages in the longest queue, at each message to all.", kind: Distribution},
	ClosingTime:      {name: "closing_seconds", help: "Time from X until the last slave was let go.", kind: Distribution},
}

// Metrics lists all metrics.
func Metrics() []Metric {
	all := make([]Metric, metricCount)
	for i := range all {
		all[i] = Metric(i)
	}
	return all
}

// String is the metric's name: small letters and underscores.
func (m Metric) String() string {
	if m >= metricCount {
		return "unknown"
	}
	return metrics[m].name
}

// Help says in one sentence what the metric tells.
func (m Metric) Help() string { return metrics[m].help }

// Kind tells how the metric's values are to be understood.
func (m Metric) Kind() MetricKind { return metrics[m].kind }

// Label names what the metric's labels tell apart; empty where it has none.
func (m Metric) Label() string { return metrics[m].label }

// Labels lists every label that the metric is ever given. Names of channels and
// users, and texts of peers, are never labels.
func (m Metric) Labels() []string { return slices.Clone(metrics[m].labels) }

func refusalLabels() []string {
	var labels []string
	for _, refusal := range wire.Refusals {
		labels = append(labels, string(refusal.Code))
	}
	return append(labels, "other")
}

// observer tells an Observer what the hub tells by number.
type observer struct{ observer Observer }

func (o observer) Add(metric hub.Metric, label string, delta int64) {
	o.observer.Add(Metric(metric), label, delta)
}

func (o observer) Observe(metric hub.Metric, value float64) {
	o.observer.Observe(Metric(metric), value)
}
