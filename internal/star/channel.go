// Package star is the seven rules: a channel with its one master and its slaves
// as plain state, and the named transitions that alone write it.
//
// A transition is told the time, decides, and returns. What is to be sent, closed
// or counted because of it is appended to the channel's effects, as data, for
// somebody else to carry out in the same order. The package has no lock, no clock,
// no randomness, no logger, and does no I/O; of a connection it asks only what
// [Line] has. So each rule is tested as a table, a channel can be written down by
// Snapshot and brought back by Restore, and whoever drives it decides what one of
// its moments is.
//
// Nothing here is safe for concurrent use: the owner of a Channel has a lock.
package star

import (
	"time"
)

// Channel is one star: a master, its slaves, and the seven rules between them.
//
// All seven rules are decided here, by the transitions and nowhere else: Create,
// Join, Again, Resume (entering.go), Leave, Lose, Kick, Expire, Close, Remove, End
// (leaving.go), Away, Back, Members, Status (presence.go), Send (sending.go),
// Withdraw and Awaiting (questions.go), and Stop.
//
// A transition that returns an error has changed nothing, but for a Send, whose
// refusal is remembered under its ref.
type Channel struct {
	name string
	// limits are shared by all channels of a hub and do not change.
	limits *Limits

	// effects are what was decided and not taken by TakeEffects yet.
	effects []Effect

	life life
	// stopped: nobody's time runs out any more, and no message is accepted.
	stopped bool
	// timeout is X of rule 3, for this channel.
	timeout time.Duration
	master  *member
	slaves  map[string]*member
	// connected counts the slaves that have a connection at present.
	connected int
	// waiting lists the slaves without a connection, the longest away first.
	waiting awayList
	banned  map[string]struct{}
	// down keeps what the master sent, up what the slaves sent. upSeen is the
	// number of the newest of up that was handed to a connection of the master.
	down, up replayLog
	upSeen   uint64
	// accepted is what was accepted for the master on its present attachment.
	accepted Load
	// questions are the master's open requests, in the order of their numbers.
	questions []*question
}

// Limits bound what a channel holds, and say how long it waits.
type Limits struct {
	// MasterTimeout is X of rule 3, where the master asks for no less. Zero: a
	// master that is away ends its channel at once.
	MasterTimeout time.Duration
	// SlaveTimeout is how long a slave without a connection keeps its place.
	SlaveTimeout time.Duration
	// MaxSlaves bounds the slaves, those away included, and the banned names.
	MaxSlaves int
	// Replay bounds what is kept of each direction.
	Replay Bound
	// Counted: somebody wants the Count effects, which are left out otherwise.
	Counted bool
}

// Bound limits messages by their number and by their bytes.
type Bound struct {
	Messages int
	Bytes    int
}

// Load is a number of messages and the bytes of their payloads.
type Load struct {
	Messages int
	Bytes    int
}

// life is where a channel stands. It only ever goes forward.
type life uint8

const (
	// vacant: there is a place for it, but it was not created yet.
	vacant life = iota
	open
	gone
)

// New is the place for a channel of that name, which Create can fill.
func New(name string, limits *Limits) *Channel {
	return &Channel{name: name, limits: limits}
}

// Name is the channel's name.
func (c *Channel) Name() string { return c.name }

// Exists reports whether the channel was created and has not ended.
func (c *Channel) Exists() bool { return c.life == open }

// Ended reports whether the channel is over. Another one of its name is another
// Channel.
func (c *Channel) Ended() bool { return c.life == gone }

// Stop is the hub's word that it shuts down. Nobody's time runs out any more, so
// that nobody is told something else than shutdown because the master was let go
// first; and no message is accepted.
func (c *Channel) Stop() { c.stopped = true }
