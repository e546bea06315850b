package natscluster

import (
	"context"
	"encoding/json"
	"errors"
	"iter"

	"github.com/lectern-go/lectern/cluster"
)

// What one question to a replica asks for at most.
const (
	batch      = 256
	batchBytes = 4 << 20
)

// reading is a Read under way.
type reading struct {
	engine *Engine
	shard  *shard
	filter string
	kinds  cluster.Kind
	at     cluster.Position // all up to here is done
	until  cluster.Position
	yield  func(cluster.Group, error) bool
}

// errEnough ends a Read whose caller has broken off, or has got everything.
var errEnough = errors.New("natscluster: enough")

// Read implements [cluster.Log]. It asks any replica, and where that does not get it further, the leader; and where that
// has nothing either, it makes sure by a linearizable read.
func (e *Engine) Read(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) iter.Seq2[cluster.Group, error] {
	return func(yield func(cluster.Group, error) bool) {
		if after >= until {
			return
		}
		s := e.shard(key)
		r := &reading{engine: e, shard: s, filter: s.filter(key, kinds), kinds: kinds, at: after, until: until, yield: yield}
		if err := r.run(ctx); !errors.Is(err, errEnough) {
			yield(cluster.Group{}, err)
		}
	}
}

func (r *reading) run(ctx context.Context) error {
	e := r.engine
	if err := e.begin(ctx); err != nil {
		return err
	}
	for {
		more, err := r.fromAny(ctx)
		if over(err) {
			return err
		}
		if ended := e.begin(ctx); ended != nil {
			return ended
		}
		if more {
			continue
		}
		m, err := e.get(ctx, r.shard, getRequest{Sequence: uint64(r.at) + 1, Next: r.filter})
		if err == nil {
			if err := r.take(m); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, cluster.ErrNone) && r.gone(ctx) {
			return cluster.ErrGone
		}
		if err := e.pause(ctx, askAgain); err != nil {
			return err
		}
	}
}

// gone tells whether there is surely nothing any more at the end of what is read, nor behind it.
func (r *reading) gone(ctx context.Context) bool {
	sequence, err := r.engine.barrier(ctx, r.shard)
	if err != nil {
		return false
	}
	last, _, err := r.engine.lasts(ctx, r.shard, sequence, r.filter)
	return err == nil && last.sequence < uint64(r.until)
}

// over tells whether err ends a Read, rather than one question.
func over(err error) bool {
	return errors.Is(err, errEnough) || errors.Is(err, cluster.ErrGone) || errors.Is(err, errNoGroup)
}

// take yields a message, if it is one of those that are asked for.
func (r *reading) take(m stored) error {
	g, err := r.shard.group(m)
	switch {
	case err != nil:
		return err
	case g.Position > r.until:
		return cluster.ErrGone // what lies behind is there, so it would be
	case g.Position <= r.at:
		return nil
	}
	r.at = g.Position
	if g.Kind&r.kinds == 0 {
		return nil
	}
	if !r.yield(g, nil) || g.Position == r.until {
		return errEnough
	}
	return nil
}

// fromAny asks any replica for a batch. more: it has more.
func (r *reading) fromAny(ctx context.Context) (more bool, err error) {
	e := r.engine
	body, err := json.Marshal(getRequest{Sequence: uint64(r.at) + 1, Next: r.filter, Batch: batch, MaxBytes: batchBytes})
	if err != nil {
		return false, err
	}
	box := e.replies.open()
	defer box.close()
	if err := e.conn.PublishRequest("$JS.API.DIRECT.GET."+r.shard.name, box.subject, body); err != nil {
		return false, err
	}
	began := r.at
	for {
		// The caller may take its time between two of them, so each has its own.
		within, cancel := context.WithTimeout(ctx, e.options.Timeout)
		m, err := box.next(within, e)
		cancel()
		switch {
		case err != nil:
			return false, err
		case nobody(m):
			return false, errNoAnswer
		case m.Header.Get("Status") == "204":
			return r.at > began && m.Header.Get("Nats-Num-Pending") != "0", nil
		case m.Header.Get("Status") != "":
			return false, nil
		}
		d, err := direct(m)
		if err != nil {
			return false, err
		}
		if err := r.take(d); err != nil {
			return false, err
		}
	}
}
