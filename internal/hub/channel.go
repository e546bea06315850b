package hub

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// Channel is a channel as the service in the hub's process sees it.
type Channel struct {
	hub *Hub
	c   *delivery.Channel
}

// Channel returns the channel of that name, and whether there is one.
func (h *Hub) Channel(name string) (Channel, bool) {
	c := h.find(name)
	if c == nil {
		return Channel{}, false
	}
	return Channel{h, c}, c.Exists()
}

// Channels yields the channels that there are at the moment of the call, in the
// order of their names. The loop may call any method, of the hub too.
func (h *Hub) Channels() iter.Seq[Channel] {
	h.mu.Lock()
	channels := slices.Collect(maps.Values(h.channels))
	h.mu.Unlock()
	slices.SortFunc(channels, func(a, b *delivery.Channel) int { return strings.Compare(a.Name(), b.Name()) })
	return func(yield func(Channel) bool) {
		for _, c := range channels {
			if c.Exists() && !yield(Channel{h, c}) {
				return
			}
		}
	}
}

// stay keeps a hub from being gone while somebody outside its own goroutines
// decides something, unless it is ending already. The caller calls
// goroutines.Done.
func (h *Hub) stay() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing.Load() {
		return false
	}
	h.goroutines.Add(1)
	return true
}

// Name returns the channel's name.
func (c Channel) Name() string { return c.c.Name() }

// Close closes the channel in the name of the service. It does not wait for those
// who are told. A channel that is over is left as it is; the error is
// wire.ErrShuttingDown where the hub ends them all.
func (c Channel) Close(reason string) error {
	if !c.hub.stay() {
		return wire.ErrShuttingDown
	}
	defer c.hub.goroutines.Done()
	c.c.Decide(func(rules *star.Channel, _ time.Time) { rules.Close(reason) })
	return nil
}

// Kick removes a slave in the name of the service, and with ban keeps its name out
// for the life of the channel.
func (c Channel) Kick(username, reason string, ban bool) (err error) {
	if !c.hub.stay() {
		return wire.ErrShuttingDown
	}
	defer c.hub.goroutines.Done()
	c.c.Decide(func(rules *star.Channel, _ time.Time) { err = rules.Remove(username, ban, reason) })
	return err
}

// Report is what the channel shows of itself, and whether it exists.
func (c Channel) Report() (star.Report, bool) { return c.c.Report() }
