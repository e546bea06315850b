package cluster

import "time"

// HubInfo is what is known of a hub that is one of a cluster, at one of them.
type HubInfo struct {
	// ID is the hub's, a new one each time that it starts. Self: it is the one that was asked.
	ID   HubID
	Self bool
	// Channels is how many channels it has, its own and those of other hubs of which it has
	// members, and Connections how many connections, as it has said last.
	Channels, Connections uint64
	// Silent is for how long nothing was heard of it, and Lost whether that is so long that its
	// members are away.
	Silent time.Duration
	Lost   bool
	// Leaving: it has said that it is about to end.
	Leaving bool
}
