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
	// Add adds delta to a metric of the kind MetricCounter or MetricGauge. label is
	// one of the metric's Labels, or empty where it has none.
	Add(metric Metric, label string, delta int64)
	// Observe tells one value of a metric of the kind MetricHistogram.
	Observe(metric Metric, value float64)
}

// Metric is something that an Observer is told of. Metrics lists them all.
type Metric uint8

const (
	// MetricConnections are those that are open.
	MetricConnections Metric = iota
	// MetricChannels are the channels that exist.
	MetricChannels
	// MetricSlaves are those of all channels, those away included.
	MetricSlaves
	// MetricMessagesReceived are those that the hub has accepted, by the sender's role.
	MetricMessagesReceived
	// MetricBytesReceived is the size of their payloads, by the sender's role.
	MetricBytesReceived
	// MetricMessagesSent are those queued for a receiver, one for each, by its role.
	MetricMessagesSent
	// MetricBytesSent is the size of these as encoded, by the receiver's role.
	MetricBytesSent
	// MetricMessagesDropped are messages that were not sent to their receiver, by
	// reason: what a full queue has dropped, and what was no longer kept at a resume.
	MetricMessagesDropped
	// MetricFramesRefused are frames that were answered by an error, by its code.
	MetricFramesRefused
	// MetricJoins are slaves that have joined.
	MetricJoins
	// MetricLeaves are slaves that have left, by reason.
	MetricLeaves
	// MetricResumes are members that have come back, by their role.
	MetricResumes
	// MetricConnectionsLost are connections of members that have ended without a
	// leave, by the member's role.
	MetricConnectionsLost
	// MetricQueueDepth is how many messages wait in the longest queue of a channel's
	// slaves, at each message to all.
	MetricQueueDepth
	// MetricClosingSeconds is how long after X the last slave of a channel was told of
	// it and let go, in seconds, where its master was down.
	MetricClosingSeconds

	metricCount
)

// MetricKind tells how a metric's values are to be understood.
type MetricKind uint8

const (
	// MetricCounter only rises.
	MetricCounter MetricKind = iota
	// MetricGauge rises and falls.
	MetricGauge
	// MetricHistogram is of single values.
	MetricHistogram
)

const (
	labelMaster = "master"
	labelSlave  = "slave"
	labelSlow   = "slow"
	labelReplay = "replay"
)

var roleLabels = []string{labelMaster, labelSlave}

var metrics = [metricCount]struct {
	name, label, help string
	kind              MetricKind
	labels            []string
}{
	MetricConnections:      {name: "connections", help: "Open connections.", kind: MetricGauge},
	MetricChannels:         {name: "channels", help: "Channels that exist.", kind: MetricGauge},
	MetricSlaves:           {name: "slaves", help: "Slaves of all channels, those away included.", kind: MetricGauge},
	MetricMessagesReceived: {name: "messages_received", label: "role", help: "Messages accepted, by the sender's role.", labels: roleLabels},
	MetricBytesReceived:    {name: "bytes_received", label: "role", help: "Bytes of payload accepted, by the sender's role.", labels: roleLabels},
	MetricMessagesSent:     {name: "messages_sent", label: "role", help: "Messages queued for a receiver, by its role.", labels: roleLabels},
	MetricBytesSent:        {name: "bytes_sent", label: "role", help: "Encoded bytes of messages queued, by the receiver's role.", labels: roleLabels},
	MetricMessagesDropped:  {name: "dropped", label: "reason", help: "Messages that did not reach a receiver.", labels: []string{labelSlow, labelReplay}},
	MetricFramesRefused:    {name: "refused", label: "code", help: "Frames refused, by code.", labels: refusalLabels()},
	MetricJoins:            {name: "joins", help: "Slaves that have joined."},
	MetricLeaves:           {name: "leaves", label: "reason", help: "Slaves that have left, by reason.", labels: leaveLabels()},
	MetricResumes:          {name: "resumes", label: "role", help: "Members that have come back.", labels: roleLabels},
	MetricConnectionsLost:  {name: "lost", label: "role", help: "Members whose connection was lost.", labels: roleLabels},
	MetricQueueDepth:       {name: "queue_depth", help: "Messages in the longest queue, at each message to all.", kind: MetricHistogram},
	MetricClosingSeconds:   {name: "closing_seconds", help: "Time from X until the last slave was let go.", kind: MetricHistogram},
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

// refusalLabels are the codes of refusals, and one for those of a service.
func refusalLabels() []string {
	var labels []string
	for _, code := range wire.Codes() {
		if code.Is(wire.Refuses) {
			labels = append(labels, string(code.Code))
		}
	}
	return append(labels, "other")
}

// leaveLabels are how a slave can leave: the codes of ends, and "timeout" where it was away
// for too long. A master's own words in a kick are never a label.
func leaveLabels() []string {
	labels := []string{"timeout"}
	for _, code := range wire.Codes() {
		// Who was replaced is a member still, and who is told resume_failed was none any more.
		if code.Is(wire.Ends) && code.Code != wire.ErrReplaced.Code && code.Code != wire.ErrResumeFailed.Code {
			labels = append(labels, string(code.Code))
		}
	}
	return labels
}

// observer tells an Observer what the hub tells by number.
type observer struct{ observer Observer }

func (o observer) Add(metric hub.Metric, label string, delta int64) {
	o.observer.Add(Metric(metric), label, delta)
}

func (o observer) Observe(metric hub.Metric, value float64) {
	o.observer.Observe(Metric(metric), value)
}
