package natscluster

import (
	"context"
	"iter"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern/cluster"
)

// A request and a beat begin with the id of the hub that they are from.

func from(id cluster.HubID, body []byte) []byte {
	return append(append(make([]byte, 0, len(id)+len(body)), id[:]...), body...)
}

func parted(b []byte) (id cluster.HubID, body []byte, ok bool) {
	if len(b) < len(id) {
		return id, nil, false
	}
	return cluster.HubID(b[:len(id)]), b[len(id):], true
}

// service is a subscription with a callback.
type service struct {
	engine       *Engine
	subscription *nats.Subscription
	mu           sync.Mutex // held while the callback runs
	stopped      bool
}

// subscribe calls f with each message that is from a hub.
func (e *Engine) subscribe(subject string, f func(id cluster.HubID, body []byte, m *nats.Msg)) (stop func(), err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, cluster.ErrClosed
	}
	s := &service{engine: e}
	s.subscription, err = e.conn.Subscribe(subject, func(m *nats.Msg) {
		id, body, ok := parted(m.Data)
		s.mu.Lock()
		defer s.mu.Unlock()
		if ok && !s.stopped {
			f(id, body, m)
		}
	})
	if err != nil {
		return nil, err
	}
	if err := s.subscription.SetPendingLimits(maxPending, maxPendingBytes); err != nil {
		return nil, err
	}
	e.serving[s] = true
	return s.stop, nil
}

func (s *service) stop() {
	_ = s.subscription.Unsubscribe()
	s.engine.mu.Lock()
	delete(s.engine.serving, s)
	s.engine.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
}

func (e *Engine) hubSubject(id cluster.HubID) string {
	return e.options.prefix() + "hub." + id.String()
}

// Serve implements [cluster.Bus].
func (e *Engine) Serve(self cluster.HubID, answer func(from cluster.HubID, request []byte, reply func([]byte) error)) (stop func(), err error) {
	return e.subscribe(e.hubSubject(self), func(id cluster.HubID, body []byte, m *nats.Msg) {
		if m.Reply == "" {
			return
		}
		answer(id, body, func(reply []byte) error {
			switch {
			case len(reply) > cluster.MaxMessage:
				return cluster.ErrTooLarge
			case e.ctx.Err() != nil:
				return cluster.ErrClosed
			}
			return e.conn.Publish(m.Reply, reply)
		})
	})
}

// Ask implements [cluster.Bus].
func (e *Engine) Ask(ctx context.Context, self, to cluster.HubID, request []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if len(request) > cluster.MaxMessage {
			yield(nil, cluster.ErrTooLarge)
			return
		}
		if err := e.begin(ctx); err != nil {
			yield(nil, err)
			return
		}
		box := e.replies.open()
		defer box.close()
		if err := e.conn.PublishRequest(e.hubSubject(to), box.subject, from(self, request)); err != nil {
			yield(nil, e.failed(ctx, err))
			return
		}
		for {
			m, err := box.next(ctx, e)
			switch {
			case err != nil:
				yield(nil, err)
				return
			case nobody(m):
				yield(nil, cluster.ErrNobody)
				return
			case !yield(m.Data, nil):
				return
			}
		}
	}
}

// Beat implements [cluster.Bus].
func (e *Engine) Beat(self cluster.HubID, beat []byte) error {
	switch {
	case len(beat) > cluster.MaxMessage:
		return cluster.ErrTooLarge
	case e.ctx.Err() != nil:
		return cluster.ErrClosed
	}
	return e.conn.Publish(e.options.prefix()+"beat", from(self, beat))
}

// Beats implements [cluster.Bus].
func (e *Engine) Beats(f func(from cluster.HubID, beat []byte)) (stop func(), err error) {
	return e.subscribe(e.options.prefix()+"beat", func(id cluster.HubID, body []byte, _ *nats.Msg) { f(id, body) })
}
