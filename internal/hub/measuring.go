package hub

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/star"
)

// This file is what is counted of a cluster: the hub has its engine behind one that counts. Where nobody counts, the
// engine is as it was given.

// What becomes of an append, as the label of star.Appends.
const (
	labelCommitted = "committed"
	labelConflict  = "conflict"
	labelFull      = "full"
	labelUnknown   = "unknown"
)

// What this hub does in a doubt, as the label of star.Doubts: it asks whether another one lives, or answers that it does
// itself.
const (
	labelAsked    = "asked"
	labelAnswered = "answered"
)

// cause is why a hub becomes the owner of a channel that there is. It is the label of star.Takeovers, and in the log.
type cause string

const (
	// causeMaster: the master is here.
	causeMaster cause = "master_back"
	// causeSuccessor: the mastership is handed over to a slave that is here.
	causeSuccessor cause = "handed_over"
	// causeUnheard: the owner does not answer.
	causeUnheard cause = "unheard"
	// causeGivenUp: the owner has given it up.
	causeGivenUp cause = "given_up"
	// causeUnowned: the log says that this hub owns it, which it does not, and nobody else has become the owner.
	causeUnowned cause = "unowned"
	// causeSought: as the three before, but nobody of it is here: somebody has looked for it.
	causeSought cause = "looked_for"
)

// causeOf is why the edge's channel is taken, where its master is not what it is taken for.
func (e *edge) causeOf(why cause) cause {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.members) == 0 {
		return causeSought
	}
	return why
}

// measured is an engine that counts what is done with it.
type measured struct {
	cluster.Engine
	observer Observer
}

func (m measured) Append(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	began := time.Now()
	position, err := m.Engine.Append(ctx, key, g)
	switch {
	case err == nil:
		m.observer.Add(star.Appends, labelCommitted, 1)
		m.observer.Observe(star.AppendSeconds, time.Since(began).Seconds())
		m.observer.Observe(star.GroupBytes, float64(len(g.Body)))
	case errors.Is(err, cluster.ErrConflict):
		m.observer.Add(star.Appends, labelConflict, 1)
	case errors.Is(err, cluster.ErrFull):
		m.observer.Add(star.Appends, labelFull, 1)
	case errors.Is(err, cluster.ErrTooLarge), errors.Is(err, cluster.ErrInvalid), errors.Is(err, cluster.ErrClosed):
	default:
		m.observer.Add(star.Appends, labelUnknown, 1)
	}
	return position, err
}

func (m measured) Tail(key cluster.Key, f func(cluster.Group)) (func(), error) {
	return m.subscribed(m.Engine.Tail(key, f))
}

func (m measured) Serve(self cluster.HubID, answer func(cluster.HubID, []byte, func([]byte) error)) (func(), error) {
	return m.subscribed(m.Engine.Serve(self, answer))
}

func (m measured) Beats(f func(cluster.HubID, []byte)) (func(), error) {
	return m.subscribed(m.Engine.Beats(f))
}

// subscribed counts a subscription until it is stopped, which may be done more than once.
func (m measured) subscribed(stop func(), err error) (func(), error) {
	if err != nil {
		return stop, err
	}
	m.observer.Add(star.Subscriptions, "", 1)
	var stopped atomic.Bool
	return func() {
		stop()
		if !stopped.Swap(true) {
			m.observer.Add(star.Subscriptions, "", -1)
		}
	}, nil
}

// filled is the engine for who follows a channel: it reads from the log only what its tail has not brought.
type filled struct{ measured }

func (f filled) Read(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) iter.Seq2[cluster.Group, error] {
	return func(yield func(cluster.Group, error) bool) {
		n := int64(0)
		defer func() { f.observer.Add(star.HolesFilled, "", n) }()
		for g, err := range f.Engine.Read(ctx, key, kinds, after, until) {
			if err == nil {
				n++
			}
			if !yield(g, err) {
				return
			}
		}
	}
}

// doubting is the engine for who doubts and answers doubts: what it appends is of no channel.
type doubting struct {
	measured
	self   cluster.HubID
	shards int
}

func (d doubting) Append(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	position, err := d.Engine.Append(ctx, key, g)
	if err == nil {
		label := labelAsked
		if key == inner.ControlKey(key.Shard(d.shards), d.self) {
			label = labelAnswered
		}
		d.observer.Add(star.Doubts, label, 1)
	}
	return position, err
}

// measure has the cluster counted where somebody does. It is called before anything is done with the engine.
func (cl *clustered) measure() {
	cl.tails, cl.controls = cl.engine, cl.engine
	if !cl.hub.delivering.Observed {
		return
	}
	m := measured{cl.engine, cl.hub.config.Observer}
	cl.engine, cl.tails = m, filled{m}
	cl.controls = doubting{m, cl.id, len(m.State().Shards)}
}

// measuring is what is counted of the shards of the log.
type measuring struct {
	cl *clustered
	// mostLed is what was told last of how many one node leads.
	mostLed int64
}

// look counts for how long shards have had no leader, since so many whole seconds ago, and tells how many the node leads that
// leads most.
func (m *measuring) look(seconds int64) {
	if !m.cl.hub.delivering.Observed {
		return
	}
	leads := make(map[string]int64)
	for _, shard := range m.cl.engine.State().Shards {
		leads[shard.Leader]++
	}
	if leaderless := leads[""]; leaderless > 0 {
		m.cl.hub.config.Observer.Add(star.LeaderlessSeconds, "", leaderless*seconds)
	}
	delete(leads, "")
	most := int64(0)
	for _, n := range leads {
		most = max(most, n)
	}
	m.tell(most)
}

// tell tells the gauge, and end that this hub tells it no more.
func (m *measuring) tell(most int64) {
	if most != m.mostLed {
		m.cl.hub.config.Observer.Add(star.MostLed, "", most-m.mostLed)
		m.mostLed = most
	}
}

func (m *measuring) end() { m.tell(0) }
