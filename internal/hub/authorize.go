package hub

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/lectern-go/lectern/internal/wire"
)

// authorize checks the names and asks the service. It returns the username that
// the service gives.
func (s *session) authorize(op Operation, f *wire.Frame) (string, error) {
	if !wire.ValidName(f.Channel) || !wire.ValidName(f.Username) {
		return "", wire.ErrBadName
	}
	if s.hub.config.Authorize == nil {
		return f.Username, nil
	}
	ctx, done := s.waiting()
	defer done()
	if limit := s.hub.config.HandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	username, err := s.ask(ctx, AuthRequest{Operation: op, Channel: f.Channel, Username: f.Username, Token: f.Token})
	if err != nil {
		s.hub.config.Logger.Warn("refused by Authorize", "operation", string(op), "channel", f.Channel, "username", f.Username)
		return "", asRefusal(err, wire.ErrUnauthorized)
	}
	if username == "" {
		return f.Username, nil
	}
	if !wire.ValidName(username) {
		return "", wire.ErrUnauthorized
	}
	return username, nil
}

// ask calls the service's Authorize. One that panics has refused, and costs
// nobody else anything.
func (s *session) ask(ctx context.Context, request AuthRequest) (username string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			s.hub.config.Logger.Error("Authorize panicked", "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = wire.ErrUnauthorized
		}
	}()
	return s.hub.config.Authorize(ctx, request)
}

// asRefusal turns any error into what may be told to the peer: a *wire.Cause is
// meant for it, anything else stays within and becomes the fallback.
func asRefusal(err error, fallback *wire.Cause) *wire.Cause {
	var refusal *wire.Cause
	if errors.As(err, &refusal) {
		return refusal
	}
	return fallback
}
