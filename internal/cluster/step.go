package cluster

import "github.com/lectern-go/lectern/cluster"

// ReplyAt is a reply to a request of this hub, with its place in the order of the log.
type ReplyAt struct {
	// Epoch of the owner that has replied, and the number of the request.
	Epoch, N uint64

	// Position is that of the group in which the request took effect, with the reply's marker if
	// there is one. It is committed.
	Position cluster.Position

	// Shared is the position of the last shared group when the reply was made.
	Shared cluster.Position

	// Marked: the reply's place is that of its marker, in the shared group at Position. One that is not
	// has its place anywhere behind the group at Shared, and behind the replies before it.
	Marked bool

	// Items are what it has to say.
	Items []Item
}

// StepKind is what a Step is.
type StepKind uint8

const (
	// StepItem: the Item of the group at Position, with this Header, is carried out. Markers are
	// not among them.
	StepItem StepKind = iota + 1

	// StepReply: what Reply has is carried out. If it is marked, Position is that of its marker's group; otherwise that of
	// the last group that was carried out.
	StepReply

	// StepDropped: the place of Reply has gone by. It is not carried out; its calls have to be
	// asked again, of whoever is the owner now, before those that were put later.
	StepDropped

	// StepClaim: the group at Position says by its Header's Claim that the channel is Owned, Free, in Doubt
	// or has Ended. For Owned and Doubt this comes before what else is in the group, for
	// Free and Ended behind it. Behind Ended comes nothing but a StepRecreated.
	StepClaim

	// StepRecreated: the group at Position is of another channel of the same name, which was
	// created meanwhile. This one is no more, and nothing comes behind.
	StepRecreated
)

var stepKinds = [...]string{"", "item", "reply", "dropped", "claim", "recreated"}

// String is the kind in a word.
func (k StepKind) String() string { return stepKinds[k] }

// Step is what is to be carried out next.
type Step struct {
	Kind     StepKind
	Position cluster.Position
	Header   *Header  // of the group: for StepItem, StepClaim and StepRecreated. It may not be written to.
	Item     Item     // of StepItem
	Reply    *ReplyAt // of StepReply and StepDropped
}
