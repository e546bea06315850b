package cluster

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// LocalOptions is what a Local is made with. Zero values have defaults.
type LocalOptions struct {
	// Keeps is how long groups are kept: 6 minutes by default.
	Keeps time.Duration
	// Shards is the number of shards: 16 by default.
	Shards int
	// MaxBytes bounds what a shard keeps, as the sum of its bodies. 0: no bound.
	MaxBytes int
}

// Local is an engine in the process: all hubs that are given it are a cluster. It keeps
// what it has in memory. It starts goroutines only while callbacks run, uses no timer,
// and all its waits are durable in the sense of testing/synctest.
type Local struct {
	options LocalOptions

	mu      sync.Mutex
	closed  bool
	ended   chan struct{} // closed by Close
	shards  []localShard
	tails   map[Key][]*registration[Group]
	beats   []*registration[localBeat]
	servers map[HubID]*registration[*localRequest]
}

var _ Engine = (*Local)(nil)

type localShard struct {
	last  Position // of any key
	bytes int
	keys  map[Key][]localGroup
	order []ordered // of all keys, oldest first
}

type localGroup struct {
	Group
	at time.Time
}

type ordered struct {
	key      Key
	position Position
	at       time.Time
	size     int
}

// NewLocal is a Local as its defaults are.
func NewLocal() *Local { return NewLocalWith(LocalOptions{}) }

// NewLocalWith is a Local with these options.
func NewLocalWith(options LocalOptions) *Local {
	if options.Keeps <= 0 {
		options.Keeps = 6 * time.Minute
	}
	if options.Shards <= 0 {
		options.Shards = 16
	}
	l := &Local{
		options: options,
		ended:   make(chan struct{}),
		shards:  make([]localShard, options.Shards),
		tails:   make(map[Key][]*registration[Group]),
		servers: make(map[HubID]*registration[*localRequest]),
	}
	for i := range l.shards {
		l.shards[i].keys = make(map[Key][]localGroup)
	}
	return l
}

// open begins a call: it locks, and unlocks again where it fails.
func (l *Local) open(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return ErrClosed
	}
	return nil
}

// shard is that of the key, without what has expired. The caller has the lock.
func (l *Local) shard(key Key) *localShard {
	s := &l.shards[key.Shard(len(l.shards))]
	s.expire(time.Now().Add(-l.options.Keeps))
	return s
}

// expire takes away what was appended at this time or before.
func (s *localShard) expire(until time.Time) {
	n := 0
	for n < len(s.order) && !s.order[n].at.After(until) {
		n++
	}
	s.dropOldest(n)
}

func (s *localShard) dropOldest(n int) {
	for _, o := range s.order[:n] {
		s.bytes -= o.size
		if s.keys[o.key] = s.keys[o.key][1:]; len(s.keys[o.key]) == 0 {
			delete(s.keys, o.key)
		}
	}
	s.order = s.order[n:]
}

// Append implements [Log].
func (l *Local) Append(ctx context.Context, key Key, g Group) (Position, error) {
	if err := g.Check(); err != nil {
		return 0, err
	}
	if err := l.open(ctx); err != nil {
		return 0, err
	}
	defer l.mu.Unlock()
	s := l.shard(key)
	log := s.keys[key]
	if n := len(log); n > 0 && log[n-1].Position > g.After {
		return settle(log, g)
	} else if n == 0 && g.After > 0 || n > 0 && log[n-1].Position < g.After {
		return 0, ErrGone
	}
	if l.options.MaxBytes > 0 && s.bytes+len(g.Body) > l.options.MaxBytes {
		return 0, ErrFull
	}
	s.last++
	now := time.Now()
	g.Position, g.Age, g.Body = s.last, 0, slices.Clone(g.Body)
	s.keys[key] = append(log, localGroup{g, now})
	s.order = append(s.order, ordered{key, g.Position, now, len(g.Body)})
	s.bytes += len(g.Body)
	if g.Kind == Shared {
		for _, t := range l.tails[key] {
			t.hand(g)
		}
	}
	return g.Position, nil
}

// settle tells what has become of g, where the log goes on after g.After.
func settle(log []localGroup, g Group) (Position, error) {
	for _, other := range log {
		switch {
		case other.Position <= g.After:
		case other.Nonce == g.Nonce:
			return other.Position, nil
		case other.After == g.After:
			return 0, ErrConflict
		default: // what followed it has expired
			return 0, ErrGone
		}
	}
	return 0, ErrGone
}

