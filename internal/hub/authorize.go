package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// authorize asks the service whether the peer may create or join, after the names were
// checked. The username under which the peer becomes a member is that of the frame then.
func (s *session) authorize(op Operation, f *wire.Frame) (g star.Grant, terms *star.Terms, err error) {
	if s.hub.config.Authorize == nil {
		return g, nil, nil
	}
	who, err := s.ask(AuthRequest{Operation: op, Channel: f.Channel, Username: f.Username, Token: f.Token, Data: s.data()})
	if err != nil {
		return g, nil, asRefusal(err, wire.ErrUnauthorized)
	}
	switch {
	case s.namesNobody(who, op, f.Channel, f.Username):
		return g, nil, wire.ErrUnauthorized
	case who.Username == "" && f.Username == "":
		return g, nil, wire.ErrBadName.With("username: it is empty, and the service gives none")
	case who.Username != "" && !wire.ValidName(who.Username):
		s.logger().Error("Authorize gave a username that is none", "channel", f.Channel, "username", wire.Quote(who.Username), "problem", wire.NameProblem(who.Username))
		return g, nil, wire.ErrUnauthorized.With("the service gave a username that is not one")
	case who.Username != "":
		f.Username = who.Username // what is said of the frame from here on is said of this name
	}
	if terms, err = s.termsOf(who.Channel, op, f.Channel); err != nil {
		return g, nil, err
	}
	s.remember(who)
	g, err = s.grantOf(who)
	return g, terms, err
}

// reauthorize asks the service whether a member may come back or go on. before is what it
// has granted the member until now. refused: it may not, which is not for the moment only.
func (s *session) reauthorize(op Operation, f *wire.Frame, username string, before star.Grant) (g star.Grant, refused bool, err error) {
	who, err := s.ask(AuthRequest{Operation: op, Channel: f.Channel, Username: username, Token: f.Token, Data: before.Data})
	if g, refused, err = s.judgementOf(who, err, op, f.Channel, username); err == nil {
		s.remember(who)
	}
	return g, refused, err
}

// judgementOf is what the service says of a member, which it was asked about: who it is, or an error. refused
// is as in reauthorize.
func (s *session) judgementOf(who Identity, err error, op Operation, channel, username string) (g star.Grant, refused bool, _ error) {
	var refusal *wire.Cause
	switch {
	case errors.As(err, &refusal) && !passes(refusal):
		return g, true, refusal
	case refusal != nil:
		return g, false, refusal
	case err != nil:
		return g, false, errCannotSay
	case s.namesNobody(who, op, channel, username):
		return g, true, wire.ErrUnauthorized
	case who.Username != "" && who.Username != username:
		return g, true, wire.ErrUnauthorized.With("the membership is another user's")
	}
	if g, err = s.grantOf(who); err != nil {
		return g, true, err
	}
	g.TakeOver = false // it has the membership
	return g, false, nil
}

// namesNobody reports whether the service has neither named the user nor said AsAsked, which
// is a refusal, and logs that.
func (s *session) namesNobody(who Identity, op Operation, channel, username string) bool {
	if who.Username != "" || who.AsAsked {
		return false
	}
	s.logger().Error("Authorize gave an empty Identity: it has to name the user, or to say AsAsked", "operation", string(op), "channel", channel, "username", username)
	return true
}

// authorizeStatus asks the service whether the peer may ask for the channel.
func (s *session) authorizeStatus(f *wire.Frame) error {
	_, err := s.ask(AuthRequest{Operation: OpStatus, Channel: f.Channel, Data: s.data()})
	var refusal *wire.Cause
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	return errCannotSay
}

// errCannotSay is told where the service has neither allowed nor refused.
var errCannotSay = wire.ErrBusy.With("the service cannot say at present whether it lets you: try again later")

// passes reports whether the refusal says nothing of the user: the same can be granted
// later.
func passes(refusal *wire.Cause) bool {
	return refusal.Code == wire.ErrBusy.Code || refusal.Code == wire.ErrRateLimited.Code || refusal.Code == wire.ErrShuttingDown.Code
}

