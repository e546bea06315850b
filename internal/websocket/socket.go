package websocket

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/internal/turn"
	"github.com/lectern-go/lectern/transport"
)

var (
	errClosed    = fmt.Errorf("websocket: %w", net.ErrClosed)
	errCloseSent = errors.New("websocket: nothing may follow a close frame")
)

// A Socket is the net.Conn beneath the WebSocket framing, and above TLS. It
// watches over the peer's silence, and brings messages, control frames and the
// end of the connection into one order.
//
// Messages are written by the conn, which holds the writing meanwhile. A control
// frame never waits for a message that the peer does not read: it is queued
// behind it.
//
// For the handshake, which the gorilla library does, it is a net.Conn.
//
// Its size counts: it is at most 384 bytes, with what only a Close needs apart, and
// without channels, of which each is 112 more.
type Socket struct {
	net.Conn

	// TryWrite, of which many sockets have their turn one after the other, needs
	// little more than what lies together from here to ahead.raw.

	// writing is held by who may write to the Conn.
	writing turn.Turn

	closing   atomic.Bool // Close has begun; set under mu
	closeSent bool        // a close frame is in the queue, or written; covered by mu

	// tried is set where TryWrite holds the writing, for the Write that follows;
	// begun is how much has been written already. The two are the writer's.
	tried bool
	begun int

	// mu is never held while the Conn blocks.
	mu       sync.Mutex
	writeErr error     // what the Conn's Write ended with
	queue    []byte    // control frames, and small messages, that have to be written
	ahead              // but for raw, it is of the reading goroutine
	writeBy  time.Time // the Conn's write deadline
	taken    atomic.Uint64
	end      *ending // set as Close begins

	options *transport.ConnOptions
	probe   prober

	// Of the reading goroutine.
	arrival
	readErr  error     // what the Conn's Read ended with
	readBy   time.Time // the Conn's read deadline
	stale    bool      // it has passed, or is not known
	lineEnds uint8     // how much of headEnd was read last, in an answer to a handshake

	pace direct.Pace // of who writes
}

// A prober sends a ping, and knows what keeps the pong from coming.
type prober interface {
	probe(by time.Time)
	// moves reports whether what was written before the ping still crosses the link.
	moves() bool
}

// An ending is what a socket needs beside for its Close.
type ending struct {
	closeBy time.Time     // the latest write deadline there may be
	drainBy time.Time     // the read deadline
	drained int           // bytes read since Close began; the reading goroutine's
	err     error         // of Close
	done    chan struct{} // closed when Close has finished
}

// maxQueue is how many bytes of pings and pongs wait for a message to be
// written. Those that come then are dropped: the peer has not read the earlier
// ones either.
const maxQueue = 1 << 10

// maxInterjected is that for small messages, which are few, and do not push out pongs.
const maxInterjected = 2 * maxQueue

// maxDrain is how many bytes are discarded of what a peer sends though the
// connection is closing. It is more than is on its way in the buffers of two
// systems. A peer that sends more than that is held up for the rest of the time
// that it has, in which it can read that the connection is closed.
const maxDrain = 4 << 20

// NewSocket returns the socket for a handshake over c, which only Cut and NewConn end.
func NewSocket(c net.Conn) *Socket {
	return &Socket{Conn: c}
}

// establish ends the handshake. Until it returns nobody else uses the socket.
func (s *Socket) establish(options *transport.ConnOptions, probe prober) {
	s.options, s.probe = options, probe
	s.arrival.timeout = options.MessageTimeout
	s.stale = true // whatever the handshake has left behind
	s.ahead.raw = direct.Of(s.Conn)
}

func (s *Socket) isClosing() bool { return s.closing.Load() }

// Read is for the framing library, which reads nothing but the answer to a
// handshake. What has come behind that stays for receive.
func (s *Socket) Read(p []byte) (int, error) {
	if len(s.ahead.data) == 0 {
		if _, err := s.ahead.more(s.Conn); err != nil {
			return 0, err
		}
	}
	n := 0
	for n < min(len(p), len(s.ahead.data)) && int(s.lineEnds) < len(headEnd) {
		switch s.ahead.data[n] {
		case headEnd[s.lineEnds]:
			s.lineEnds++
		case headEnd[0]:
			s.lineEnds = 1
		default:
			s.lineEnds = 0
		}
		n++
	}
	if n == 0 { // the body of a refusal
		n = min(len(p), len(s.ahead.data))
	}
	copy(p, s.ahead.data[:n])
	s.ahead.skip(n)
	return n, nil
}

