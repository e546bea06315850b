package lectern

import (
	"context"
	"iter"
	"time"

	"github.com/lectern-go/lectern/internal/hub"
)

// This file is what the service sees of its channels.

// EventKind is what a HubEvent tells.
type EventKind string

const (
	// EventCreated: there is a channel, and Username is its master. In a cluster (Policy.Cluster) a hub tells it, with
	// Existing, of a channel too that another hub had before; where that has come by a hand-over, Why is that of
	// EventHandedOver, which nobody tells then.
	EventCreated EventKind = "created"
	// EventJoined: a slave has come in.
	EventJoined EventKind = "joined"
	// EventAway: the member is away until Deadline. Why is "lost" where its connection has
	// ended, "declared" where a master says so itself, and "expired" where a master's grant
	// (Identity.Expires) has. A master that has declared itself away can lose its connection too.
	EventAway EventKind = "away"
	// EventBack: the member is online. Why is "resumed", by its secret, "taken_over"
	// (Identity.TakeOver), "repeated", where a create or join was repeated whose answer was
	// lost, and "declared" where a master says so itself. But for the last one it is on another
	// connection, also where nobody had noticed that it was not on the one before any more.
	EventBack EventKind = "back"
	// EventGranted: Policy.Authorize has granted the member anew, by a refresh: Data is what it
	// has said.
	EventGranted EventKind = "granted"
	// EventLeft: a slave is out. Why is "left", "kicked", "banned", "timeout", "expired" or
	// "revoked", and Text the words of a kick.
	EventLeft EventKind = "left"
	// EventKnocked: somebody waits at the door, under the Number of the knock. It is no member yet:
	// where it is let in, EventJoined follows, with another Number.
	EventKnocked EventKind = "knocked"
	// EventHandedOver: a slave, Username, is the master of its channel, and who was the master is out:
	// if it stays, an EventJoined of it follows. Why is "master" (Master.HandOver) or "service"
	// (Channel.SetMaster).
	EventHandedOver EventKind = "handed_over"
	// EventEnded: the channel is over, and so are all memberships in it, for which there is no
	// EventLeft. Why is "master_left", "master_down", "channel_closed" or "shutdown", and Text
	// says more.
	EventEnded EventKind = "ended"
	// EventMoved: another hub of the cluster has the channel from now on (Policy.Cluster), or will when a member is
	// back, and tells what becomes of it, beginning with how it is. What this hub has told of it is of no use any more.
	EventMoved EventKind = "moved"
	// EventMissed: the loop was more than 4,096 events behind, and Missed of them are lost to it.
	// What it knew is of no use any more: all channels follow as at its beginning.
	EventMissed EventKind = "missed"
)

// HubEvent is what Hub.Events yields. All but EventEnded, EventMoved and EventMissed are about one member,
// and tell how it is since then.
type HubEvent struct {
	Kind EventKind
	// Time is when it was decided, or when it was told where it is Existing.
	Time    time.Time
	Channel string
	// Username is the member's. Master: it is the master of the channel, and else a slave.
	Username string
	Master   bool
	// State is StateOnline, StateAway or, of who has left, StateGone. Deadline is until when
	// one who is away is waited for.
	State    State
	Deadline time.Time
	// Existing: it was so before, and is told because the loop does not know of it yet.
	Existing bool
	// Number is that of a slave's membership in its channel: who leaves and joins again has
	// another one. Epoch counts the member's connections.
	Number, Epoch uint64
	// Connection is the number in the log of the connection that the member is on or was on
	// last, and Address that of its peer. They are zero and empty where that is not known.
	Connection uint64
	Address    string
	// Data is Identity.Data. It must not be changed.
	Data []byte
	// Why and Text are described at the kinds. Text is cut after 256 bytes.
	Why, Text string
	// Missed is for EventMissed.
	Missed int
}

// Sender is the member that a message is of, for Policy.AuthorizeMessage.
type Sender struct {
	Channel, Username string
	// Master: it is the master of the channel, and else a slave.
	Master bool
	// Data is Identity.Data. It must not be changed.
	Data []byte
}

// OutgoingMessage is what Policy.AuthorizeMessage is asked about.
type OutgoingMessage struct {
	Payload
	// To is the one slave that a master's message is for. Empty: it is for all slaves, or is
	// a slave's, for its master.
	To string
	// Topic is that of WithTopic, and Expires is when the message is worth nothing any more
	// (WithExpiry), or zero.
	Topic   string
	Expires time.Time
	// Request: the sender awaits an answer. ReplyTo is, in an answer, the RequestID of the
	// request.
	Request bool
	ReplyTo uint64
	// Declined is not nil in an answer that says no, which has no payload.
	Declined *DeclinedError
	// Key is that of the attribute which the member changes, and is empty in a message. Deleted:
	// it takes the attribute away. Those with which a member enters it is not asked about.
	Key     string
	Deleted bool
}

// Events yields all channels and members that there are, marked as Existing, and from then on
// what happens to them, each channel's in its order: whoever keeps a list from it has the right
// one at any time. It ends with ctx, and when the hub has ended and all of that was told.
//
// Nothing is left out until the loop is more than 4,096 events behind, which is told by an
// EventMissed; then it begins anew. It never holds up a channel, however slowly it is read. Any
// number of loops can run at once, and share the memory for it, about 1 MiB. The loop may call
// any method.
func (h *Hub) Events(ctx context.Context) iter.Seq[HubEvent] {
	return func(yield func(HubEvent) bool) {
		h.hub.Events(ctx)(func(e hub.Event) bool {
			return yield(HubEvent{
				EventKind(e.Kind), e.Time, e.Channel, e.Username, e.Master, states[e.State], e.Deadline, e.Existing,
				e.Number, e.Epoch, e.Connection, e.Address, e.Data, e.Why, e.Text, e.Missed,
			})
		})
	}
}
