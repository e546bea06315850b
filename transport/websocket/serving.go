package websocket

import (
	"context"
	"errors"
	"log"
	"net/http"
	"runtime/debug"

	"github.com/lectern-go/lectern/transport"
)

// serve has the connection that the request has become served.
//
// The goroutine that the request came in on holds memory that only requests
// need: a stack that their reading has grown, and the buffers of the
// http.Server, 12 KB in all. So it is let go where the context allows it, and as soon
// as nobody reads the request's values any more: a router that has put some into the
// context may use them for its next request once the handler has returned.
func (h *handler) serve(r *http.Request, conn *conn) {
	server := lastingBase(r)
	if server == nil {
		defer conn.Close(internalError) // for a server that panics; any other has closed it
		ctx, cancel := connContext(r)
		defer cancel()
		h.server.Serve(ctx, conn)
		return
	}
	s := &serving{conn: conn, errorLog: server.ErrorLog, remote: r.RemoteAddr}
	ctx := context.Background()
	if h.readsContext { // else it takes 1 % off a join
		s.loan = make(loan, 1)
		ctx = lend(r, s.loan)
	}
	acceptor, ok := h.server.(transport.Acceptor)
	if !ok {
		go func() {
			defer func() { s.contain(recover()) }()
			h.server.Serve(ctx, conn)
		}()
		s.loan.wait()
		return
	}
	began := len(conn.socket.ahead.data) > 0
	if conn.watch = s; h.poller.canTake(conn) {
		s.poller = h.poller
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
	if s.poller == nil || !s.poller.add(s, began) {
		s.attendant = &attendant{serving: s}
		go s.runNow()
	}
	s.loan.wait()
}

var internalError = transport.Reason{Code: closeInternalError}

// lastingBase returns the http.Server of the request where the context of its
// connections never ends: by itself it ends with the request's handler, and what
// it is made of is not to be had then.
func lastingBase(r *http.Request) *http.Server {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok || server.BaseContext != nil || server.ConnContext != nil {
		return nil
	}
	return server
}

// A serving is a connection in the hands of a server that is given the messages.
type serving struct {
	conn     *conn
	receiver transport.Receiver
	errorLog *log.Logger
	remote   string

	loan      loan    // nil where the server reads no context
	poller    *poller // nil where the system gives no news of the conn
	polled    polled
	attendant *attendant // where the poller has not taken it
}

// closing, forget, closed and pause make it the conn's watch.
func (s *serving) closing() {
	if s.poller != nil {
		s.poller.closing(s)
	}
}

func (s *serving) forget() {
	if s.poller != nil {
		s.poller.forget(s)
	}
}

func (s *serving) closed() {
	if s.poller != nil {
		s.poller.closed(s)
	}
}

// pause is called by the reading goroutine, but for the reading of what comes while
// the conn closes: the receiver may have been told of its end already then.
func (s *serving) pause() {
	if !s.conn.socket.isClosing() {
		s.receiver.Pause()
	}
}

// runNow reads what has arrived, and leaves the rest to the poller or the
// attendant.
func (s *serving) runNow() { s.read(untilNothing, true) }

func (s *serving) read(how patience, news bool) {
	parked := false // and another goroutine's already
	defer func() {
		if !parked {
			s.contain(recover())
		}
	}()
	for {
		message, ok, err := s.conn.readNow(how, news, s.polled.ended)
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
	return s.poller.park(s)
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
	defer s.loan.giveBack() // behind everything that the server does
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
