package client

import (
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Options set up a Client, complete: no field but the last ones has a default. The
// public ClientOptions say what each means.
type Options struct {
	MinBackoff   time.Duration
	MaxBackoff   time.Duration
	DialTimeout  time.Duration
	WriteTimeout time.Duration
	CloseTimeout time.Duration
	// Inbox bounds the answers to each request that were not taken yet, by bytes.
	Inbox  QueueLimit
	Logger *slog.Logger

	// PublicError makes what users get of a cause.
	PublicError func(*wire.Cause) error
	// ErrSendUnknown is what the error of an operation wraps that was given up
	// before it was known what had become of it.
	ErrSendUnknown error
	// HubIsOver tells, where it is not nil, that the hub has shut down for good.
	HubIsOver func() bool
}

// QueueLimit limits messages by their number and by their bytes.
type QueueLimit struct {
	Messages int
	Bytes    int
}

// Message is what arrived from the other side. Its payload is a copy.
type Message struct {
	From      string
	Seq       uint64
	Private   bool
	RequestID uint64
	ReplyTo   uint64
	Payload   wire.Payload
}

// Presence is the state of one member as it is known on this side.
type Presence struct {
	Username string
	// State is zero where the own connection is down, so that nothing is known.
	State wire.State
	// Since is when this side learned of the state.
	Since time.Time
	// Deadline is when a master that is away, or cannot be asked after, will be
	// given up. Zero otherwise.
	Deadline time.Time
	Reason   string
}
