package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what the service and the log are told of a channel and its members: each
// change, in the place of the channel's effects at which it was decided. The changes of a
// channel are numbered, and a Report has the number of the last one that it contains. So who
// begins with a report and goes on with the changes after it has the channel as it is.

// ChangeKind is what has changed.
type ChangeKind uint8

const (
	// Created: the master has made the channel.
	Created ChangeKind = iota
	// SlaveJoined: a slave has come in.
	SlaveJoined
	// ConnectionLost, DeclaredAway, GrantExpired: the member is away, because its connection
	// has ended, or because the master says so, or because what the service had granted the
	// master has expired. A master that was away already may lose its connection too.
	ConnectionLost
	DeclaredAway
	GrantExpired
	// DeclaredBack: the master says that it is back.
	DeclaredBack
	// Resumed, TakenOver, EnteredAgain: the member is on another connection, by its secret, by
	// the word of the service, or because it has repeated its create or join. It need not
	// have been away.
	Resumed
	TakenOver
	EnteredAgain
	// Granted: the service has granted a member anew.
	Granted
	// SlaveLeft: a slave is out.
	SlaveLeft
	// Knocked: somebody waits at the door.
	Knocked
	// HandedOver: a slave is the master, in the place of the one that there was, which is out: if
	// it stays, it comes in as a slave behind this. The text says by whose word.
	HandedOver
	// Ended: the channel is over, and all memberships with it. It is told by a Forget.
	Ended
)

// Change is what has changed in a channel, and how the member is since then. Of the end of a
// channel it has Kind, Number, Why and Text alone.
type Change struct {
	Kind ChangeKind
	// Number counts the changes of the channel.
	Number   uint64
	Username string
	Role     wire.Role
	State    wire.State
	// Deadline is when the membership of an away member ends, or zero.
	Deadline time.Time
	// Membership is the number of a slave's membership, or that of a knock, and Epoch counts the member's
	// connections.
	Membership, Epoch uint64
	// Data is the service's own. It is shared and must not change.
	Data []byte
	// Why is the code of an end, and Text says more of it.
	Why  wire.Code
	Text string
}

// Change is what a Changed or a Forget tells. Unlike the rest of the member, what it reads of it
// does not change.
func (e *Effect) Change() Change {
	change := Change{Kind: e.What, Number: e.Number, Text: e.Text}
	if e.End != nil {
		change.Why = e.End.Code
	}
	if e.Kind == Forget {
		change.Kind, change.Text = Ended, e.End.Text
		return change
	}
	change.Username, change.Role = e.Of.name, e.Of.role
	if change.State = e.State; e.State == wire.StateAway {
		change.Deadline = e.Since
	}
	if e.Grant != nil {
		change.Data = e.Grant.Data
	}
	if e.What == Knocked {
		change.Membership = uint64(e.Delta) // it may be a member by now, with another number
		return change
	}
	change.Membership, change.Epoch = e.Of.number, uint64(e.Delta)
	return change
}

// Subject is the name of the member that a Changed is about.
func (e *Effect) Subject() string { return e.Of.name }

// change emits a Changed. a is the member's attachment, or the last one that it had, or nil
// where it had none at the time. why is the code of an end, or nil, and text the words of it.
func (c *Channel) change(what ChangeKind, m *member, a *Attachment, why *wire.Cause, text string) {
	c.emit(Effect{
		Kind: Changed, What: what, State: m.state, Of: m, Grant: m.extra().grant, To: a, End: why, Text: text,
		Number: c.nextChange(), Since: m.deadline, Delta: int64(m.epoch),
	})
}

// nextChange is the number of a new change.
func (c *Channel) nextChange() uint64 {
	c.changes++
	return c.changes
}
