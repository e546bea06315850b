package lectern

import (
	"context"
	"time"

	"github.com/lectern-go/lectern/internal/hub"
	"github.com/lectern-go/lectern/internal/wire"
)

// Channel is one star: a master, its slaves, and the seven rules between them, as
// the service in the hub's process sees it. [Hub.Channel] finds one.
//
// The rules are decided in one place, internal/star, by the transitions of its
// Channel, which work on plain state, one at a time, and are told the time where they
// need it:
//
//  1. Only a master creates a channel: Create (entering.go) is the only way in which
//     one comes into being. Whether a user may is asked of [Policy].Authorize before.
//  2. A slave joins only a channel that its master has created before: Join
//     (entering.go).
//  3. Slaves leave, and their connections are closed, when the master is down, or
//     away for longer than X: Leave of the master ends the channel, Lose and Away start
//     its time, Expire ends the channel at X (leaving.go, presence.go). A connection that
//     carries another membership stays. A client that cannot reach the hub ends by
//     itself: internal/client, membership.go.
//  4. A slave can always know whether its master is connected: Lose, Away, Back and
//     Resume tell all slaves, Join tells the one who comes, Status whoever asks
//     (leaving.go, presence.go, entering.go).
//  5. A slave sends only to its master: Send, for a slave (sending.go).
//  6. A master sends to one slave or to all slaves of its channel: Send, for a master
//     (sending.go). Beside it only the service speaks to slaves: Speak (speaking.go).
//  7. A channel has exactly one master: a second Create is refused; Resume
//     (entering.go) is for the holder of the resume secret alone, and HandOver (handover.go)
//     is one step. Each attachment raises
//     the epoch, and what comes from an older one is refused (attachment.go).
//
// All methods are safe for concurrent use. A Channel that is over stays so; another
// one of its name is another Channel.
type Channel struct{ c hub.Channel }

// handleOf is the one handle of a channel.
func handleOf(c hub.Channel) *Channel {
	return c.Handle(func() any { return &Channel{c} }).(*Channel)
}

// Name returns the channel's name.
func (c *Channel) Name() string { return c.c.Name() }

// Close closes the channel in the name of the service: the master and every
// slave are told channel_closed with the reason, and let go. It does not
// wait for them. A channel that is over is left as it is; the error is
// ErrShuttingDown where the hub ends them all.
func (c *Channel) Close(reason string) error { return public(c.c.Close(reason)) }

// Kick removes a slave in the name of the service, as its master would: for
// instance one whose token has been revoked. It is told the reason, and may join
// again. The error is ErrNoSuchSlave where there is none of that name to remove,
// and ErrNoSuchChannel where the channel is over.
func (c *Channel) Kick(username, reason string) error {
	return public(c.c.Kick(username, reason, false))
}

// Ban removes a slave as Kick does, if it is there, and refuses its name for the
// life of the channel. The error is ErrNoSuchSlave for the master's own name,
// ErrChannelFull where as many names are banned as there may be slaves, and
// ErrNoSuchChannel where the channel is over.
func (c *Channel) Ban(username, reason string) error { return public(c.c.Kick(username, reason, true)) }

// Broadcast sends to all slaves of the channel in the name of the service, also while the master
// is away: a Message whose From is empty, with a number in the order of the master's. Policy.AuthorizeMessage
// is not asked. The error is ErrNoSuchChannel where the channel is over, ErrTooLarge, ErrTooLate,
// ErrShuttingDown, or the context's, and nobody gets the message then. It does not wait for
// slaves, but with SlowHold, as their master would.
func (c *Channel) Broadcast(ctx context.Context, payload Payload, options ...SendOption) (Receipt, error) {
	return c.speak(ctx, wire.Frame{}, payload, options)
}

