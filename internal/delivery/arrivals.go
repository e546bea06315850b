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

// add counts a message with a payload of size bytes. A new seat starts at zero.
func (a *arrivals) add(epoch uint64, size int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epoch != epoch {
		a.epoch, a.load = epoch, star.Load{}
	}
	a.load.Messages++
	a.load.Bytes += size
}

// on is what was pushed to the outbox of the seat of that epoch.
func (a *arrivals) on(epoch uint64) star.Load {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epoch != epoch {
		return star.Load{}
	}
	return a.load
}
