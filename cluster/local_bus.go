package cluster

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
)

// registration is a function of the user's, and what it has yet to be called with. A
// goroutine calls it for as long as there is something.
type registration[T any] struct {
	f func(T)

	mu      sync.Mutex
	waiting []T
	stopped bool
	running chan struct{} // closed when the goroutine ends; nil: there is none
}

// maxWaiting bounds what waits for a callback that does not return. What is beyond
// is lost.
const maxWaiting = 1 << 16

func newRegistration[T any](f func(T)) *registration[T] { return &registration[T]{f: f} }

// hand leaves the callback something to be called with.
func (r *registration[T]) hand(x T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped || len(r.waiting) == maxWaiting {
		return
	}
	r.waiting = append(r.waiting, x)
	if r.running == nil {
		r.running = make(chan struct{})
		go r.run(r.running)
	}
}

func (r *registration[T]) run(ended chan struct{}) {
	defer close(ended)
	for {
		r.mu.Lock()
		if r.stopped || len(r.waiting) == 0 {
			r.running = nil
			r.mu.Unlock()
			return
		}
		x := r.waiting[0]
		if r.waiting = r.waiting[1:]; len(r.waiting) == 0 {
			r.waiting = nil
		}
		r.mu.Unlock()
		r.f(x)
	}
}

// stop returns when the callback is not running and will not be called again.
func (r *registration[T]) stop() {
	r.mu.Lock()
	r.stopped, r.waiting = true, nil
	running := r.running
	r.mu.Unlock()
	if running != nil {
		<-running
	}
}

type localBeat struct {
	from HubID
	beat []byte
}

// localRequest is a request and its way back.
type localRequest struct {
	from HubID
	body []byte

	mu      sync.Mutex
	ended   bool // nobody listens any more
	replies [][]byte
	news    chan struct{} // of capacity 1
}

func (r *localRequest) reply(b []byte) error {
	if len(b) > MaxMessage {
		return ErrTooLarge
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || len(r.replies) == maxWaiting {
		return nil
	}
	r.replies = append(r.replies, slices.Clone(b))
	select {
	case r.news <- struct{}{}:
	default:
	}
	return nil
}

func (r *localRequest) take() (replies [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	replies, r.replies = r.replies, nil
	return replies
}

func (r *localRequest) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended, r.replies = true, nil
}

// errServed is what a second Serve for one id fails with.
var errServed = errors.New("cluster: this hub is served already")

// Serve implements [Bus].
func (l *Local) Serve(self HubID, answer func(from HubID, request []byte, reply func([]byte) error)) (stop func(), err error) {
	if err := l.open(context.Background()); err != nil {
		return nil, err
	}
	defer l.mu.Unlock()
	if l.servers[self] != nil {
		return nil, errServed
	}
	s := newRegistration(func(r *localRequest) {
		answer(r.from, r.body, func(b []byte) error {
			select {
			case <-l.ended:
				return ErrClosed
			default:
				return r.reply(b)
			}
		})
	})
	l.servers[self] = s
	return func() {
		l.mu.Lock()
		if l.servers[self] == s {
			delete(l.servers, self)
		}
		l.mu.Unlock()
		s.stop()
	}, nil
}

// Ask implements [Bus].
func (l *Local) Ask(ctx context.Context, from, to HubID, request []byte) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		r := &localRequest{from: from, news: make(chan struct{}, 1)}
		if err := l.send(ctx, to, request, r); err != nil {
			yield(nil, err)
			return
		}
		defer r.end()
		for {
			select {
			case <-r.news:
				for _, b := range r.take() {
					if ctx.Err() != nil {
						break
					}
					if !yield(b, nil) {
						return
					}
				}
			case <-ctx.Done():
				yield(nil, ctx.Err())
				return
			case <-l.ended:
				yield(nil, ErrClosed)
				return
			}
		}
	}
}

func (l *Local) send(ctx context.Context, to HubID, request []byte, r *localRequest) error {
	if len(request) > MaxMessage {
		return ErrTooLarge
	}
	r.body = slices.Clone(request)
	if err := l.open(ctx); err != nil {
		return err
	}
	defer l.mu.Unlock()
	s := l.servers[to]
	if s == nil {
		return ErrNobody
	}
	s.hand(r)
	return nil
}

// Beat implements [Bus].
func (l *Local) Beat(from HubID, beat []byte) error {
	if len(beat) > MaxMessage {
		return ErrTooLarge
	}
	if err := l.open(context.Background()); err != nil {
		return err
	}
	defer l.mu.Unlock()
	beat = slices.Clone(beat)
	for _, b := range l.beats {
		b.hand(localBeat{from, beat})
	}
	return nil
}

// Beats implements [Bus].
func (l *Local) Beats(f func(from HubID, beat []byte)) (stop func(), err error) {
	if err := l.open(context.Background()); err != nil {
		return nil, err
	}
	defer l.mu.Unlock()
	b := newRegistration(func(b localBeat) { f(b.from, b.beat) })
	l.beats = append(l.beats, b)
	return func() {
		l.mu.Lock()
		l.beats = remove(l.beats, b)
		l.mu.Unlock()
		b.stop()
	}, nil
}
