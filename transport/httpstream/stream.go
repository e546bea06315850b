package httpstream

import (
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/direct"
)

// A heldStream is a stream, or a poll, that the goroutine of its request writes: over HTTP/2, over
// TLS, and wherever else the connection beneath is no socket that is to be had.
type heldStream struct {
	carriage
	conn  *conn
	wakes chan struct{} // has room for one
	mu    sync.Mutex
	write writeControl // nil once the request's handler returns
	// writing and isCut: a write is in progress, and it is to end. broken: one has failed, and may
	// have written a part.
	writing, isCut, broken bool
}

// A writeControl is an http.ResponseController, or what does the same without an http.Server.
type writeControl interface {
	Flush() error
	SetWriteDeadline(time.Time) error
}

func newHeldStream(c *conn, control writeControl) *heldStream {
	return &heldStream{conn: c, wakes: make(chan struct{}, 1), write: control}
}

func (s *heldStream) state() *carriage { return &s.carriage }

func (s *heldStream) wake() {
	select {
	case s.wakes <- struct{}{}:
	default:
	}
}

// pump is called under the lock, which it releases.
func (s *heldStream) pump() {
	s.conn.mu.Unlock()
	s.wake()
}

// cut ends a write in progress.
func (s *heldStream) cut() {
	s.mu.Lock()
	if s.isCut = true; s.writing && s.write != nil {
		_ = s.write.SetWriteDeadline(longAgo)
	}
	s.mu.Unlock()
	s.wake()
}

// begin is called before each write. What is written to the end of one that is cut has little
// time.
func (s *heldStream) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing = true; s.isCut {
		_ = s.write.SetWriteDeadline(time.Now().Add(closeWait))
	}
}

// done is called after it.
func (s *heldStream) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
}

// writeOut writes and flushes.
func (s *heldStream) writeOut(w io.Writer, events []byte) error {
	s.begin()
	defer s.done()
	_, err := w.Write(events)
	if err == nil {
		err = s.write.Flush()
	}
	s.broken = err != nil
	return err
}

// release is called before the request's handler returns, and bounds what is still to be written
// behind it by the deadline, or not where that is zero.
func (s *heldStream) release(deadline time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.write.SetWriteDeadline(deadline)
	s.write = nil
}

// taken is that of carrier: nobody tells.
func (*heldStream) taken() (uint64, bool) { return 0, false }

// stream is GET stream.
func (h *handler) stream(w http.ResponseWriter, r *http.Request) {
	c, last := h.findForEvents(w, r)
	if c == nil {
		return
	}
	header := w.Header()
	header.Set("Content-Type", eventStream)
	header.Set("X-Accel-Buffering", "no")
	if conn := h.hijack(w, r); conn != nil {
		c.streamOver(conn, streamHead(header), last)
		return
	}
	if r.ProtoMajor == 1 {
		header.Set("Connection", "close") // it has a deadline at its end
	}
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Time{}) // that of the http.Server is meant for an answer
	c.streamHeld(newHeldStream(c, control), w, last, r.Context().Done())
}

// streamHeld writes the stream until it ends, or done is closed.
func (c *conn) streamHeld(s *heldStream, w io.Writer, last uint64, done <-chan struct{}) {
	s.greeting = true
	if c.attach(s, last) != nil {
		return // the answer is empty, and the next request is told
	}
	defer c.detach(s)
	defer func() { s.release(time.Now().Add(closeWait)) }()
	for c.writeEvents(s, w) {
		select {
		case <-s.wakes:
		case <-done:
			return
		}
	}
}

// streamOver has the stream written on a connection that is the conn's own, whose answer begins
// with the head.
func (c *conn) streamOver(socket net.Conn, head []byte, last uint64) {
	if raw := direct.Of(socket); raw != nil {
		s := &rawStream{conn: c, net: socket, raw: raw, head: head, headSize: len(head), writing: true}
		s.greeting = true
		if c.attach(s, last) != nil {
			_ = socket.Close()
			return
		}
		if c.handler.poller.Add(&s.entry, s, false) {
			s.start()
			return
		}
		// The system has nothing left to watch it by, and goroutines do.
		if !s.abandon() {
			return
		}
	}
	w := &chunkWriter{socket, head}
	gone, wait := w.hungUp()
	s := newHeldStream(c, w)
	c.streamHeld(s, w, last, gone)
	if !s.broken { // else it would be a part of what was begun
		_, _ = socket.Write([]byte(lastChunk)) // by the deadline that is set now
	}
	_ = socket.Close()
	wait()
}

// writeEvents writes what there is, and reports false where the stream has come to its end.
func (c *conn) writeEvents(s *heldStream, w io.Writer) bool {
	buffer := lendBuffer(c.waits(&s.carriage))
	defer buffer.giveBack()
	for {
		events, last := c.take(&s.carriage, buffer.data[:0])
		if len(events) == 0 {
			return !last
		}
		if s.writeOut(w, events) != nil {
			return false
		}
		c.written(&s.carriage, last, false)
		if last {
			return false
		}
	}
}

// waits is how many bytes of events wait for the carrier, at least where they are many.
func (c *conn) waits(of *carriage) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.window.behind(&of.cursor, largeEvents) + len(openEvent) + len(probeEvent)
}
