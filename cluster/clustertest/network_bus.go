package clustertest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// asked is a request on its way, and the way of its replies.
type asked struct {
	from    *hub
	as      cluster.HubID
	body    []byte
	replies *queue[[]byte]
	last    time.Time // when the latest reply arrives
}

type beaten struct {
	from cluster.HubID
	beat []byte
}

// noticed is how long after a hub was cut off its requests fail at once.
const noticed = time.Second

var errServed = errors.New("clustertest: this hub is served already")

// Serve implements [cluster.Bus].
func (h *hub) Serve(self cluster.HubID, answer func(from cluster.HubID, request []byte, reply func([]byte) error)) (stop func(), err error) {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.closing {
		return nil, cluster.ErrClosed
	}
	if h.served != nil {
		return nil, errServed
	}
	d := newDelivery(h, func(r *asked) {
		answer(r.as, r.body, func(b []byte) error { return h.reply(r, b) })
	})
	d.self = self
	h.served = d
	return h.register(func() {
		n.mu.Lock()
		if h.served == d {
			h.served = nil
		}
		n.mu.Unlock()
		d.stop()
	}), nil
}

func (h *hub) reply(r *asked, b []byte) error {
	if len(b) > cluster.MaxMessage {
		return cluster.ErrTooLarge
	}
	n, b := h.network, slices.Clone(b)
	return h.send(func() {
		if after, arrives := n.crosses(h, r.from, n.roll(h, "reply", r.from.number16())); arrives {
			if at := time.Now().Add(after); at.After(r.last) { // they stay in order
				r.last = at
			}
			r.replies.put(r.last, b)
		}
	})
}

// number16 is the hub's number where a key goes.
func (h *hub) number16() (key [16]byte) {
	key[0], key[1] = byte(h.number>>8), byte(h.number)
	return key
}

// Ask implements [cluster.Bus].
func (h *hub) Ask(ctx context.Context, from, to cluster.HubID, request []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r := &asked{from: h, as: from, body: slices.Clone(request), replies: newQueue[[]byte]()}
		if err := h.ask(ctx, to, r); err != nil {
			yield(nil, err)
			return
		}
		for {
			reply, ok := r.replies.next(ctx.Done(), h.ended)
			if err := h.begin(ctx); err != nil {
				yield(nil, err)
				return
			}
			if ok && !yield(reply, nil) {
				return
			}
		}
	}
}

// ask sends a request. Of a hub that is not there, that is known after a while.
func (h *hub) ask(ctx context.Context, to cluster.HubID, r *asked) error {
	if len(r.body) > cluster.MaxMessage {
		return cluster.ErrTooLarge
	}
	if err := h.begin(ctx); err != nil {
		return err
	}
	n := h.network
	n.mu.Lock()
	if !h.isolated.IsZero() {
		n.mu.Unlock()
		return nil // and nothing comes
	}
	for _, other := range n.hubs {
		if other.served == nil || other.served.self != to || !other.isolated.IsZero() && time.Since(other.isolated) > noticed {
			continue
		}
		if after, arrives := n.crosses(h, other, n.roll(h, "request", other.number16())); arrives {
			other.served.later(after, r)
		}
		n.mu.Unlock()
		return nil
	}
	d := n.roll(h, "nobody", [16]byte{})
	n.mu.Unlock()
	if err := h.wait(ctx, d.latency()); err != nil {
		return err
	}
	return cluster.ErrNobody
}

// Beat implements [cluster.Bus].
func (h *hub) Beat(from cluster.HubID, beat []byte) error {
	if len(beat) > cluster.MaxMessage {
		return cluster.ErrTooLarge
	}
	n, beat := h.network, slices.Clone(beat)
	return h.send(func() {
		for _, to := range n.hubs {
			if len(to.beats) == 0 {
				continue
			}
			after, arrives := n.crosses(h, to, n.roll(h, "beat", to.number16()))
			for _, d := range to.beats {
				if arrives {
					d.later(after, beaten{from, beat})
				}
			}
		}
	})
}

// Beats implements [cluster.Bus].
func (h *hub) Beats(f func(from cluster.HubID, beat []byte)) (stop func(), err error) {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if h.closing {
		return nil, cluster.ErrClosed
	}
	d := newDelivery(h, func(b beaten) { f(b.from, b.beat) })
	h.beats = append(h.beats, d)
	return h.register(func() {
		n.mu.Lock()
		h.beats = slices.DeleteFunc(h.beats, func(other *delivery[beaten]) bool { return other == d })
		n.mu.Unlock()
		d.stop()
	}), nil
}
