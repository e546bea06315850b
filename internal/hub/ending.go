package hub

import (
	"errors"
	"net"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// closeCodes gives the ends of memberships their numbers, for the connections that
// end with them.
var closeCodes = map[wire.Code]transport.Code{
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

// closingReason is what to tell the peer when reading has ended so.
func (s *session) closingReason(err error) transport.Reason {
	var closed *transport.CloseError
	switch {
	case errors.As(err, &closed):
		return closed.Reason
	case errors.Is(err, transport.ErrSilent):
		return transport.Reason{Code: transport.Idle, Text: "no sign of life"}
	case errors.Is(err, transport.ErrTooLarge):
		return transport.Reason{Code: transport.TooLarge}
	case errors.Is(err, transport.ErrSlow):
		return transport.Reason{Code: transport.Slow}
	case errors.Is(err, transport.ErrFlood):
		return transport.Reason{Code: transport.RateLimited}
	case s.failed == nil:
		return transport.Reason{Code: transport.ProtocolError}
	}
	return transport.Reason{Code: failureCode(s.failed), Text: s.failed.Text}
}

// failureCode is the number for closing a connection that the session itself ends.
func failureCode(cause *wire.Cause) transport.Code {
	switch cause {
	case errTooEarly:
		return transport.TooLarge
	case errFlood:
		return transport.RateLimited
	}
	return transport.ProtocolError
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
