package star

// Metric is something that is counted, here or by those who carry the rules out.
// Its numbers are those of the public package's metrics of the same names, which
// say what each means.
type Metric uint8

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

// Labels of Dropped: what a full queue has dropped, and what was no longer kept
// at a resume.
const (
	LabelSlow   = "slow"
	LabelReplay = "replay"
)
