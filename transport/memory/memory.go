// Package memory is the transport within one process: connections that are a
// pair of queues, for the service that hosts a hub and for tests.
//
// [Pipe] makes one connection. A [Listener] gives a transport.Server, such as a
// hub, its connections, and is the transport.Dialer that leads to it.
//
// Both ends live in one process, so there is nothing to probe, and an idle
// connection holds no goroutine and no timer. What networks do to connections
// can be had for the asking: [Conn.Cut] breaks one, [Conn.Silence] lets it go
// dead.
//
// In a testing/synctest bubble every wait is durable. A connection may be made
// outside of a bubble and used in one, but Silence must be called where the
// connection is used, and a Listener belongs to the bubble that it was made in.
package memory

import (
	"fmt"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// Defaults of Options.
const (
	// DefaultQueueMessages is how many unread messages a connection holds in
	// each direction.
	DefaultQueueMessages = 64
	// DefaultQueueBytes is how many unread bytes a connection holds in each
	// direction.
	DefaultQueueBytes = 64 << 10
)

// Options sets up both ends of a connection. The zero value is ready to use.
type Options struct {
	// MaxFrameBytes is the size in bytes of the largest message that an end
	// accepts. Where it is not positive, it is transport.DefaultMaxFrameBytes; the
	// ends that a Listener gives to its server then take the server's limit, see
	// transport.MaxFrameBytes.
	MaxFrameBytes int

	// ProbeAfter and GiveUp are what they are for other transports: how long a
	// peer may be silent, and how long it then has to answer. Here they add up
	// to the time from Silence to transport.ErrSilent at both ends. Zero means
	// transport.DefaultProbeAfter and transport.DefaultGiveUp; a negative
	// ProbeAfter means that silence is never noticed. Times between zero and
	// transport.ShortestTime make Listen and Pipe panic.
	ProbeAfter, GiveUp time.Duration

	// QueueMessages and QueueBytes bound what was written in one direction and
	// not yet read. A Write blocks where one more message would exceed either
	// of them; a message of any size passes where nothing else is queued. Where
	// they are not positive, DefaultQueueMessages and DefaultQueueBytes are
	// meant.
	QueueMessages, QueueBytes int
}

func (o Options) withDefaults() Options {
	if err := (transport.ConnOptions{ProbeAfter: o.ProbeAfter, GiveUp: o.GiveUp}).Check(); err != nil {
		panic(fmt.Sprint("memory: ", err))
	}
	if o.MaxFrameBytes <= 0 {
		o.MaxFrameBytes = transport.DefaultMaxFrameBytes
	}
	if o.ProbeAfter == 0 {
		o.ProbeAfter = transport.DefaultProbeAfter
	}
	if o.GiveUp <= 0 {
		o.GiveUp = transport.DefaultGiveUp
	}
	if o.QueueMessages <= 0 {
		o.QueueMessages = DefaultQueueMessages
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = DefaultQueueBytes
	}
	return o
}

// Pipe returns the two ends of a new connection. What is written at one is read
// at the other.
func Pipe(options Options) (a, b *Conn) {
	return newPipe(options.withDefaults())
}
