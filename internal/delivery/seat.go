package delivery

import (
	"sync"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// Seat is a membership on a connection: the attachment that the rules know, and
// the line that leads to it. It must not be copied.
type Seat struct {
	star.Attachment
	line    *Line
	channel *Channel
	// place is the seat's index in the audience; whoever delivers has it.
	place int
}

// Init makes the seat one of the channel's on the line. It is called once, before
// the seat is given to a transition.
func (s *Seat) Init(line *Line, channel *Channel) {
	s.Attachment.Line = s
	s.line, s.channel = line, channel
}

// Channel is the channel that the seat is in, or about to enter.
func (s *Seat) Channel() *Channel { return s.channel }

// seatOf is the seat that the attachment is a part of.
func seatOf(a *star.Attachment) *Seat { return a.Line.(*Seat) }

// What the rules ask (star.Line).

// Connection is the connection's number.
func (s *Seat) Connection() uint64 { return s.line.number }

// Form is the form in which the peer speaks.
func (s *Seat) Form() wire.Form { return s.line.form }

// Full reports whether a message of that size would be too much for a master's
// connection at present, with what has been accepted for it already.
func (s *Seat) Full(size int, accepted star.Load) bool {
	arrived := s.channel.arrivals.on(s)
	return s.line.out.Full(size, accepted.Messages-arrived.Messages, accepted.Bytes-arrived.Bytes)
}

// NoticeFull reports whether a notice of that size would be too much.
func (s *Seat) NoticeFull(size int) bool { return s.line.out.NoticeFull(size) }

// Waiting is how much waits to be written on the connection.
func (s *Seat) Waiting() (messages, bytes int) { return s.line.out.Waiting() }

// Gap makes a seat an outbox.Stream: its messages may be dropped where the policy
// says so.
func (s *Seat) Gap(missed uint64) []byte {
	return wire.Append(nil, s.line.form, &wire.Frame{Type: wire.Gap, Channel: s.channel.Name(), Missed: missed})
}

// arrivals counts the messages that have been queued on the newest seat of the
// master. What was accepted for it and has not arrived is on its way.
type arrivals struct {
	mu   sync.Mutex
	seat *Seat
	load star.Load
}

func (a *arrivals) add(seat *Seat, size int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seat != seat {
		a.seat, a.load = seat, star.Load{}
	}
	a.load.Messages++
	a.load.Bytes += size
}

// on is what has arrived on the seat.
func (a *arrivals) on(seat *Seat) star.Load {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.seat != seat {
		return star.Load{}
	}
	return a.load
}
