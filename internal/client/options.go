package client

import (
	"context"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Options set up a Client. No field has a default, unless its comment says so. The fields
// mean what the fields of the same names in the public ClientOptions mean.
type Options struct {
	MinBackoff   time.Duration
	MaxBackoff   time.Duration
	DialTimeout  time.Duration
	WriteTimeout time.Duration
	CloseTimeout time.Duration
	// Inbox bounds, by its Bytes, the answers to each request that were not taken yet.
	Inbox  QueueLimit
	Logger *slog.Logger

	// PublicError turns a cause into the error that users get.
	PublicError func(*wire.Cause) error
	// ErrSendUnknown is wrapped by the error of an operation that was given up when it
	// was not known whether the hub had carried it out.
	ErrSendUnknown error
	// Token makes a token for the service, for each create, join, resume and refresh for
	// which none was given. It may be nil.
	Token func(ctx context.Context, operation wire.Type, channel, username string) (string, error)
	// StoreTicket is called when a membership was entered, with the resume frame by which
	// another client can take it over. It may be nil.
	StoreTicket func(ticket wire.Frame, role wire.Role)
	// HubIsOver reports whether the hub has shut down for good. It may be nil: that is
	// never known. It is called with a lock held, so it must do nothing else.
	HubIsOver func() bool
}

// QueueLimit limits messages by their number and by their bytes.
type QueueLimit struct {
	Messages int
	Bytes    int
}
