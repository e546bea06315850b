package cluster

import (
	"context"
	"slices"
	"sync"

	"github.com/lectern-go/lectern/cluster"
)

// Gate holds back the appends of all writers of a hub while a shard of the log does not
// answer. When an append there has been left open, and nothing else was answered since it
// began, one append at a time goes out to that shard, and the others wait until one is answered. So a new
// leader is not met by thousands of groups that all come again and again.
//
// A nil Gate is always open.
type Gate struct {
	mu     sync.Mutex
	shards []gatedShard
}

type gatedShard struct {
	answers uint64 // how many there were
	shut    bool
	probe   *ticket   // who may go out while it is shut; nil: nobody tries
	waiting []*ticket // in the order in which they came
}

// ticket is an append at the gate, for one attempt.
type ticket struct {
	gate    *Gate
	shard   *gatedShard
	answers uint64        // how many there were when it went out
	granted chan struct{} // closed when it may
}

// NewGate is a gate for an engine with so many shards.
func NewGate(shards int) *Gate { return &Gate{shards: make([]gatedShard, shards)} }

// enter waits until an append may go out. The ticket has to be left.
func (g *Gate) enter(ctx context.Context, key cluster.Key) (*ticket, error) {
	if g == nil {
		return nil, ctx.Err()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	g.mu.Lock()
	s := &g.shards[key.Shard(len(g.shards))]
	t := &ticket{gate: g, shard: s, answers: s.answers}
	if !s.shut || s.probe == nil {
		if s.shut {
			s.probe = t
		}
		g.mu.Unlock()
		return t, nil
	}
	t.granted = make(chan struct{})
	s.waiting = append(s.waiting, t)
	g.mu.Unlock()
	select {
	case <-t.granted:
		return t, nil
	case <-ctx.Done():
		t.leave()
		return nil, ctx.Err()
	}
}

// answered: the shard has said what has become of the append. The gate is open.
func (t *ticket) answered() {
	if t == nil {
		return
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	s := t.shard
	s.answers++
	s.shut, s.probe = false, nil
	for _, other := range s.waiting {
		other.grant()
	}
	s.waiting = nil
}

// unanswered: nothing is known of the append. The gate is shut, and who holds the probe keeps
// it until it has left.
func (t *ticket) unanswered() {
	if t == nil {
		return
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	s := t.shard
	if s.answers != t.answers {
		return
	}
	s.shut = true
	if s.probe == nil {
		s.probe = t
	}
}

// leave gives the ticket back. The one that has waited longest has the next try.
func (t *ticket) leave() {
	if t == nil {
		return
	}
	t.gate.mu.Lock()
	defer t.gate.mu.Unlock()
	s := t.shard
	s.waiting = slices.DeleteFunc(s.waiting, func(other *ticket) bool { return other == t })
	if s.probe != t {
		return
	}
	s.probe = nil
	if len(s.waiting) > 0 {
		s.probe = s.waiting[0]
		s.waiting = s.waiting[1:]
		s.probe.grant()
	}
}

// grant lets it go out. The caller has the lock.
func (t *ticket) grant() {
	t.answers = t.shard.answers
	close(t.granted)
}
