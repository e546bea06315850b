// Package hub is the hub's side of every connection: sessions and the seats that they
// hold, the operations that their frames ask for, rate limits, idle connections,
// channels by their names, and the shutdown.
//
// The package does not know the rules: internal/star decides them, and
// internal/delivery executes what they decide. It does not know which transport a
// connection is of, and it turns nothing into the public types of the root package.
package hub

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/transport"
)

// Hub accepts connections, finds channels by their names, and checks the limits
// that concern more than one channel. All methods are safe for concurrent use.
type Hub struct {
	config Config
	// delivering is the part of the config that channels and lines use.
	delivering delivery.Config
	// id is in every resume secret. Restore sets it, before the hub serves.
	id ID
	// clustered is what the hub has as one of a cluster, or nil.
	clustered *clustered
	// restored: the hub goes on from what another one has left.
	restored atomic.Bool
	failures []failure
	refusals refusals

	// goroutines counts what Shutdown waits for: served connections, running timers,
	// delivering goroutines, and calls of a Channel's methods.
	goroutines sync.WaitGroup
	closing    atomic.Bool
	// open ends when Shutdown begins, by close: for who waits in the service's name.
	open  context.Context
	close context.CancelFunc

	idlers idlers
	waits  waits

	// stopped is when Shutdown began, and retired are the channels that there were at its end.
	// They do not change after ended was closed.
	stopped time.Time
	retired []*delivery.Channel
	ended   chan struct{}

	mu       sync.Mutex
	channels map[string]*delivery.Channel
	sessions []*session // in no order
	// accepted counts all connections that were ever accepted.
	accepted uint64
	// retiring: somebody is about to close ended.
	retiring bool
}

// Open is New for a hub that may be one of a cluster. The error is that of the engine.
func Open(config Config) (*Hub, error) {
	h := New(config)
	if config.Cluster == nil {
		return h, nil
	}
	return h, h.join(config.Cluster)
}

// New returns a hub that enforces the config, and is alone.
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
	h := &Hub{config: config, id: newID(), ended: make(chan struct{}), failures: newFailures(config.PublicError), refusals: newRefusals(&config), channels: make(map[string]*delivery.Channel)}
	h.open, h.close = context.WithCancel(context.Background())
	now := time.Now()
	h.delivering = delivery.Config{
		Limits: star.Limits{
			MasterTimeout: config.MasterTimeout, SlaveTimeout: config.SlaveTimeout, MaxSlaves: config.MaxSlaves,
			HandshakeTimeout: config.HandshakeTimeout, WaitTimeout: config.WaitTimeout,
			Replay: config.Replay, Outbox: config.Outbox, Counted: observed, Topics: set(config.Topics),
		},
		Outbox: outbox.Limits{
			Messages: config.Outbox.Messages, Bytes: config.Outbox.Bytes, WriteTimeout: config.WriteTimeout,
			Overflow: config.Slow.Overflow(),
		},
		Slow: config.Slow, HoldTimeout: config.HoldTimeout, Started: now,
		Observer: config.Observer, Observed: observed, Logger: config.Logger,
		Goroutines: &h.goroutines, Forget: h.forgetChannel,
	}
	h.idlers = idlers{limit: config.HandshakeTimeout, due: h.endIdle, counter: &h.goroutines, started: now}
	h.waits = waits{timeout: config.WaitTimeout, due: h.endOverdueWaits, counter: &h.goroutines}
	return h
}

// set has each of the names.
func set(names []string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, name := range names {
		all[name] = true
	}
	return all
}

// MaxFrameBytes is the size in bytes of the largest frame that a peer may send under the
// hub's config. Adapters use it where their options have no limit.
//
// It has room for the largest payload in base64, or with an escape for every other
// character, and for the names and fields around it.
func (h *Hub) MaxFrameBytes() int { return 2*h.config.MaxMessageBytes + 4<<10 }

// Closing reports whether the hub shuts down, or has done so.
func (h *Hub) Closing() bool { return h.closing.Load() }

// ReadsContext reports whether the hub uses the values of a connection's context. It
// does so where there is an Authorize or an AuthorizeMessage, which may read them.
func (h *Hub) ReadsContext() bool {
	return h.config.Authorize != nil || h.config.AuthorizeMessage != nil
}

// addSession makes a session for the connection, and adds it to the hub's sessions.
func (h *Hub) addSession(ctx context.Context, conn transport.Conn) (*session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing.Load() {
		return nil, shuttingDown
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

// removeSession removes a session that has ended from the hub's sessions.
func (h *Hub) removeSession(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	last := len(h.sessions) - 1
	moved := h.sessions[last]
	h.sessions[s.index], moved.index = moved, s.index
	h.sessions[last] = nil
	h.sessions = h.sessions[:last]
	if last == 0 && h.clustered != nil && h.closing.Load() {
		h.clustered.empty()
	}
}
