package httpstream

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"runtime/debug"
	"strconv"

	"github.com/lectern-go/lectern/internal/request"
	"github.com/lectern-go/lectern/transport"
)

// open is POST open: it makes a connection, has it served, and gives the server the messages
// that have come along.
func (h *handler) open(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > maxBody(h.options.MaxFrameBytes) {
		answerFailed(w, r, errBodyTooLarge)
		return
	}
	c := h.newConn(r)
	ctx := context.Background()
	if h.readsContext {
		c.values = &lentValues{Context: request.Kept(r)}
		ctx = c.values
		c.lend(r.Context())
	}
	c.left = true // there is nobody to be told yet, whatever becomes of it
	served := h.serve(ctx, c)
	c.mu.Lock()
	c.left = false
	c.mu.Unlock()
	c.takeBack()
	if !served {
		leaveBody(w, r)
		c.mu.Lock()
		f := c.farewell
		c.mu.Unlock()
		if f == nil { // the server has closed nothing
			refused := farewellOf(internalError)
			f = &refused
		}
		answerReason(w, http.StatusServiceUnavailable, *f)
		return
	}
	if r.ContentLength != 0 {
		p := c.newPost(w, r)
		err := c.begin(r.Context(), p, 0, true)
		if err == nil {
			err = c.run(p, true)
		}
		if err == errBodyEnded { // nobody will come for it
			c.mu.Lock()
			c.left = true
			c.mu.Unlock()
			c.endReading(errNotOpened)
			return
		}
		if isFailure(err) {
			answerFailed(w, r, err)
			return
		}
		// Any other end is told by the last event, behind what the server has to say.
	}
	h.answerOpened(w, c)
}

var errNotOpened = errors.New("httpstream: the client has gone before the connection was there")

func (h *handler) answerOpened(w http.ResponseWriter, c *conn) {
	w.Header().Set("Content-Type", "application/json")
	answer, _ := json.Marshal(opened{
		Connection:    c.secret.String(),
		ProbeMS:       h.options.ProbeAfter.Milliseconds(),
		GiveUpMS:      h.options.GiveUp.Milliseconds(),
		MaxFrameBytes: h.options.MaxFrameBytes,
	})
	answer = append(answer, '\n')
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = w.Write(answer)
}

// newConn makes a connection, which is found by its secret from now on.
func (h *handler) newConn(r *http.Request) *conn {
	c := &conn{handler: h, secret: newSecret(), peer: r.RemoteAddr}
	c.limit = h.options.MaxFrameBytes
	c.controls = transport.NewTokenBucket(h.options.ControlFramesPerSecond)
	if r.ContentLength == 0 {
		c.expected = 1
	}
	h.enter(c)
	return c
}

// serve has the server take the connection on. It reports false where the server has refused it.
func (h *handler) serve(ctx context.Context, c *conn) bool {
	acceptor, ok := h.server.(transport.Acceptor)
	if !ok {
		c.startReading()
		go func() {
			defer func() { c.contain(recover()) }()
			_ = h.server.Serve(ctx, c)
		}()
		return true
	}
	accepted := false
	defer func() {
		if !accepted {
			_ = c.Close(internalError) // for a server that panics; any other has closed it
		}
	}()
	receiver, err := acceptor.Accept(ctx, c)
	if err != nil {
		return false
	}
	accepted = true
	c.mu.Lock()
	c.receiver = receiver
	end := c.claimEnd() // it may be closed already
	c.mu.Unlock()
	if end != nil {
		go c.end(end)
	}
	return true
}

var (
	internalError = transport.Reason{Code: 1011}
	// errPanicked is told to a server of which something has panicked.
	errPanicked = errors.New("httpstream: the server has panicked")
)

// contain is called when the server's code is left, in a goroutine of the connection's own, with
// what it has panicked with. As with an http.Server, that costs the connection alone.
func (c *conn) contain(cause any) {
	if cause != nil && cause != http.ErrAbortHandler {
		log.Printf("httpstream: panic serving %v: %v\n%s", c.peer, cause, debug.Stack())
	}
	_ = c.Close(internalError)
}
