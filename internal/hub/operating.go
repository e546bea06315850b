package hub

import (
	"context"
	"slices"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
)

// This file is what the operators of a cluster see.

// Ready reports whether the hub takes on what comes: it does not end, and as one of a cluster hears itself, so
// that it can decide something.
func (h *Hub) Ready() bool {
	return !h.closing.Load() && (h.clustered == nil || !h.clustered.beating.Alone())
}

// Hubs are those of the cluster that this hub knows of, itself first, or none where it is alone.
func (h *Hub) Hubs() []cluster.HubInfo {
	cl := h.clustered
	if cl == nil {
		return nil
	}
	self := cl.beat()
	hubs := []cluster.HubInfo{{ID: cl.id, Self: true, Channels: self.Channels, Connections: self.Connections, Leaving: self.Leaving}}
	for _, info := range cl.beating.List() {
		if info.ID == cl.id {
			continue
		}
		hubs = append(hubs, cluster.HubInfo{
			ID: info.ID, Channels: info.Beat.Channels, Connections: info.Beat.Connections, Silent: info.HeardAgo,
			Lost: info.Standing == inner.Lost, Leaving: info.Beat.Leaving,
		})
	}
	return hubs
}

// ChannelNames are the names of the channels of all hubs of the cluster that are heard, in their order. The error is
// that of a hub that has not answered.
func (h *Hub) ChannelNames(ctx context.Context) (names []string, err error) {
	for c := range h.Channels() {
		names = append(names, c.Name())
	}
	if h.clustered == nil {
		return names, nil
	}
	for _, other := range h.Hubs() {
		if other.Self || other.Lost {
			continue
		}
		owned, err := h.clustered.channelsOf(ctx, other.ID)
		if err != nil {
			return nil, err
		}
		names = append(names, owned...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil // one may have moved meanwhile
}

// channelsOf are the names of the channels that another hub owns. They come in pages.
func (cl *clustered) channelsOf(ctx context.Context, hub cluster.HubID) (names []string, err error) {
	for after := ""; ; after = names[len(names)-1] {
		o, err := cl.askAgain(ctx, hub, inquiry{What: inquiryChannels, Channel: after})
		if err != nil {
			return nil, err
		}
		if names = append(names, o.Channels...); len(o.Channels) < pageOfNames || len(names) == 0 {
			return names, nil
		}
	}
}

// pageOfNames is how many names come in one reply, which is not too large where each is as long as it can be.
const pageOfNames = 500

// askAgain asks a hub until it answers.
func (cl *clustered) askAgain(ctx context.Context, hub cluster.HubID, q inquiry) (o outcome, err error) {
	ctx, cancel := context.WithTimeout(ctx, inquiryTimeout)
	defer cancel()
	for {
		if o, err = cl.askOnce(ctx, hub, q.pack()); err == nil {
			return o, nil
		}
		select {
		case <-time.After(inquiryAgain):
		case <-ctx.Done():
			return o, err
		}
	}
}

// ownedAfter are the names of the next channels of this hub behind that one.
func (cl *clustered) ownedAfter(after string) (names []string) {
	for _, c := range cl.hub.listed() {
		if c.Name() > after && c.Exists() && len(names) < pageOfNames {
			names = append(names, c.Name())
		}
	}
	return names
}
