package hub

import (
	"context"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// Config is what a hub enforces, complete: no field has a default. The public
// Policy says what each means.
type Config struct {
	MasterTimeout time.Duration // zero: at once
	SlaveTimeout  time.Duration // zero: at once

	MaxSlaves                int
	MaxChannels              int
	MaxChannelsPerConnection int
	MaxMessageBytes          int
	MaxConnections           int

	HandshakeTimeout  time.Duration // zero: for ever
	MaxHandshakeBytes int
	FrameRate         RateLimit
	SlaveMessageRate  RateLimit

	Outbox       QueueLimit
	Slow         Slow
	HoldTimeout  time.Duration
	WriteTimeout time.Duration // zero: for ever
	Replay       QueueLimit

	// Authorize decides who may create and join, and under which name: the
	// returned one, or the one asked for where that is empty. A *wire.Cause is
	// told to the peer, of any other error it learns only unauthorized. Nil: all
	// may.
	Authorize func(ctx context.Context, request AuthRequest) (username string, err error)
	// Logger may be nil: silent.
	Logger *slog.Logger
	// Observer may be nil: nobody is told.
	Observer Observer
	// PublicError makes what adapters and users get of the cause for which a
	// connection ended.
	PublicError func(*wire.Cause) error
}

// Types that the layers beneath have, under the names by which a Config is
// written.
type (
	QueueLimit = star.Bound
	Metric     = star.Metric
	Observer   = delivery.Observer
	Slow       = delivery.Slow
	// MemberReport is one member in what Channel.Report returns.
	MemberReport = star.MemberReport
)

// RateLimit bounds what comes in: PerSecond in the long run, and Burst at once. A
// PerSecond of zero means no bound.
type RateLimit struct {
	PerSecond int
	Burst     int
}

// Operation is what a peer asks permission for.
type Operation string

const (
	OpCreate Operation = "create"
	OpJoin   Operation = "join"
)

// AuthRequest is what Authorize is asked. The names are valid names.
type AuthRequest struct {
	Operation Operation
	Channel   string
	Username  string
	Token     string
}

// discard is the Observer where none is given.
type discard struct{}

func (discard) Add(star.Metric, string, int64) {}
func (discard) Observe(star.Metric, float64)   {}
