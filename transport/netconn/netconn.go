// Package netconn carries Lectern's messages over any net.Conn: TCP, TLS, Unix
// sockets, or what a service tunnels through.
//
// [Serve] accepts connections on a net.Listener, [Dialer] makes them, and [New]
// turns any net.Conn into a transport.Conn.
//
// # Units
//
// What is sent is a sequence of units. Each is one byte of kind, four bytes of
// length, big-endian, and that many bytes:
//
//	0  a message
//	1  a probe; up to 125 bytes, which mean nothing
//	2  an answer to every probe before it; up to 125 bytes, which mean nothing
//	3  the end: two bytes, big-endian, of the reason's code, and up to 123 bytes
//	   of its text, in UTF-8. Nothing follows.
//
// An unknown kind, or a length that its kind cannot have, ends the connection
// with transport.ProtocolError, and a message over the limit ends it with
// transport.TooLarge, before anything is allocated for it.
//
// # Liveness
//
// Reading notices silence, by read deadlines: a connection has no goroutine and
// no timer of its own. A probe, or the answer to one, is written behind the
// Write in progress, or else in a goroutine that lives until it is written.
// Silence is counted while a Read is in progress, and answers are given then
// too: a peer that does not call Read for longer than ProbeAfter and GiveUp
// looks as good as dead. Where the probe, or what was written before it, is still on its
// way, that the peer takes of it is a sign of life too. Over TLS the first
// sign of life is a whole record.
//
// Before a peer is given up, and before its message is said to be late, one looks at what
// lies in the system's buffers: where this process has stood still, that is what counts.
//
// # Limits
//
// A unit that has begun to arrive must be complete within MessageTimeout, or go on at
// transport.MinBytesPerSecond, or the connection ends with transport.Slow, and a peer that sends more probes, or
// answers to none, than ControlFramesPerSecond allows ends it with
// transport.RateLimited, see [transport.ConnOptions].
// Nothing here limits how many messages a peer sends: that is for the server.
//
// # Closing
//
// Close lets the Write in progress finish for at most a second, sends the
// reason, ends the sending direction, and discards what still comes for at most
// a second or until the peer has closed too. A connection closed in any other
// way would be reset by the system where something was left unread, and the
// peer could lose what it was sent.
package netconn

import (
	"errors"
	"net"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// DefaultHandshakeTimeout is how long a TLS handshake may take where Options do not
// say otherwise.
const DefaultHandshakeTimeout = 10 * time.Second

// closeWait bounds each of the two waits of a Close: for the Write in progress
// and the reason, and for the peer to close too.
const closeWait = time.Second

// Options sets up Serve. The zero value is ready to use.
type Options struct {
	// HandshakeTimeout bounds the TLS handshake of a connection that Serve has
	// accepted. Where it is not positive, it is DefaultHandshakeTimeout. It is not
	// shorter than transport.ShortestTime.
	HandshakeTimeout time.Duration

	// Conn sets up the connections.
	Conn transport.ConnOptions
}

// check returns an error that names the options that make no sense.
func (o Options) check() error {
	return errors.Join(transport.CheckTime("netconn: Options.HandshakeTimeout", o.HandshakeTimeout), o.Conn.Check())
}

func (o Options) withDefaults(server transport.Server) Options {
	if o.HandshakeTimeout <= 0 {
		o.HandshakeTimeout = DefaultHandshakeTimeout
	}
	o.Conn = o.Conn.WithDefaults(server)
	return o
}

// New returns a transport.Conn over c, which it owns from then on: a stream of
// bytes, whose other end speaks this package's units.
//
// Deadlines must work on c. The handshake of a *tls.Conn should be over, because
// nothing here bounds it. A c with the method CloseWrite() error, as those for
// TCP, TLS and Unix sockets have it, lets Close finish without waiting for the
// peer's own Close.
//
// It panics where the options make no sense.
func New(c net.Conn, options transport.ConnOptions) transport.Conn {
	if err := options.Check(); err != nil {
		panic(err)
	}
	return newConn(c, options.WithDefaults(nil))
}
