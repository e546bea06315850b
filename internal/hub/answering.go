package hub

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// This file is how a session answers. What is checked without a channel it answers at once. What a
// channel has to say of a frame is an effect on a seat, as what it tells its members is.

// decide runs the transition of the frame of a member, and reports whether it has refused nothing. A
// refusal is answered by an effect. Where another hub decides the channel, that is asked to do what the frame
// says, and nothing is known of that yet.
func (s *session) decide(held *seat, f *wire.Frame, transition func(*star.Channel, time.Time, *star.Attachment) error) (ok bool) {
	err := s.decideOr(held, func(rules *star.Channel, now time.Time) {
		err := transition(rules, now, &held.Attachment)
		if ok = err == nil; !ok {
			s.answer(rules, held, f, err)
		}
	}, "", func() *call {
		ok = true // it is not known yet
		return s.frameCall(f, nil)
	})
	if err != nil {
		s.refuse(f, f.Channel, err)
		return false
	}
	return ok
}

// answer has the channel refuse a frame of the seat's connection. The channel's lock is held, and
// the reader is the caller.
func (s *session) answer(rules *star.Channel, held *seat, f *wire.Frame, err error) {
	if err == wire.ErrReplaced {
		rules.Answer(&held.Attachment, nil, wire.ErrReplaced, 0)
		return
	}
	why := asRefusal(err, wire.ErrBadFrame).Explain(f)
	number := s.countedFrame()
	if _, again := err.(star.Again); again {
		number = 0 // it is refused in the words of then, which may be the service's
	}
	rules.Answer(&held.Attachment, refusalPacket(f.Ref, f.Channel, why), why, number)
}

// countedFrame is the number of the frame that is being handled, or zero where it does not count
// as malformed whatever it is refused for.
func (s *session) countedFrame() uint64 {
	if s.serviceRefused {
		return 0
	}
	return s.frame
}

// Answer makes the session a delivery.Owner, with Enter, Refuse, Vacate, Release and Eject.
func (s *session) Answer(answered *delivery.Seat, packet *wire.Packet, why *wire.Cause, number uint64) {
	if packet == nil {
		// The frame came from a stale attachment: this connection does not know yet that
		// another connection has taken its membership over (rule 7), and why is ErrReplaced.
		s.endReplaced(answered)
		return
	}
	if why != nil {
		s.noteRefusal(why, answered.Channel().Name())
	}
	s.Push(packet)
	s.strike(why, number)
}

// refuse answers the frame, which was for the channel of that name, with an error. It always
// has a text for people.
func (s *session) refuse(frame *wire.Frame, channel string, err error) {
	why := asRefusal(err, wire.ErrBadFrame).Explain(frame)
	if len(channel) > wire.MaxName {
		channel = "" // no channel has that name, and the answer must not be as long as the question
	}
	s.noteRefusal(why, channel)
	s.PushAndFlush(refusalPacket(frame.Ref, channel, why))
}

func refusalPacket(ref uint64, channel string, why *wire.Cause) *wire.Packet {
	return wire.NewPacket(&wire.Frame{Type: wire.Error, Ref: ref, Channel: channel, Code: string(why.Code), Reason: why.Text})
}

// noteRefusal counts and logs that a frame is refused.
func (s *session) noteRefusal(why *wire.Cause, channel string) {
	s.hub.config.Observer.Add(star.FramesRefused, refusalLabel(why.Code), 1)
	level := slog.LevelWarn
	if why.Code == wire.ErrShuttingDown.Code || why.Code == wire.ErrRoleChanged.Code {
		level = slog.LevelInfo // what is on its way while the hub is stopped, or a master handed over, on purpose
	}
	s.logger().With(named(channel)...).Log(context.Background(), level, "refused", "code", string(why.Code))
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

// maxMalformed is how many malformed frames in a row end the connection.
const maxMalformed = 3

// malformed are the latest malformed frames of a connection. Some are found to be malformed only
// after others have been read.
type malformed struct {
	// last is the number of the last, and latest has a bit for each frame up to it, the lowest for
	// itself.
	last   uint64
	latest uint32
	// ended: there were too many, and a channel has found one of them.
	ended bool
}

// add counts the frame of that number, and reports whether there are too many in a row.
func (m *malformed) add(number uint64) (tooMany bool) {
	if number > m.last {
		m.latest <<= number - m.last
		m.last = number
	}
	m.latest |= 1 << (m.last - number)
	inRow := m.latest
	for i := 1; i < maxMalformed; i++ {
		inRow &= m.latest >> i
	}
	return inRow != 0
}

// malformedTooOften counts a malformed frame, and reports whether there were too many in a row.
func (s *session) malformedTooOften(number uint64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.malformed.add(number)
}

// strike counts the frame of that number, unless that is zero, where a channel has found it
// malformed, and ends the connection where there were too many in a row.
func (s *session) strike(why *wire.Cause, number uint64) {
	if why == nil || number == 0 || !errors.Is(why, wire.ErrBadFrame) || !s.malformedTooOften(number) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.malformed.ended, s.ending = true, true
	s.Out().Close(transport.Reason{Code: transport.ProtocolError, Text: errNotProtocol.Text})
}

// endedMalformed reports whether the connection was ended by a strike.
func (s *session) endedMalformed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.malformed.ended
}

// endReplaced ends a connection whose membership was taken over, before the Release
// effect has arrived. It tells the peer why: a peer that is not told would come back and
// take the membership over again.
func (s *session) endReplaced(replaced *delivery.Seat) {
	why := wire.ErrReplaced.With("a newer connection has the membership")
	channel := replaced.Channel().Name()
	s.mu.Lock()
	defer s.mu.Unlock()
	// All under one lock, so that no answer to a later frame of the peer comes between.
	s.noteReplaced(replaced, why)
	s.removeSeat(replaced)
	s.ending = true
	s.PushReplay(delivery.ClosedPacket(channel, why))
	s.Out().Close(closeReason(why))
}
