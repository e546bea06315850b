// Package star is the seven rules: a channel with its one master and its slaves
// as plain state, and the named transitions, and Restore, that alone write it.
//
// A transition decides and returns. One whose decision depends on the time gets the time
// as an argument. It does not send, close or count anything itself. It appends effects to the channel, as data. The
// caller takes the effects and executes them in the same order.
//
// The package has no lock, no clock, no randomness and no logger, and does no I/O.
// All that it knows about a connection is a [Line]. So each rule can be tested with
// tables, Snapshot can write a channel down and Restore can bring it back, and the
// caller decides which time a transition sees.
//
// Nothing here is safe for concurrent use. The caller must hold a lock of its own
// around every call on a Channel.
package star

import (
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// Channel is one star: a master, its slaves, and the seven rules between them.
//
// All seven rules are decided here, by the transitions and nowhere else:
//
//   - entering.go: Create (rules 1 and 7), Join and RepeatJoin (2), Resume (7)
//   - grant.go: Refresh, Revoke, and what becomes of who is granted no more
//   - door.go: SetDoor, Knock, Arrive, CancelKnock, Admit and Deny; WaitsAt
//   - holder.go: which client may hold a membership (7), and Hear
//   - attachment.go: what makes an older attachment stale (7)
//   - cutoff.go: HubLost and Return, of members at a hub that is not heard (7)
//   - leaving.go: Leave, Lose, Expire (3), Kick; Close and Remove in the name of
//     the service
//   - presence.go: Away, Back (3 and 4), Status (4)
//   - handover.go: HandOver (7); unshown.go: what the two have of it until they know (5, 6)
//   - roster.go, pages.go: Members
//   - catchup.go: Drained
//   - sending.go: Send (5 and 6)
//   - speaking.go: Speak, in the name of the service
//   - voice.go: Mute
//   - attributes.go: Set
//   - confirming.go: Confirm
//   - requests.go: Withdraw and Awaiting
//   - expiring.go: what becomes of messages and requests whose time is over, by Expire
//   - Stop, below
//
// A transition that returns an error has changed nothing, with one exception: Send and Set
// remember the refusal under the ref of what was sent.
type Channel struct {
	name string
	// limits are shared by all channels of a hub and do not change.
	limits *Limits

	// effects were appended by transitions, and not taken by TakeEffects yet.
	effects []Effect

	life life
	// stopped is when Stop was called, or the zero time: since then no deadline expires any
	// more, and no message is accepted.
	stopped time.Time
	// retired: the hub is gone, and the channel is there to be exported alone.
	retired bool
	// timeout is X of rule 3, for this channel.
	timeout time.Duration
	// terms are what the service has said of this channel.
	terms  Terms
	master *member
	slaves map[string]*member
	// connected counts the slaves that have a connection at present.
	connected int
	// away lists the slaves without a connection, the earliest deadline first.
	away   awayList
	banned map[string]struct{}
	// voice is which slaves may speak.
	voice voice
	// door is what becomes of who joins, or nil where it was always open.
	door *door
	// expiries are when grants expire. masterExpired: the master's has, and what follows
	// from it is done.
	expiries      expiries
	masterExpired bool
	// givenOver are the latest hand-overs that their masters can repeat.
	givenOver []givenOver
	// down has the messages of the master, up the messages of the slaves.
	down, up replayLog
	// roomAwaited: a slave waits until the master can get its message (AwaitRoom).
	roomAwaited bool
	// accepted is what was accepted for the master on its present attachment.
	accepted Load
	// inherited is the number of the newest message that was accepted for the master's connection by
	// another hub, or before it was cut off, or zero (confirming.go).
	inherited uint64
	// told is which changes of slaves were told to the master on its present attachment.
	told Load
	// rosterStale: the master has not been told of changes of its slaves, and will be
	// told the list of all of them instead (roster.go).
	rosterStale bool
	// listed is the number up to which the master was told its slaves by a list of which there are more pages, or
	// zero (pages.go).
	listed uint64
	// order is nil where nobody wants the slaves in pages. countStale: the master is to be told how many slaves there
	// are, at countAt or later (pages.go).
	order      *joinOrder
	countStale bool
	countAt    time.Time
	// joins counts the memberships of slaves there have ever been. The newest one has
	// this number.
	joins uint64
	// changes counts what has changed for who listens to this channel (change.go). Nobody
	// listens to another one, so it is in no Snapshot.
	changes uint64
	// slavesBytes is the size of the attributes of all slaves. hidden: the master has not heard
	// of a slave that has some.
	slavesBytes int
	hidden      bool
	// requests are the master's open requests, in the order of their numbers.
	requests []*request
	// endings are the open requests that end with their messages, of the master and of slaves.
	endings endings
	// recorder is nil where nobody wants to know what changes (record.go), and numbers where nobody
	// looks for slaves by their numbers (numbers.go).
	recorder *recorder
	numbers  map[uint64]*member
}

// Limits bound what a channel holds, and how long it waits.
type Limits struct {
	// MasterTimeout is X of rule 3, unless the master asks for less. Zero: when the
	// master is away, its channel ends at once.
	MasterTimeout time.Duration
	// SlaveTimeout is how long a slave without a connection keeps its place.
	SlaveTimeout time.Duration
	// HandshakeTimeout is how long a create or join can be repeated that was not heard of
	// since. Zero: there is no limit.
	HandshakeTimeout time.Duration
	// WaitTimeout is how long somebody may wait to be let in. Zero: there is no limit.
	WaitTimeout time.Duration
	// MaxSlaves bounds the number of slaves, including those without a connection.
	// It also bounds the number of banned names, and of those that are muted, or not, as an
	// exception.
	MaxSlaves int
	// Replay bounds the messages that are kept in each direction. What slaves have sent
	// and the connected master has not confirmed may be more, by Outbox. A channel that is recorded
	// (Record) has that of the hub which has created it wherever it goes on.
	Replay Bound
	// Outbox is what may wait on a connection.
	Outbox Bound
	// Page is how many entries a page of a list has, and how many slaves a channel has whose list is whole. Zero: wire.MaxPage.
	Page int
	// Counted asks for Count effects. Without it there are none.
	Counted bool
	// Topics are those that messages are counted by. Others are counted as LabelOther.
	Topics map[string]bool
}

// Bound limits messages by their number and by their bytes, of which each counts for
// entryOverhead more than its payload.
type Bound struct {
	Messages int
	Bytes    int
}

// Load is a number of messages and their bytes: those of the payloads in what was
// accepted, with entryOverhead for each message in Report.Kept.
type Load struct {
	Messages int
	Bytes    int
}

// life is the state of a channel in its life cycle. It only goes forward.
type life uint8

const (
	// vacant: the Channel exists as a value, but Create was not called yet.
	vacant life = iota
	open
	ended
)

// New is a vacant channel of that name. Create opens it.
func New(name string, limits *Limits) *Channel {
	return &Channel{name: name, limits: limits}
}

// Name is the channel's name.
func (c *Channel) Name() string { return c.name }

// Exists reports whether the channel was created and has not ended.
func (c *Channel) Exists() bool { return c.life == open && !c.retired }

// Ended reports whether the channel has ended. It cannot be created again; a new
// channel of the same name is another Channel value.
func (c *Channel) Ended() bool { return c.life == ended }

// Abandon ends a channel that was not created. Nobody is told.
func (c *Channel) Abandon() {
	if c.life == vacant {
		c.life = ended
	}
}

// Stop tells the channel that the hub shuts down. From now on no deadline expires
// and no message is accepted, nor remembered as refused, since it is sent again to the hub
// that takes the place of this one. Otherwise, when the master's connection is closed
// before the others, slaves could be told another reason than shutdown. Who loses its
// connection from now on is away from now on.
func (c *Channel) Stop(now time.Time) {
	if c.isStopped() {
		return
	}
	c.stopped = now
	if c.life == open {
		c.clearDoor(wire.ErrShuttingDown) // they knock at the hub that takes the place of this one
	}
}

func (c *Channel) isStopped() bool { return !c.stopped.IsZero() }

// leftAt is from when on who loses its connection now is away.
func (c *Channel) leftAt(now time.Time) time.Time {
	if c.isStopped() {
		return c.stopped
	}
	return now
}

// Retire is for a channel whose hub has ended: all connections are closed, and nobody is
// left to be told anything. It makes the counts right, since another hub may share the
// Observer. What the channel has stays, to be exported; nobody has left one that goes on at another hub of a cluster.
func (c *Channel) Retire() {
	if !c.Exists() {
		return
	}
	c.retired = true
	if c.recorder == nil {
		c.count(Leaves, string(wire.ErrShutdown.Code), int64(len(c.slaves)))
	}
	c.countOut()
	c.emit(Effect{Kind: Forget, End: wire.ErrShutdown, Number: c.nextChange()})
}

// Announce is for a channel that was imported: it counts the channel and its members.
func (c *Channel) Announce() {
	c.count(Channels, "", 1)
	c.count(Slaves, "", int64(len(c.slaves)))
}

// countOut takes the channel, and those who are in it, out of what is there.
func (c *Channel) countOut() {
	c.count(Slaves, "", -int64(len(c.slaves)))
	c.count(Channels, "", -1)
}
