package delivery

import (
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// expiring is a message that expires, on its way to one member: an outbox.Expiring.
type expiring struct {
	seat   *Seat
	packet *wire.Packet
}

func (e *expiring) Stream() outbox.Stream { return e.seat }

func (e *expiring) At(now time.Time) []byte { return e.packet.At(now, e.seat.line.form) }

// Expired tells the member in the message's place that it is missing, with its number, so that
// the member is not told again when it comes back.
func (e *expiring) Expired(count uint64) []byte {
	e.seat.line.config.Observer.Add(star.MessagesDropped, star.LabelExpired, 1)
	return wire.Append(nil, e.seat.line.form, &wire.Frame{
		Type: wire.Gap, Channel: e.seat.channel.name, Seq: e.packet.Frame().Seq, Missed: count,
	})
}
