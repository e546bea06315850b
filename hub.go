package lectern

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// Hub accepts connections, finds channels by their names, and checks the limits
// that concern more than one channel. All methods are safe for concurrent use.
//
// A Hub is a transport.Server: give it to an adapter, for instance to
// websocket.NewHandler or netconn.Serve. Within its own process, Create and Join
// make members over memory.
type Hub struct {
	policy Policy

	// goroutines counts what Shutdown waits for: served connections, timers
	// that may fire, deliveries that were handed over.
	goroutines sync.WaitGroup
	closing    atomic.Bool

	mu       sync.Mutex
	channels map[string]*Channel
	sessions map[*session]struct{}
}

var (
	_ transport.Server       = (*Hub)(nil)
	_ transport.Dialer       = (*Hub)(nil)
	_ transport.FrameLimiter = (*Hub)(nil)
)

// NewHub returns a hub that enforces the policy. The error says which field
// makes no sense.
func NewHub(policy Policy) (*Hub, error) {
	policy, err := policy.validate()
	if err != nil {
		return nil, err
	}
	return &Hub{
		policy:   policy,
		channels: make(map[string]*Channel),
		sessions: make(map[*session]struct{}),
	}, nil
}

// FrameLimit is the size in bytes of the largest frame that the hub's policy
// lets a peer send. Adapters whose options name no limit use it.
func (h *Hub) FrameLimit() int { return h.policy.frameLimit() }

// Serve runs one accepted connection until it ends, and closes it. Adapters call
// it. When ctx is done, the connection is closed with shutdown. The error says
// why it ended; it is nil where the hub or the peer ended it in order.
func (h *Hub) Serve(ctx context.Context, conn transport.Conn) error {
	s, err := h.accept(ctx, conn)
	if err != nil {
		_ = conn.Close(transport.Reason{Code: transport.Shutdown})
		return err
	}
	defer h.goroutines.Done()
	return s.run()
}

func (h *Hub) accept(ctx context.Context, conn transport.Conn) (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing.Load() {
		return nil, ErrShuttingDown
	}
	s := newSession(ctx, h, conn)
	h.sessions[s] = struct{}{}
	h.goroutines.Add(1)
	return s, nil
}

// find returns the channel of that name, or nil.
func (h *Hub) find(name string) *Channel {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.channels[name]
}

// findOrAdd returns the channel of that name, and a vacant one where there is
// none: whether it may be created is the channel's to decide.
func (h *Hub) findOrAdd(name string) (*Channel, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing.Load() {
		return nil, ErrShuttingDown
	}
	if c := h.channels[name]; c != nil {
		return c, nil
	}
	if len(h.channels) >= h.policy.MaxChannels {
		return nil, ErrTooManyChannels
	}
	c := &Channel{name: name, policy: &h.policy}
	c.hub = h
	c.room = sync.NewCond(&c.mu)
	h.channels[name] = c
	return c, nil
}

// remove takes a channel that has ended off the list.
func (h *Hub) remove(c *Channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.channels[c.name] == c {
		delete(h.channels, c.name)
	}
}

// Channel returns the channel of that name, and whether there is one.
func (h *Hub) Channel(name string) (*Channel, bool) {
	c := h.find(name)
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c, c.life == open
}

// Name returns the channel's name.
func (c *Channel) Name() string { return c.name }

// Close closes the channel in the name of the service: the master and every
// slave are told channel_closed with the reason, and let go. It does not
// wait for them. A channel that is over is left as it is; the error is
// ErrShuttingDown where the hub ends them all.
func (c *Channel) Close(reason string) error {
	c.hub.mu.Lock()
	if c.hub.closing.Load() {
		c.hub.mu.Unlock()
		return ErrShuttingDown
	}
	c.hub.goroutines.Add(1)
	c.hub.mu.Unlock()
	defer c.hub.goroutines.Done()
	c.decide(func(time.Time) { c.end(ErrChannelClosed.with(reason)) })
	return nil
}

// Dial connects to the hub from within its own process, over memory. It makes a
// Hub a transport.Dialer: NewClient(hub, ...) is a client of this hub.
func (h *Hub) Dial(ctx context.Context) (transport.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	near, far := memory.Pipe(memory.Options{FrameLimit: h.FrameLimit()})
	s, err := h.accept(context.WithoutCancel(ctx), far)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, net.ErrClosed)
	}
	go func() {
		defer h.goroutines.Done()
		_ = s.run()
	}()
	return near, nil
}

// Shutdown ends the hub in order: it takes on nothing new, closes every
// connection with shutdown once what was accepted for it has been sent, and
// returns when all of the hub's goroutines are gone. When ctx is done first, the
// connections are closed without regard to what waits, and the error is the
// context's. Later calls wait as the first does.
//
// Members in this process end with ErrShutdown. Clients elsewhere cannot know
// whether another hub takes the place of this one: they go on trying for as long
// as a master may be away.
func (h *Hub) Shutdown(ctx context.Context) error {
	sessions := h.stop()
	for _, s := range sessions {
		s.stopAsking()
		s.out.Close(shutdownReason)
	}
	gone := make(chan struct{})
	go func() {
		h.goroutines.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	for _, s := range sessions {
		s.out.Abort(shutdownReason)
	}
	<-gone
	return ctx.Err()
}

// stop takes on nothing new from now on, and returns the connections there are.
func (h *Hub) stop() []*session {
	h.mu.Lock()
	h.closing.Store(true)
	channels := slices.Collect(maps.Values(h.channels))
	sessions := slices.Collect(maps.Keys(h.sessions))
	h.mu.Unlock()
	for _, c := range channels {
		// Whoever holds the lock may have seen the hub open; nobody after this
		// will start the timer again.
		c.mu.Lock()
		c.setAlarm(time.Now())
		c.mu.Unlock()
	}
	return sessions
}

// Close ends the hub at once: like Shutdown, without waiting for what is still
// to be sent. It returns when the hub's goroutines are gone.
func (h *Hub) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
