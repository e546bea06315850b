package delivery

import (
	"sync"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// arrivals counts what was pushed to the outbox of the master's newest seat: messages,
// and presences of slaves. The rules count what they accept for the master (star.Load).
// The difference is in flight: accepted, but not in the outbox yet. mu guards the other
// fields.
//
// A seat is known by its epoch, which no other seat of the master has, so that the seat,
// and the connection with it, is not kept alive.
type arrivals struct {
	mu                  sync.Mutex
	epoch               uint64
	messages, presences star.Load
	// refused counts the messages that the outbox did not take any more, because the
	// connection is being closed.
	refused int
}

// pushMessage pushes the message of the packet to the outbox of the seat, and counts it.
func (a *arrivals) pushMessage(seat *Seat, message []byte, p *wire.Packet) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(seat)
	a.messages.Messages++
	a.messages.Bytes += len(p.Frame().Payload.Data)
	return a.noteRefused(seat.push(outbox.Accepted, message, p))
}

// pushReplay is pushMessage for a message of a replay, which does not count in the limits
// of the outbox.
func (a *arrivals) pushReplay(seat *Seat, message []byte, p *wire.Packet) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(seat)
	a.messages.Messages++
	a.messages.Bytes += len(p.Frame().Payload.Data)
	_ = a.noteRefused(seat.push(outbox.Exempt, message, p))
}

// noteRefused counts a message that was not taken. The lock is held.
func (a *arrivals) noteRefused(err error) error {
	if err != nil {
		a.refused++
	}
	return err
}

// pushPresence pushes a presence to the outbox of the seat, and counts it.
func (a *arrivals) pushPresence(seat *Seat, presence []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.begin(seat)
	a.presences.Messages++
	a.presences.Bytes += len(presence)
	_ = seat.line.out.PushAcceptedNotice(presence)
}

// restart has every seat start at zero, as the rules do that count what they accept from now on.
func (a *arrivals) restart() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.epoch = 0
}

// begin has a new seat start at zero. The lock is held.
func (a *arrivals) begin(seat *Seat) {
	if epoch := seat.Epoch(); a.epoch != epoch {
		a.epoch, a.messages, a.presences, a.refused = epoch, star.Load{}, star.Load{}, 0
	}
}

// full reports whether the outbox of the seat has no room for a message of that size
// behind what was accepted for it. Under the lock, a message is either in flight or in
// the outbox, and so counts once.
func (a *arrivals) full(seat *Seat, size int, accepted star.Load) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epoch == seat.Epoch() {
		accepted.Messages -= a.messages.Messages
		accepted.Bytes -= a.messages.Bytes
	}
	return seat.line.out.Full(size, accepted.Messages, accepted.Bytes)
}

// unwritten is how many messages of all that was accepted for the seat may not have been
// written. What is not a message, and what is of other memberships on the connection,
// counts as if it were.
func (a *arrivals) unwritten(seat *Seat, accepted star.Load) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	unwritten := accepted.Messages + seat.line.out.Unwritten()
	if a.epoch == seat.Epoch() {
		unwritten += a.refused - a.messages.Messages
	}
	return unwritten
}

// behind reports whether so many notices wait for the seat, or more than half of the bytes
// that may wait, in its outbox or in flight to it.
func (a *arrivals) behind(seat *Seat, notices int, accepted, told star.Load) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.epoch == seat.Epoch() {
		accepted.Bytes -= a.messages.Bytes
		told.Messages -= a.presences.Messages
		told.Bytes -= a.presences.Bytes
	}
	waiting, bytes := seat.line.out.Notices()
	bytes += accepted.Bytes + told.Bytes + told.Messages*outbox.NoticeOverhead
	return waiting+told.Messages >= notices || bytes > seat.line.config.Outbox.Bytes/2
}
