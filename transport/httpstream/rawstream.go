package httpstream

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/internal/poll"
)

// A rawStream is a stream over a connection of HTTP/1.1 that was taken from the http.Server, and
// that is a socket of the system. It has no goroutine while nothing waits: whoever has something
// for it writes what the system takes at once, and leaves the rest to a goroutine that ends as soon
// as it has caught up; and it is the poller that notices that the peer has hung up.
type rawStream struct {
	carriage
	conn  *conn
	net   net.Conn
	raw   syscall.RawConn
	entry poll.Entry[*rawStream]

	// What follows is covered by the conn's lock.
	writing bool   // somebody writes, and looks for more before it ends, or nobody may yet
	ended   bool   // the socket is closed, or is about to be
	left    bool   // the conn has been told that nothing is written any more
	head    []byte // of the answer, until it is written
	// base is where in the stream of events this one began, and headSize how many bytes were
	// written before.
	base     uint64
	headSize int

	strange int // bytes that have come, though nothing should; of who reads
}

// maxStrange is how many bytes are passed over of what comes on the connection of a stream.
const maxStrange = 64 << 10

func (s *rawStream) state() *carriage { return &s.carriage }

// Raw, IsClosing, RunNow, Probe and GiveUp make it a poll.Waiter.
func (s *rawStream) Raw() syscall.RawConn { return s.raw }

// IsClosing is that of poll.Waiter.
func (s *rawStream) IsClosing() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.ended
}

// Probe is never called: the poller watches over no silence here.
func (*rawStream) Probe(time.Time) {}

// GiveUp is never called either.
func (*rawStream) GiveUp() {}

// RunNow looks whether the peer has hung up.
func (s *rawStream) RunNow() {
	var space [512]byte
	for {
		n, err := direct.Look(s.raw, space[:])
		s.strange += n
		if err != nil || s.strange > maxStrange {
			s.end(false)
		}
		switch {
		case s.IsClosing():
			s.conn.handler.poller.Forget(&s.entry) // it may have been added as it ended
			return
		case n == 0 && s.conn.handler.poller.Park(&s.entry):
			return
		}
	}
}

// pump writes what there is, as far as the system takes it. It is called under the lock, which it
// releases.
func (s *rawStream) pump() {
	if s.writing || s.ended {
		s.conn.mu.Unlock()
		return
	}
	s.writing = true
	for {
		buffer, data, last := s.next()
		s.conn.mu.Unlock()
		if buffer == nil {
			return
		}
		n, err := direct.Write(s.raw, data)
		switch {
		case err != nil:
			buffer.giveBack()
			s.end(true)
			return
		case n < len(data):
			go s.catchUp(buffer, data[n:], last)
			return
		}
		buffer.giveBack()
		if s.wrote(last) {
			return
		}
		s.conn.mu.Lock()
	}
}

// next is called under the lock, and takes what is to be written next, in a buffer that is lent. It
// is nil where there is nothing: nobody writes any more then.
func (s *rawStream) next() (buffer *eventBuffer, data []byte, last bool) {
	c := s.conn
	if s.finished || s.ended {
		s.writing = false
		return nil, nil, false
	}
	size := c.window.behind(&s.cursor, largeEvents) + len(openEvent) + len(probeEvent)
	buffer = lendBuffer(size)
	most := len(buffer.data) - chunkTail - len(lastChunk)
	events, last := c.fill(&s.carriage, buffer.data[:chunkHead:most])
	if len(events) == chunkHead {
		buffer.giveBack()
		s.writing = false
		return nil, nil, false
	}
	data = asChunk(buffer.data[:len(events)])
	if last {
		data = append(data, lastChunk...)
	}
	if s.head != nil {
		data, s.head = append(s.head, data...), nil
	}
	return buffer, data, last
}

// wrote is called when what next has returned is written. It reports true where the stream has come
// to its end.
func (s *rawStream) wrote(last bool) bool {
	s.conn.written(&s.carriage, last, direct.TellsAcked(s.net))
	if last {
		s.end(true)
	}
	return last
}

