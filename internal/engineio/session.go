package engineio

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/internal/turn"
	"github.com/lectern-go/lectern/internal/websocket"
	"github.com/lectern-go/lectern/transport"
)

// A Session is one client of Engine.IO. As to writing and closing it keeps the contract of a
// transport.Conn, with TryWriter, LastWriter and WriteMeter, for packets that are made by [Text]
// and [Binary], and which it may keep: they must not change any more.
//
// The turn is had before polling.mu is taken, and under that nothing is called.
type Session struct {
	endpoint *Endpoint
	id       string
	version  int
	receiver Receiver

	// ws is the carrier. It is nil as long as the client polls.
	ws atomic.Pointer[websocket.Conn]
	// polling is what a session has that has begun with a polled request, nil otherwise.
	polling *polling

	// turn is had by who calls the receiver. It covers ended, and controls.
	turn     turn.Turn
	ended    bool
	controls transport.TokenBucket

	// goroutines counts those of GoInTurn.
	goroutines sync.WaitGroup

	// limit is the size in bytes of the largest message that is accepted.
	limit atomic.Int64
	// failing: a goroutine is to end the session; ending: somebody does.
	failing, ending atomic.Bool
	// came: a message has come since the last ping.
	came atomic.Bool
	beat beat
}

var (
	errClosed = fmt.Errorf("engineio: %w", net.ErrClosed)
	// errGone is of a client that has closed the session, or cannot be reached any more.
	errGone = errors.New("engineio: the client has gone")
	// errOverlap is of a client that has sent a second request beside one of the same kind.
	errOverlap = fmt.Errorf("%w: a second request beside one of the same kind", transport.ErrProtocol)
)

func (e *Endpoint) newSession(version int) *Session {
	s := &Session{
		endpoint: e,
		id:       NewID(),
		version:  version,
		controls: transport.NewTokenBucket(e.config.Conn.ControlFramesPerSecond),
	}
	s.SetMaxFrameBytes(0)
	return s
}

