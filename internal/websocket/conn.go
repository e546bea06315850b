package websocket

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/lectern-go/lectern/internal/turn"
	"github.com/lectern-go/lectern/transport"
)

// A Conn is a transport.Conn over one WebSocket connection.
type Conn struct {
	socket *Socket

	// reading is held by who reads from the socket. It covers what follows.
	reading    turn.Turn
	controls   transport.TokenBucket // for the peer's control frames
	readErr    error
	frame      frame // whose payload is arriving
	message    readBuffer
	masked     bool   // what this side sends, and not what it receives
	typed      bool   // each message to be written begins with its type
	probing    bool   // a ping was sent, and its pong has not come
	peerClosed bool   // the peer's close frame has arrived
	taken      uint32 // the lower half of Taken, when the last ping was sent

	// watch is told of Close; nil where nobody is. It is set before the conn is
	// shared.
	watch watch
}

var (
	_ transport.FrameLimitSetter = (*Conn)(nil)
	_ transport.TryWriter        = (*Conn)(nil)
	_ transport.LastWriter       = (*Conn)(nil)
	_ transport.Addressed        = (*Conn)(nil)
	_ transport.WriteMeter       = (*Conn)(nil)
)

// A watch is told that a conn closes, before its descriptor is closed, and when
// that is over.
type watch interface {
	closing()
	forget()
	closed()
	// pause is called before the reading waits.
	pause()
}

// NewConn takes over what the handshake has led to.
func NewConn(s *Socket, masked bool, options *transport.ConnOptions) *Conn {
	c := &Conn{
		socket:   s,
		masked:   masked,
		controls: transport.NewTokenBucket(options.ControlFramesPerSecond),
	}
	s.arrival.setLimit(options.MaxFrameBytes)
	s.establish(options, c)
	return c
}

// probe is called by the reading goroutine.
func (c *Conn) probe(by time.Time) {
	c.probing, c.taken = true, uint32(c.Taken())
	c.writeControl(pingFrame, nil, by)
}

// PeerAddress is that of transport.Addressed.
func (c *Conn) PeerAddress() string { return addressOf(c.socket.RemoteAddr()) }

func addressOf(address net.Addr) string {
	if address == nil {
		return ""
	}
	return address.String()
}

// Taken is that of transport.WriteMeter.
func (c *Conn) Taken() uint64 { return c.socket.takenBytes() }

// moves is called by the reading goroutine. The ping, or its pong, waits for what takes
// long to cross the link; that it moves is a sign of life.
func (c *Conn) moves() bool { return c.socket.underway() && uint32(c.Taken()) != c.taken }

// Underway reports whether something that was written is still on its way to the peer, as far
// as this side can tell.
func (c *Conn) Underway() bool { return c.socket.underway() }

// SetMaxFrameBytes is that of transport.FrameLimitSetter. It is for any goroutine.
func (c *Conn) SetMaxFrameBytes(bytes int) {
	if most := c.socket.options.MaxFrameBytes; bytes <= 0 || bytes > most {
		bytes = most
	}
	c.socket.arrival.setLimit(bytes)
}

// The types of messages, with which each one begins that is written to a conn of which the
// Config says Typed.
const (
	TextMessage   = textFrame
	BinaryMessage = binaryFrame
)

// ReadText reports whether the message that was read last is text. It is for who reads.
func (c *Conn) ReadText() bool { return c.frame.text }

// Interject writes a small message, as Write does, between those of a Write in progress or
// about to come, and does not wait: what cannot be written at once is written behind the
// message that is being written. It is for any goroutine, and those of one goroutine stay in
// order. Of what waits so there are at most 2 KiB; more is dropped, which the peer notices as a
// silence, and this side as that of a peer which takes nothing.
func (c *Conn) Interject(message []byte) {
	kind := c.firstByte(&message)
	frame := appendLength(append(make([]byte, 0, maxHeader+len(message)), kind), len(message), c.masked)
	c.socket.tryQueued(append(frame, message...), maxInterjected, time.Time{})
}

// Read is that of transport.Conn.
func (c *Conn) Read() ([]byte, error) {
	if !c.reading.Take() {
		return nil, errClosed
	}
	defer c.reading.GiveBack()
	message, _, err := c.next(forMessage)
	return message, err
}

