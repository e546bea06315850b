package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// session is one accepted connection: it takes the frames that are read from it,
// each to the channel that it is for, and it holds the connection's memberships.
// It is the connection's transport.Receiver; what is said here of the reader
// holds for whoever calls its methods.
type session struct {
	// Line is the way out. Its form is that of the connection's first frame, which
	// the reader sets before the connection holds a membership, and not after.
	delivery.Line

	hub  *Hub
	ctx  context.Context
	conn transport.Conn
	// watch ends the connection with the context; nil where that never ends.
	watch *contextWatch

	// What follows is the reader's. heard: a frame could be understood; malformed
	// counts the frames in a row that could not. admitted: the connection has had a
	// membership; early is how many bytes it has sent before.
	heard     bool
	admitted  bool
	malformed uint8
	// ending, which mu covers and which lies here for its size alone: the connection
	// ends with its last membership, for want of one, or because it was replaced. It
	// enters no channel any more, so that what the peer gets no answer to has not been
	// carried out.
	ending bool
	early  int
	// pace bounds all frames, slavePace the messages sent as a slave.
	pace      pace
	slavePace pace
	// putOff is where something was decided that is not being delivered yet.
	putOff *delivery.Channel
	// index is the session's place among those of the hub, whose lock covers it.
	index int

	mu    sync.Mutex
	seats seats
	// stopWaiting ends the context that the reader waits with at present, if any.
	stopWaiting context.CancelFunc
	// idle is for the hub's idlers, while the connection holds no membership.
	idle idling
}

func newSession(ctx context.Context, hub *Hub, conn transport.Conn, number uint64) *session {
	s := &session{hub: hub, ctx: ctx, conn: conn}
	s.Line.Init(&hub.delivering, conn, s, number)
	return s
}

// maxMalformed is how many malformed frames in a row cost the connection.
const maxMalformed = 3

// start is called before anything is read.
func (s *session) start() {
	s.hub.config.Observer.Add(star.Connections, "", 1)
	if s.ctx.Done() != nil {
		s.watch = watchContext(s.ctx, s.Out())
	} else if !s.hub.ReadsContext() {
		s.ctx = context.Background() // its values, which may be large, need not stay
	}
	s.hub.idlers.add(s)
	s.limitFrames(s.hub.config.MaxHandshakeBytes)
}

// Receive handles one frame. An error ends the connection.
func (s *session) Receive(message []byte) error {
	if !s.admitted {
		if s.early += len(message); s.early > s.hub.config.MaxHandshakeBytes {
			return s.hub.failure(errTooEarly)
		}
	}
	if cause := s.frame(message); cause != nil {
		return s.hub.failure(cause)
	}
	return nil
}

// Pause has what was put off delivered.
func (s *session) Pause() {
	s.putOffNoLonger(false)
}

// putOffNoLonger is Pause; more: the reader has more to decide, or to wait for.
func (s *session) putOffNoLonger(more bool) {
	if c := s.putOff; c != nil {
		s.putOff = nil
		c.DeliverPutOff(more)
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
	s.Out().Abort(s.hub.closingReason(err))
	s.Out().Wait()

	s.hub.dismiss(s)
	s.hub.config.Observer.Add(star.Connections, "", -1)
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
		setter.SetMaxFrameBytes(bytes)
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
	// errTooEarly: more than MaxHandshakeBytes came before a membership.
	errTooEarly = &wire.Cause{Code: wire.ErrTooLarge.Code, Text: "too much was sent before the first membership"}
	// errFlood: frames went on coming faster than they may.
	errFlood = &wire.Cause{Code: wire.ErrRateLimited.Code, Text: "too many frames"}
)

// frames lends the frame that is decoded into, for as long as it is being handled:
// nothing keeps it. It is 400 bytes that a message does not have to allocate.
var frames = sync.Pool{New: func() any { return new(wire.Frame) }}

// frame handles one frame. A cause ends the connection.
func (s *session) frame(data []byte) *wire.Cause {
	frame := frames.Get().(*wire.Frame)
	defer func() {
		*frame = wire.Frame{} // as the next one needs it, and so that no string is kept
		frames.Put(frame)
	}()
	err := wire.DecodeInto(frame, data)
	if !s.heard {
		s.SetForm(wire.FormOf(data))
	}
	if err != nil {
		return s.refuseMalformed(err)
	}
	s.heard = true
	limited := s.pace.take(s.hub.config.FrameRate, time.Now())
	switch {
	case limited == muchTooFast:
		return errFlood
	case limited == tooFast && !alwaysTaken(frame.Type):
		err = wire.ErrRateLimited
	default:
		err = s.handle(frame, limited == tooFast)
	}
	if err == errFlood {
		return errFlood
	}
	if !errors.Is(err, wire.ErrBadFrame) {
		s.malformed = 0
	}
	if err == nil {
		return nil
	}
	if err == wire.ErrReplaced {
		// What comes from a stale attachment shows a connection that does not
		// know yet that another one has its place (rule 7).
		s.endReplaced(frame.Channel)
		return nil
	}
	s.refuse(frame.Ref, frame.Channel, err)
	if errors.Is(err, wire.ErrBadFrame) {
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
func (s *session) refuseMalformed(err error) *wire.Cause {
	var bad *wire.DecodeError
	if !errors.As(err, &bad) || bad.NoForm && !s.heard {
		return errNotProtocol
	}
	s.refuse(bad.Ref, "", &wire.Cause{Code: wire.Code(bad.Code), Text: bad.Detail})
	if bad.Code == wire.CodeUnsupported {
		return nil
	}
	return s.countMalformed()
}

func (s *session) countMalformed() *wire.Cause {
	s.malformed++
	if s.malformed >= maxMalformed {
		return errNotProtocol
	}
	return nil
}

var errNotProtocol = &wire.Cause{Code: "protocol_error", Text: "what came is not Lectern's protocol"}

// refuse answers a frame with an error.
func (s *session) refuse(ref uint64, channel string, err error) {
	refusal := asRefusal(err, wire.ErrBadFrame)
	s.hub.config.Observer.Add(star.Refused, refusalLabel(refusal.Code), 1)
	if wire.ValidName(channel) {
		s.hub.config.Logger.Warn("refused", "code", string(refusal.Code), "channel", channel)
	} else {
		s.hub.config.Logger.Warn("refused", "code", string(refusal.Code))
	}
	s.Say(wire.NewPacket(&wire.Frame{
		Type: wire.Error, Ref: ref, Channel: channel, Code: string(refusal.Code), Reason: refusal.Text,
	}))
}

// labelOther is the label of refusals whose code is not one of the hub's own.
const labelOther = "other"

// refusalLabel is the label of a code, which Authorize may have made up.
func refusalLabel(code wire.Code) string {
	for _, refusal := range wire.Refusals {
		if refusal.Code == code {
			return string(code)
		}
	}
	return labelOther
}
