package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Effect is one consequence of a decision, to be carried out by somebody else.
type Effect struct {
	Kind   EffectKind
	To     *Attachment
	Packet *wire.Packet
	// End is why a membership, or all of them, have ended.
	End *wire.Cause
	// Text is a Note's, or a Count's label; Member is a Note's.
	Text   string
	Member string
	// Metric and Delta are a Count's.
	Metric Metric
	Delta  int64
	// Since is, with Forget, when a master that is down had to be back.
	Since time.Time
}

// EffectKind is what an effect asks for.
type EffectKind uint8

const (
	// SendOne queues the packet to one member.
	SendOne EffectKind = iota
	// SendReplay does so beyond the limits of what may wait for the member: a
	// replay has its own.
	SendReplay
	// SendAll queues the packet to everyone in the audience.
	SendAll
	// Admit puts a slave's attachment into the audience, Dismiss takes it out.
	Admit
	Dismiss
	// Release tells one member that its membership has ended, and closes its
	// connection unless that holds another.
	Release
	// ReleaseAll does so for the whole audience.
	ReleaseAll
	// Forget frees the channel's name.
	Forget
	// Note tells the log of a change of a member.
	Note
	// Count tells the metrics.
	Count
)

// ChangesAudience reports whether a SendAll behind such an effect means others
// than one before it.
func (k EffectKind) ChangesAudience() bool {
	return k == Admit || k == Dismiss || k == ReleaseAll
}

// emit appends to what is to be done.
func (c *Channel) emit(e Effect) { c.effects = append(c.effects, e) }

// Pending is how many effects there are to take.
func (c *Channel) Pending() int { return len(c.effects) }

// TakeEffects takes the effects there are, in the order in which they must be
// carried out. The next ones are gathered in the space of spare, which must be
// empty and may be nil.
func (c *Channel) TakeEffects(spare []Effect) []Effect {
	taken := c.effects
	c.effects = spare
	return taken
}

// count has the metrics told.
func (c *Channel) count(metric Metric, label string, delta int64) {
	if c.limits.Counted && delta != 0 {
		c.emit(Effect{Kind: Count, Metric: metric, Text: label, Delta: delta})
	}
}

// note has the log told of a change of a member.
func (c *Channel) note(text string, m *member) {
	c.emit(Effect{Kind: Note, Text: text, Member: m.name})
}
