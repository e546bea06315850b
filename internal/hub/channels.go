package hub

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/lectern-go/lectern/internal/delivery"
)

// Channel returns the channel of that name, and whether there is one.
func (h *Hub) Channel(name string) (Channel, bool) {
	c, err := h.find(context.Background(), name)
	if c == nil || err != nil {
		return Channel{}, false
	}
	return Channel{h, c}, c.Exists() || c.Elsewhere()
}

// Channels yields the channels that exist at the moment of the call, in the order of
// their names. No lock is held during the loop, so it may call any method of the hub
// and of its channels.
func (h *Hub) Channels() iter.Seq[Channel] {
	channels := h.listed()
	return func(yield func(Channel) bool) {
		for _, c := range channels {
			if c.Exists() && !yield(Channel{h, c}) {
				return
			}
		}
	}
}

// listed returns the channels that have a name at this moment, in the order of their names. Some
// may not exist yet, or any more.
func (h *Hub) listed() []*delivery.Channel {
	h.mu.Lock()
	channels := slices.Collect(maps.Values(h.channels))
	h.mu.Unlock()
	slices.SortFunc(channels, func(a, b *delivery.Channel) int { return strings.Compare(a.Name(), b.Name()) })
	return channels
}

// findChannel returns the channel of that name, or nil.
func (h *Hub) findChannel(name string) *delivery.Channel {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.channels[name]
}

// findOrAddChannel returns the channel of that name. Where there is none, it adds a
// vacant one; the rules decide whether that may be created.
func (h *Hub) findOrAddChannel(name string) (*delivery.Channel, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing.Load() {
		return nil, shuttingDown
	}
	if c := h.channels[name]; c != nil {
		return c, nil
	}
	if len(h.channels) >= h.config.MaxChannels {
		return nil, h.refusals.channelsOfHub
	}
	c := delivery.New(name, &h.delivering)
	h.channels[name] = c
	return c, nil
}

// forgetChannel lets a channel go that has ended, or was not created.
func (h *Hub) forgetChannel(c *delivery.Channel) {
	h.removeChannel(c)
	if h.clustered != nil {
		h.clustered.forget(c)
		if j, _ := c.Journal().(*journal); j != nil {
			j.stop()
			h.clustered.announceEnd(j)
		}
	}
}

// removeChannel removes a channel that has ended. Another channel that has the same
// name by now stays.
func (h *Hub) removeChannel(c *delivery.Channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.channels[c.Name()] == c {
		delete(h.channels, c.Name())
	}
}
