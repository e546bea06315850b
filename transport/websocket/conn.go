package websocket

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"

	gorilla "github.com/gorilla/websocket"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/transport"
)

// A conn is a transport.Conn over one WebSocket connection. The framing library
// reads the frames, and writes the control frames; both go through the socket.
type conn struct {
	ws     *gorilla.Conn
	socket *socket
	masked bool
	limit  int // of a message
	most   int // the limit that the conn was made with

	// reading holds one element. Who has received it may read from ws. It is a
	// channel because it is held while that blocks. It covers what follows.
	reading    chan struct{}
	controls   transport.TokenBucket // for the peer's control frames
	probing    bool                  // a ping was sent, and its pong has not come
	readErr    error
	message    readBuffer
	peerClosed bool // the peer's close frame has arrived

	closed   chan struct{} // closed when Close has finished
	closeErr error         // set before that
}

var (
	_ transport.FrameLimitSetter = (*conn)(nil)
	_ transport.TryWriter        = (*conn)(nil)
	_ transport.LastWriter       = (*conn)(nil)
)

// settings are what both sides take in their options, with the defaults filled in.
type settings struct {
	frameLimit         int
	probeAfter, giveUp time.Duration
	messageTimeout     time.Duration
	controlFrames      int
}

func (s settings) withDefaults() settings {
	if s.frameLimit <= 0 {
		s.frameLimit = transport.DefaultFrameLimit // the library takes zero for no limit
	}
	if s.probeAfter == 0 {
		s.probeAfter = transport.DefaultProbeAfter
	}
	if s.giveUp <= 0 {
		s.giveUp = transport.DefaultGiveUp
	}
	if s.messageTimeout == 0 {
		s.messageTimeout = transport.DefaultMessageTimeout
	}
	s.controlFrames = transport.ControlRate(s.controlFrames, s.probeAfter)
	return s
}

// newConn takes over what the handshake has led to.
func newConn(ws *gorilla.Conn, s *socket, masked bool, settings settings) *conn {
	c := &conn{
		ws:       ws,
		socket:   s,
		masked:   masked,
		most:     settings.frameLimit,
		reading:  make(chan struct{}, 1),
		controls: transport.NewTokenBucket(settings.controlFrames),
		closed:   make(chan struct{}),
	}
	c.setLimit(settings.frameLimit)
	c.reading <- struct{}{}
	ws.SetPingHandler(func(data string) error {
		if err := c.countControl(); err != nil {
			return err
		}
		// That an answer cannot be written is for Write to tell. What the peer
		// has sent can still be read.
		ws.WriteControl(gorilla.PongMessage, []byte(data), time.Now().Add(pongWait))
		return nil
	})
	ws.SetPongHandler(func(string) error {
		if c.probing { // it was asked for
			c.probing = false
			c.socket.arrival.control()
			return nil
		}
		return c.countControl()
	})
	echo := ws.CloseHandler()
	ws.SetCloseHandler(func(code int, text string) error {
		c.peerClosed = true
		return echo(code, text)
	})
	if !masked { // a frame that is masked is another one each time
		s.direct = direct.Of(s.Conn)
	}
	s.establish(settings, func(by time.Time) {
		c.probing = true
		ws.WriteControl(gorilla.PingMessage, nil, by)
	})
	return c
}

// countControl is called for each ping, and for each pong that nobody has asked
// for.
func (c *conn) countControl() error {
	c.socket.arrival.control()
	if !c.controls.Take(time.Now()) {
		return transport.ErrFlood
	}
	return nil
}

// SetFrameLimit is that of transport.FrameLimitSetter.
func (c *conn) SetFrameLimit(bytes int) {
	if bytes <= 0 || bytes > c.most {
		bytes = c.most
	}
	select {
	case <-c.reading:
		c.setLimit(bytes)
		c.reading <- struct{}{}
	case <-c.socket.closing:
	}
}

func (c *conn) setLimit(bytes int) {
	c.limit = bytes
	c.ws.SetReadLimit(int64(bytes))
	c.socket.arrival.setLimit(bytes)
}

func (c *conn) Read() ([]byte, error) {
	select {
	case <-c.reading:
	case <-c.socket.closing:
		return nil, errClosed
	}
	defer func() { c.reading <- struct{}{} }()
	c.message.reset()
	if c.readErr == nil && !c.socket.isClosing() {
		c.readErr = c.read()
	}
	closing := c.socket.isClosing()
	if closing || c.readErr != nil {
		c.message.reset()
	}
	if closing {
		return nil, errClosed
	}
	return c.message.data, c.readErr
}

// read reads the next message. It must not be called again after an error: the
// library panics in the end.
func (c *conn) read() error {
	c.socket.arrival.next()
	kind, r, err := c.ws.NextReader()
	if err == nil {
		c.socket.arrival.inside = true
		err = c.message.fill(r, c.limit)
	}
	if err != nil {
		return c.readFailed(err)
	}
	if kind == gorilla.TextMessage && !utf8.Valid(c.message.data) {
		c.sendClose(gorilla.CloseInvalidFramePayloadData, "text that is not UTF-8")
		return fmt.Errorf("%w: text that is not UTF-8", transport.ErrProtocol)
	}
	return nil
}

