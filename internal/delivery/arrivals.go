package delivery

import (
	"sync"

	"github.com/lectern-go/lectern/internal/star"
)

// arrivals counts the messages that were pushed to the outbox of the master's newest
// seat. The rules count what they accept for the master (star.Load). The difference is
// in flight: accepted, but not in the outbox yet. mu guards the other fields.
type arrivals struct {
	mu   sync.Mutex
	seat *Seat
	load star.Load
}

// add counts a message with a payload of size bytes. A new seat starts at zero.
func (a *arrivals) add(seat *Seat, size int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seat != seat {
		a.seat, a.load = seat, star.Load{}
	}
	a.load.Messages++
	a.load.Bytes += size
}

// on is what was pushed to the outbox of the seat.
func (a *arrivals) on(seat *Seat) star.Load {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seat != seat {
		return star.Load{}
	}
	return a.load
}
