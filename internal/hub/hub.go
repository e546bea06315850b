// Package hub is the hub's side of every connection: sessions and the seats that
// they hold, what their frames ask for, how often they may ask, connections that
// idle, channels by their names, and the shutdown. What the rules are is decided by
// internal/star, and carried out by internal/delivery.
package hub

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// Hub accepts connections, finds channels by their names, and checks the limits
// that concern more than one channel. All methods are safe for concurrent use.
type Hub struct {
	config Config
	// delivering is the part of the config that channels and lines know.
	delivering delivery.Config
	failures   []failure

	// goroutines counts what Shutdown waits for: served connections, timers
	// that may fire, deliveries.
	goroutines sync.WaitGroup
	closing    atomic.Bool

	idlers idlers

	mu       sync.Mutex
	channels map[string]*delivery.Channel
	sessions []*session // in no order
	// accepted counts the connections that there have been.
	accepted uint64
}

// New returns a hub that enforces the config.
func New(config Config) *Hub {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	config.Logger = sampled(slog.New(guardedHandler{config.Logger.Handler()}))
	observed := config.Observer != nil
	if observed {
		config.Observer = guardedObserver{config.Observer, config.Logger}
	} else {
		config.Observer = discard{}
	}
	h := &Hub{config: config, failures: newFailures(config.PublicError), channels: make(map[string]*delivery.Channel)}
	now := time.Now()
	h.delivering = delivery.Config{
		Limits: star.Limits{
			MasterTimeout: config.MasterTimeout, SlaveTimeout: config.SlaveTimeout, MaxSlaves: config.MaxSlaves,
			Replay: config.Replay, Counted: observed,
		},
		Outbox: outbox.Limits{
			Messages: config.Outbox.Messages, Bytes: config.Outbox.Bytes, WriteTimeout: config.WriteTimeout,
			Overflow: config.Slow.Overflow(),
		},
		Slow: config.Slow, HoldTimeout: config.HoldTimeout, Started: now,
		Observer: config.Observer, Observed: observed, Logger: config.Logger,
		Goroutines: &h.goroutines, Forget: h.remove,
	}
	h.idlers = idlers{limit: config.HandshakeTimeout, due: h.endIdle, counter: &h.goroutines, started: now}
	return h
}

// MaxFrameBytes is the size in bytes of the largest frame that the hub's config
// lets a peer send. Adapters whose options name no limit use it.
//
// It is the largest payload in base64 or with an escape for every other character,
// and the names and fields around it.
func (h *Hub) MaxFrameBytes() int { return 2*h.config.MaxMessageBytes + 4<<10 }

// Closing reports whether the hub shuts down, or has done so.
func (h *Hub) Closing() bool { return h.closing.Load() }

// ReadsContext reports whether the values of a connection's context matter: they are
// for Authorize to read.
func (h *Hub) ReadsContext() bool { return h.config.Authorize != nil }

// Serve runs one accepted connection until it ends, and closes it. Adapters call
// it. When ctx is done, the connection is closed with shutdown. The error says
// why it ended; it is nil where the hub or the peer ended it in order.
func (h *Hub) Serve(ctx context.Context, conn transport.Conn) error {
	receiver, err := h.Accept(ctx, conn)
	if err != nil {
		return err
	}
	return receive(conn, receiver)
}

// Accept is Serve for adapters that know when a message is there: it is for them
// to read from conn, and to give the receiver what comes. See transport.Acceptor.
func (h *Hub) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	receiver, err := h.TryAccept(ctx, conn)
	if err != nil {
		reason := shutdownReason
		if err == errTooManyConnections {
			reason = transport.Reason{Code: transport.RateLimited, Text: errTooManyConnections.Text}
			h.config.Logger.Warn("connection refused", "open", h.config.MaxConnections)
		}
		_ = conn.Close(reason)
		return nil, err
	}
	return receiver, nil
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
var errTooManyConnections = wire.ErrBusy.With("the hub has as many connections as it may")

// TryAccept is Accept, but leaves a connection that it does not take on to the caller.
func (h *Hub) TryAccept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	s, err := h.admit(ctx, conn)
	if err != nil {
		return nil, err
	}
	s.start()
	return s, nil
}

// admit makes the connection one of the hub's.
func (h *Hub) admit(ctx context.Context, conn transport.Conn) (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing.Load() {
		return nil, wire.ErrShuttingDown
	}
	if len(h.sessions) >= h.config.MaxConnections {
		return nil, errTooManyConnections
	}
	h.accepted++
	s := newSession(ctx, h, conn, h.accepted)
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
func (h *Hub) find(name string) *delivery.Channel {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.channels[name]
}

// findOrAdd returns the channel of that name, and a vacant one where there is
// none: whether it may be created is the channel's to decide.
func (h *Hub) findOrAdd(name string) (*delivery.Channel, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing.Load() {
		return nil, wire.ErrShuttingDown
	}
	if c := h.channels[name]; c != nil {
		return c, nil
	}
	if len(h.channels) >= h.config.MaxChannels {
		return nil, wire.ErrTooManyChannels
	}
	c := delivery.New(name, &h.delivering)
	h.channels[name] = c
	return c, nil
}

// remove takes a channel that has ended off the list.
func (h *Hub) remove(c *delivery.Channel) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.channels[c.Name()] == c {
		delete(h.channels, c.Name())
	}
}
