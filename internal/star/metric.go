package star

// Metric is something that is counted, by the rules or by the packages above them.
type Metric uint8

// The metrics. Each is the public package's Metric of the same name and number, which
// says what it means; inner_test.go compares them.
const (
	Connections Metric = iota
	Channels
	Slaves
	MessagesReceived
	BytesReceived
	MessagesSent
	BytesSent
	MessagesDropped
	FramesRefused
	Joins
	Leaves
	Resumes
	ConnectionsLost
	QueueDepth
	ClosingSeconds
	MessagesByTopic
	Appends
	AppendSeconds
	GroupBytes
	HolesFilled
	Doubts
	Takeovers
	LeaderlessSeconds
	Edges
	Subscriptions
	MostLed
)

// LabelService is the label of MessagesReceived and BytesReceived for what the service sends.
// Otherwise it is the sender's role.
const LabelService = "service"

// Labels of MessagesDropped: LabelSlow is for messages that a full queue has dropped,
// LabelReplay for messages that were no longer kept at a resume, and LabelExpired for
// messages that were worth nothing any more before they could be sent.
const (
	LabelSlow    = "slow"
	LabelReplay  = "replay"
	LabelExpired = "expired"
)

// LabelOther is the label of MessagesByTopic for topics that are not among Limits.Topics.
const LabelOther = "other"

// countTopic counts a message by its topic, where it has one.
func (c *Channel) countTopic(topic string) {
	switch {
	case topic == "":
	case c.limits.Topics[topic]:
		c.count(MessagesByTopic, topic, 1)
	default:
		c.count(MessagesByTopic, LabelOther, 1)
	}
}
