// Package delivery carries out what the rules decide. A [Channel] runs the
// transitions of one star under a lock and carries out their effects, in the order
// in which they were decided, after the lock is released: messages are queued on
// the [Line] of each connection, memberships are released, and what happened is
// logged and counted.
//
// It knows of a connection what a Line has: its outbox and its form. Sessions, and
// what their peers ask for, are the business of whoever uses it.
package delivery

import (
	"log/slog"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
)

// Config is what the channels of a hub have in common. It does not change once a
// Channel has it.
type Config struct {
	// Limits are for the rules.
	Limits star.Limits
	// Outbox are the limits of every connection's outbox. Its Overflow must be
	// that of Slow.
	Outbox outbox.Limits
	// Slow is what happens where a slave does not take its messages in time.
	Slow Slow
	// HoldTimeout is how long a sender is held back for one message, with SlowHold.
	HoldTimeout time.Duration
	// Started is when the hub was made.
	Started time.Time
	// Observer is told counts; it must not be nil. Observed: it is worth finding
	// out what costs something to know.
	Observer Observer
	Observed bool
	// Logger is told what happens to memberships and channels.
	Logger *slog.Logger
	// Goroutines counts deliveries, and timers that may fire.
	Goroutines *sync.WaitGroup
	// Forget is called when a channel has ended and its name is free.
	Forget func(*Channel)
}

// Observer is told what is counted. It is called from many goroutines at once,
// without any lock held.
type Observer interface {
	Add(metric star.Metric, label string, delta int64)
	Observe(metric star.Metric, value float64)
}

// Slow is what happens where a slave's connection does not take its messages as
// fast as its master sends them. The public constants say what each means.
type Slow uint8

const (
	SlowDisconnect Slow = iota
	SlowDropOldest
	SlowDropNewest
	SlowHold
)

// Overflow is what the outboxes do.
func (s Slow) Overflow() outbox.Overflow {
	switch s {
	case SlowDropOldest:
		return outbox.DropOldest
	case SlowDropNewest:
		return outbox.DropNewest
	}
	return outbox.Refuse
}
