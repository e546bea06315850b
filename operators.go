package lectern

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// What a hub shows to those who operate it.

// Channel returns the channel of that name, and whether there is one.
func (h *Hub) Channel(name string) (*Channel, bool) {
	c := h.find(name)
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c, c.life == open
}

// Channels yields the channels that there are at the moment of the call, in the
// order of their names. The loop may call any method, of the hub too.
func (h *Hub) Channels() iter.Seq[*Channel] {
	h.mu.Lock()
	channels := slices.Collect(maps.Values(h.channels))
	h.mu.Unlock()
	slices.SortFunc(channels, func(a, b *Channel) int { return strings.Compare(a.name, b.name) })
	return func(yield func(*Channel) bool) {
		for _, c := range channels {
			c.mu.Lock()
			exists := c.life == open
			c.mu.Unlock()
			if exists && !yield(c) {
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
func (c *Channel) Name() string { return c.name }

// Close closes the channel in the name of the service: the master and every
// slave are told channel_closed with the reason, and let go. It does not
// wait for them. A channel that is over is left as it is; the error is
// ErrShuttingDown where the hub ends them all.
func (c *Channel) Close(reason string) error {
	if !c.hub.stay() {
		return ErrShuttingDown
	}
	defer c.hub.goroutines.Done()
	c.decide(func(time.Time) { c.end(ErrChannelClosed.with(reason)) })
	return nil
}

// Kick removes a slave in the name of the service, as its master would, and with
// ban keeps its name out for the life of the channel: for instance one whose
// token has been revoked. The error is ErrNoSuchSlave where there is none of that
// name to remove, and ErrNoSuchChannel where the channel is over.
func (c *Channel) Kick(username, reason string, ban bool) error {
	if !c.hub.stay() {
		return ErrShuttingDown
	}
	defer c.hub.goroutines.Done()
	err := error(ErrNoSuchChannel)
	c.decide(func(time.Time) {
		if c.life != open {
			return
		}
		if err = c.mayRemove(username, ban); err == nil {
			c.remove(username, ban, reason)
		}
	})
	return err
}

// ChannelSnapshot is a channel as it was at one moment.
type ChannelSnapshot struct {
	Name string
	// MasterTimeout is X of rule 3.
	MasterTimeout time.Duration
	Master        MemberSnapshot
	// Slaves are in the order of their names.
	Slaves []MemberSnapshot
	// MasterMessages and SlaveMessages count what the master and what all slaves
	// have sent.
	MasterMessages uint64
	SlaveMessages  uint64
	// Kept is what the channel keeps at present for members that come back, in
	// both directions.
	Kept Bound
	// Banned is how many names are banned.
	Banned int
	// OpenRequests is how many requests of the master await answers.
	OpenRequests int
}

// MemberSnapshot is a member as it was at one moment.
type MemberSnapshot struct {
	Username string
	// State is Online or Away; Deadline is until when one who is away is waited
	// for.
	State    State
	Deadline time.Time
	// Epoch counts the member's connections.
	Epoch uint64
	// Queued is what waits to be written on the member's connection, to it and
	// to other memberships of the same connection.
	Queued Bound
	// OpenRequests is how many requests of a slave the master has not answered.
	OpenRequests int
}

// Snapshot tells how the channel is, and whether it still exists.
func (c *Channel) Snapshot() (ChannelSnapshot, bool) {
	c.mu.Lock()
	if c.life != open {
		c.mu.Unlock()
		return ChannelSnapshot{}, false
	}
	s := ChannelSnapshot{
		Name: c.name, MasterTimeout: c.timeout, MasterMessages: c.down.newest, SlaveMessages: c.up.newest,
		Kept:   Bound{Messages: c.down.kept() + c.up.kept(), Bytes: c.down.bytes + c.up.bytes},
		Banned: len(c.banned), OpenRequests: len(c.questions),
	}
	connections := []*attachment{c.master.at}
	s.Master = c.master.snapshot()
	for _, name := range slices.Sorted(maps.Keys(c.slaves)) {
		m := c.slaves[name]
		s.Slaves = append(s.Slaves, m.snapshot())
		connections = append(connections, m.at)
	}
	c.mu.Unlock()
	for i, at := range connections {
		if at == nil {
			continue
		}
		member := &s.Master
		if i > 0 {
			member = &s.Slaves[i-1]
		}
		member.Queued.Messages, member.Queued.Bytes = at.session.out.Waiting()
	}
	return s, true
}

func (m *member) snapshot() MemberSnapshot {
	s := MemberSnapshot{Username: m.name, State: Online, Epoch: m.epoch, OpenRequests: len(m.asks)}
	if m.state == wire.StateAway {
		s.State, s.Deadline = Away, m.deadline
	}
	return s
}