// termsOf is what the service says of a channel that is created, or nil. What makes no sense is
// no permission, and is logged.
func (s *session) termsOf(limits ChannelLimits, op Operation, channel string) (*star.Terms, error) {
	if op != OpCreate || limits == (ChannelLimits{}) {
		return nil, nil
	}
	if err := transport.CheckTime("Identity.Channel.MasterTimeout", limits.MasterTimeout); err != nil {
		s.logger().Error("Authorize gave a time that is none", "channel", channel, "error", err)
		return nil, wire.ErrUnauthorized.With("the service gave the channel a time that is none")
	}
	if s.hub.clustered != nil && limits.MasterTimeout > longestTimeout(s.hub.config.Cluster) {
		s.logger().Error("Authorize gave a time that is longer than the cluster keeps a channel", "channel", channel, "timeout", limits.MasterTimeout)
		return nil, wire.ErrUnauthorized.With("the service gave the channel a time that is too long")
	}
	terms := &star.Terms{MasterTimeout: max(limits.MasterTimeout, 0), HasMasterTimeout: limits.MasterTimeout != 0, MaxSlaves: limits.MaxSlaves}
	if terms.MaxSlaves < 0 {
		terms.MaxSlaves = math.MaxInt
	}
	return terms, nil
}

// remember keeps what the service has said, for the next time that it is asked.
func (s *session) remember(who Identity) {
	if s.identity = nil; who.Data != nil {
		s.identity = &who
	}
}

// data is what the service has said last on this connection.
func (s *session) data() []byte {
	if s.identity == nil {
		return nil
	}
	return s.identity.Data
}

// grantOf is what the rules are told of the service's judgement.
func (s *session) grantOf(who Identity) (star.Grant, error) {
	if !who.Expires.IsZero() && !time.Now().Before(who.Expires) {
		return star.Grant{}, wire.ErrUnauthorized.With("what the service has granted has expired: show a fresh token")
	}
	if !s.areAttributes(who.Attributes) {
		return star.Grant{}, wire.ErrUnauthorized.With("the service gave attributes that are none")
	}
	return star.Grant{Asked: true, Expires: who.Expires, TakeOver: who.TakeOver, Data: bytes.Clone(who.Data), Attributes: attributesOf(who.Attributes)}, nil
}

// askContext is the context with which the service is asked something: it ends after
// HandshakeTimeout, or when the hub shuts down. The reader must call done at the end.
func (s *session) askContext() (context.Context, func()) {
	ctx, done := s.waitContext()
	limit := s.hub.config.HandshakeTimeout
	if limit <= 0 {
		return ctx, done
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	return ctx, func() {
		cancel()
		done()
	}
}

// ask calls the service's Authorize, for HandshakeTimeout at the longest. A panic in it is
// no permission, and affects no other connection. What it returns is logged where it is no
// permission.
func (s *session) ask(request AuthRequest) (who Identity, err error) {
	ctx, done := s.askContext()
	defer done()
	who, err = s.askWith(ctx, request)
	s.serviceRefused = err != nil
	return who, err
}

// askWith is ask with a context, and can be called by others than the reader.
func (s *session) askWith(ctx context.Context, request AuthRequest) (who Identity, err error) {
	who, err = s.askSafely(ctx, request)
	if err != nil {
		s.logger().Warn("refused by Authorize", "operation", string(request.Operation), "channel", request.Channel, "username", request.Username, "error", withoutToken(fmt.Sprint(err), request.Token))
	}
	return who, err
}

func (s *session) askSafely(ctx context.Context, request AuthRequest) (who Identity, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			s.logger().Error("Authorize panicked", "cause", withoutToken(fmt.Sprint(cause), request.Token), "stack", string(debug.Stack()))
			err = errAuthorizePanicked
		}
	}()
	who, err = s.hub.config.Authorize(ctx, request)
	return who, s.hub.refusalBy(err, wire.ErrUnauthorized)
}

// errAuthorizePanicked stands for the panic, which is in the log.
var errAuthorizePanicked = errors.New("the service panicked in Authorize")

// asRefusal turns an error into what the peer may know. A *wire.Cause is meant for the
// peer. Any other error stays inside of the hub, and the peer is told the fallback.
func asRefusal(err error, fallback *wire.Cause) *wire.Cause {
	var refusal *wire.Cause
	if errors.As(err, &refusal) {
		return refusal
	}
	return fallback
}
