package natscluster

import (
	"encoding/binary"
	"hash/maphash"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// maxPending bounds what waits for the callbacks of one subscription.
	maxPending      = 1 << 20
	maxPendingBytes = 256 << 20

	// tailWorkers call the callbacks of all tails: a goroutine for each tail would cost more than the
	// tail. What waits for one worker is bounded by workerQueue.
	tailWorkers = 8
	workerQueue = 1 << 14
)

// tails are all tails of an engine.
type tails struct {
	engine  *Engine
	seed    maphash.Seed
	workers [tailWorkers]chan *nats.Msg
	quit    chan struct{}
	running sync.WaitGroup

	mu   sync.RWMutex
	all  map[*nats.Subscription]*tail
	done bool
}

type tail struct {
	shard *shard
	f     func(cluster.Group)

	mu      sync.Mutex // held while f runs
	stopped bool
	last    cluster.Group // without a body
}

func newTails(e *Engine) *tails {
	t := &tails{engine: e, seed: maphash.MakeSeed(), quit: make(chan struct{}), all: make(map[*nats.Subscription]*tail)}
	for i := range t.workers {
		t.workers[i] = make(chan *nats.Msg, workerQueue)
		t.running.Go(func() { t.work(t.workers[i]) })
	}
	return t
}

func (t *tails) work(messages <-chan *nats.Msg) {
	for {
		select {
		case <-t.quit:
			return
		case m := <-messages:
			t.mu.RLock() // what comes before Tail has kept the subscription waits for that
			one := t.all[m.Sub]
			t.mu.RUnlock()
			if one != nil {
				one.receive(m)
			}
		}
	}
}

// receive calls the callback with a group, or an announcement. What is neither is not for this version.
func (t *tail) receive(m *nats.Msg) {
	g, err := t.group(m)
	if err != nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopped || !g.Announced() && g.Position == t.last.Position && g.Nonce == t.last.Nonce {
		return
	}
	if !g.Announced() {
		t.last = cluster.Group{Position: g.Position, Nonce: g.Nonce}
	}
	t.f(g)
}

func (t *tail) group(m *nats.Msg) (cluster.Group, error) {
	if m.Header.Get("Nats-Sequence") == "" {
		last, n := binary.Uvarint(m.Data)
		if n <= 0 {
			return cluster.Group{}, errNoGroup
		}
		return cluster.Group{Before: cluster.Position(last)}, nil
	}
	d, err := direct(m)
	if err != nil {
		return cluster.Group{}, err
	}
	return t.shard.group(d)
}

// tailSubject is where the groups of a key are republished to.
func (e *Engine) tailSubject(key cluster.Key) string {
	return e.options.prefix() + "tail." + strconv.Itoa(e.shard(key).number) + "." + key.String()
}

// Tail implements [cluster.Log].
func (e *Engine) Tail(key cluster.Key, f func(cluster.Group)) (stop func(), err error) {
	t := e.tails
	one := &tail{shard: e.shard(key), f: f}
	worker := t.workers[maphash.Comparable(t.seed, key)%tailWorkers]
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return nil, cluster.ErrClosed
	}
	s, err := e.conn.ChanSubscribe(e.tailSubject(key), worker)
	if err != nil {
		return nil, err
	}
	t.all[s] = one
	return func() {
		_ = s.Unsubscribe()
		t.mu.Lock()
		delete(t.all, s)
		t.mu.Unlock()
		one.stop()
	}, nil
}

// stop waits while the callback runs.
func (t *tail) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
}

// close stops all. wait waits for what it has to.
func (t *tails) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.done {
		t.done = true
		close(t.quit)
	}
}

func (t *tails) wait() { t.running.Wait() }

// Announce implements [cluster.Log].
func (e *Engine) Announce(key cluster.Key, last cluster.Position) error {
	if e.ctx.Err() != nil {
		return cluster.ErrClosed
	}
	return e.conn.Publish(e.tailSubject(key), binary.AppendUvarint(nil, uint64(last)))
}