// Send is Broadcast to one member, a slave or the master, also while it is away. The error is
// ErrNoSuchSlave where there is none of that name, and ErrBusy where the master cannot take more
// at present: try again later.
func (c *Channel) Send(ctx context.Context, to string, payload Payload, options ...SendOption) (Receipt, error) {
	return c.speak(ctx, wire.Frame{To: to, HasTo: true}, payload, options)
}

// SetMaster makes a slave the master of the channel, also while its master is away. The former master
// leaves, with ErrHandedOver, and may join again, by the door as anybody. Otherwise it is as Master.HandOver: the slave has to be
// connected, and Policy.Authorize is asked with OpMaster, for HandshakeTimeout or until ctx ends. The error is
// ErrNoSuchChannel where the channel is over, and ErrShuttingDown where the hub ends.
func (c *Channel) SetMaster(ctx context.Context, username string) error {
	return public(c.c.SetMaster(ctx, username))
}

func (c *Channel) speak(ctx context.Context, frame wire.Frame, payload Payload, options []SendOption) (Receipt, error) {
	frame, err := payload.in(frame, 0, options)
	if err != nil {
		return Receipt{}, err
	}
	seq, slaves, err := c.c.Speak(ctx, &frame)
	return Receipt{Seq: seq, Slaves: slaves}, public(err)
}

// ChannelSnapshot is a channel as it was at one moment.
type ChannelSnapshot struct {
	Name string
	// MasterTimeout is X of rule 3.
	MasterTimeout time.Duration
	// MaxSlaves is how many slaves there may be.
	MaxSlaves int
	Master    MemberSnapshot
	// Slaves are in the order of their names.
	Slaves []MemberSnapshot
	// MasterMessages and SlaveMessages count what the master and what all slaves
	// have sent, with what the service has in the same direction.
	MasterMessages uint64
	SlaveMessages  uint64
	// Kept is what the channel keeps at present for members that come back, in
	// both directions.
	Kept QueueSize
	// Banned is how many names are banned.
	Banned int
	// Door is what becomes of who joins, and Waiting how many wait there.
	Door    Door
	Waiting int
	// OpenRequests is how many requests of the master await answers.
	OpenRequests int
}

// MemberSnapshot is a member as it was at one moment.
type MemberSnapshot struct {
	Username string
	// State is StateOnline or StateAway; Deadline is until when one who is away
	// is waited for.
	State    State
	Deadline time.Time
	// Epoch counts the member's connections.
	Epoch uint64
	// Queued is what waits to be written on the member's connection, to it and
	// to other memberships of the same connection.
	Queued QueueSize
	// OpenRequests is how many requests of a slave the master has not answered.
	OpenRequests int
	// Data is Identity.Data, as Policy.Authorize has returned it for the member last. It must
	// not be changed.
	Data []byte
	// Expires is Identity.Expires.
	Expires time.Time
}

// Snapshot tells how the channel is, and whether it still exists.
func (c *Channel) Snapshot() (ChannelSnapshot, bool) {
	r, ok := c.c.Report()
	if !ok {
		return ChannelSnapshot{}, false
	}
	member := func(m hub.MemberReport) MemberSnapshot {
		s := MemberSnapshot{
			Username: m.Username, State: states[m.State], Deadline: m.Deadline, Epoch: m.Epoch, OpenRequests: m.OpenRequests,
			Data: m.Data, Expires: m.Expires,
		}
		if m.Line != nil {
			s.Queued.Messages, s.Queued.Bytes = m.Line.Waiting()
		}
		return s
	}
	s := ChannelSnapshot{
		Name: r.Name, MasterTimeout: r.MasterTimeout, MaxSlaves: r.MaxSlaves, Master: member(r.Master),
		MasterMessages: r.MasterMessages, SlaveMessages: r.SlaveMessages,
		Kept: QueueSize(r.Kept), Banned: r.Banned, Door: Door(r.Door.String()), Waiting: r.Waiting, OpenRequests: r.OpenRequests,
	}
	for _, slave := range r.Slaves {
		s.Slaves = append(s.Slaves, member(slave))
	}
	return s, true
}
