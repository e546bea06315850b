package netconn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lectern-go/lectern/internal/direct"
	"github.com/lectern-go/lectern/transport"
)

var (
	errClosed = fmt.Errorf("netconn: the connection is closed: %w", net.ErrClosed)
	errEnded  = errors.New("netconn: the peer was told the end")

	past = time.Unix(1, 0)
)

// conn is a transport.Conn over a net.Conn.
//
// reading and writing are the two rights to use the net.Conn. They are taken
// under mu and held while it blocks, which mu never is: a goroutine that waits
// for one of them waits on freed.
type conn struct {
	net      net.Conn
	raw      net.Conn // beneath TLS, if that is what net is; otherwise net
	tells    bool     // direct.TellsAcked
	vectored bool     // net writes several buffers at once, of which nobody need count what is taken
	options  transport.ConnOptions

	input   input         // of the goroutine that reads
	looking time.Duration // lookingTime

	mu               sync.Mutex
	freed            sync.Cond // reading, writing or telling has become false, or closed true
	reading, writing bool

	system syscall.RawConn // net itself, for TryWrite; nil where it cannot be had
	tried  bool            // a TryWrite has kept writing, for the Write that follows
	begun  int             // how many bytes it has written

	taken      atomic.Uint64         // bytes that have been written, where tells does not
	pace       direct.Pace           // of who writes
	owed       uint8                 // a bit for each kind of unit that is to be sent when writing is free
	writeErr   error                 // what writing ended with
	lost       bool                  // Read has noticed that the peer is out of reach
	peerClosed *transport.CloseError // the peer's close unit has arrived
	halfClosed bool                  // the sending direction has been ended because of that

	telling, told bool  // the close unit is being sent; was sent, or could not be
	tellErr       error // why it could not be

	closing, closed bool // Close has begun; has finished
	closeErr        error
}

var (
	_ transport.FrameLimitSetter = (*conn)(nil)
	_ transport.TryWriter        = (*conn)(nil)
	_ transport.Addressed        = (*conn)(nil)
	_ transport.WriteMeter       = (*conn)(nil)
)

// PeerAddress is that of transport.Addressed.
func (c *conn) PeerAddress() string {
	if address := c.net.RemoteAddr(); address != nil {
		return address.String()
	}
	return ""
}

func newConn(c net.Conn, options transport.ConnOptions) *conn {
	conn := &conn{net: c, raw: c, system: direct.Of(c), options: options}
	conn.freed.L = &conn.mu
	conn.looking = conn.lookingTime()
	conn.input.expired = true
	conn.input.limit = options.MaxFrameBytes
	conn.input.controls = transport.NewTokenBucket(options.ControlFramesPerSecond)
	conn.tells = direct.TellsAcked(c)
	switch c := c.(type) {
	case *tls.Conn:
		conn.raw = c.NetConn()
	case *net.TCPConn:
		conn.vectored = conn.tells
	}
	direct.SetSendBuffer(c, options.SendBufferBytes)
	return conn
}

// lostError is err as the error of a connection that was lost. It never matches
// net.ErrClosed: if somebody else has closed the net.Conn, it was not Close.
func lostError(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("netconn: the connection was lost: %v", err)
	}
	return fmt.Errorf("netconn: the connection was lost: %w", err)
}

// Close is Close of transport.Conn.
func (c *conn) Close(reason transport.Reason) error {
	c.mu.Lock()
	if c.closing {
		for !c.closed {
			c.freed.Wait()
		}
		defer c.mu.Unlock()
		return c.closeErr
	}
	c.closing = true
	_ = c.net.SetReadDeadline(past)
	c.mu.Unlock()

	// The waits below are bounded by deadlines. This is for what is not: the end
	// of the sending over TLS, which is itself something to be sent, and a
	// net.Conn without deadlines.
	cut := make(chan struct{})
	guard := time.AfterFunc(2*closeWait, func() {
		_ = c.raw.Close()
		close(cut)
	})
	err := c.tell(reason)
	if err == nil {
		c.linger()
	}
	stopped := guard.Stop()
	if !stopped {
		<-cut
	}
	if closed := c.raw.Close(); err == nil && stopped {
		err = closed
	}
	if err != nil {
		err = fmt.Errorf("netconn: closing: %w", err)
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	for c.reading || c.writing {
		c.freed.Wait()
	}
	c.closed, c.closeErr = true, err
	c.freed.Broadcast()
	return err
}

// tell sends the close unit, behind the writing in progress, within closeWait.
// Nothing is written after it. Only the first call does anything; the others
// wait for it and return its error.
func (c *conn) tell(reason transport.Reason) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.telling {
		c.freed.Wait()
	}
	if c.told || c.peerClosed != nil { // a peer that has closed wants to know nothing
		return c.tellErr
	}
	c.telling = true
	_ = c.net.SetWriteDeadline(time.Now().Add(closeWait)) // nobody else sets one
	for c.writing {
		c.freed.Wait()
	}
	err := c.writeErr
	if err == nil && c.peerClosed == nil {
		c.writing = true
		c.mu.Unlock()
		_, err = c.net.Write(appendClose(nil, reason))
		c.mu.Lock()
		c.writing = false
	}
	c.telling, c.told, c.tellErr = false, true, err
	c.freed.Broadcast()
	return err
}

// linger ends the sending direction and discards what still comes, so that the
// system does not reset the connection while the peer has not read everything.
// It returns when the peer has ended its own, and after closeWait at the latest.
func (c *conn) linger() {
	c.mu.Lock()
	for c.reading {
		c.freed.Wait()
	}
	over := c.lost || c.peerClosed != nil
	c.mu.Unlock()
	if over {
		return
	}
	if half, ok := c.net.(halfCloser); ok {
		_ = half.CloseWrite()
	}
	by := time.Now().Add(closeWait)
	if c.net.SetReadDeadline(by) != nil {
		return
	}
	waste := buffers.Get().(*buffer)
	defer buffers.Put(waste)
	for left := maxLinger; left > 0; {
		n, err := c.net.Read(waste[:])
		if err != nil {
			return
		}
		left -= n
	}
	time.Sleep(time.Until(by))
}

// maxLinger is how many bytes are discarded of what a peer sends though the
// connection is closing: more than is on its way in the buffers of two systems.
// A peer that sends more than that is held up for the rest of the time, in which
// it can read that the connection is closed.
const maxLinger = 4 << 20

type halfCloser interface{ CloseWrite() error }