// headEnd is what the head of an answer of HTTP ends with.
const headEnd = "\r\n\r\n"

// receiveNow takes what has come, and reports whether there was something.
func (s *Socket) receiveNow() (bool, error) {
	if s.arrival.excessive() {
		return false, transport.ErrSlow
	}
	n, err := s.ahead.now()
	s.arrival.size += n
	if err != nil {
		s.readErr = err
	}
	return n > 0, err
}

func (s *Socket) read(p []byte) (int, error) {
	if p == nil {
		return s.ahead.more(s.Conn)
	}
	return s.Conn.Read(p)
}

// setReadDeadline sees to it that reading ends at latest at the earlier of the
// two: when the peer has been silent for too long, where it is probed, and when
// its message is late, zero where there is none. It reports false once Close has
// begun, whose own deadline it would move.
func (s *Socket) setReadDeadline(silent, late time.Time) bool {
	by := late
	if s.options.ProbeAfter > 0 && (late.IsZero() || silent.Before(late)) {
		by = silent
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosing() {
		return false
	}
	if s.stale || !by.IsZero() && (s.readBy.IsZero() || s.readBy.After(by)) {
		s.Conn.SetReadDeadline(by)
		s.readBy, s.stale = by, false
	}
	return true
}

// drain is receive while the connection is closing.
func (s *Socket) drain(p []byte) (int, error) {
	if s.end.drained > maxDrain {
		s.mu.Lock()
		by := s.end.drainBy
		s.mu.Unlock()
		time.Sleep(time.Until(by))
		return 0, errClosed
	}
	n, err := s.read(p)
	s.end.drained += n
	if err != nil {
		s.readErr = err
	}
	return n, err
}

// discard reads until the end, for nobody.
func (s *Socket) discard() {
	for {
		s.ahead.skip(len(s.ahead.data))
		if _, err := s.receive(nil); err != nil {
			return
		}
	}
}

// writeControl takes one control frame, to be written by the given time. It
// writes it at once where nothing is being written, and leaves it to the writer
// otherwise.
func (s *Socket) writeControl(frame []byte, by time.Time) error {
	if err := s.enqueue(frame, maxQueue); err != nil {
		return err
	}
	if !s.writing.Try() {
		return nil
	}
	err := s.flush(nil, by)
	s.release()
	return err
}

// tryControl is writeControl without waiting: where the peer does not take the
// frame at once, a goroutine waits for it.
func (s *Socket) tryControl(frame []byte, by time.Time) { s.tryQueued(frame, maxQueue, by) }

// tryQueued is tryControl for a whole frame, where at most so many bytes wait with it.
func (s *Socket) tryQueued(frame []byte, most int, by time.Time) {
	if s.enqueue(frame, most) != nil {
		return
	}
	if !s.writing.Try() {
		return
	}
	s.mu.Lock()
	data := s.queue
	s.queue = nil
	s.mu.Unlock()
	if s.ahead.raw != nil { // else a goroutine may have to wait
		n, _ := direct.Write(s.ahead.raw, data) // an error is for the next write to find
		data = data[n:]
	}
	if len(data) == 0 {
		s.releaseNow()
		return
	}
	go func() {
		s.put(data, by)
		s.release()
	}()
}

// enqueue keeps a frame to be written, unless more than so many bytes would wait so. Nothing
// follows a close frame.
func (s *Socket) enqueue(frame []byte, most int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.writeErr != nil:
		return s.writeErr
	case s.closeSent:
		return errCloseSent
	case isClose(frame):
		s.closeSent = true
	case len(s.queue)+len(frame) > most:
		return nil
	}
	s.queue = append(s.queue, frame...)
	return nil
}

// acquire waits until nothing is being written, and keeps it so until release.
// It fails where nothing may be written any more. What TryWrite has begun is
// being written already, and goes on; acquire returns how far it is.
func (s *Socket) acquire() (begun int, err error) {
	if s.tried {
		s.tried = false
		return s.begun, nil
	}
	if s.isClosing() {
		return 0, errClosed
	}
	if !s.writing.Take() {
		return 0, errClosed
	}
	s.mu.Lock()
	err = s.writable()
	s.mu.Unlock()
	if err != nil {
		s.release()
	}
	return 0, err
}

// writable is why no message may be written any more, nil where it may. It is
// called under mu.
func (s *Socket) writable() error {
	if s.writeErr == nil && s.closeSent {
		return errCloseSent
	}
	return s.writeErr
}

