package lectern

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// session is one accepted connection: it reads frames and takes each to the
// channel that it is for, and it holds the connection's memberships.
type session struct {
	hub  *Hub
	ctx  context.Context
	conn transport.Conn
	out  *outbox.Queue
	// asking is the context for Policy.Authorize. It ends with the connection,
	// and as soon as the hub shuts down.
	asking     context.Context
	stopAsking context.CancelFunc

	// form is that of the connection's first frame. It is written by the reader
	// before the connection holds a membership, and not any more after.
	form  wire.Form
	heard bool
	// malformed counts the frames in a row that could not be understood.
	malformed int

	mu sync.Mutex
	// seats are the memberships by channel, those being asked for included.
	seats map[string]*attachment
	// ending: the connection ends with its last membership, for want of one, or
	// because it was replaced. It enters no channel any more, so that what the peer gets no
	// answer to has not been carried out.
	ending bool
	// idle closes the connection when it holds no membership for too long. It
	// counts as one of the hub's goroutines while it may fire; idleSince tells
	// the present waiting from one before.
	idle      *time.Timer
	idleSince time.Time
}

// maxMalformed is how many malformed frames in a row cost the connection.
const maxMalformed = 3

var shutdownReason = transport.Reason{Code: transport.Shutdown, Text: "the hub shuts down"}

func newSession(ctx context.Context, hub *Hub, conn transport.Conn) *session {
	p := &hub.policy
	asking, stopAsking := context.WithCancel(ctx)
	return &session{
		hub: hub, ctx: ctx, conn: conn, asking: asking, stopAsking: stopAsking,
		out: outbox.New(conn, outbox.Limits{
			Messages: p.Outbox.Messages, Bytes: p.Outbox.Bytes, WriteTimeout: p.WriteTimeout,
		}),
	}
}

// run reads until the connection has ended, and returns when nothing of it is
// left.
func (s *session) run() error {
	defer s.stopAsking()
	ctx, cancel := context.WithCancel(s.ctx)
	s.ctx = ctx
	var watcher sync.WaitGroup
	watcher.Add(1)
	stop := context.AfterFunc(ctx, func() {
		defer watcher.Done()
		s.out.Abort(shutdownReason)
	})
	s.mu.Lock()
	s.waitIdle()
	s.mu.Unlock()

	err := s.read()

	if stop() {
		watcher.Done()
	}
	cancel()
	watcher.Wait()
	s.vacate(err)
	s.out.Abort(closingReason(err))
	s.out.Wait()

	s.hub.mu.Lock()
	delete(s.hub.sessions, s)
	s.hub.mu.Unlock()
	return s.outcome(err)
}

// read takes frames from the connection until it ends or must be ended.
func (s *session) read() error {
	for {
		data, err := s.conn.Read()
		if err != nil {
			return err
		}
		if err := s.frame(data); err != nil {
			return err
		}
	}
}

// frame handles one frame. An error ends the connection.
func (s *session) frame(data []byte) error {
	frame, err := wire.Decode(data)
	if !s.heard {
		s.form = wire.FormOf(data)
	}
	if err != nil {
		return s.refuseMalformed(err)
	}
	s.heard = true
	err = s.handle(&frame)
	if !errors.Is(err, ErrBadFrame) {
		s.malformed = 0
	}
	if err == nil {
		return nil
	}
	if err == ErrReplaced {
		// What comes from a stale attachment shows a connection that does not
		// know yet that another one has its place (rule 7).
		s.endReplaced(frame.Channel)
		return nil
	}
	s.refuse(frame.Ref, frame.Channel, err)
	if errors.Is(err, ErrBadFrame) {
		return s.countMalformed()
	}
	return nil
}

// refuseMalformed answers what could not be read as a frame. What is of neither
// form, as the first thing on a connection, ends it: there is no form to answer
// in.
func (s *session) refuseMalformed(err error) error {
	var bad *wire.DecodeError
	if !errors.As(err, &bad) || bad.NoForm && !s.heard {
		return errNotProtocol
	}
	s.refuse(bad.Ref, "", &Error{Code: Code(bad.Code), Text: bad.Detail})
	if bad.Code == wire.CodeUnsupported {
		return nil
	}
	return s.countMalformed()
}

func (s *session) countMalformed() error {
	s.malformed++
	if s.malformed >= maxMalformed {
		return errNotProtocol
	}
	return nil
}

var errNotProtocol = &Error{Code: "protocol_error", Text: "what came is not Lectern's protocol"}

// refuse answers a frame with an error.
func (s *session) refuse(ref uint64, channel string, err error) {
	refusal := asRefusal(err, ErrBadFrame)
	s.push(newPacket(&wire.Frame{
		Type: wire.Error, Ref: ref, Channel: channel, Code: string(refusal.Code), Reason: refusal.Text,
	}))
}

// push queues a frame. A peer that does not take its frames in time loses the
// connection, not the others theirs; its memberships can be resumed.
func (s *session) push(p *packet) {
	if s.out.Push(p.bytes(s.form)) == outbox.ErrFull {
		s.tooSlow()
	}
}

func (s *session) tooSlow() {
	s.hub.policy.Logger.Warn("connection too slow")
	s.out.Abort(transport.Reason{Code: transport.Slow, Text: "too much waits to be sent"})
}

