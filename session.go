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

// session is one accepted connection: it takes the frames that are read from it,
// each to the channel that it is for, and it holds the connection's memberships.
// It is the connection's transport.Receiver; what is said here of the reader
// holds for whoever calls its methods.
type session struct {
	hub  *Hub
	ctx  context.Context
	conn transport.Conn
	out  *outbox.Queue
	// watch ends the connection with the context; nil where that never ends.
	watch *contextWatch

	// form is that of the connection's first frame. It is written by the reader
	// before the connection holds a membership, and not any more after.
	form  wire.Form
	heard bool
	// malformed counts the frames in a row that could not be understood.
	malformed uint8
	// pace bounds all frames, slavePace the messages sent as a slave. admitted:
	// the connection has had a membership; early is how many bytes it has sent
	// before. unheld is until when no send is held back. All these are the
	// reader's.
	admitted  bool
	pace      pace
	slavePace pace
	early     int
	// putOff is where something was decided that is not being delivered yet.
	putOff *Channel
	unheld time.Time
	// index is the session's place among those of the hub, whose lock covers it.
	index int

	mu    sync.Mutex
	seats seats
	// stopWaiting ends the context that the reader waits with at present, if any.
	stopWaiting context.CancelFunc
	// ending: the connection ends with its last membership, for want of one, or
	// because it was replaced. It enters no channel any more, so that what the peer gets no
	// answer to has not been carried out.
	ending bool
	// idle is for the hub's idlers, while the connection holds no membership.
	idle idling
}

// maxMalformed is how many malformed frames in a row cost the connection.
const maxMalformed = 3

func newSession(ctx context.Context, hub *Hub, conn transport.Conn) *session {
	return &session{hub: hub, ctx: ctx, conn: conn, out: outbox.New(conn, &hub.outboxes)}
}

// overflows are what the outboxes do, for each way to treat slow slaves.
var overflows = [...]outbox.Overflow{
	SlowDisconnect: outbox.Refuse, SlowDropOldest: outbox.DropOldest, SlowDropNewest: outbox.DropNewest, SlowHold: outbox.Refuse,
}

// start is called before anything is read.
func (s *session) start() {
	s.hub.policy.Observer.Add(Connections, "", 1)
	if s.ctx.Done() != nil {
		s.watch = watchContext(s.ctx, s.out)
	} else if !s.hub.ReadsContext() {
		s.ctx = context.Background() // its values, which may be large, need not stay
	}
	s.hub.idlers.add(s)
	s.limitFrames(s.hub.policy.HandshakeBytes)
}

// Receive handles one frame. An error ends the connection.
func (s *session) Receive(message []byte) error {
	if !s.admitted {
		if s.early += len(message); s.early > s.hub.policy.HandshakeBytes {
			return errTooEarly
		}
	}
	return s.frame(message)
}

// Pause has what was put off delivered.
func (s *session) Pause() {
	s.putOffNoLonger(false)
}

// putOffNoLonger is Pause; more: the reader has more to decide, or to wait for.
func (s *session) putOffNoLonger(more bool) {
	if c := s.putOff; c != nil {
		s.putOff = nil
		c.deliverPutOff(more)
	}
}

// End is told why the reading has ended, and returns when nothing of the session
// is left.
func (s *session) End(err error) error {
	defer s.hub.goroutines.Done()
	if s.watch != nil {
		s.watch.stop()
	}
	s.Pause()
	s.vacate(err)
	s.out.Abort(closingReason(err))
	s.out.Wait()

	s.hub.dismiss(s)
	s.hub.policy.Observer.Add(Connections, "", -1)
	return s.outcome(err)
}

// contextWatch aborts an outbox when a context is done.
type contextWatch struct {
	cancel  func() bool
	running sync.WaitGroup
}

func watchContext(ctx context.Context, out *outbox.Queue) *contextWatch {
	w := new(contextWatch)
	w.running.Add(1)
	w.cancel = context.AfterFunc(ctx, func() {
		defer w.running.Done()
		out.Abort(shutdownReason)
	})
	return w
}

// stop ends the watch, and returns when its goroutine is gone, if there is one.
func (w *contextWatch) stop() {
	if !w.cancel() {
		w.running.Wait()
	}
}

// waiting is the context for what the reader waits for, such as Policy.Authorize.
// It ends as soon as the hub shuts down, and is to be given back by done.
func (s *session) waiting() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hub.closing.Load() {
		cancel() // who stops the waiting may have been here before
	}
	s.stopWaiting = cancel
	return ctx, func() {
		s.endWaiting()
		cancel()
	}
}

