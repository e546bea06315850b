// Package transport is the port between Lectern's core and the connections
// that carry it.
//
// The core knows nothing of a transport but [Conn]: whole messages, in order,
// and an end with a reason. An adapter turns a real connection into a Conn and
// hands it to a [Server], or dials one for a client as a [Dialer]. An adapter
// needs this package alone; the core never learns which adapter it runs on.
//
// # Writing an adapter
//
// Implement [Conn], hold it against the suite in
// github.com/lectern-go/lectern/transport/transporttest, and serve or dial it.
// What an adapter knows of its peer (an *http.Request, a net.Conn) goes into
// the context that it passes to [Server.Serve]; the core hands that context to
// the service's own authorization and reads no values from it. Where values in it are
// good only for as long as something lasts, such as the call of an HTTP handler, the
// context is a [LentContext].
//
// Liveness is the adapter's: it probes a peer that has been silent for
// [DefaultProbeAfter] and lets Read fail with [ErrSilent] when nothing has come
// [DefaultGiveUp] later, on the accepting and on the dialling side. Anything
// that the peer sends counts as a sign of life, an answer to a probe as well as
// a message. So does that it takes what was written before the probe and is still on its
// way: on a slow link the probe has to wait for that. An adapter whose peers cannot go
// silent, because both ends live in one process, has nothing to probe.
//
// An adapter judges by what has not come only after a look at what lies in its buffers,
// for which it does not wait: that a deadline has passed may be because its own process,
// or the machine, has stood still, and then all that its peers have sent lies there.
//
// So is the defence against peers that keep to the framing and still do harm,
// where a peer can be one. A message that has begun to arrive must be complete
// within [DefaultMessageTimeout], or go on at [MinBytesPerSecond], whatever else comes
// meanwhile, or Read fails with [ErrSlow]; a [MessageTimer] tells. And what the transport
// sends beside messages, such as probes, is bounded in number, see
// [DefaultControlFramesPerSecond]; Read fails with [ErrFlood] where more comes.
//
// # Where there is no one connection
//
// A Conn need not be one connection of the system's. It can be requests that come one after the other, as in
// transport/httpstream, or change from one carrier to another, as in transport/socketio. Such an adapter
//
//   - keeps what it has sent until the peer has said to have it, within a bound, and numbers it. What it keeps it may
//     send again on the next carrier, and what is not acknowledged holds Write up, as a peer does that does not read.
//     The messages of a [MessageSharer] it keeps as they are; others it copies.
//   - takes a message as on its way once it keeps it, and returns from Write then. What a carrier does not take at once
//     is left to a goroutine that ends when the carrier has it. So nothing is parked while nothing is to be sent.
//   - numbers what the peer sends too, and answers a repetition without handing it to the [Receiver] again. The turns
//     of the Receiver it keeps by itself: two requests of one peer may come at once.
//   - changes carriers with the writing held, so that order is kept by construction and not by luck.
//   - ends by silence, not by the loss of a carrier; and at Close waits, within the bound of Close, for a peer that has no
//     carrier at the moment, so that it gets what was written before, and the reason.
//
// An adapter for a protocol that is somebody else's translates frames, as transport/socketio does: what the hub writes, it
// translates once for all peers that get the same slice. Its own frames go to the Receiver in the order of the peer's, so that rates
// and rules hold for them.
package transport

import (
	"context"
	"time"
)

// Defaults of the liveness times that the adapters take in their options.
const (
	// DefaultProbeAfter is how long a peer may be silent before it is probed.
	DefaultProbeAfter = 10 * time.Second
	// DefaultGiveUp is how long a probed peer has to give a sign of life.
	DefaultGiveUp = 5 * time.Second
)

// DefaultMessageTimeout is how long a message may take to arrive, by the rule of
// [ConnOptions].MessageTimeout, where an adapter's options do not say otherwise.
const DefaultMessageTimeout = 10 * time.Second

