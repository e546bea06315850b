package hub

import (
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what is said of each metric, for whoever shows it.

var (
	roleLabels   = []string{wire.Master.String(), wire.Slave.String()}
	senderLabels = append(roleLabels[:2:2], star.LabelService)
)

// MetricKind tells how a metric's values are to be understood.
type MetricKind uint8

// The kinds. Each is the public MetricKind of the same name and number.
const (
	Counter MetricKind = iota
	Gauge
	Histogram
)

// MetricEntry is what is said of a metric: its name, what it tells, what its labels tell apart,
// and every label that it is ever given.
type MetricEntry struct {
	Name, Label, Help string
	Kind              MetricKind
	Labels            []string
}

// DescribeMetric is what is said of the metric, or of one that there is not. The entry's labels must not be changed.
func DescribeMetric(m Metric) MetricEntry {
	if int(m) >= len(metrics) {
		return MetricEntry{Name: "unknown"}
	}
	return metrics[m]
}

var metrics = [...]MetricEntry{
	star.Connections:      {Name: "connections", Help: "Open connections.", Kind: Gauge},
	star.Channels:         {Name: "channels", Help: "Channels that exist.", Kind: Gauge},
	star.Slaves:           {Name: "slaves", Help: "Slaves of all channels, those away included.", Kind: Gauge},
	star.MessagesReceived: {Name: "messages_received", Label: "role", Help: "Messages accepted, by the sender's role.", Labels: senderLabels},
	star.BytesReceived:    {Name: "bytes_received", Label: "role", Help: "Bytes of payload accepted, by the sender's role.", Labels: senderLabels},
	star.MessagesSent:     {Name: "messages_sent", Label: "role", Help: "Messages queued for a receiver, by its role.", Labels: roleLabels},
	star.BytesSent:        {Name: "bytes_sent", Label: "role", Help: "Encoded bytes of messages queued, by the receiver's role.", Labels: roleLabels},
	star.MessagesDropped:  {Name: "dropped", Label: "reason", Help: "Messages that did not reach a receiver.", Labels: []string{star.LabelSlow, star.LabelReplay, star.LabelExpired}},
	star.FramesRefused:    {Name: "refused", Label: "code", Help: "Frames refused, by code.", Labels: refusalLabels()},
	star.Joins:            {Name: "joins", Help: "Slaves that have joined."},
	star.Leaves:           {Name: "leaves", Label: "reason", Help: "Slaves that have left, by reason.", Labels: leaveLabels()},
	star.Resumes:          {Name: "resumes", Label: "role", Help: "Members that have come back.", Labels: roleLabels},
	star.ConnectionsLost:  {Name: "lost", Label: "role", Help: "Members whose connection was lost.", Labels: roleLabels},
	star.QueueDepth:       {Name: "queue_depth", Help: "Messages in the longest queue, at each message to all.", Kind: Histogram},
	star.ClosingSeconds:   {Name: "closing_seconds", Help: "Time from X until the last slave was let go.", Kind: Histogram},
	star.MessagesByTopic:  {Name: "messages_by_topic", Label: "topic", Help: "Messages accepted that have a topic, by the topic.", Labels: []string{star.LabelOther}},

	star.Appends:           {Name: "cluster_appends", Label: "outcome", Help: "Attempts to append a group to the log of a channel, by what became of them.", Labels: []string{labelCommitted, labelConflict, labelFull, labelUnknown}},
	star.AppendSeconds:     {Name: "cluster_append_seconds", Help: "Time until a group was committed, of the attempt that did it.", Kind: Histogram},
	star.GroupBytes:        {Name: "cluster_group_bytes", Help: "Bytes of a group that was committed.", Kind: Histogram},
	star.HolesFilled:       {Name: "cluster_holes_filled", Help: "Groups that a tail has not brought in time, and that were read from the log."},
	star.Doubts:            {Name: "cluster_doubts", Label: "part", Help: "Doubts about hubs that are not heard: asked by this one, or answered by it.", Labels: []string{labelAsked, labelAnswered}},
	star.Takeovers:         {Name: "cluster_takeovers", Label: "cause", Help: "Channels of which the hub has become the owner, but for those created here, by cause.", Labels: takeoverLabels()},
	star.LeaderlessSeconds: {Name: "cluster_leaderless_seconds", Help: "Seconds for which a shard of the log has had no known leader, of all shards together."},
	star.Edges:             {Name: "cluster_edges", Help: "Channels of other hubs that this one follows.", Kind: Gauge},
	star.Subscriptions:     {Name: "cluster_subscriptions", Help: "Subscriptions of this hub at the engine.", Kind: Gauge},
	star.MostLed:           {Name: "cluster_most_led", Help: "Shards of the log that the node leads which leads most of them.", Kind: Gauge},
}

// EveryMetric lists all metrics, as whatever counts by their numbers.
func EveryMetric[M ~uint8]() []M {
	all := make([]M, len(metrics))
	for i := range all {
		all[i] = M(i)
	}
	return all
}

// takeoverLabels are why a hub can become the owner.
func takeoverLabels() []string {
	return []string{string(causeMaster), string(causeSuccessor), string(causeUnheard), string(causeGivenUp), string(causeUnowned), string(causeSought)}
}

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