// readNow is Read where a message has begun to arrive. It returns false where
// none has, and waits then as it is told. It looks for more where there are news
// from the system since the last call, or the peer's sending has ended: until
// nothing is left then, also where a read has not filled its buffer.
func (c *Conn) readNow(how patience, news, ended bool) (message []byte, ok bool, err error) {
	if !c.reading.Take() {
		return nil, false, errClosed
	}
	defer c.reading.GiveBack()
	ahead := &c.socket.ahead
	// What is ahead when nobody has read yet has come along with the handshake. Any
	// news then are those of before.
	ahead.empty, ahead.ended = ahead.empty && (!news || len(ahead.data) > 0), ended
	return c.next(how)
}

func (c *Conn) next(how patience) (message []byte, ok bool, err error) {
	c.message.reset()
	if c.readErr == nil && !c.socket.isClosing() {
		ok, c.readErr = c.read(how)
	}
	closing := c.socket.isClosing()
	if closing || c.readErr != nil {
		c.message.reset()
	}
	if closing {
		return nil, false, errClosed
	}
	return c.message.data, ok, c.readErr
}

// ping sends a ping without waiting, unless the conn closes.
func (c *Conn) ping(by time.Time) {
	if c.reading.Take() {
		c.probing, c.taken = true, uint32(c.Taken())
		c.socket.tryControl(c.controlFrame(pingFrame, nil), by)
		c.reading.GiveBack()
	}
}

// giveUp has reading end because the peer was silent, unless something has come
// meanwhile.
func (c *Conn) giveUp() {
	if c.reading.Take() {
		if c.readErr == nil {
			// The system may have much to tell, and this not have been its turn.
			c.socket.ahead.empty = false
			if some, err := c.socket.receiveNow(); !some && err == nil && !c.moves() {
				c.readErr, c.socket.readErr = transport.ErrSilent, transport.ErrSilent
			}
		}
		c.reading.GiveBack()
	}
}

// Write is that of transport.Conn.
func (c *Conn) Write(messages ...[]byte) error {
	if len(messages) == 0 {
		return nil
	}
	begun, err := c.socket.acquire()
	if err != nil {
		return c.writeFailed(err)
	}
	defer c.socket.release()
	if err := c.writeBatch(messages, begun); err != nil {
		return c.writeFailed(err)
	}
	return nil
}

func (c *Conn) writeFailed(err error) error {
	switch {
	case c.socket.isClosing():
		return errClosed
	case err == errCloseSent:
		return err
	default:
		return lost(err)
	}
}

func lost(err error) error {
	if errors.Is(err, net.ErrClosed) {
		// Not by Close, so it must not look like that: somebody else has closed
		// the net.Conn.
		return fmt.Errorf("websocket: connection lost: %v", err)
	}
	return fmt.Errorf("websocket: connection lost: %w", err)
}

// Close is that of transport.Conn.
func (c *Conn) Close(reason transport.Reason) error {
	if !c.socket.startClosing() {
		<-c.socket.end.done
		return c.socket.end.err
	}
	c.reading.Close()
	defer close(c.socket.end.done)
	if c.watch != nil {
		c.watch.closing()
	}
	if c.socket.ahead.raw == nil {
		// The waits below are bounded by deadlines, but for one: the end of the
		// sending over TLS is itself something to be sent.
		guard := time.AfterFunc(2*closeWait, func() { c.socket.Cut() })
		defer guard.Stop()
	}

	err := c.sendClose(closeCode(reason.Code), reason.ClippedText())
	if err == errCloseSent {
		err = nil // the peer has closed first, or was told already what it did wrong
	}
	if finished := c.socket.finish(); finished != nil {
		err = finished
	} else {
		c.drain()
	}
	if c.watch != nil {
		c.watch.forget() // before the descriptor can be another connection's
	}
	if cut := c.socket.Cut(); err == nil {
		err = cut
	}
	if c.watch != nil {
		c.watch.closed()
	}
	if err != nil {
		c.socket.end.err = fmt.Errorf("websocket: close: %w", err)
	}
	return c.socket.end.err
}

// drain discards what the peer still sends until it has closed too, or its time
// is over. Closing a connection with unread data would reset it, and the reset
// may overtake the close frame.
func (c *Conn) drain() {
	c.reading.TakeLast() // a Read in progress reads on until something comes
	defer c.reading.GiveBack()
	last := c.message // which whoever has read it may still be using
	c.message = readBuffer{}
	for c.readErr == nil {
		c.message.reset()
		_, c.readErr = c.read(forMessage)
	}
	c.message.reset()
	c.message = last
	if !c.peerClosed && c.socket.readErr == nil {
		c.socket.discard() // not frames, and maybe very many
	}
}
