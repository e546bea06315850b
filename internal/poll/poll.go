// Package poll waits for what arrives on many connections at once, where the system has
// what that needs, so that none of them needs a goroutine while it is idle.
//
// What it waits for is a connection that has an [Entry] in it, and is read until nothing is
// left whenever something has come. The adapters over HTTP share it.
package poll

import (
	"syscall"
	"time"
)

// A Waiter is a connection for which a [Poller] waits: a pointer, since the poller keeps as
// many as there are connections.
type Waiter interface {
	// Raw is the socket of the system.
	Raw() syscall.RawConn
	// IsClosing reports whether the connection has begun to close.
	IsClosing() bool
	// RunNow reads and handles what has come, and ends with Park, or with the
	// connection. It may take as long as it likes.
	RunNow()
	// Probe asks the peer for a sign of life, by the time given. It does not wait.
	Probe(by time.Time)
	// GiveUp is told that none has come; RunNow follows, and finds the end.
	GiveUp()
}
