package transport

import "time"

// DefaultSendBufferBytes is the size of the system's send buffer, in bytes, where an
// adapter's options do not say otherwise.
const DefaultSendBufferBytes = 64 << 10

// ConnOptions set up a connection over a network. The adapters for networks take
// them, on the accepting and on the dialling side. The zero value is ready to use. A time
// between zero and [ShortestTime] is an error of whoever is given the options.
type ConnOptions struct {
	// MaxFrameBytes is the size in bytes of the largest message that is accepted
	// from the peer; a frame of the protocol is one message here. A peer that sends a
	// larger one is told [TooLarge], and Read fails with [ErrMessageTooLarge]. Zero or
	// less: the server's own limit, where it is a [FrameLimiter]; otherwise, and on the
	// dialling side, [DefaultMaxFrameBytes].
	MaxFrameBytes int

	// ProbeAfter is how long the peer may be silent before it is probed. Zero means
	// [DefaultProbeAfter]; negative means no probing: a peer that vanishes without
	// a word is then never noticed.
	ProbeAfter time.Duration
	// GiveUp is how long a peer that was probed has to send anything, before Read
	// fails with [ErrSilent]. Where it is not positive, it is [DefaultGiveUp].
	GiveUp time.Duration

	// MessageTimeout is how long a message may take to arrive, from its first byte
	// to its last while a Read is in progress, whatever else comes in between. Each
	// [MinBytesPerSecond] bytes of it that arrive put that off by a second, but never
	// to more than MessageTimeout from then. A peer that takes longer is told [Slow],
	// and Read fails with [ErrSlow]. Zero means [DefaultMessageTimeout]; negative means
	// as long as it likes.
	//
	// Over TLS a record is seen when all of it is there, and may be of 16 KiB: a peer
	// that sends such ones needs a link of 1.6 KB/s by the default.
	//
	// netconn holds its other units to it as well. Over WebSocket a peer is also
	// told Slow at once where it sends more frames that carry nothing than a
	// message has use for.
	MessageTimeout time.Duration

	// ControlFramesPerSecond is how many probes, and answers to no probe, the peer
	// may send a second: pings, and pongs that were not asked for, over WebSocket.
	// It may send twice as many at once. One that sends more is told [RateLimited],
	// and Read fails with [ErrFlood]. Zero means
	// [DefaultControlFramesPerSecond], or twice as many as a peer with the same
	// ProbeAfter sends, where that is more; negative means as many as it likes.
	ControlFramesPerSecond int

	// SendBufferBytes is how many bytes the system may hold for a peer that does
	// not read, roughly. It is set on a
	// net.Conn that has SetWriteBuffer, as those of TCP and Unix sockets, or that
	// is something above such a one and has NetConn, as those of TLS. Zero means
	// [DefaultSendBufferBytes]; negative means whatever the system does by itself,
	// which can be several MiB.
	//
	// Lectern bounds this memory nowhere else. A websocket.Dialer leaves the buffer to
	// the system, whatever is said here; a netconn.Dialer sets it.
	SendBufferBytes int
}

// WithDefaults returns the options as they are meant, for connections that are to be
// served by server: with the default in each field that asks for one. On the
// dialling side the server is nil.
func (o ConnOptions) WithDefaults(server Server) ConnOptions {
	if o.MaxFrameBytes = MaxFrameBytes(o.MaxFrameBytes, server); o.MaxFrameBytes <= 0 {
		o.MaxFrameBytes = DefaultMaxFrameBytes // a server without an opinion
	}
	if o.ProbeAfter == 0 {
		o.ProbeAfter = DefaultProbeAfter
	}
	if o.GiveUp <= 0 {
		o.GiveUp = DefaultGiveUp
	}
	if o.MessageTimeout == 0 {
		o.MessageTimeout = DefaultMessageTimeout
	}
	o.ControlFramesPerSecond = ControlFramesPerSecond(o.ControlFramesPerSecond, o.ProbeAfter)
	if o.SendBufferBytes == 0 {
		o.SendBufferBytes = DefaultSendBufferBytes
	}
	return o
}