// endWaiting lets the reader wait no longer.
func (s *session) endWaiting() {
	s.mu.Lock()
	stop := s.stopWaiting
	s.stopWaiting = nil
	s.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// limitFrames narrows what the transport accepts, where it can; 0 ends that. It
// is called by the reader.
func (s *session) limitFrames(bytes int) {
	if setter, ok := s.conn.(transport.FrameLimitSetter); ok {
		setter.SetFrameLimit(bytes)
	}
}

// admit is told that the connection has a membership.
func (s *session) admit() {
	if !s.admitted {
		s.admitted = true
		s.limitFrames(0)
	}
}

var (
	// errTooEarly: more than HandshakeBytes came before a membership.
	errTooEarly = &Error{Code: ErrTooLarge.Code, Text: "too much was sent before the first membership"}
	// errFlood: frames went on coming faster than they may.
	errFlood = &Error{Code: ErrRateLimited.Code, Text: "too many frames"}
)

// frames lends the frame that is decoded into, for as long as it is being handled:
// nothing keeps it. It is 400 bytes that a message does not have to allocate.
var frames = sync.Pool{New: func() any { return new(wire.Frame) }}

// frame handles one frame. An error ends the connection.
func (s *session) frame(data []byte) error {
	frame := frames.Get().(*wire.Frame)
	defer func() {
		*frame = wire.Frame{} // as the next one needs it, and so that no string is kept
		frames.Put(frame)
	}()
	err := wire.DecodeInto(frame, data)
	if !s.heard {
		s.form = wire.FormOf(data)
	}
	if err != nil {
		return s.refuseMalformed(err)
	}
	s.heard = true
	limited := s.pace.take(s.hub.policy.Rate, time.Now())
	switch {
	case limited == muchTooFast:
		return errFlood
	case limited == tooFast && !alwaysTaken(frame.Type):
		err = ErrRateLimited
	default:
		err = s.handle(frame, limited == tooFast)
	}
	if err == errFlood {
		return err
	}
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

// alwaysTaken reports whether a frame of the type is taken up though it came too
// fast: a send, so that its refusal is remembered, and what gives something back,
// for which nobody might ask again.
func alwaysTaken(t wire.Type) bool {
	return t == wire.Send || t == wire.Leave || t == wire.Withdraw
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
	s.hub.policy.Observer.Add(Refused, refusalLabel(refusal.Code), 1)
	if ValidName(channel) {
		s.hub.policy.Logger.Warn("refused", "code", string(refusal.Code), "channel", channel)
	} else {
		s.hub.policy.Logger.Warn("refused", "code", string(refusal.Code))
	}
	s.say(newPacket(&wire.Frame{
		Type: wire.Error, Ref: ref, Channel: channel, Code: string(refusal.Code), Reason: refusal.Text,
	}))
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
	if s.hub.closing.Load() {
		return nil, ErrShuttingDown
	}
	if held := s.seats.get(channel); held != nil {
		return held, nil
	}
	if s.seats.count()-extra >= s.hub.policy.MaxChannelsPerConn {
		return nil, ErrTooManyChannels
	}
	s.seats.set(channel, a)
	s.hub.idlers.remove(s)
	return nil, nil
}

// exchange gives the seat of one attachment to another.
func (s *session) exchange(channel string, old, a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats.get(channel) == old {
		s.seats.set(channel, a)
	}
}

// unseat gives a seat back, if the attachment still has it.
func (s *session) unseat(channel string, a *attachment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seats.get(channel) == a {
		if s.seats.remove(channel); s.seats.count() == 0 {
			s.hub.idlers.add(s)
		}
	}
}

// seat is the membership of a channel that this connection holds.
func (s *session) seat(channel string) (*attachment, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.seats.get(channel); a != nil {
		return a, nil
	}
	return nil, ErrNotAMember
}

// hasSeats reports whether the connection holds or enters a membership, and so
// has sent its first frame.
func (s *session) hasSeats() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seats.count() > 0
}

// vacate gives up the memberships when the connection has ended: for good where
// the peer closed it with left, else until they are resumed.
func (s *session) vacate(err error) {
	s.mu.Lock()
	held := s.seats.all()
	s.seats = seats{}
	s.hub.idlers.remove(s)
	s.mu.Unlock()
	var closed *transport.CloseError
	onPurpose := errors.As(err, &closed) && closed.Reason.Code == transport.Left
	for _, a := range held {
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
	case errors.Is(err, transport.ErrSlow):
		return transport.Reason{Code: transport.Slow}
	case errors.Is(err, transport.ErrFlood):
		return transport.Reason{Code: transport.RateLimited}
	case err == errTooEarly:
		return transport.Reason{Code: transport.TooLarge, Text: errTooEarly.Text}
	case err == errFlood:
		return transport.Reason{Code: transport.RateLimited, Text: errFlood.Text}
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