// NewID returns 120 random bits, as a word of 20 letters.
func NewID() string {
	var bits [15]byte
	_, _ = rand.Read(bits[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(bits[:])
}

// ID is the session's id. While the client polls, whoever knows it can speak for it.
func (s *Session) ID() string { return s.id }

// Version is the protocol's, 3 or 4.
func (s *Session) Version() int { return s.version }

// PeerAddress is that of transport.Addressed.
func (s *Session) PeerAddress() string {
	if s.polling != nil {
		return s.polling.address
	}
	return s.ws.Load().PeerAddress()
}

// SetMaxFrameBytes is that of transport.FrameLimitSetter. It is for any goroutine.
func (s *Session) SetMaxFrameBytes(bytes int) {
	if most := s.endpoint.config.Conn.MaxFrameBytes; bytes <= 0 || bytes > most {
		bytes = most
	}
	s.limit.Store(int64(bytes))
	if ws := s.ws.Load(); ws != nil {
		ws.SetMaxFrameBytes(bytes)
	}
}

// MaxFrameBytes is the size in bytes of the largest message that is accepted.
func (s *Session) MaxFrameBytes() int { return int(s.limit.Load()) }

// Taken is that of transport.WriteMeter: bytes over WebSocket, and answers to polls before.
func (s *Session) Taken() uint64 {
	if ws := s.ws.Load(); ws != nil {
		return ws.Taken()
	}
	return s.polling.taken.Load()
}

// TryWrite is that of transport.TryWriter.
func (s *Session) TryWrite(packets ...[]byte) bool {
	if ws := s.ws.Load(); ws != nil {
		return ws.TryWrite(packets...)
	}
	return s.polling.offer(packets)
}

// Write is that of transport.Conn. Over polling it returns when the packets are ready for the
// client's next poll, for which they wait alone.
func (s *Session) Write(packets ...[]byte) error {
	for {
		if ws := s.ws.Load(); ws != nil {
			return ws.Write(packets...)
		}
		room, err := s.polling.put(packets)
		if room == nil {
			return err
		}
		<-room
	}
}

// WriteLast is that of transport.LastWriter.
func (s *Session) WriteLast(reason transport.Reason, packets ...[]byte) error {
	if ws := s.ws.Load(); ws != nil && s.polling == nil {
		return ws.WriteLast(reason, packets...)
	}
	var err error
	if len(packets) > 0 {
		err = s.Write(packets...)
	}
	_ = s.Close(reason)
	return err
}

// receive hands a message on, or does what a packet of the engine asks for. The turn is held.
func (s *Session) receive(packet []byte) error {
	if len(packet) == 0 {
		return fmt.Errorf("%w: an empty packet", transport.ErrProtocol)
	}
	switch kind := packet[0]; {
	case kind == packetMessage:
		return s.hand(packet[1:], true)
	case kind == packetPong && s.version == 4:
		if s.endpoint.beats.ponged(s) {
			return nil
		}
		return s.countControl()
	case kind == packetPing && s.version == 3:
		if err := s.countControl(); err != nil {
			return err
		}
		s.endpoint.beats.heard(s)
		s.interject(append([]byte{websocket.TextMessage, packetPong}, packet[1:]...))
		return nil
	case kind == packetClose:
		return errGone
	case kind == packetNoop:
		return s.countControl()
	}
	return fmt.Errorf("%w: a packet that a client does not send here", transport.ErrProtocol)
}

// countControl is called for each packet that is no message, and that nobody has asked for.
func (s *Session) countControl() error {
	if !s.controls.Take(time.Now()) {
		return transport.ErrFlood
	}
	return nil
}

// receiveBinary hands a binary message on. The turn is held.
func (s *Session) receiveBinary(message []byte) error {
	if s.version == 3 {
		if len(message) == 0 || message[0] != packetMessage-'0' {
			return fmt.Errorf("%w: a binary packet that is no message", transport.ErrProtocol)
		}
		message = message[1:]
	}
	return s.hand(message, false)
}

func (s *Session) hand(message []byte, text bool) error {
	if !s.came.Load() {
		s.came.Store(true) // not each time, which would cost other processors
	}
	if int64(len(message)) > s.limit.Load() {
		return transport.ErrMessageTooLarge
	}
	return s.receiver.Receive(message, text)
}

// interject sends a packet of the engine, which is small, on whatever carries the session. It
// reports whether it is on its way, and does not wait for the client's next poll.
func (s *Session) interject(packet []byte) bool {
	ws := s.ws.Load()
	if ws == nil {
		var sent bool
		if ws, sent = s.polling.interject(packet); ws == nil {
			return sent
		}
	}
	ws.Interject(packet)
	return true
}

// enter waits for the receiver's turn, which leave gives back. It reports false, and has no turn,
// where the session has ended.
func (s *Session) enter() bool {
	if !s.turn.Take() {
		return false
	}
	if s.ended {
		s.turn.GiveBack()
		return false
	}
	return true
}

func (s *Session) leave() { s.turn.GiveBack() }

// inTurn calls f in the receiver's turn, as if something had been received, unless the session
// has ended. An error of f ends the session.
func (s *Session) inTurn(f func() error) {
	if !s.enter() {
		return
	}
	defer s.leave()
	if err := f(); err != nil {
		s.fail(err)
	}
}

// GoInTurn has a goroutine call f in the receiver's turn, as if something had been received,
// unless the session has ended by then. An error of f ends the session, whose end waits for the
// goroutine.
func (s *Session) GoInTurn(f func() error) {
	s.goroutines.Add(1)
	go func() {
		defer s.goroutines.Done()
		s.inTurn(f)
	}()
}

// fail has a goroutine end the session. It does not wait for that: whoever closes the session
// does.
func (s *Session) fail(err error) {
	if s.ending.Load() || !s.failing.CompareAndSwap(false, true) {
		return
	}
	if err == transport.ErrSilent && s.polling != nil {
		s.polling.cut() // a poll that comes now is too late
	}
	go s.end(err)
}

// end ends the receiving, and returns when the session is closed.
func (s *Session) end(err error) {
	if !s.ending.CompareAndSwap(false, true) {
		return
	}
	defer s.goroutines.Wait()
	s.turn.Close() // nobody else waits for it any more
	s.turn.TakeLast()
	defer s.leave()
	if s.ended {
		return
	}
	s.ended = true
	s.endpoint.beats.remove(s)
	if s.polling != nil {
		switch err {
		case errGone:
			s.polling.gone()
		case transport.ErrSilent:
			s.polling.cut()
		}
	}
	_ = s.receiver.End(err)
}
