package httpstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// inbound is the part of a conn that takes what POSTs bring, one POST at a time. The conn's lock
// covers it.
type inbound struct {
	receiver transport.Receiver // nil where the server reads by itself, and once it is told of the end
	inbox    *inbox             // nil where there is a receiver
	limit    int                // size in bytes of the largest message
	controls transport.TokenBucket

	expected uint64        // number of the next POST
	lines    int           // how many of its lines were taken before, when it did not come to its end
	post     *post         // the one that is being taken; nil where none is
	newest   *post         // the one that waits, or came last
	free     chan struct{} // closed when the one that is being taken is over, or another one waits
}

var (
	errAhead     = errors.New("the POST is ahead")
	errRepeated  = errors.New("the POST was taken before")
	errSupplant  = errors.New("the POST was repeated while it waited")
	errAbandoned = errors.New("the client has gone")
)

// A post is a POST that sends, in the hands of the goroutine of its request.
type post struct {
	conn  *conn
	ctx   context.Context // of the request
	body  io.Reader
	watch bodyWatch
}

// begin waits for the POST's turn. The error says why it has none; errRepeated is no fault.
// numbered is false for one that takes the next number.
func (c *conn) begin(ctx context.Context, p *post, number uint64, numbered bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for first := true; ; first = false {
		switch {
		case c.readErr != nil:
			return c.readErr
		case numbered && number < c.expected:
			return errRepeated
		case numbered && number > c.expected:
			return errAhead
		case !first && c.newest != p:
			return errSupplant
		case c.post == nil:
			c.post, c.newest = p, p
			return nil
		}
		c.newest = p
		if c.free != nil {
			close(c.free)
		}
		free := make(chan struct{})
		c.free = free
		before := c.post
		c.mu.Unlock()
		if numbered { // the one before does not come to its end any more
			before.supplant()
		}
		var err error
		select {
		case <-free:
		case <-ctx.Done():
			err = errAbandoned
		}
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
}

// finish gives the turn back; complete where the POST has been taken to its end.
func (c *conn) finish(complete bool) {
	c.mu.Lock()
	if complete {
		c.expected++
		c.lines = 0
	}
	if c.newest == c.post {
		c.newest = nil // which holds its request, and the buffers of an http.Server
	}
	c.post = nil
	if c.free != nil {
		close(c.free)
		c.free = nil
	}
	end := c.claimEnd()
	c.mu.Unlock()
	if end != nil {
		go c.end(end)
	}
}

// Read reads the body, for the lineReader.
func (p *post) Read(buffer []byte) (int, error) {
	p.conn.pause()
	if err := p.watch.wait(); err != nil {
		return 0, err
	}
	n, err := p.body.Read(buffer)
	if late := p.watch.came(n); late != nil && n == 0 {
		return 0, late
	}
	return n, err
}

func (p *post) abort()    { p.watch.stop(errClosed) }
func (p *post) supplant() { p.watch.stop(errSupplant) }

// A bodyWatch ends the reading of a body that is late, by the rule of transport.MessageTimer, or
// that nobody wants any more. It looks twice before it judges: that its time has passed may be
// because this process has stood still, and then the rest of the body lies there.
type bodyWatch struct {
	timeout time.Duration
	cut     *http.ResponseController // of the request

	mu      sync.Mutex
	rule    transport.MessageTimer
	waiting bool
	late    time.Time // zero where it is never
	timer   *time.Timer
	ended   error // why nothing more is read
	over    bool  // the request's handler has returned
}

// bodyLooking is how long a body that is late may take to be read where it lies there.
const bodyLooking = 250 * time.Millisecond

var longAgo = time.Unix(1, 0)

// wait is called before the body is read.
func (w *bodyWatch) wait() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return w.ended
	}
	w.waiting = true
	w.late = w.rule.Wait(time.Now(), w.timeout)
	if !w.late.IsZero() && w.timer == nil {
		w.timer = time.AfterFunc(time.Until(w.late), w.due)
	}
	return nil
}

// came is called when so many bytes have come.
func (w *bodyWatch) came(n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	w.rule.Came(n)
	return w.ended
}

// rest is called at the end of a line: the next one has a time of its own.
func (w *bodyWatch) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rule = transport.MessageTimer{}
}

func (w *bodyWatch) due() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = nil
	if w.ended != nil || w.over || !w.waiting {
		return
	}
	now := time.Now()
	switch {
	case now.Before(w.late): // some of it has come meanwhile
	case w.rule.LastLook(now.Add(bodyLooking)):
		w.late = now.Add(bodyLooking)
	default:
		w.end(transport.ErrSlow)
		return
	}
	w.timer = time.AfterFunc(w.late.Sub(now), w.due)
}

// stop ends the reading.
func (w *bodyWatch) stop(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended == nil && !w.over {
		w.end(err)
	}
}

// end is called under the lock.
func (w *bodyWatch) end(err error) {
	w.ended = err
	if w.waiting { // else the connection beneath is fit for the next request
		_ = w.cut.SetReadDeadline(longAgo)
	}
}

// done is called before the handler returns: the request is not touched any more.
func (w *bodyWatch) done() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over, w.cut = true, nil // a timer that was stopped may be there for a while
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
}

func (c *conn) newPost(w http.ResponseWriter, r *http.Request) *post {
	return &post{
		conn:  c,
		ctx:   r.Context(),
		body:  r.Body,
		watch: bodyWatch{timeout: c.handler.options.MessageTimeout, cut: http.NewResponseController(w)},
	}
}
