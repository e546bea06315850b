package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Effect is one consequence of a decision. The rules only describe it; the caller
// that takes it executes it.
type Effect struct {
	Kind EffectKind
	// What and State are for Changed: what has changed, and how the member is since then.
	What  ChangeKind
	State wire.State
	// Metric and Delta are for Count. Delta is the member's epoch in a Changed, or the number of a
	// knock, so that effects, of which there are many, are no larger for it.
	Metric Metric
	To     *Attachment
	Packet *wire.Packet
	// End is why the membership has ended, or all memberships of the channel.
	// Release, Eject, ReleaseAll, Refuse and Forget have it, and the Changed of a slave that has left.
	// In an Answer it is why a frame was refused, or nil.
	End *wire.Cause
	// Text is what is said of the end in a Changed, the label of a Count, the key of a Tell or
	// TellAll, or the record of a Keep.
	Text string
	// Of is the member that a Changed, Tell, TellAll or Untell is about, and Grant what the service has
	// granted it.
	Of    *member
	Grant *Grant
	Delta int64
	// Number is for Changed and Forget: it counts the changes of the channel. In an Answer it is
	// the frame's among those of its connection, and in a Mark whatever its caller says.
	Number uint64
	// Since is for Forget: the deadline by which an away master had to be back, or zero
	// where the master was not away. For Changed it is the deadline of an away member.
	Since time.Time
}

// EffectKind is what an effect asks for.
type EffectKind uint8

const (
	// SendOne queues the packet to one member.
	SendOne EffectKind = iota
	// SendReplay queues the packet to one member, without regard to the limits of
	// the member's queue: a part of a replay, or a list, which have limits of their own.
	SendReplay
	// SendPresence queues the packet, which tells a change of a slave, to the master. The
	// rules have found that there is room for it (Line.Behind).
	SendPresence
	// AwaitDrain calls Drained for the attachment, after what waits on its connection has
	// been taken to be written. It is executed after what was emitted before. Of several
	// attachments on one connection, one is called at a time, and what that emits is
	// executed before the next.
	AwaitDrain
	// RoomMade wakes those that wait for AwaitRoom.
	RoomMade
	// SendAll queues the packet to the whole audience: all slaves that have a
	// connection.
	SendAll
	// Tell queues the packet, which tells the attribute Text of Member, to one member, and
	// TellAll to the whole audience. It takes the place of what is queued for the same
	// attribute. A Text that is empty takes that of all attributes of Member. The packet does
	// not count in the limits of the queue.
	Tell
	TellAll
	// Untell takes out what is queued for the attributes of Member.
	Untell
	// Admit adds a slave's attachment to the audience.
	Admit
	// Dismiss removes a slave's attachment from the audience.
	Dismiss
	// Release tells one member that its membership has ended. It closes the
	// connection, unless the connection holds another membership. Where another
	// connection has taken the membership over, it closes it in any case.
	Release
	// Enter makes the attachment, which was entering, a membership of its connection. What is
	// sent to it comes behind.
	Enter
	// Refuse tells one who was entering why it does not, as End says. The connection stays.
	Refuse
	// Answer queues the packet, which answers a frame that came on the attachment's connection.
	Answer
	// Vacate takes the attachment, whose membership has ended by its own frame, from its
	// connection, which stays. The answer to the frame comes behind.
	Vacate
	// Discard drops what is queued for the attachment and was not taken to be written: a
	// Release or Eject follows, and is all that the member is still told.
	Discard
	// Eject closes the connection of the master, for what End says, whatever else it
	// holds. The membership lives on.
	Eject
	// ReleaseAll is Release for the whole audience.
	ReleaseAll
	// Forget frees the channel's name.
	Forget
	// Changed tells a change of a member (change.go).
	Changed
	// Count adds Delta to a metric.
	Count
	// Keep has a record of what has changed (Record), where the channel records.
	Keep
	// Mark does nothing: Mark has put it there, with the Number.
	Mark
)

// ChangesAudience reports whether an effect of this kind changes the audience, so
// that a SendAll after it goes to other slaves than a SendAll before it.
func (k EffectKind) ChangesAudience() bool {
	return k == Admit || k == Dismiss || k == ReleaseAll
}

// emit appends an effect.
func (c *Channel) emit(e Effect) { c.effects = append(c.effects, e) }

// Pending is the number of effects that TakeEffects would return.
func (c *Channel) Pending() int {
	c.settle()
	return len(c.effects)
}

// TakeEffects returns the pending effects, in the order in which they must be
// executed, and removes them from the channel. The channel appends its next effects
// to spare, to reuse its memory. spare must be empty, and may be nil.
func (c *Channel) TakeEffects(spare []Effect) []Effect {
	c.settle()
	taken := c.effects
	c.effects = spare
	return taken
}

// Mark puts a Mark behind all that was decided so far, its records too. What is behind it comes of
// what is decided next: so whoever executes the effects knows which of them, and of the records,
// belong to which of several calls.
func (c *Channel) Mark(number uint64) {
	c.settle()
	c.emit(Effect{Kind: Mark, Number: number})
}

// count emits a Count, if somebody wants Count effects and delta is not zero.
func (c *Channel) count(metric Metric, label string, delta int64) {
	if c.limits.Counted && delta != 0 {
		c.emit(Effect{Kind: Count, Metric: metric, Text: label, Delta: delta})
	}
}
