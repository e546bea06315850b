package star

// Metric is something that is counted, by the rules or by the packages above them.
type Metric uint8

// The metrics. Each has the same number as the metric of the same name in the public
// package, which says what it means.
const (
	Connections Metric = iota
	ChannelsOpen
	Slaves
	MessagesReceived
	BytesReceived
	MessagesSent
	BytesSent
	Dropped
	Refused
	Joins
	Leaves
	Resumes
	Lost
	QueueDepth
	ClosingTime
)

// Labels of Dropped: LabelSlow is for messages that a full queue has dropped,
// LabelReplay for messages that were no longer kept at a resume.
const (
	LabelSlow   = "slow"
	LabelReplay = "replay"
)
