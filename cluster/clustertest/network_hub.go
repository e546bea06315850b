package clustertest

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// hub is the engine of one hub on a Network.
type hub struct {
	network *Network
	id      cluster.HubID
	number  int
	ended   chan struct{} // closed by Close and Kill

	// Under the network's lock.
	thawed   chan struct{} // closed when it is thawed; nil: not frozen
	isolated time.Time     // since when; zero: it is not
	tails    []*delivery[cluster.Group]
	served   *delivery[*asked]
	beats    []*delivery[beaten]
	held     []func()       // what it has sent while it was frozen
	stops    map[int]func() // of what is registered, by their numbers
	started  int
	closing  bool
}

var _ cluster.Engine = (*hub)(nil)

// thaw ends a freeze. The caller has the network's lock.
func (h *hub) thaw() {
	if h.thawed != nil {
		close(h.thawed)
		h.thawed = nil
		for _, send := range h.held {
			send()
		}
		h.held = nil
	}
}

// gate waits while the hub is frozen.
func (h *hub) gate() error {
	for {
		h.network.mu.Lock()
		thawed := h.thawed
		h.network.mu.Unlock()
		select {
		case <-h.ended:
			return cluster.ErrClosed
		default:
		}
		if thawed == nil {
			return nil
		}
		select {
		case <-thawed:
		case <-h.ended:
		}
	}
}

// send sends now, or when the hub is thawed; send is called with the network's lock. Of what it fails with, only
// what is known at once is told.
func (h *hub) send(send func()) error {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case h.closing:
		return cluster.ErrClosed
	case h.thawed != nil:
		h.held = append(h.held, func() {
			if h.isolated.IsZero() && !h.closing {
				send()
			}
		})
	case !h.isolated.IsZero():
		return ErrOutcome
	default:
		send()
	}
	return nil
}

// begin begins a call that may wait.
func (h *hub) begin(ctx context.Context) error {
	if err := h.gate(); err != nil {
		return err
	}
	return ctx.Err()
}

// wait lets time pass in a call.
func (h *hub) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-h.ended:
		return cluster.ErrClosed
	}
	if err := h.gate(); err != nil {
		return err
	}
	return ctx.Err()
}

// Keeps implements [cluster.Log].
func (h *hub) Keeps() time.Duration { return h.network.log.Keeps() }

// State implements [cluster.Engine].
func (h *hub) State() cluster.State {
	state := h.network.log.State()
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	state.Connected = state.Connected && !h.closing && h.isolated.IsZero()
	state.ClockSpread = max(state.ClockSpread, n.spread)
	for i := range state.Shards {
		if n.leaderless(i) {
			state.Shards[i].Leader = ""
		}
	}
	return state
}

// leaderless tells whether the shard has no leader now. The caller has the lock.
func (n *Network) leaderless(shard int) bool { return time.Now().Before(n.elections[shard]) }

// end lets nothing be called any more, and waits for nothing.
func (h *hub) end() (stops []func()) {
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if !h.closing {
		h.closing = true
		close(h.ended)
		n.hubs = slices.DeleteFunc(n.hubs, func(other *hub) bool { return other == h })
	}
	for _, number := range slices.Sorted(maps.Keys(h.stops)) {
		stops = append(stops, h.stops[number])
	}
	return stops
}

// Close implements [cluster.Engine]. The log and the other hubs go on.
func (h *hub) Close() error {
	for _, stop := range h.end() {
		stop()
	}
	return nil
}

// register keeps what Close has to stop. The caller has the lock.
func (h *hub) register(stop func()) func() {
	h.started++
	number := h.started
	h.stops[number] = stop
	return func() {
		stop()
		h.network.mu.Lock()
		defer h.network.mu.Unlock()
		delete(h.stops, number)
	}
}

// delivery is what is on its way to a callback.
type delivery[T any] struct {
	hub   *hub
	f     func(T)
	key   cluster.Key   // of a tail
	self  cluster.HubID // of what is served
	queue *queue[T]
	last  time.Time // when the latest arrives, of those that stay in order
	once  sync.Once
	quit  chan struct{}
	done  chan struct{}
}

func newDelivery[T any](h *hub, f func(T)) *delivery[T] {
	d := &delivery[T]{hub: h, f: f, queue: newQueue[T](), quit: make(chan struct{}), done: make(chan struct{})}
	go d.run()
	return d
}

func (d *delivery[T]) run() {
	defer close(d.done)
	for {
		x, ok := d.queue.next(d.quit, d.hub.ended)
		if !ok || d.hub.gate() != nil {
			return
		}
		select {
		case <-d.quit:
			return
		default:
			d.f(x)
		}
	}
}

// stop returns when the callback is not running and will not be called again.
func (d *delivery[T]) stop() {
	d.once.Do(func() { close(d.quit) })
	<-d.done
}

// later hands x over after this time. The caller has the network's lock.
func (d *delivery[T]) later(after time.Duration, x T) { d.queue.put(time.Now().Add(after), x) }

// ordered hands x over after this time, and not before what was handed over so already.
func (d *delivery[T]) ordered(after time.Duration, x T) {
	if at := time.Now().Add(after); at.After(d.last) {
		d.last = at
	}
	d.queue.put(d.last, x)
}

// queue has things that arrive at some time.
type queue[T any] struct {
	mu   sync.Mutex
	all  []arrival[T] // in order
	news chan struct{}
}

type arrival[T any] struct {
	at time.Time
	x  T
}

func newQueue[T any]() *queue[T] { return &queue[T]{news: make(chan struct{}, 1)} }

func (q *queue[T]) put(at time.Time, x T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := len(q.all)
	for i > 0 && q.all[i-1].at.After(at) {
		i--
	}
	q.all = slices.Insert(q.all, i, arrival[T]{at, x})
	select {
	case q.news <- struct{}{}:
	default:
	}
}

// next waits for the next arrival, until one of these is closed.
func (q *queue[T]) next(quit, ended <-chan struct{}) (x T, ok bool) {
	for {
		var timer *time.Timer
		var due <-chan time.Time
		q.mu.Lock()
		if len(q.all) > 0 {
			wait := time.Until(q.all[0].at)
			if wait <= 0 {
				x = q.all[0].x
				q.all = q.all[1:]
				q.mu.Unlock()
				return x, true
			}
			timer = time.NewTimer(wait)
			due = timer.C
		}
		q.mu.Unlock()
		select {
		case <-due:
		case <-q.news:
		case <-quit:
			return x, false
		case <-ended:
			return x, false
		}
		if timer != nil {
			timer.Stop()
		}
	}
}
