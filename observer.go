package lectern

import (
	"slices"

	"github.com/lectern-go/lectern/internal/hub"
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
	// MetricMessagesReceived are those that the hub has accepted, by the sender's role, which is
	// "service" for what the service sends itself.
	MetricMessagesReceived
	// MetricBytesReceived is the size of their payloads, by the sender's role.
	MetricBytesReceived
	// MetricMessagesSent are those queued for a receiver, one for each, by its role.
	MetricMessagesSent
	// MetricBytesSent is the size of these as encoded, by the receiver's role.
	MetricBytesSent
	// MetricMessagesDropped are messages that were not sent to their receiver, by
	// reason: what a full queue has dropped, what was no longer kept at a resume, and what
	// has expired before it could be sent.
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
	// MetricMessagesByTopic are messages that the hub has accepted and that have a topic, by
	// the topic: one of Policy.Topics, or "other". Those without a topic are not counted.
	MetricMessagesByTopic

	// The following are of a hub of a cluster (Policy.Cluster). They tell what this hub does there; a hub that is alone
	// never tells any of them.

	// MetricAppends are attempts to append a group to the log of a channel, by outcome: committed, conflict
	// (something else was there already: another hub, a doubt, or the group itself), full (no room), and unknown, where
	// no answer came; those that are not committed are made again where that is of use.
	MetricAppends
	// MetricAppendSeconds is how long the engine took to commit a group, in seconds, by the attempt that
	// was answered.
	MetricAppendSeconds
	// MetricGroupBytes is the size of a committed group, in bytes.
	MetricGroupBytes
	// MetricHolesFilled are groups of channels of other hubs that were not heard in time, and read from the log.
	MetricHolesFilled
	// MetricDoubts are entries in the log by which this hub has asked whether another one lives that it did not hear
	// (asked), or has answered such a question (answered).
	MetricDoubts
	// MetricTakeovers are channels that this hub has become the owner of, but for those created here, by cause. That is also in the log's
	// line "channel taken over": master_back (the master has come back here), handed_over (to a slave here), unheard (the
	// owner did not answer), given_up (the owner had given it up), unowned (nobody has owned it), looked_for (one of the
	// last three, and none of its members was here: somebody has looked for it).
	MetricTakeovers
	// MetricLeaderlessSeconds is for how long a shard of the engine's log had no leader that was known, in seconds,
	// of all shards together.
	MetricLeaderlessSeconds
	// MetricEdges are the channels of other hubs that this one follows, because members of them are here.
	MetricEdges
	// MetricSubscriptions are what this hub listens to at the engine.
	MetricSubscriptions
	// MetricMostLed is how many shards of the engine's log the node leads that leads most of them, as last heard. Where that is
	// more than a fair share, the death of one node stops more channels than it has to.
	MetricMostLed
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

// Metrics lists all metrics.
func Metrics() []Metric { return hub.EveryMetric[Metric]() }

// String is the metric's name: small letters and underscores.
func (m Metric) String() string { return m.entry().Name }

// Help says in one sentence what the metric tells.
func (m Metric) Help() string { return m.entry().Help }

// Kind tells how the metric's values are to be understood.
func (m Metric) Kind() MetricKind { return MetricKind(m.entry().Kind) }

// Label names what the metric's labels tell apart; empty where it has none.
func (m Metric) Label() string { return m.entry().Label }

// Labels lists every label that the metric is ever given, beside those of Policy.Topics. Names of channels and
// users, and texts of peers, are never labels.
func (m Metric) Labels() []string { return slices.Clone(m.entry().Labels) }

func (m Metric) entry() hub.MetricEntry { return hub.DescribeMetric(hub.Metric(m)) }

// observer tells an Observer what the hub tells by number.
type observer struct{ observer Observer }

func (o observer) Add(metric hub.Metric, label string, delta int64) {
	o.observer.Add(Metric(metric), label, delta)
}

func (o observer) Observe(metric hub.Metric, value float64) {
	o.observer.Observe(Metric(metric), value)
}
