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
// http.Server, 12 KB in all. So it is let go where the context allows it.
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
	ctx := context.WithValue(context.WithoutCancel(r.Context()), requestKey{}, withoutBody(r))
	starter, ok := h.server.(transport.Starter)
	if !ok {
		go func() {
			defer s.contain()
			h.server.Serve(ctx, conn)
		}()
		return
	}
	receiver, err := starter.Start(ctx, conn)
	if err != nil {
		return
	}
	s.receiver = receiver
	go s.run()
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

// withoutBody is the request as a connection keeps it.
func withoutBody(r *http.Request) *http.Request {
	kept := r.WithContext(context.Background())
	kept.Body = http.NoBody // the other one holds the buffer of the http.Server
	return kept
}

// A serving is a connection in the hands of a server that is given the messages.
type serving struct {
	conn     *conn
	receiver transport.Receiver
	errorLog *log.Logger
	remote   string
}

// run reads until the connection has ended.
func (s *serving) run() {
	defer s.contain()
	for {
		message, err := s.conn.Read()
		if err == nil {
			err = s.receiver.Receive(message)
		}
		if err != nil {
			s.end(err)
			return
		}
	}
}

// end is called where reading has ended.
func (s *serving) end(err error) {
	receiver := s.receiver
	s.receiver = nil
	receiver.End(err)
}

// contain is deferred around the server's code, and does with its panics what
// an http.Server does: they cost the connection alone.
func (s *serving) contain() {
	if cause := recover(); cause != nil && cause != http.ErrAbortHandler {
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
