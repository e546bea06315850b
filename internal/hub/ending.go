package hub

import (
	"errors"
	"net"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// closeCodes gives the ends of memberships their numbers, for the connections that
// end with them.
var closeCodes = map[wire.Code]transport.CloseCode{
	wire.ErrMasterLeft.Code:    transport.MasterLeft,
	wire.ErrMasterDown.Code:    transport.MasterDown,
	wire.ErrKicked.Code:        transport.Kicked,
	wire.ErrChannelClosed.Code: transport.ChannelClosed,
	wire.ErrLeft.Code:          transport.Left,
	wire.ErrReplaced.Code:      transport.Replaced,
	wire.ErrShutdown.Code:      transport.Shutdown,
}

// closeReason is the reason for closing a connection that held nothing but the
// membership that ended so.
func closeReason(why *wire.Cause) transport.Reason {
	return transport.Reason{Code: closeCodes[why.Code], Text: why.Text}
}

// failure is why a session itself ends its connection, and what the adapter gets of
// it.
type failure struct {
	cause  *wire.Cause
	code   transport.CloseCode
	public error
}

// newFailures lists all there are.
func newFailures(public func(*wire.Cause) error) []failure {
	return []failure{
		{errTooEarly, transport.TooLarge, public(errTooEarly)},
		{errFlood, transport.RateLimited, public(errFlood)},
		{errNotProtocol, transport.ProtocolError, public(errNotProtocol)},
	}
}

// failure is what the adapter gets of one of these causes.
func (h *Hub) failure(cause *wire.Cause) error {
	i := slices.IndexFunc(h.failures, func(f failure) bool { return f.cause == cause })
	return h.failures[i].public
}

// closingReason is what to tell the peer when reading has ended so.
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
	return transport.Reason{Code: transport.ProtocolError}
}

// outcome is the error of Serve.
func (s *session) outcome(err error) error {
	var closed *transport.CloseError
	if errors.As(err, &closed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	s.hub.config.Logger.Warn("connection ended", "error", err)
	return err
}