// catchUp writes the rest of what was not taken at once, and what has come meanwhile. It is its
// goroutine's last.
func (s *rawStream) catchUp(buffer *eventBuffer, data []byte, last bool) {
	var taken atomic.Uint64
	for {
		err := direct.WriteAll(s.raw, data, &taken)
		buffer.giveBack()
		if err != nil {
			s.end(true)
			return
		}
		if s.wrote(last) {
			return
		}
		s.conn.mu.Lock()
		buffer, data, last = s.next()
		s.conn.mu.Unlock()
		if buffer == nil {
			return
		}
	}
}

// start lets the stream be written.
func (s *rawStream) start() {
	s.conn.mu.Lock()
	s.writing, s.base = false, s.at
	s.pump()
}

// cut is that of carrier. Where nothing is being written, the answer comes to its end.
func (s *rawStream) cut() {
	s.conn.mu.Lock()
	whole := !s.writing && !s.ended && s.head == nil
	if whole {
		s.writing = true // nobody else begins to
	}
	s.conn.mu.Unlock()
	if whole {
		_, _ = direct.Write(s.raw, []byte(lastChunk))
	}
	s.end(whole)
}

// end closes the socket. It is for any goroutine; writer is that of the one that writes, and writes
// no more.
func (s *rawStream) end(writer bool) {
	s.conn.mu.Lock()
	first := !s.ended
	s.ended = true
	if writer {
		s.writing = false
	}
	leave := !s.writing && !s.left
	s.left = s.left || leave
	s.conn.mu.Unlock()
	if first {
		s.conn.handler.poller.Forget(&s.entry) // before the descriptor can be another connection's
		_ = s.net.Close()
	}
	if leave {
		s.conn.detach(s)
	}
}

// abandon leaves the socket, on which nothing was written, to somebody else. It reports false where
// the stream has ended.
func (s *rawStream) abandon() bool {
	s.conn.mu.Lock()
	ended := s.ended
	leave := !s.left
	s.ended, s.left = true, true
	s.conn.mu.Unlock()
	if leave {
		s.conn.detach(s)
	}
	return !ended
}

// taken is that of carrier: what the peer's system has acknowledged.
func (s *rawStream) taken() (at uint64, waiting bool) {
	acked, left, ok := direct.Acked(s.net)
	if !ok {
		return 0, false
	}
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if head := uint64(s.headSize); acked > head {
		at = min(s.base+acked-head, s.at)
	}
	return at, left > 0
}

// hijack takes the connection of the request from the http.Server, where that is of use.
func (h *handler) hijack(w http.ResponseWriter, r *http.Request) net.Conn {
	if !h.poller.Exists() || r.TLS != nil || r.ProtoMajor != 1 || r.ProtoMinor < 1 {
		return nil
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil
	}
	_ = conn.SetDeadline(time.Time{})
	direct.SetSendBuffer(conn, h.options.SendBufferBytes)
	return conn
}

// streamHead is the head of the answer that is a stream, with the header that was set before.
func streamHead(header http.Header) []byte {
	for _, name := range []string{"Content-Length", "Keep-Alive", "Te", "Trailer", "Upgrade"} {
		header.Del(name)
	}
	header.Set("Transfer-Encoding", "chunked")
	header.Set("Connection", "close")
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	b := headBuffer("HTTP/1.1 200 OK\r\n")
	_ = header.Write(&b)
	return append(b, "\r\n"...)
}

type headBuffer []byte

func (b *headBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// A chunkWriter is a connection that was taken from the http.Server and is no socket of the
// system, for a heldStream.
type chunkWriter struct {
	net.Conn
	head []byte
}

// Write writes a chunk.
func (w *chunkWriter) Write(events []byte) (int, error) {
	chunk := append(w.head, fmt.Sprintf("%x\r\n", len(events))...)
	w.head = nil
	chunk = append(append(chunk, events...), "\r\n"...)
	if _, err := w.Conn.Write(chunk); err != nil {
		return 0, err
	}
	return len(events), nil
}

// Flush does nothing: a chunk is written at once.
func (*chunkWriter) Flush() error { return nil }

// hungUp returns a channel that is closed when the peer has hung up, or has sent much that it
// should not. wait is to be called once the connection is closed.
func (w *chunkWriter) hungUp() (gone <-chan struct{}, wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.CopyN(io.Discard, w.Conn, maxStrange)
	}()
	return done, func() { <-done }
}
