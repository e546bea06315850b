package hub

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/lectern-go/lectern/internal/wire"
)

// authorize calls the service's Authorize, after the names were checked. It returns the username
// under which the peer becomes a member, which is that of the frame then.
func (s *session) authorize(op Operation, f *wire.Frame) (string, error) {
	if s.hub.config.Authorize == nil {
		return f.Username, nil
	}
	ctx, done := s.waitContext()
	defer done()
	if limit := s.hub.config.HandshakeTimeout; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	username, err := s.ask(ctx, AuthRequest{Operation: op, Channel: f.Channel, Username: f.Username, Token: f.Token})
	if err != nil {
		s.logger().Warn("refused by Authorize", "operation", string(op), "channel", f.Channel, "username", f.Username, "error", withoutToken(fmt.Sprint(err), f.Token))
		return "", asRefusal(err, wire.ErrUnauthorized)
	}
	if username == "" && f.Username == "" {
		return "", wire.ErrBadName.With("username: it is empty, and the service gives none")
	}
	if username == "" {
		return f.Username, nil
	}
	if !wire.ValidName(username) {
		s.logger().Error("Authorize gave a username that is none", "channel", f.Channel, "username", wire.Quote(username), "problem", wire.NameProblem(username))
		return "", wire.ErrUnauthorized.With("the service gave a username that is not one")
	}
	f.Username = username // what is said of the frame from here on is said of this name
	return username, nil
}

// ask calls the service's Authorize. A panic in it is a refusal, and affects no other
// connection.
func (s *session) ask(ctx context.Context, request AuthRequest) (username string, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			s.logger().Error("Authorize panicked", "cause", withoutToken(fmt.Sprint(cause), request.Token), "stack", string(debug.Stack()))
			err = wire.ErrUnauthorized
		}
	}()
	return s.hub.config.Authorize(ctx, request)
}

// asRefusal turns an error into what the peer may know. A *wire.Cause is meant for the
// peer. Any other error stays inside of the hub, and the peer is told the fallback.
func asRefusal(err error, fallback *wire.Cause) *wire.Cause {
	var refusal *wire.Cause
	if errors.As(err, &refusal) {
		return refusal
	}
	return fallback
}
