package delivery

import (
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// Seat is a membership on a connection: the attachment that the rules know, with the
// line of the connection. It must not be copied. Its Index is that in the audience, and
// belongs to the deliverer.
type Seat struct {
	star.Attachment
	line    *Line
	channel *Channel
}

// Init sets the seat up for the channel and the line. It is called before the seat is
// passed to a transition.
func (s *Seat) Init(line *Line, channel *Channel) {
	s.Attachment.Line, s.Attachment.Hub = s, line.config.Hub
	s.line, s.channel = line, channel
}

// Channel is the channel that the seat is in, or is about to enter.
func (s *Seat) Channel() *Channel { return s.channel }

// seatOf is the seat that the attachment is a part of.
func seatOf(a *star.Attachment) *Seat { return a.Line.(*Seat) }

// OwnerOf is the owner of the line of a seat that the rules call a line.
func OwnerOf(l star.Line) Owner { return l.(*Seat).line.owner }

// Peer is the number of the connection on which a seat is that the rules call a line, and the
// address of its peer, or empty where it is not known. Of a connection at another hub nothing is.
func Peer(l star.Line) (connection uint64, address string) {
	seat, here := l.(*Seat)
	if !here {
		return 0, ""
	}
	return seat.line.number, seat.line.PeerAddress()
}

// The methods Connection to Unwritten make a Seat a star.Line.

// Connection is the connection's number.
func (s *Seat) Connection() uint64 { return s.line.number }

// Form is the form in which the peer speaks.
func (s *Seat) Form() wire.Form { return s.line.form }

// Full reports whether the outbox of a master has no room at present for a message of
// that size. What was accepted and is still in flight, so not in the outbox yet, counts
// too.
func (s *Seat) Full(size int, accepted star.Load) bool {
	return s.channel.arrivals.full(s, size, accepted)
}

// NoticeFull reports whether the outbox has no room for a notice of that size.
func (s *Seat) NoticeFull(size int) bool { return s.line.out.NoticeFull(size) }

// Behind reports whether the outbox of a master has so many notices, or is over half of
// its limit in bytes. What is in flight counts too.
func (s *Seat) Behind(notices int, accepted, told star.Load) bool {
	return s.channel.arrivals.behind(s, notices, accepted, told)
}

// Waiting is how much is in the outbox.
func (s *Seat) Waiting() (messages, bytes int) { return s.line.out.Waiting() }

// Unwritten is how many messages of a master's seat may not have been written.
func (s *Seat) Unwritten(accepted star.Load) int { return s.channel.arrivals.unwritten(s, accepted) }

// Gap is the gap marker of the seat's messages. It makes a Seat an outbox.Stream, whose
// messages may be dropped where Config.Slow says so.
func (s *Seat) Gap(missed uint64) []byte {
	return wire.Append(nil, s.line.form, &wire.Frame{Type: wire.Gap, Channel: s.channel.Name(), Missed: missed})
}
