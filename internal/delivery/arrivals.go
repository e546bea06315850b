package delivery

import (
	"sync"

	"github.com/lectern-go/lectern/internal/star"
)

// arrivals counts the messages that were pushed to the outbox of the master's newest
// seat. The rules count what they accept for the master (star.Load). The difference is
// in flight: accepted, but not in the outbox yet. mu guards the other fields.
//
// A seat is known by its epoch, which no other seat of the master has, so that the seat,
// and the connection with it, is not kept alive.
type arrivals struct {
	mu    sync.Mutex
	epoch uint64
	load  star.Load
}

// push pushes a message with a payload of size bytes to the outbox of the seat, and counts
// it. A new seat starts at zero.
func (a *arrivals) push(seat *Seat, message []byte, size int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if epoch := seat.Epoch(); a.epoch != epoch {
		a.epoch, a.load = epoch, star.Load{}
	}
	a.load.Messages++
	a.load.Bytes += size
	return seat.line.out.PushAccepted(message)
}

// full reports whether the outbox of the seat has no room for a message of that size
// behind what was accepted for it. Under the lock, a message is either in flight or in
// the outbox, and so counts once.
func (a *arrivals) full(seat *Seat, size int, accepted star.Load) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epoch == seat.Epoch() {
		accepted.Messages -= a.load.Messages
		accepted.Bytes -= a.load.Bytes
	}
	return seat.line.out.Full(size, accepted.Messages, accepted.Bytes)
}
