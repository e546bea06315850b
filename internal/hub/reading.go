package hub

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file makes a channel of what is in its log.

// read makes the channel of what is in the log.
func (cl *clustered) read(ctx context.Context, e *edge, last cluster.Group) (*star.Channel, error) {
	name, limits := e.channel.Name(), &cl.hub.delivering.Limits
	reading := reading{rules: star.New(name, limits)}
	reading.begin = func() *star.Import {
		i := star.NewImport(limits, cl.hub.config.MaxMessageBytes, 0)
		i.Elsewhere()
		return i
	}
	for g, err := range inner.State(ctx, cl.engine, e.key, last) {
		if err != nil {
			return nil, err
		}
		_, items, err := inner.ParseGroup(g.Body)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			if err := reading.take(item); err != nil {
				return nil, fmt.Errorf("channel %s at %d: %w", wire.Quote(name), g.Position, err)
			}
		}
	}
	if !reading.rules.Exists() {
		return nil, errNotTaken
	}
	return reading.rules, nil
}

// reading makes a channel of the items of its log.
type reading struct {
	rules *star.Channel
	begin func() *star.Import
	// state is what is being read of a snapshot, and parts how many of it are still to come.
	state *star.Import
	next  uint64
}

func (r *reading) take(item inner.Item) error {
	switch item.Kind {
	case inner.Record:
		return r.rules.Apply(star.Record(item.Data))
	case inner.Snapshot:
		if r.rules.Exists() {
			return nil // what it says is there already
		}
		return r.part(item.Data)
	}
	return nil
}

// part takes a part of a snapshot.
func (r *reading) part(data []byte) error {
	i, n := binary.Uvarint(data)
	if n <= 0 {
		return errPacked
	}
	data = data[n:]
	parts, n := binary.Uvarint(data)
	if n <= 0 || i != r.next || i >= parts {
		return errPacked
	}
	if i == 0 {
		r.state = r.begin()
	}
	r.next++
	if err := r.state.Add(data[n:]); err != nil || r.next < parts {
		return err
	}
	rules, err := r.state.Finish()
	if err == nil {
		r.rules = rules
	}
	return err
}
