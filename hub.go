package lectern

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// Hub accepts connections, finds channels by their names, and checks the limits
// that concern more than one channel. All methods are safe for concurrent use.
//
// A Hub is a transport.Server, and a transport.Starter: give it to an adapter, for
// instance to websocket.NewHandler or netconn.Serve. Within its own process, Create and Join
// make members over memory.
type Hub struct {
	policy Policy
	// outboxes are the limits of every connection's outbox.
	outboxes outbox.Limits

	// goroutines counts what Shutdown waits for: served connections, timers
	// that may fire, deliveries.
	goroutines sync.WaitGroup
	closing    atomic.Bool

	idlers idlers

	mu       sync.Mutex
	channels map[string]*Channel
	sessions []*session // in no order
}

var (
	_ transport.Server        = (*Hub)(nil)
	_ transport.Starter       = (*Hub)(nil)
	_ transport.Dialer        = (*Hub)(nil)
	_ transport.FrameLimiter  = (*Hub)(nil)
	_ transport.ContextReader = (*Hub)(nil)
)

// NewHub returns a hub that enforces the policy. The error says which field
// makes no sense.
func NewHub(policy Policy) (*Hub, error) {
	policy, err := policy.validate()
	if err != nil {
		return nil, err
	}
	h := &Hub{
		policy: policy,
		outboxes: outbox.Limits{
			Messages: policy.Outbox.Messages, Bytes: policy.Outbox.Bytes, WriteTimeout: policy.WriteTimeout,
			Overflow: overflows[policy.Slow],
		},
		channels: make(map[string]*Channel),
	}
	h.idlers = idlers{limit: policy.HandshakeTimeout, due: h.endIdle, counter: &h.goroutines, started: time.Now()}
	return h, nil
}

// FrameLimit is the size in bytes of the largest frame that the hub's policy
// lets a peer send. Adapters whose options name no limit use it.
func (h *Hub) FrameLimit() int { return h.policy.frameLimit() }

// ReadsContext reports whether the values of a connection's context matter: they are
// for Policy.Authorize to read.
func (h *Hub) ReadsContext() bool { return h.policy.Authorize != nil }

// Serve runs one accepted connection until it ends, and closes it. Adapters call
// it. When ctx is done, the connection is closed with shutdown. The error says
// why it ended; it is nil where the hub or the peer ended it in order.
func (h *Hub) Serve(ctx context.Context, conn transport.Conn) error {
	receiver, err := h.Start(ctx, conn)
	if err != nil {
		return err
	}
	return receive(conn, receiver)
}

// Start is Serve for adapters that know when a message is there: it is for them
// to read from conn, and to give the receiver what comes. See transport.Starter.
func (h *Hub) Start(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	s, err := h.accept(ctx, conn)
	if err != nil {
		reason := shutdownReason
		if err == errTooManyConnections {
			reason = transport.Reason{Code: transport.RateLimited, Text: errTooManyConnections.Text}
			h.policy.Logger.Warn("connection refused", "open", h.policy.MaxConnections)
		}
		_ = conn.Close(reason)
		return nil, err
	}
	s.start()
	return s, nil
}

// receive reads from the connection until it ends. Where something panics, as
// the service's Observer may, the connection ends all the same.
func receive(conn transport.Conn, receiver transport.Receiver) error {
	reading := true
	defer func() {
		if reading {
			_ = receiver.End(errInterrupted)
		}
	}()
	for {
		message, err := conn.Read()
		if err == nil {
			err = receiver.Receive(message)
			receiver.Pause() // nothing is known of what follows
		}
		if err != nil {
			reading = false
			return receiver.End(err)
		}
	}
}

// errInterrupted is what has ended a connection whose reader has panicked.
var errInterrupted = errors.New("lectern: the reading of the connection was interrupted")

// errTooManyConnections is what becomes of a connection over MaxConnections.
var errTooManyConnections = ErrBusy.with("the hub has as many connections as it may")

func (h *Hub) accept(ctx context.Context, conn transport.Conn) (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing.Load() {
		return nil, ErrShuttingDown
	}
	if len(h.sessions) >= h.policy.MaxConnections {
		return nil, errTooManyConnections
	}
	s := newSession(ctx, h, conn)
	s.index = len(h.sessions)
	h.sessions = append(h.sessions, s)
	h.goroutines.Add(1)
	return s, nil
}

// dismiss forgets a session that has ended.
func (h *Hub) dismiss(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := len(h.sessions) - 1
	moved := h.sessions[last]
	h.sessions[s.index], moved.index = moved, s.index
	h.sessions[last] = nil
	h.sessions = h.sessions[:last]
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

// Dial connects to the hub from within its own process, over memory. It makes a
// Hub a transport.Dialer: NewClient(hub, ...) is a client of this hub.
func (h *Hub) Dial(ctx context.Context) (transport.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	near, far := memory.Pipe(memory.Options{FrameLimit: max(h.FrameLimit(), transport.DefaultFrameLimit)})
	s, err := h.accept(context.WithoutCancel(ctx), far)
	if err != nil {
		if errors.Is(err, ErrShuttingDown) {
			// There is nothing to come back to.
			err = fmt.Errorf("%w: %w", err, net.ErrClosed)
		}
		return nil, err
	}
	s.start()
	far.Attend(s)
	return near, nil
}
