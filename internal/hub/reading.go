package hub

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file makes a channel of what is in its log.

// read makes the channel of what is in the log, and tells when it is to be written down anew, and how much of the log it
// takes.
func (cl *clustered) read(ctx context.Context, t *taking, last cluster.Group) error {
	e := t.edge
	t.pacing, t.volume = nil, inner.NewVolume(cl.engine.Keeps(), time.Now())
	name, limits := e.channel.Name(), &cl.hub.delivering.Limits
	reading := reading{rules: star.New(name, limits)}
	reading.begin = func() *star.Import {
		i := star.NewImport(limits, cl.hub.config.MaxMessageBytes, 0)
		i.Elsewhere()
		return i
	}
	for g, err := range inner.State(ctx, cl.engine, e.key, last) {
		if err != nil {
			return err
		}
		if t.pacing == nil {
			t.pacing = cl.pacing(time.Now().Add(-g.Age))
		}
		if g.Kind != cluster.Part {
			t.pacing.Wrote(len(g.Body))
		}
		t.volume.Wrote(time.Now(), g.Age, len(g.Body))
		_, items, err := inner.ParseGroup(g.Body)
		if err != nil {
			return err
		}
		for _, item := range items {
			if err := reading.take(item); err != nil {
				return fmt.Errorf("channel %s at %d: %w", wire.Quote(name), g.Position, err)
			}
		}
	}
	if !reading.rules.Exists() {
		return errNotTaken
	}
	t.rules = reading.rules
	t.rules.Record(true) // whoever has read it goes on with it
	return nil
}

// reading makes a channel of the items of its log, which begin with the creation of the channel, or behind the position that
// a snapshot is of.
type reading struct {
	rules *star.Channel
	begin func() *star.Import
	// state is what is being read of a snapshot, and next the number of the part that comes next. later are the records
	// that were met before the last part: they follow on the state that the parts are of.
	state *star.Import
	next  uint64
	later []star.Record
}

func (r *reading) take(item inner.Item) error {
	switch item.Kind {
	case inner.Record:
		record := star.Record(item.Data)
		if !r.rules.Exists() && !record.Creates() {
			r.later = append(r.later, record)
			return nil
		}
		return r.rules.Apply(record)
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
	if err != nil {
		return err
	}
	r.rules = rules
	for _, record := range r.later {
		if err := rules.Apply(record); err != nil {
			return err
		}
	}
	r.later, r.state = nil, nil
	return nil
}