// Last implements [Log]. It is never old.
func (l *Local) Last(ctx context.Context, key Key) (Group, error) {
	if err := l.open(ctx); err != nil {
		return Group{}, err
	}
	defer l.mu.Unlock()
	log := l.shard(key).keys[key]
	if len(log) == 0 {
		return Group{}, ErrNone
	}
	return log[len(log)-1].aged(), nil
}

func (g localGroup) aged() Group {
	g.Age = time.Since(g.at)
	return g.Group
}

// LastLinearizable implements [Log].
func (l *Local) LastLinearizable(ctx context.Context, key Key) (Group, error) {
	return l.Last(ctx, key)
}

// Read implements [Log].
func (l *Local) Read(ctx context.Context, key Key, kinds Kind, after, until Position) iter.Seq2[Group, error] {
	return func(yield func(Group, error) bool) {
		if after >= until {
			return
		}
		if err := l.open(ctx); err != nil {
			yield(Group{}, err)
			return
		}
		log := l.shard(key).keys[key] // a group is never changed, nor a place in it used again
		l.mu.Unlock()
		for _, g := range log {
			if g.Position <= after || g.Position > until || g.Kind&kinds == 0 {
				continue
			}
			if err := ctx.Err(); err != nil {
				yield(Group{}, err)
				return
			}
			if !yield(g.aged(), nil) || g.Position == until {
				return
			}
		}
		yield(Group{}, ErrGone)
	}
}

// Tail implements [Log].
func (l *Local) Tail(key Key, f func(Group)) (stop func(), err error) {
	if err := l.open(context.Background()); err != nil {
		return nil, err
	}
	defer l.mu.Unlock()
	t := newRegistration(f)
	l.tails[key] = append(l.tails[key], t)
	return func() {
		l.mu.Lock()
		if l.tails[key] = remove(l.tails[key], t); len(l.tails[key]) == 0 {
			delete(l.tails, key)
		}
		l.mu.Unlock()
		t.stop()
	}, nil
}

// remove is a new slice: the old one may be in use.
func remove[T comparable](all []T, one T) []T {
	return slices.DeleteFunc(slices.Clone(all), func(x T) bool { return x == one })
}

// Announce implements [Log].
func (l *Local) Announce(key Key, last Position) error {
	if err := l.open(context.Background()); err != nil {
		return err
	}
	defer l.mu.Unlock()
	for _, t := range l.tails[key] {
		t.hand(Group{Before: last})
	}
	return nil
}

// Keeps implements [Log].
func (l *Local) Keeps() time.Duration { return l.options.Keeps }

// State implements [Engine].
func (l *Local) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := State{Connected: !l.closed, Shards: make([]Shard, len(l.shards))}
	for i := range l.shards {
		l.shards[i].expire(time.Now().Add(-l.options.Keeps))
		state.Shards[i].Leader = "local"
		if l.options.MaxBytes > 0 {
			state.Shards[i].Filled = float64(l.shards[i].bytes) / float64(l.options.MaxBytes)
			state.Shards[i].Room = int64(l.options.MaxBytes)
		}
	}
	return state
}

// Close implements [Engine].
func (l *Local) Close() error {
	l.mu.Lock()
	var all []func()
	for _, tails := range l.tails {
		for _, t := range tails {
			all = append(all, t.stop)
		}
	}
	for _, b := range l.beats {
		all = append(all, b.stop)
	}
	for _, s := range l.servers {
		all = append(all, s.stop)
	}
	if !l.closed {
		l.closed = true
		close(l.ended)
	}
	l.mu.Unlock()
	for _, stop := range all {
		stop()
	}
	return nil
}

// Expire lets the oldest groups of a shard go, up to this position, as if they had expired. It is for
// tests of what happens where a node's clock is wrong.
func (l *Local) Expire(shard int, upTo Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.shards[shard]
	n := 0
	for n < len(s.order) && s.order[n].position <= upTo {
		n++
	}
	s.dropOldest(n)
}

// Lose takes away the groups of a shard after this position, and gives their positions
// out again, as a failure beyond what an engine is made for can. It is for tests.
func (l *Local) Lose(shard int, after Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.shards[shard]
	n := len(s.order)
	for n > 0 && s.order[n-1].position > after {
		n--
		key := s.order[n].key
		s.bytes -= s.order[n].size
		// Clipped, so that what is appended next does not change what a Read has in hand.
		if s.keys[key] = slices.Clip(s.keys[key][:len(s.keys[key])-1]); len(s.keys[key]) == 0 {
			delete(s.keys, key)
		}
	}
	s.order = s.order[:n]
	s.last = min(s.last, after)
}