// DefaultMaxFrameBytes is the size in bytes of the largest message that an adapter
// accepts from its peer where neither its options nor its [Server] say
// otherwise: on the dialling side above all, since a hub takes less. It leaves
// room for the largest frame that a hub sends, which lists the slaves to a master
// that has come back: 20,000 of them, with names of 128 bytes.
const DefaultMaxFrameBytes = 4 << 20

// Conn carries whole messages to and from one peer, in order.
//
// One goroutine at a time may call Read, one at a time may call Write, and the
// two may run at once. Close may be called from any goroutine, at any time, any
// number of times. A Conn ends once: after an error from Read or Write it
// carries nothing more in that direction, and Close must still be called.
type Conn interface {
	// Read returns the next whole message. It blocks until there is one or the
	// connection has ended. A message may be empty.
	//
	// The slice belongs to the Conn and is valid until the next Read; until
	// then the caller may change its bytes.
	//
	// Every message that the peer wrote before it closed is returned before the
	// end is. At the end the error is
	//   - a *CloseError when the peer closed the connection and said why;
	//   - one that matches net.ErrClosed once Close was called on this side;
	//   - ErrMessageTooLarge or ErrProtocol when the peer broke the transport's rules
	//     (the Conn has then told it so, and refuses to go on);
	//   - ErrSlow or ErrFlood, in the same way, when a message took too long to
	//     arrive, or too much came that is no message;
	//   - ErrSilent when the peer gave no sign of life in time;
	//   - any other error when the connection was lost.
	//
	// The error is final: later calls return an error again and never panic.
	Read() ([]byte, error)

	// Write sends each of the messages as one whole message, in order, in as
	// few system calls as the transport can. It returns when all of them are on
	// their way, which does not mean that the peer has them. It does not change the
	// messages, and does not keep them, whose memory the caller may use for others once
	// Write has returned; but for those of a [MessageSharer], which an adapter may keep for
	// as long as it likes. The slice of the messages is the caller's in any case.
	//
	// Write may block for as long as the peer does not read; Close unblocks it.
	// An error is final, and nothing is known of how many of the messages got
	// through.
	Write(messages ...[]byte) error

	// Close ends the connection and tells the peer why, best effort. What was
	// written before is sent before the reason. Close unblocks a Read and a
	// Write in progress. It returns within a bound of the adapter's own (about
	// a second beyond the writing in progress) whatever the peer does, and when
	// it returns the connection holds no goroutine, timer or descriptor any
	// more.
	//
	// Only the first call's reason counts; each call returns when the
	// connection is closed. The error, if any, tells that the peer could not be
	// told or that releasing the connection failed; the connection is closed in
	// any case.
	Close(reason Reason) error
}

// Dialer makes connections. It is safe for concurrent use.
type Dialer interface {
	// Dial connects to the one place that the Dialer leads to. The context
	// bounds the dialling alone, not the connection that comes of it.
	//
	// An error that matches net.ErrClosed means that this place will never
	// accept a connection again, and that it makes no sense to go on trying.
	Dial(ctx context.Context) (Conn, error)
}

// FirstDialer is an optional power of a [Dialer]: the first message on a connection
// goes along with what makes the connection, which saves a round trip.
type FirstDialer interface {
	// DialFirst is Dial, and sends the message if the transport can let it go along
	// and the server takes it so: sent tells. Where it was not sent, it is for the
	// caller to write. After an error nobody knows whether the server has it.
	//
	// The message is not changed, and not kept once DialFirst has returned.
	DialFirst(ctx context.Context, message []byte) (conn Conn, sent bool, err error)
}

// FirstTokenDialer is an optional power of a [FirstDialer]: it says whether a first message
// may hold a token for the service. Where a FirstDialer does not have it, none does: what
// makes a connection, such as the header of a request, is often written to logs.
type FirstTokenDialer interface {
	FirstMayHoldToken() bool
}

// Server is what an adapter gives its accepted connections to. A
// lectern.Hub is one.
type Server interface {
	// Serve runs the connection and returns when it has ended and is closed.
	// The connection ends early when the context is done. The context may be a
	// [LentContext]. The error says why it
	// ended, and is nil where the end was an orderly one.
	Serve(ctx context.Context, conn Conn) error
}

