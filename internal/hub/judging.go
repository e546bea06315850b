package hub

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// judge asks the service whether the member of the seat may send the message, once for each ref
// that gets an answer: what was sent before, and what a rule refuses, it is not asked about.
// The refusal becomes that of the message, which the rules remember. An error is for a message
// of which nothing is to be remembered.
func (s *session) judge(seat *seat, f *wire.Frame, msg *star.Message) (err error) {
	message := OutgoingMessage{Payload: msg.Payload, To: msg.To, Topic: msg.Topic, Expires: msg.End, Request: msg.Asks, ReplyTo: msg.ReplyTo}
	msg.Refusal, err = s.judgement(seat, f, message, func(rules *star.Channel) ([]byte, bool) { return rules.Unjudged(&seat.Attachment, msg) })
	return err
}

// judgeChange is judge for the change of an attribute.
func (s *session) judgeChange(seat *seat, f *wire.Frame, change *star.AttributeChange) (err error) {
	message := OutgoingMessage{Payload: change.Value, Key: change.Key, Deleted: change.Value.Kind == wire.NoPayload}
	change.Refusal, err = s.judgement(seat, f, message, func(rules *star.Channel) ([]byte, bool) { return rules.UnjudgedChange(&seat.Attachment, change) })
	return err
}

// judgement is what the service says of a message, or nil where it lets it pass. unjudged is
// whether it is to be asked.
func (s *session) judgement(seat *seat, f *wire.Frame, message OutgoingMessage, unjudged func(*star.Channel) ([]byte, bool)) (*wire.Cause, error) {
	s.deliverDeferred(true) // it may take its time
	from := Sender{Channel: seat.Channel().Name(), Username: seat.Username(), Master: seat.Role() == wire.Master}
	asked := false
	for !seat.Channel().Decide(func(rules *star.Channel, _ time.Time) { from.Data, asked = unjudged(rules) }) {
		c := s.frameCall(f, nil)
		c.query = queryUnjudged
		q, known, err := s.query(seat, c)
		if err != nil {
			return nil, err
		}
		if known {
			from.Data, asked = q.grant.Data, q.yes
			break
		}
	}
	if !asked {
		return nil, nil
	}
	err := s.askAbout(from, message)
	if err == nil {
		return nil, nil
	}
	if err == errNotSaid && s.hub.closing.Load() {
		return nil, wire.ErrShuttingDown // the hub that takes the place of this one will ask
	}
	return asRefusal(err, wire.ErrUnauthorized), nil
}

// errNotSaid is told where the service has not said in time whether a message may be sent, or
// has panicked.
var errNotSaid = wire.ErrBusy.With("the service cannot say at present whether you may send this: send it again later, under a new ref")

// askAbout calls the service's AuthorizeMessage, for HandshakeTimeout at the longest. A panic
// in it is no permission, and affects no other connection.
func (s *session) askAbout(from Sender, message OutgoingMessage) (err error) {
	ctx, done := s.askContext()
	defer done()
	defer func() {
		if cause := recover(); cause != nil {
			s.logger().Error("AuthorizeMessage panicked", "channel", from.Channel, "username", from.Username, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			err = errNotSaid
		}
	}()
	if err = s.hub.config.AuthorizeMessage(ctx, from, message); err == nil {
		return nil
	}
	s.logger().Warn("refused by AuthorizeMessage", "channel", from.Channel, "username", from.Username, "error", fmt.Sprint(err))
	s.serviceRefused = true
	err = s.hub.refusalBy(err, wire.ErrUnauthorized)
	var refusal *wire.Cause
	if !errors.As(err, &refusal) && (ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)) {
		return errNotSaid
	}
	return err
}
