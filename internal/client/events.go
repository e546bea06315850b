package client

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Message is a message that has arrived. Its payload is a copy.
type Message struct {
	From      string
	Seq       uint64
	Private   bool
	RequestID uint64
	ReplyTo   uint64
	Topic     string
	// Expires is from when on the message is worth nothing any more, by the clock of this
	// side, or zero where it does not expire.
	Expires time.Time
	Payload wire.Payload
}

// expired reports whether the message is worth nothing any more.
func (m *Message) expired() bool { return !m.Expires.IsZero() && !time.Now().Before(m.Expires) }

// Presence is the state of one member, as far as this client knows it.
type Presence struct {
	Username string
	// State is zero while this client has no connection: then the state is not known.
	State wire.State
	// Since is when this client learned the state.
	Since time.Time
	// Deadline is when the membership ends, if until then an away master is not back, or
	// this client has no connection. It is zero otherwise.
	Deadline time.Time
	Reason   string
	// Joined: the slave is new, and has not come back.
	Joined bool
	// number is the number of a slave's membership. It is zero where the hub has not told
	// it.
	number uint64
	// heard is, of a slave that has left, the number up to which messages from its name were its
	// own.
	heard uint64
}
