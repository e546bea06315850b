package hub

import (
	"context"
	"sync"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/transport"
)

// session is one accepted connection. It handles the frames that are read from the
// connection, and holds the connection's seats. It is the connection's
// transport.Receiver. In comments, the reader is the goroutine that calls the methods
// of the transport.Receiver.
type session struct {
	// Line is the sending side. The reader sets its form from the connection's first
	// frame, before the connection holds a membership, and does not change it later.
	delivery.Line

	hub *Hub
	// ctx is the connection's context, of which Config.Authorize gets the values. The
	// reader changes it at the first membership, under mu: others read it too (values).
	ctx context.Context
	// watch closes the connection when ctx is done. It is nil where ctx is never done.
	watch *contextWatch

	// The following fields, without ending, overdue and index, belong to the reader.

	// formKnown: a frame of the connection could be decoded.
	formKnown bool
	// handshakeDone: the connection has had a membership.
	handshakeDone bool
	// frame is the number of the frame that is being handled, or was last.
	frame uint64
	// ending: the connection is being closed, because its last membership has ended,
	// because it was idle for too long, or because it was replaced. It enters no channel
	// any more. So a frame that the peer gets no answer to has had no effect. mu guards
	// ending; it lies here only because it takes no extra memory here.
	ending bool
	// overdue: the session has held no membership for too long, and is about to enter a
	// channel. mu guards it, as ending.
	overdue bool
	// serviceRefused: the service has refused the frame that is being handled, in words of its own:
	// that it is a bad_frame says nothing of the peer's frames then. It belongs to the reader.
	serviceRefused bool
	// handshakeBytes counts the bytes that were received before the first membership.
	handshakeBytes int
	// pace limits all frames, slavePace the messages that are sent as a slave, attributePace
	// the changes of a slave's attributes, and membershipPace the frames by which memberships
	// begin and end.
	pace           pace
	slavePace      pace
	attributePace  pace
	membershipPace pace
	// identity is what Authorize has returned last, or nil where that had no data.
	identity *Identity
	// deferred is the channel whose delivery this reader has deferred, or nil.
	deferred *delivery.Channel
	// index is the session's index in Hub.sessions. The hub's lock guards it.
	index int

	// mu guards ending, overdue, seats, malformed and cancelWait.
	mu        sync.Mutex
	seats     seats
	malformed malformed
	// cancelWait cancels the context with which the reader waits at present. It is nil
	// where the reader does not wait.
	cancelWait context.CancelFunc
	// idle is for the hub's idlers, whose lock guards it.
	idle idling
}

func newSession(ctx context.Context, hub *Hub, conn transport.Conn, number uint64) *session {
	s := &session{hub: hub, ctx: ctx}
	s.Line.Init(&hub.delivering, conn, s, number)
	return s
}

// start is called once, before the first frame is read.
func (s *session) start() {
	s.hub.config.Observer.Add(star.Connections, "", 1)
	if s.ctx.Done() != nil {
		s.watch = watchContext(s.ctx, s.Out())
	} else if !s.hub.ReadsContext() {
		transport.ReturnContext(s.ctx)
		s.ctx = context.Background() // nobody reads the values, which may be large
	}
	s.hub.idlers.add(s)
	s.limitFrames(s.hub.config.MaxHandshakeBytes)
}

// Receive handles one frame. An error ends the connection.
func (s *session) Receive(message []byte) error {
	if !s.handshakeDone && s.isIn() {
		s.endHandshake() // it has waited, and is in
	}
	if !s.handshakeDone {
		if s.handshakeBytes += len(message); s.handshakeBytes > s.hub.config.MaxHandshakeBytes {
			return s.hub.failure(errHandshakeTooLarge)
		}
	}
	if cause := s.handleFrame(message); cause != nil {
		return s.hub.failure(cause)
	}
	return nil
}

// Pause tells the session that no other message has arrived yet. It starts the delivery
// that was deferred.
func (s *session) Pause() {
	s.deliverDeferred(false)
}

// deliverDeferred starts the delivery that was deferred, if any. more: the reader goes on
// to decide something or to wait.
func (s *session) deliverDeferred(more bool) {
	if c := s.deferred; c != nil {
		s.deferred = nil
		c.DeliverDeferred(more)
	}
}

// End ends the session after reading has ended with err. It returns when the connection
// is closed and the session's goroutines have ended.
func (s *session) End(err error) error {
	defer s.hub.goroutines.Done()
	if s.watch != nil {
		s.watch.stop()
	}
	s.Pause()
	if s.endedMalformed() {
		err = s.hub.failure(errNotProtocol)
	}
	held := s.endMemberships(err)
	s.Out().Abort(s.hub.closingReason(err))
	s.Out().Wait()

	s.hub.removeSession(s)
	s.hub.config.Observer.Add(star.Connections, "", -1)
	return s.outcome(err, held)
}

// limitFrames bounds the size of the frames that the transport accepts, where the
// transport can do that. 0 removes the bound. The reader calls it.
func (s *session) limitFrames(bytes int) {
	if setter, ok := s.Conn().(transport.FrameLimitSetter); ok {
		setter.SetMaxFrameBytes(bytes)
	}
}

// liftFrameLimit removes the bound on frames of the handshake for one who waits: its first frame
// as a member may come at any time. The bound on all of them stays. The reader calls it.
func (s *session) liftFrameLimit() {
	if !s.handshakeDone {
		s.limitFrames(0)
	}
}

// endHandshake removes the bounds of the handshake, and gives back the values that the
// context was lent. It is called when the connection has a membership.
func (s *session) endHandshake() {
	if !s.handshakeDone {
		s.handshakeDone = true
		s.limitFrames(0)
		ctx := transport.ReturnContext(s.ctx)
		s.mu.Lock()
		s.ctx = ctx
		s.mu.Unlock()
	}
}