func (s *session) pushReplay(p *packet) { _ = s.out.PushExempt(p.bytes(s.form)) }

// full reports whether a message of that size would be too much for the member's
// connection at present.
func (a *attachment) full(size int) bool {
	return a.session != nil && a.session.out.Full(size)
}

// release ends a membership of this connection: the peer is told, and where it
// holds no other one, the connection is closed after what was queued before.
func (s *session) release(a *attachment, closed *packet, why *Error) {
	data := closed.bytes(s.form)
	// All at once: a peer that has been told may want the seat again, and one
	// that has not been told yet must not hear that it is no member.
	s.mu.Lock()
	if s.seats[a.channel.name] == a {
		delete(s.seats, a.channel.name)
	}
	full := s.out.Push(data) == outbox.ErrFull
	if len(s.seats) == 0 || why.Code == ErrReplaced.Code {
		s.ending = true
		s.out.Close(why.closeReason())
	}
	s.mu.Unlock()
	if full {
		s.tooSlow()
	}
}

// endReplaced ends the connection though the word that its membership was taken
// over is still on its way: a peer that is not told would come back and take its
// place again.
func (s *session) endReplaced(channel string) {
	why := ErrReplaced.with("a newer connection has the membership")
	s.mu.Lock()
	defer s.mu.Unlock()
	// At once, so that no answer to what the peer sends next comes between.
	delete(s.seats, channel)
	s.ending = true
	s.pushReplay(closedPacket(channel, why))
	s.out.Close(why.closeReason())
}

// reserve takes a seat for an attachment that is about to be decided, so that a
// release that follows on the decision finds it. It returns the attachment that
// has the seat already, if any. extra is how many seats beyond the policy's may
// be taken for a moment.
func (s *session) reserve(channel string, a *attachment, extra int) (*attachment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return nil, ErrShuttingDown.with("the connection is being closed")
	}
	if held := s.seats[channel]; held != nil {
		return held, nil
	}
	if len(s.seats)-extra >= s.hub.policy.MaxChannelsPerConn {
		return nil, ErrTooManyChannels
	}
	if s.seats == nil {
		s.seats = make(map[string]*attachment)
	}
	s.seats[channel] = a
	s.stopIdle()
	return nil, nil
}

// exchange gives the seat of one attachment to another.
func (s *session) exchange(channel string, old, a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats[channel] == old {
		s.seats[channel] = a
	}
}

// unseat gives a seat back, if the attachment still has it.
func (s *session) unseat(channel string, a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats[channel] == a {
		delete(s.seats, channel)
		s.waitIdle()
	}
}

// seat is the membership of a channel that this connection holds.
func (s *session) seat(channel string) (*attachment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.seats[channel]; a != nil {
		return a, nil
	}
	return nil, ErrNotAMember
}

// waitIdle starts the time that the connection may hold no membership, if it
// holds none. The session's lock is held.
func (s *session) waitIdle() {
	limit := s.hub.policy.HandshakeTimeout
	if limit <= 0 || len(s.seats) > 0 {
		return
	}
	s.idleSince = time.Now()
	s.hub.goroutines.Add(1)
	if s.idle == nil {
		s.idle = time.AfterFunc(limit, s.endIdle)
	} else if s.idle.Reset(limit) {
		s.hub.goroutines.Done()
	}
}

func (s *session) stopIdle() {
	if s.idle != nil && s.idle.Stop() {
		s.hub.goroutines.Done()
	}
}

func (s *session) endIdle() {
	defer s.hub.goroutines.Done()
	s.mu.Lock()
	idle := len(s.seats) == 0 && time.Since(s.idleSince) >= s.hub.policy.HandshakeTimeout
	if idle {
		s.ending = true
		s.out.Close(transport.Reason{Code: transport.Idle, Text: "no membership"})
	}
	s.mu.Unlock()
}

// vacate gives up the memberships when the connection has ended: for good where
// the peer closed it with left, else until they are resumed.
func (s *session) vacate(err error) {
	s.mu.Lock()
	seats := s.seats
	s.seats = nil
	s.stopIdle()
	s.mu.Unlock()
	var closed *transport.CloseError
	onPurpose := errors.As(err, &closed) && closed.Reason.Code == transport.Left
	for _, a := range seats {
		a.channel.decide(func(now time.Time) {
			if !onPurpose || a.channel.leave(now, a, 0) != nil {
				a.channel.lose(now, a)
			}
		})
	}
}

// closingReason is what to tell the peer when reading has ended so.
func closingReason(err error) transport.Reason {
	var closed *transport.CloseError
	switch {
	case errors.As(err, &closed):
		return closed.Reason
	case errors.Is(err, transport.ErrSilent):
		return transport.Reason{Code: transport.Idle, Text: "no sign of life"}
	case errors.Is(err, transport.ErrTooLarge):
		return transport.Reason{Code: transport.TooLarge}
	}
	var bad *Error
	if errors.As(err, &bad) {
		return transport.Reason{Code: transport.ProtocolError, Text: bad.Text}
	}
	return transport.Reason{Code: transport.ProtocolError}
}

// outcome is the error of Serve.
func (s *session) outcome(err error) error {
	var closed *transport.CloseError
	if errors.As(err, &closed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	s.hub.policy.Logger.Warn("connection ended", "error", err)
	return err
}
