// Package delivery executes what the rules decide. A [Channel] runs the transitions
// of one star under a lock. After the lock is released it executes their effects, in
// the order in which they were decided: it queues messages on the [Line] of each
// connection, releases memberships, logs and counts.
//
// The package knows the rules as transitions and effects, and a connection as a Line:
// its outbox and its form. It does not know sessions, nor the frames by which peers
// ask for something: the caller reads frames and calls Decide.
package delivery

import (
	"log/slog"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
)

// Config is what all channels and lines of a hub share. It must not change once a
// Channel or a Line uses it.
type Config struct {
	// Limits are for the rules.
	Limits star.Limits
	// Outbox are the limits of every connection's outbox. Its Overflow must be
	// Slow.Overflow().
	Outbox outbox.Limits
	// Slow is what happens where a slave does not read its messages in time.
	Slow Slow
	// HoldTimeout is the longest time for which a sender is held back for one message,
	// with SlowHold.
	HoldTimeout time.Duration
	// Started is when the hub was made.
	Started time.Time
	// Observer gets the counts and values. It must not be nil.
	Observer Observer
	// Observed: somebody uses the Observer, so values that are costly to find out are
	// observed too.
	Observed bool
	// Logger logs what happens to memberships, channels and slow connections.
	Logger *slog.Logger
	// Goroutines counts delivering goroutines and running timers.
	Goroutines *sync.WaitGroup
	// Watch gets what has changed.
	Watch Watch
	// Hub is the id of the hub, for records, or nil where it is not one of a cluster.
	Hub *star.Hub
	// Forget is called when a channel has ended and its name is to be free.
	Forget func(*Channel)
}

// Observer gets what is counted. It is called from many goroutines at once, without
// any lock held.
type Observer interface {
	Add(metric star.Metric, label string, delta int64)
	Observe(metric star.Metric, value float64)
}

// Slow is what happens where a slave does not read its messages as fast as its master
// sends them.
type Slow uint8

// The public package has constants of the same names, which say what each means.
const (
	SlowDisconnect Slow = iota
	SlowDropOldest
	SlowDropNewest
	SlowHold
)

// Overflow is what the outboxes do with a message to a slave that is over the limits.
func (s Slow) Overflow() outbox.Overflow {
	switch s {
	case SlowDropOldest:
		return outbox.DropOldest
	case SlowDropNewest:
		return outbox.DropNewest
	}
	return outbox.Refuse
}
