//go:build !linux

package poll

import "time"

// A Poller exists on Linux only. Elsewhere a goroutine waits for each connection, and none
// of its methods but Exists is called.
type Poller[W Waiter] struct{}

// An Entry is what the poller knows of a connection.
type Entry[W Waiter] struct{}

// Ended reports nothing.
func (*Entry[W]) Ended() bool { return false }

// New returns a Poller that does not exist.
func New[W Waiter](probeAfter, giveUp time.Duration) *Poller[W] { return nil }

// Exists reports false.
func (*Poller[W]) Exists() bool { return false }

// Len is zero.
func (*Poller[W]) Len() (connections int, waiting bool) { return 0, false }

// Starve changes nothing.
func (*Poller[W]) Starve() {}

// Add reports false.
func (*Poller[W]) Add(*Entry[W], W, bool) bool { return false }

// Park reports false.
func (*Poller[W]) Park(*Entry[W]) bool { return false }

// Closing does nothing.
func (*Poller[W]) Closing(*Entry[W]) {}

// Forget does nothing.
func (*Poller[W]) Forget(*Entry[W]) {}

// Closed does nothing.
func (*Poller[W]) Closed(*Entry[W]) {}
