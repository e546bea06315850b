package hub

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how a hub of a cluster finds a channel by its name.

// finding is a look for a channel, by whoever wants to know.
type finding struct {
	done    chan struct{}
	channel *delivery.Channel
	err     error
}

// findTimeout is how long is looked for a channel before who asks is told to try again.
const findTimeout = 5 * time.Second

// errNotFound: the log could not be read.
var errNotFound = wire.ErrBusy.With("it cannot be found out at present whose the channel is: try again")

// find returns the channel of that name, or nil where there is none. In a cluster it may have to look for
// it, which takes its time.
func (h *Hub) find(ctx context.Context, name string) (*delivery.Channel, error) {
	if c := h.findChannel(name); c != nil || h.clustered == nil {
		return c, nil
	}
	cl := h.clustered
	cl.mu.Lock()
	f := cl.finding[name]
	if f == nil {
		if !h.acquire() {
			cl.mu.Unlock()
			return nil, shuttingDown
		}
		f = &finding{done: make(chan struct{})}
		cl.finding[name] = f
		go cl.finds(f, name)
	}
	cl.mu.Unlock()
	select {
	case <-f.done:
		return f.channel, f.err
	case <-ctx.Done():
		return nil, errNotFound
	}
}

// finds looks for the channel.
func (cl *clustered) finds(f *finding, name string) {
	defer cl.hub.goroutines.Done()
	ctx, cancel := context.WithTimeout(cl.writing, findTimeout)
	defer cancel()
	f.channel, f.err = cl.lookFor(ctx, name)
	cl.mu.Lock()
	delete(cl.finding, name)
	cl.mu.Unlock()
	close(f.done)
}

// findAgainFor is how long findAgain tries, which is longer than an engine is without a leader.
const findAgainFor = time.Minute

// findAgain finds a channel of which the log says that it is this hub's, though what this hub has had of it was not what
// is in the log: as long as this hub is heard no other one takes it. It does not wait.
func (cl *clustered) findAgain(name string) {
	if !cl.hub.acquire() {
		return
	}
	go func() {
		defer cl.hub.goroutines.Done()
		ctx, cancel := context.WithTimeout(cl.writing, findAgainFor)
		defer cancel()
		for {
			if _, err := cl.hub.find(ctx, name); err == nil {
				return
			}
			select {
			case <-time.After(time.Second):
			case <-ctx.Done():
				return
			}
		}
	}()
}

// last is the last group of a channel that there is, or false where there is none.
func (cl *clustered) last(ctx context.Context, key cluster.Key) (g cluster.Group, h inner.Header, there bool, err error) {
	lost := cl.hasLost(key)
	if !lost {
		g, h, err = inner.Find(ctx, cl.engine, key)
	}
	if lost || errors.Is(err, cluster.ErrNone) || err == nil && h.Claim == inner.Ended {
		// Nobody is told on the word of a node that may not lead any more.
		g, h, err = inner.FindFinal(ctx, cl.engine, key)
	}
	switch {
	case errors.Is(err, cluster.ErrNone):
		return g, h, false, nil
	case err != nil:
		return g, h, false, err
	}
	return g, h, h.Claim != inner.Ended, nil
}

func (cl *clustered) lookFor(ctx context.Context, name string) (*delivery.Channel, error) {
	key := cluster.KeyOf(name)
	last, header, there, err := cl.last(ctx, key)
	if err != nil {
		cl.hub.config.Logger.Warn("channel not found out about", "channel", name, "error", err)
		return nil, errNotFound
	}
	if !there {
		return nil, nil
	}
	c, added, err := cl.hub.addChannel(name, delivery.NewElsewhere(name, &cl.hub.delivering))
	if !added {
		return c, err
	}
	e := cl.hub.newEdge(c, key, ownerBy(header), inner.LastShared(last))
	cl.register(c, e)
	if err := e.follow(inner.LastShared(last)); err != nil {
		if e.isOver() && !cl.hasLeft() && ctx.Err() == nil {
			return cl.lookFor(ctx, name) // it has just ended
		}
		e.lose(err)
		return nil, errNotFound
	}
	cl.look(e)
	return c, nil
}

// ownerBy is the owner as of a group: nobody where it has given the channel up, and not known where somebody
// doubts.
func ownerBy(h inner.Header) inner.Owner {
	owner := inner.Owner{Hub: h.Hub, Epoch: h.Epoch, Incarnation: h.Incarnation}
	if h.Claim == inner.Free || h.Claim == inner.Doubt {
		owner.Hub = cluster.HubID{}
	}
	return owner
}

// addChannel adds the channel, unless there is one of its name: then it returns that.
func (h *Hub) addChannel(name string, c *delivery.Channel) (_ *delivery.Channel, added bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch known := h.channels[name]; {
	case h.closing.Load():
		return nil, false, shuttingDown
	case known != nil:
		return known, false, nil
	case len(h.channels) >= h.config.MaxChannels:
		return nil, false, h.refusals.channelsOfHub
	}
	h.channels[name] = c
	return c, true, nil
}

// errThere: there is such a channel.
var errThere = errors.New("hub: there is a channel of that name")

// newChannel is a channel that nobody has created yet. In a cluster, this hub is about to own it, by its first
// group.
func (h *Hub) newChannel(ctx context.Context, name string) (*delivery.Channel, error) {
	if h.clustered == nil {
		return delivery.New(name, &h.delivering), nil
	}
	key := cluster.KeyOf(name)
	last, header, there, err := h.clustered.last(ctx, key)
	switch {
	case err != nil:
		return nil, errNotFound
	case there:
		return nil, errThere
	}
	if h.clustered.engine.State().ClockSpread > maxClockSpread {
		return nil, wire.ErrBusy.With("the clocks of the cluster are too far apart to create a channel: try again later")
	}
	rules := star.New(name, &h.delivering.Limits)
	rules.Record(true)
	c := delivery.Journaled(rules, &h.delivering)
	epoch := max(header.Epoch+1, uint64(time.Now().UnixMilli()))
	owner := inner.Owner{Hub: h.clustered.id, Epoch: epoch, Incarnation: cluster.NewNonce()}
	shared := cluster.Position(0)
	if last.Position > 0 {
		shared = inner.LastShared(last)
		rules.CountFrom(uint64(rand.Uint32())) // whoever has had a seat in the channel of that name before is nobody in this one
	}
	writer := inner.NewWriter(h.clustered.engine, h.clustered.gate, key, last.Position, shared)
	j := h.newJournal(c, key, owner, writer, last.Position, h.clustered.pacing(time.Now()), inner.Owned)
	j.nonce, j.unborn = owner.Incarnation, true
	c.Keep(j)
	return c, nil
}

// maxClockSpread is how far the clocks of the engine's nodes may be from that of this hub where a log that is empty is
// believed to be.
const maxClockSpread = 30 * time.Second
