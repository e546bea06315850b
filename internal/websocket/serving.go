package websocket

import (
	"context"
	"errors"
	"log"
	"net/http"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/lectern-go/lectern/internal/poll"
	"github.com/lectern-go/lectern/internal/request"
	"github.com/lectern-go/lectern/transport"
)

// serve has the connection that the request has become served.
//
// The goroutine that the request came in on holds memory that only requests
// need: a stack that their reading has grown, and the buffers of the
// http.Server, 12 KB in all. So it is let go where the context allows it, and as soon
// as nobody reads the request's values any more: a router that has put some into the
// context may use them for its next request once the handler has returned.
func (u *Upgrader) serve(r *http.Request, conn *Conn, server transport.Server) {
	base := request.LastingBase(r)
	if base == nil {
		defer conn.Close(internalError) // for a server that panics; any other has closed it
		ctx, cancel := request.Context(r)
		defer cancel()
		server.Serve(ctx, conn)
		return
	}
	s := &serving{conn: conn, errorLog: base.ErrorLog, remote: r.RemoteAddr}
	ctx := context.Background()
	if u.config.ReadsContext { // else it takes 1 % off a join
		s.loan = request.NewLoan()
		ctx = request.Lend(r, s.loan)
	}
	acceptor, ok := server.(transport.Acceptor)
	if !ok {
		go func() {
			defer func() { s.contain(recover()) }()
			server.Serve(ctx, conn)
		}()
		s.loan.Wait()
		return
	}
	began := len(conn.socket.ahead.data) > 0
	if conn.watch = s; u.poller.Exists() && conn.socket.ahead.raw != nil {
		s.poller = u.poller
	}
	started := false
	defer func() {
		if !started {
			conn.Close(internalError) // for a server that panics; any other has closed it
		}
	}()
	receiver, err := acceptor.Accept(ctx, conn)
	if err != nil {
		return
	}
	s.receiver, started = receiver, true
	if s.poller == nil || !s.poller.Add(&s.polled, s, began) {
		s.attendant = &attendant{serving: s}
		go s.RunNow()
	}
	s.loan.Wait()
}

var internalError = transport.Reason{Code: closeInternalError}

// A serving is a connection in the hands of a server that is given the messages.
type serving struct {
	conn     *Conn
	receiver transport.Receiver
	errorLog *log.Logger
	remote   string

	loan      request.Loan           // nil where the server reads no context
	poller    *poll.Poller[*serving] // nil where the system gives no news of the conn
	polled    poll.Entry[*serving]
	attendant *attendant // where the poller has not taken it
}

// closing, forget, closed and pause make it the conn's watch.
func (s *serving) closing() {
	if s.poller != nil {
		s.poller.Closing(&s.polled)
	}
}

func (s *serving) forget() {
	if s.poller != nil {
		s.poller.Forget(&s.polled)
	}
}

func (s *serving) closed() {
	if s.poller != nil {
		s.poller.Closed(&s.polled)
	}
}

// pause is called by the reading goroutine, but for the reading of what comes while
// the conn closes: the receiver may have been told of its end already then.
func (s *serving) pause() {
	if !s.conn.socket.isClosing() {
		s.receiver.Pause()
	}
}

// RunNow reads what has arrived, and leaves the rest to the poller or the
// attendant. With the four methods behind it, it makes the serving a poll.Waiter.
func (s *serving) RunNow() { s.read(untilNothing, true) }

func (s *serving) Raw() syscall.RawConn { return s.conn.socket.ahead.raw }
func (s *serving) IsClosing() bool      { return s.conn.socket.isClosing() }
func (s *serving) Probe(by time.Time)   { s.conn.ping(by) }
func (s *serving) GiveUp()              { s.conn.giveUp() }

func (s *serving) read(how patience, news bool) {
	parked := false // and another goroutine's already
	defer func() {
		if !parked {
			s.contain(recover())
		}
	}()
	for {
		message, ok, err := s.conn.readNow(how, news, s.polled.Ended())
		how, news = untilNothing, false
		switch {
		case err != nil:
		case ok:
			err = s.receiver.Receive(message)
		default:
			s.receiver.Pause()
			if parked = s.park(); parked {
				return
			}
			news = true
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// park leaves the connection to who waits for it. It reports false where the
// caller has to go on.
func (s *serving) park() bool {
	if s.attendant != nil {
		return s.attendant.park()
	}
	return s.poller.Park(&s.polled)
}

// end is called where reading has ended.
func (s *serving) end(err error) {
	receiver := s.receiver
	s.receiver = nil
	s.forget()
	receiver.End(err)
}

// contain is called when the server's code is left, with what it has panicked
// with, and does what an http.Server does: that costs the connection alone.
func (s *serving) contain(cause any) {
	defer s.loan.GiveBack() // behind everything that the server does
	if cause != nil && cause != http.ErrAbortHandler {
		logf := log.Printf
		if s.errorLog != nil {
			logf = s.errorLog.Printf
		}
		logf("websocket: panic serving %v: %v\n%s", s.remote, cause, debug.Stack())
	}
	s.conn.Close(internalError)
	if s.receiver != nil {
		s.end(errPanicked)
	}
}

// errPanicked is told to a server of which Receive has panicked.
var errPanicked = errors.New("websocket: the server has panicked")