// readFailed turns the library's error into one of the port's.
func (c *conn) readFailed(err error) error {
	var closed *gorilla.CloseError
	switch {
	case c.peerClosed && errors.As(err, &closed):
		return &transport.CloseError{Reason: transport.Reason{Code: transport.Code(closed.Code), Text: closed.Text}}
	case errors.Is(err, gorilla.ErrReadLimit):
		// The library has said so, except to a peer whose length was absurd.
		c.sendClose(gorilla.CloseMessageTooBig, "")
		return transport.ErrTooLarge
	case errors.Is(err, transport.ErrSlow):
		c.sendClose(int(transport.Slow), "a message took too long to arrive")
		return transport.ErrSlow
	case errors.Is(err, transport.ErrFlood):
		c.sendClose(int(transport.RateLimited), "too many pings or pongs")
		return transport.ErrFlood
	case c.socket.readErr == transport.ErrSilent:
		return transport.ErrSilent
	case c.socket.readErr == io.EOF:
		return lost(io.ErrUnexpectedEOF)
	case c.socket.readErr != nil:
		return lost(c.socket.readErr)
	default:
		// The connection is whole, so it is what came that was wrong.
		return fmt.Errorf("%w: %w", transport.ErrProtocol, err)
	}
}

func (c *conn) sendClose(code int, text string) error {
	message := gorilla.FormatCloseMessage(code, text)
	return c.ws.WriteControl(gorilla.CloseMessage, message, time.Now().Add(closeWait))
}

func (c *conn) Write(messages ...[]byte) error {
	if len(messages) == 0 {
		return nil
	}
	begun, err := c.socket.acquire()
	if err != nil {
		return c.writeFailed(err)
	}
	defer c.socket.release()
	if err := writeBatch(c.socket, c.masked, messages, begun); err != nil {
		return c.writeFailed(err)
	}
	return nil
}

func (c *conn) writeFailed(err error) error {
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

func (c *conn) Close(reason transport.Reason) error {
	if !c.socket.startClosing() {
		<-c.closed
		return c.closeErr
	}
	defer close(c.closed)
	// The waits below are bounded by deadlines, but for one: the end of the
	// sending over TLS is itself something to be sent.
	guard := time.AfterFunc(2*closeWait, func() { c.socket.cut() })
	defer guard.Stop()

	err := c.sendClose(closeCode(reason.Code), reason.ClippedText())
	if err == gorilla.ErrCloseSent {
		err = nil // the peer has closed first, or was told already what it did wrong
	}
	if finished := c.socket.finish(); finished != nil {
		err = finished
	} else {
		c.drain()
	}
	if cut := c.socket.cut(); err == nil {
		err = cut
	}
	if err != nil {
		c.closeErr = fmt.Errorf("websocket: close: %w", err)
	}
	return c.closeErr
}

// drain discards what the peer still sends until it has closed too, or its time
// is over. Closing a connection with unread data would reset it, and the reset
// may overtake the close frame.
func (c *conn) drain() {
	<-c.reading // a Read in progress reads on until something comes
	defer func() { c.reading <- struct{}{} }()
	for {
		_, r, err := c.ws.NextReader()
		if err != nil {
			break
		}
		io.Copy(io.Discard, r)
	}
	if !c.peerClosed && c.socket.readErr == nil {
		io.Copy(io.Discard, c.socket) // not frames, and maybe very many
	}
}

// closeCode is the code as it may stand in a close frame: what no frame may
// carry, and the zero Code, becomes a normal closure.
func closeCode(code transport.Code) int {
	switch {
	case code >= 3000 && code <= 4999,
		code >= 1000 && code <= 1003,
		code >= 1007 && code <= 1014:
		return int(code)
	default:
		return gorilla.CloseNormalClosure
	}
}

// A readBuffer holds the message that was read last. It has no memory while there
// is none: that of a small message is worth 1 KB a connection that waits.
type readBuffer struct {
	data  []byte
	small *[smallMessage]byte // lent by smallMessages
	large *[]byte             // lent by largeMessages
}

const smallMessage = 4 << 10

var (
	smallMessages = sync.Pool{New: func() any { return new([smallMessage]byte) }}
	largeMessages sync.Pool
)

func (b *readBuffer) reset() {
	b.data = nil
	if b.small != nil {
		smallMessages.Put(b.small)
		b.small = nil
	}
	if b.large != nil {
		largeMessages.Put(b.large)
		b.large = nil
	}
}

// fill reads all of r, which is at most limit bytes.
func (b *readBuffer) fill(r io.Reader, limit int) error {
	b.small = smallMessages.Get().(*[smallMessage]byte)
	b.data = b.small[:0]
	for {
		if len(b.data) == cap(b.data) {
			b.grow(limit)
		}
		n, err := r.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// grow makes room for what has come, never for what was announced.
func (b *readBuffer) grow(limit int) {
	if b.large == nil {
		if b.large, _ = largeMessages.Get().(*[]byte); b.large == nil {
			b.large = new([]byte)
		}
	}
	if size := cap(b.data); cap(*b.large) <= size {
		wanted := 2 * size
		if limit < wanted {
			wanted = max(limit, size) + 1 // with room to see the end in
		}
		*b.large = make([]byte, 0, wanted)
	}
	b.data = append((*b.large)[:0], b.data...)
}
