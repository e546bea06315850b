package hub

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// closeReason is the reason with which a connection is closed whose only membership has
// ended because of why.
func closeReason(why *wire.Cause) transport.Reason {
	return transport.Reason{Code: transport.CloseCode(wire.Lookup(why.Code).Number), Text: why.Text}
}

// failure is a cause for which a session itself ends its connection.
type failure struct {
	cause *wire.Cause
	// code is the code with which the connection is closed.
	code transport.CloseCode
	// public is the error that the adapter gets.
	public error
}

// newFailures lists all failures.
func newFailures(public func(*wire.Cause) error) []failure {
	return []failure{
		{errHandshakeTooLarge, transport.TooLarge, public(errHandshakeTooLarge)},
		{errFlood, transport.RateLimited, public(errFlood)},
		{errNotProtocol, transport.ProtocolError, public(errNotProtocol)},
	}
}

// failure is the error that the adapter gets where a session ends for the cause, which
// must be one of newFailures.
func (h *Hub) failure(cause *wire.Cause) error {
	i := slices.IndexFunc(h.failures, func(f failure) bool { return f.cause == cause })
	return h.failures[i].public
}

// closingReason is the reason that the peer is told where reading has ended with err.
func (h *Hub) closingReason(err error) transport.Reason {
	var closed *transport.CloseError
	switch {
	case errors.As(err, &closed):
		return closed.Reason
	case errors.Is(err, transport.ErrSilent):
		return transport.Reason{Code: transport.Idle, Text: "no sign of life"}
	case errors.Is(err, transport.ErrMessageTooLarge):
		return transport.Reason{Code: transport.TooLarge}
	case errors.Is(err, transport.ErrSlow):
		return transport.Reason{Code: transport.Slow}
	case errors.Is(err, transport.ErrFlood):
		return transport.Reason{Code: transport.RateLimited}
	}
	for _, f := range h.failures {
		if err == f.public {
			return transport.Reason{Code: f.code, Text: f.cause.Text}
		}
	}
	if cause := h.config.CauseIn(err); cause != nil {
		return transport.Reason{Code: transport.ProtocolError, Text: cause.Text}
	}
	return transport.Reason{Code: transport.ProtocolError}
}

// outcome is the error that Serve returns where reading has ended with err. held are the
// memberships that the connection had until then.
func (s *session) outcome(err error, held []*seat) error {
	var closed *transport.CloseError
	if errors.As(err, &closed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	level := slog.LevelWarn
	if !s.formKnown {
		// It has said nothing that could be understood, as a health check, a port scan or
		// a failed handshake: there may be many, and none is anybody's session.
		level = slog.LevelDebug
	}
	s.logger().With(membershipsOf(held)...).Log(context.Background(), level, "connection ended", "error", err)
	return err
}