// FrameLimiter is an optional power of a [Server]: it knows the size of the
// largest message, in bytes, that can make sense to it. An adapter whose
// options name no limit takes this one, and [DefaultMaxFrameBytes] where the
// server has no opinion.
type FrameLimiter interface {
	MaxFrameBytes() int
}

// ContextReader is an optional power of a [Server]: it knows whether anybody reads the
// values of the contexts that it is given. An adapter to which these cost something
// leaves them out where nobody does. Who reads them is done with them at some time, see
// [LentContext].
type ContextReader interface {
	ReadsContext() bool
}

// ReadsContext asks the server, and reports true where it has no opinion.
func ReadsContext(server Server) bool {
	reader, ok := server.(ContextReader)
	return !ok || reader.ReadsContext()
}

// LentContext is an optional power of the context that a [Server] is given: some of
// its values belong to somebody who waits to have them back, as a router does that
// uses them for its next request.
type LentContext interface {
	context.Context
	// Return tells that none of the values is read any more, and returns the context
	// to be used from now on, which has those that the adapter could keep. A further
	// call only returns the same.
	//
	// A server calls it once it can do without them, a lectern.Hub at the
	// connection's first membership. Where it does not, because it does not know of
	// this or the context was wrapped on the way, they are lent until the connection
	// has ended. Return ends neither the context nor the connection.
	Return() context.Context
}

// ReturnContext is Return where the context is lent, and ctx itself where it is not.
func ReturnContext(ctx context.Context) context.Context {
	if lent, ok := ctx.(LentContext); ok {
		return lent.Return()
	}
	return ctx
}

// MessageSharer is an optional power of a [Server]: it says whether what it gives to Write,
// TryWrite and WriteLast never changes afterwards, and whether a message that goes to many
// connections is the same slice for each of them. Then an adapter may keep messages, and may
// know one that it has seen before by the address of its bytes, for as long as it keeps it.
type MessageSharer interface {
	SharesMessages() bool
}

// SharesMessages asks the server, and reports false where it has no opinion.
func SharesMessages(server Server) bool {
	sharer, ok := server.(MessageSharer)
	return ok && sharer.SharesMessages()
}

// FaultLogger is an optional power of a [Server]: it logs what is wrong with the program that
// an adapter is a part of, such as a middleware that hides what the adapter needs. What
// peers do wrong is not logged so.
type FaultLogger interface {
	LogFault(err error)
}

// LogFault has the server log the fault, where it is a [FaultLogger].
func LogFault(server Server, err error) {
	if logger, ok := server.(FaultLogger); ok {
		logger.LogFault(err)
	}
}

// Addressed is an optional power of a [Conn]: it knows the address that the peer has
// connected from, for logs. It is that of a proxy where one is in between. All adapters of
// Lectern but memory have it.
type Addressed interface {
	// PeerAddress is for any goroutine, at any time.
	PeerAddress() string
}

// FrameLimitSetter is an optional power of a [Conn]: the size of the messages
// that it accepts can be narrowed, for instance for as long as nothing is known
// of the peer. All adapters of Lectern have it.
type FrameLimitSetter interface {
	// SetMaxFrameBytes makes bytes the size of the largest message that is
	// accepted, from the next Read on. What has arrived, but was not returned by
	// a Read yet, is held against the new limit as well.
	//
	// The limit that the Conn was made with is never exceeded: a larger number
	// of bytes means that one, and so do zero and a negative number.
	//
	// It is for the goroutine that calls Read, between two calls. After the end
	// of the connection, or of Read, it does nothing.
	SetMaxFrameBytes(bytes int)
}

// MaxFrameBytes returns the limit, in bytes, for connections that are to be served by server:
// asked, where it is positive, else the server's own, else the default.
func MaxFrameBytes(asked int, server Server) int {
	if asked > 0 {
		return asked
	}
	if limiter, ok := server.(FrameLimiter); ok {
		return limiter.MaxFrameBytes()
	}
	return DefaultMaxFrameBytes
}
