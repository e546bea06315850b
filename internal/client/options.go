package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// Options set up a Client. No field has a default but by WithDefaults. The fields
// mean what the fields of the same names in the public ClientOptions mean.
type Options struct {
	MinBackoff   time.Duration
	MaxBackoff   time.Duration
	DialTimeout  time.Duration
	WriteTimeout time.Duration
	CloseTimeout time.Duration
	// MaxMessageBytes bounds the payload of what is sent. Callers hold to it.
	MaxMessageBytes int
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
	// CountSlaves: as a master this client is told how many slaves it has, and nothing of each.
	CountSlaves bool
	// Wrong is what makes no sense of the public options, or nil. Nothing is entered or asked
	// then: this is the error.
	Wrong error
}

// QueueLimit limits messages by their number and by their bytes.
type QueueLimit struct {
	Messages int
	Bytes    int
}

// WithDefaults returns the options with what the public ClientOptions promise where a field is
// zero, and with what a negative one means. The error names the options that make no sense.
func (o Options) WithDefaults() (Options, error) {
	var order error
	if o.MaxBackoff > 0 && o.MaxBackoff < o.MinBackoff {
		order = fmt.Errorf("lectern: ClientOptions.MaxBackoff is %v, which is below MinBackoff, %v", o.MaxBackoff, o.MinBackoff)
	}
	err := errors.Join(order,
		transport.CheckTime("lectern: ClientOptions.MinBackoff", o.MinBackoff),
		transport.CheckTime("lectern: ClientOptions.MaxBackoff", o.MaxBackoff),
		transport.CheckTime("lectern: ClientOptions.DialTimeout", o.DialTimeout),
		transport.CheckTime("lectern: ClientOptions.WriteTimeout", o.WriteTimeout),
		transport.CheckTime("lectern: ClientOptions.CloseTimeout", o.CloseTimeout))
	o.MinBackoff = max(cmp.Or(o.MinBackoff, 200*time.Millisecond), 0)
	o.MaxBackoff = max(cmp.Or(o.MaxBackoff, 5*time.Second), o.MinBackoff)
	o.WriteTimeout = max(cmp.Or(o.WriteTimeout, 10*time.Second), 0)
	o.CloseTimeout = max(cmp.Or(o.CloseTimeout, 5*time.Second), 0)
	if o.DialTimeout <= 0 {
		o.DialTimeout = 10 * time.Second
	}
	if o.MaxMessageBytes <= 0 {
		o.MaxMessageBytes = 64 << 10
	}
	o.Inbox.Messages = max(cmp.Or(o.Inbox.Messages, 1024), 1)
	o.Inbox.Bytes = max(cmp.Or(o.Inbox.Bytes, 4<<20), 1)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, err
}