// release lets others write, and writes the control frames that were queued
// meanwhile. An error in that stays with the socket.
func (s *Socket) release() {
	for {
		s.writing.GiveBack()
		s.mu.Lock()
		done := len(s.queue) == 0 || s.writeErr != nil
		s.mu.Unlock()
		if done {
			return
		}
		if !s.writing.Try() {
			return // the next one to write has them to write
		}
		s.flush(nil, time.Time{})
	}
}

// releaseNow is release without waiting: a goroutine writes what was queued
// meanwhile.
func (s *Socket) releaseNow() {
	s.writing.GiveBack()
	s.mu.Lock()
	done := len(s.queue) == 0 || s.writeErr != nil
	s.mu.Unlock()
	if done || !s.writing.Try() {
		return
	}
	go func() {
		s.flush(nil, time.Time{})
		s.release()
	}()
}

// flush writes data, which ends with a whole frame, and the queue behind it.
// Whoever calls it holds the writing. A close frame stays in the queue while
// there is data: more may follow that.
func (s *Socket) flush(data []byte, by time.Time) error {
	s.mu.Lock()
	if len(data) == 0 || !s.closeSent {
		data = append(data, s.queue...)
		s.queue = nil
	}
	s.mu.Unlock()
	return s.put(data, by)
}

// put writes data by the given time, where there is one. Whoever calls it holds
// the writing. Its error is final.
func (s *Socket) put(data []byte, by time.Time) error {
	if len(data) == 0 {
		return nil
	}
	s.mu.Lock()
	s.setWriteDeadline(by)
	s.mu.Unlock()
	err := s.send(data)
	if err != nil {
		s.fail(err)
	}
	return err
}

// send writes data, and counts in taken as it goes on where nobody else tells.
func (s *Socket) send(data []byte) error {
	switch {
	case direct.TellsAcked(s.Conn):
		_, err := s.Conn.Write(data)
		return err
	case s.ahead.raw != nil && len(data) > smallBatch:
		return direct.WriteAll(s.ahead.raw, data, &s.taken)
	}
	return s.pace.Write(s.Conn, data, &s.taken)
}

// Write is for the handshake.
func (s *Socket) Write(p []byte) (int, error) {
	if err := s.send(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// takenBytes is Taken of transport.WriteMeter.
func (s *Socket) takenBytes() uint64 {
	if acked, _, ok := direct.Acked(s.Conn); ok {
		return acked
	}
	return s.taken.Load()
}

// underway reports whether something that was written, or is queued, is still on its way
// to the peer, as far as this side can tell.
func (s *Socket) underway() bool {
	if s.writing.IsTaken() {
		return true
	}
	s.mu.Lock()
	queued := len(s.queue) > 0
	s.mu.Unlock()
	_, waiting, _ := direct.Acked(s.Conn)
	return queued || waiting > 0
}

// fail has every later write fail.
func (s *Socket) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writeErr = err
}

// setWriteDeadline is called under mu.
func (s *Socket) setWriteDeadline(by time.Time) {
	if s.end != nil && (by.IsZero() || by.After(s.end.closeBy)) {
		by = s.end.closeBy
	}
	if !by.Equal(s.writeBy) {
		s.writeBy = by
		s.Conn.SetWriteDeadline(by)
	}
}

// startClosing bounds what is being written and read. It reports false where
// that has been done before.
func (s *Socket) startClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosing() {
		return false
	}
	now := time.Now()
	s.end = &ending{closeBy: now.Add(closeWait), done: make(chan struct{})}
	s.closing.Store(true)
	s.writing.Close()
	s.setWriteDeadline(s.writeBy)
	s.setDrainDeadline(now.Add(2 * closeWait))
	return true
}

// setDrainDeadline is called under mu.
func (s *Socket) setDrainDeadline(by time.Time) {
	s.end.drainBy = by
	s.Conn.SetReadDeadline(by)
}

// finish waits for what is being written, writes what is queued, and ends the
// sending. Nobody writes after that. The peer then has a time to close too.
func (s *Socket) finish() error {
	s.writing.TakeLast()
	s.mu.Lock()
	err := s.writeErr
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if err := s.flush(nil, time.Time{}); err != nil {
		return err
	}
	if half, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		half.CloseWrite() // the close frame has told the peer already
	}
	s.mu.Lock()
	s.setDrainDeadline(time.Now().Add(closeWait))
	s.mu.Unlock()
	return nil
}

// Cut releases the connection, whatever goes on in it. Closing a tls.Conn could
// wait for seconds to tell the peer; what there was to tell has been told.
func (s *Socket) Cut() error {
	if t, ok := s.Conn.(*tls.Conn); ok {
		return t.NetConn().Close()
	}
	return s.Conn.Close()
}
