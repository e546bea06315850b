package clustertest

import (
	"context"
	"iter"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// broken is an engine that breaks the contract in some way: a Local some of whose
// methods are replaced.
type broken struct {
	*cluster.Local
	released chan struct{} // what hangs in a broken engine hangs until it is closed

	keeps    time.Duration // what it says
	key      func(cluster.Key) cluster.Key
	see      func(cluster.Group) cluster.Group // on what is read
	append   func(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error)
	linear   func(ctx context.Context, key cluster.Key) (cluster.Group, error)
	read     func(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) iter.Seq2[cluster.Group, error]
	tail     func(key cluster.Key, f func(cluster.Group)) (func(), error)
	announce func(key cluster.Key, last cluster.Position) error
	serve    func(self cluster.HubID, answer served) (func(), error)
	ask      func(ctx context.Context, from, to cluster.HubID, request []byte) iter.Seq2[[]byte, error]
	beats    func(f func(cluster.HubID, []byte)) (func(), error)
	state    func() cluster.State
	close    func() error

	// State that the replaced methods use as they like.
	mu     sync.Mutex
	n      int
	groups map[cluster.Nonce]cluster.Group
	kept   map[cluster.Position][]byte
	reply  func([]byte) error
}

// newBroken is a Local with nothing replaced.
func newBroken(said, s Settings, released chan struct{}) *broken {
	b := &broken{
		Local:    cluster.NewLocalWith(cluster.LocalOptions{Keeps: s.Keeps, MaxBytes: s.MaxBytes}),
		released: released,
		keeps:    said.Keeps,
		key:      func(key cluster.Key) cluster.Key { return key },
		see:      func(g cluster.Group) cluster.Group { return g },
		groups:   make(map[cluster.Nonce]cluster.Group),
		kept:     make(map[cluster.Position][]byte),
	}
	b.append, b.linear, b.read = b.Local.Append, b.Local.LastLinearizable, b.Local.Read
	b.tail, b.announce, b.serve, b.ask, b.beats = b.Local.Tail, b.Local.Announce, b.Local.Serve, b.Local.Ask, b.Local.Beats
	if b.keeps == 0 {
		b.keeps = b.Local.Keeps()
	}
	b.state, b.close = b.Local.State, b.Local.Close
	return b
}

func (b *broken) Append(ctx context.Context, key cluster.Key, g cluster.Group) (cluster.Position, error) {
	return b.append(ctx, b.key(key), g)
}

func (b *broken) Last(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	g, err := b.Local.Last(ctx, b.key(key))
	return b.see(g), err
}

func (b *broken) LastLinearizable(ctx context.Context, key cluster.Key) (cluster.Group, error) {
	g, err := b.linear(ctx, b.key(key))
	return b.see(g), err
}

func (b *broken) Read(ctx context.Context, key cluster.Key, kinds cluster.Kind, after, until cluster.Position) iter.Seq2[cluster.Group, error] {
	return func(yield func(cluster.Group, error) bool) {
		b.read(ctx, b.key(key), kinds, after, until)(func(g cluster.Group, err error) bool { return yield(b.see(g), err) })
	}
}

func (b *broken) Tail(key cluster.Key, f func(cluster.Group)) (func(), error) {
	return b.tail(b.key(key), func(g cluster.Group) { f(b.see(g)) })
}

func (b *broken) Announce(key cluster.Key, last cluster.Position) error {
	return b.announce(b.key(key), last)
}

func (b *broken) Serve(self cluster.HubID, answer func(cluster.HubID, []byte, func([]byte) error)) (func(), error) {
	return b.serve(self, answer)
}

func (b *broken) Ask(ctx context.Context, from, to cluster.HubID, request []byte) iter.Seq2[[]byte, error] {
	return b.ask(ctx, from, to, request)
}

func (b *broken) Beats(f func(cluster.HubID, []byte)) (func(), error) { return b.beats(f) }
func (b *broken) Keeps() time.Duration                                { return b.keeps }
func (b *broken) State() cluster.State                                { return b.state() }
func (b *broken) Close() error                                        { return b.close() }

// forced appends whatever the position is.
func (b *broken) forced(key cluster.Key, g cluster.Group) (cluster.Position, error) {
	ctx := context.Background()
	for {
		last, _ := b.Local.Last(ctx, key)
		g.After = last.Position
		if p, err := b.Local.Append(ctx, key, g); err == nil {
			return p, nil
		}
	}
}

// again is the group with this nonce that is there, whatever its key.
func (b *broken) again(g cluster.Group) (cluster.Group, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, ok := b.groups[g.Nonce]
	return old, ok
}

func (b *broken) remember(g cluster.Group, p cluster.Position) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g.Position = p
	b.groups[g.Nonce] = g
}

// hang hangs until the test is over.
func (b *broken) hang() { <-b.released }

// careless is a stop function that does not wait.
func careless(stop func(), err error) (func(), error) {
	return func() { go stop() }, err
}

// flaw is one way of breaking the contract, and the case that is there to find it. It says what
// the suite has to say about it.
type flaw struct {
	name     string
	found    string // the name of the case
	says     string
	breaking func(b *broken)
	settings func(s *Settings)
}
