package websocket

import (
	"time"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/transport"
)

// Writing without waiting, and the end along with the last messages.

// TryWrite is that of transport.TryWriter, on the server's side of a connection
// of TCP or of the Unix domain without TLS. What fits into the large batch is
// tried. Where not all of it goes, the writing stays held, as during a Write
// that is not over, for the Write that follows.
func (c *Conn) TryWrite(messages ...[]byte) bool {
	s := c.socket
	size := framesSize(messages)
	if c.masked || s.ahead.raw == nil || size > largeBatch || !s.tryAcquire() {
		return false
	}
	if len(messages) == 0 {
		s.releaseNow()
		return true
	}
	b := batch{conn: c}
	b.borrow(size)
	for _, message := range messages {
		_ = b.add(message) // all of it fits, so nothing is written
	}
	n, err := direct.Write(s.ahead.raw, b.buffer)
	complete := n == len(b.buffer)
	b.giveBack()
	switch {
	case err != nil:
		s.fail(err)
	case !complete:
		s.tried, s.begun = true, n
		return false
	}
	s.releaseNow()
	return err == nil
}

// tryAcquire is acquire where that need not wait, and where there are no control
// frames to be written.
func (s *Socket) tryAcquire() bool {
	if !s.writing.Try() {
		return false
	}
	s.mu.Lock()
	ready := !s.isClosing() && s.writable() == nil && len(s.queue) == 0
	s.mu.Unlock()
	if !ready {
		s.releaseNow()
	}
	return ready
}

// WriteLast is that of transport.LastWriter: the close frame is written with the
// messages, where they fit into one write. It takes a system call off each
// connection that is closed, and a wake-up off its peer.
func (c *Conn) WriteLast(reason transport.Reason, messages ...[]byte) error {
	err := c.writeLast(reason, messages)
	_ = c.Close(reason)
	return err
}

func (c *Conn) writeLast(reason transport.Reason, messages [][]byte) error {
	if c.masked || framesSize(messages)+maxControl > largeBatch {
		return c.Write(messages...)
	}
	begun, err := c.socket.acquire()
	if err != nil {
		return c.writeFailed(err)
	}
	defer c.socket.release()
	b := batch{conn: c, begun: begun}
	b.borrow(framesSize(messages) + maxControl)
	defer b.giveBack()
	for _, message := range messages {
		_ = b.add(message) // all of it fits, so nothing is written
	}
	if c.socket.startClose() {
		payload := closePayload(closeCode(reason.Code), reason.ClippedText())
		b.buffer = append(b.buffer, c.controlFrame(closeFrame, payload)...)
	}
	if err := c.socket.putLast(b.buffer[b.begun:]); err != nil {
		return c.writeFailed(err)
	}
	return nil
}

// putLast is put for what the end of the sending follows on, which Close brings
// about: where the system can, it sends both in one packet.
func (s *Socket) putLast(data []byte) error {
	if s.ahead.raw != nil {
		n, err := direct.WriteMore(s.ahead.raw, data)
		if err != nil {
			s.fail(err)
			return err
		}
		data = data[n:]
	}
	return s.put(data, time.Time{})
}

// maxControl is the size in bytes of the longest control frame that is not
// masked.
const maxControl = 2 + 125

// startClose reports whether a close frame may be written, which is then said to
// be.
func (s *Socket) startClose() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closeSent {
		return false
	}
	s.closeSent = true
	s.queue = nil // nothing may follow it
	return true
}
