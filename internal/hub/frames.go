package hub

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// maxMalformed is how many malformed frames in a row end the connection.
const maxMalformed = 3

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
	// What was refused before is refused again in the words of then, which may be the service's.
	_, again := err.(star.Again)
	malformed := errors.Is(err, wire.ErrBadFrame) && !s.serviceRefused && !again
	if !malformed {
		s.malformed = 0
	}
	if err == nil {
		return nil
	}
	if err == wire.ErrReplaced {
		// The frame came from a stale attachment: this connection does not know yet that
		// another connection has taken its membership over (rule 7).
		s.endReplaced(frame.Channel)
		return nil
	}
	s.refuse(frame, asked, err)
	if malformed {
		return s.countMalformed()
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
	return s.countMalformed()
}

// countMalformed counts a malformed frame. Too many in a row are a cause to end the
// connection.
func (s *session) countMalformed() *wire.Cause {
	s.malformed++
	if s.malformed >= maxMalformed {
		return errNotProtocol
	}
	return nil
}

// errNotProtocol: what the peer sends is not Lectern's protocol.
var errNotProtocol = wire.ErrProtocolError.With("what came is not Lectern's protocol")

// refuse answers the frame, which was for the channel of that name, with an error. It always
// has a text for people.
func (s *session) refuse(frame *wire.Frame, channel string, err error) {
	refusal := asRefusal(err, wire.ErrBadFrame).Explain(frame)
	s.hub.config.Observer.Add(star.FramesRefused, refusalLabel(refusal.Code), 1)
	if len(channel) > wire.MaxName {
		channel = "" // no channel has that name, and the answer must not be as long as the question
	}
	level := slog.LevelWarn
	if refusal.Code == wire.ErrShuttingDown.Code || refusal.Code == wire.ErrRoleChanged.Code {
		level = slog.LevelInfo // what is on its way while the hub is stopped, or a master handed over, on purpose
	}
	s.logger().With(named(channel)...).Log(context.Background(), level, "refused", "code", string(refusal.Code))
	s.PushAndFlush(wire.NewPacket(&wire.Frame{
		Type: wire.Error, Ref: frame.Ref, Channel: channel, Code: string(refusal.Code), Reason: refusal.Text,
	}))
}

// labelOther is the label of refusals whose code is not in wire.Codes.
const labelOther = "other"

// refusalLabel is the metrics label of a refusal's code. Authorize may use codes of its
// own, and the number of labels must be bounded.
func refusalLabel(code wire.Code) string {
	if wire.Lookup(code).Is(wire.Refuses) {
		return string(code)
	}
	return labelOther
}
