package hub

import (
	"errors"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

var (
	// errHandshakeTooLarge: the peer sent more than MaxHandshakeBytes before its first
	// membership.
	errHandshakeTooLarge = &wire.Cause{Code: wire.ErrTooLarge.Code, Text: "too much was sent before the first membership: create, join or resume first"}
	// errFlood: the peer went on sending frames over the rate limit.
	errFlood = &wire.Cause{Code: wire.ErrRateLimited.Code, Text: "frames went on coming faster than they may"}
)

// frames is a pool of frames to decode into. A frame is used while it is handled, and
// nothing keeps it afterwards. That saves an allocation of 400 bytes for each message.
var frames = sync.Pool{New: func() any { return new(wire.Frame) }}

// handleFrame decodes and handles one frame. A cause ends the connection. Each frame
// counts against the rate before it is decoded, whatever it turns out to be.
func (s *session) handleFrame(data []byte) *wire.Cause {
	now := time.Now()
	s.frame++
	limited := s.pace.take(s.hub.config.FrameRate, now)
	if limited == muchTooFast {
		return errFlood
	}
	frame := frames.Get().(*wire.Frame)
	defer func() {
		*frame = wire.Frame{} // the next use needs an empty one, and no string may be kept
		frames.Put(frame)
	}()
	err := wire.DecodeFromClient(frame, data)
	if !s.formKnown {
		s.SetForm(wire.FormOf(data))
	}
	if err != nil {
		return s.refuseMalformed(err, limited == tooFast)
	}
	s.formKnown = true
	asked := frame.Channel // the service may make another name of it
	why := s.hub.refusals.frames
	if pace := s.takeMembershipPace(frame.Type, now); pace > limited {
		limited, why = pace, s.hub.refusals.memberships
	}
	switch {
	case limited == muchTooFast:
		return errFlood
	case limited == tooFast && !exemptFromRate(frame.Type):
		err = why
	default:
		s.serviceRefused = false
		err = s.dispatch(frame, limited == tooFast, now)
	}
	if err == errFlood {
		return errFlood
	}
	if err == nil {
		return nil
	}
	s.refuse(frame, asked, err)
	if errors.Is(err, wire.ErrBadFrame) && !s.serviceRefused && s.malformedTooOften(s.frame) {
		return errNotProtocol
	}
	return nil
}

// takeMembershipPace counts a frame by which a membership begins or ends. Each may be a
// presence that others are told.
func (s *session) takeMembershipPace(t wire.Type, now time.Time) verdict {
	switch t {
	case wire.Create, wire.Join, wire.Resume, wire.Leave, wire.HandOver:
		return s.membershipPace.take(s.hub.config.MembershipRate, now)
	}
	return inTime
}

// exemptFromRate reports whether a frame of the type is handled though it is over the
// rate limit. A send or set is, so that the channel remembers its refusal. A leave and a
// withdraw are, because they free something, and the peer might not send them again.
func exemptFromRate(t wire.Type) bool {
	return t == wire.Send || t == wire.Set || t == wire.Leave || t == wire.Withdraw
}

// refuseMalformed answers a message that could not be decoded as a frame. Where no frame
// came before, and the message is of neither form, it ends the connection: there is no
// form to answer in. limited: it was over the rate, which is what the peer is told then.
func (s *session) refuseMalformed(err error, limited bool) *wire.Cause {
	var bad *wire.DecodeError
	if !errors.As(err, &bad) || bad.NoForm && !s.formKnown {
		return errNotProtocol
	}
	why := &wire.Cause{Code: wire.Code(bad.Code), Text: bad.Detail}
	if limited {
		why = s.hub.refusals.frames
	}
	s.refuse(&wire.Frame{Ref: bad.Ref}, "", why)
	if bad.Code == wire.CodeUnsupported {
		return nil
	}
	if s.malformedTooOften(s.frame) {
		return errNotProtocol
	}
	return nil
}

// errNotProtocol: what the peer sends is not Lectern's protocol.
var errNotProtocol = wire.ErrProtocolError.With("what came is not Lectern's protocol")
