package cluster

import (
	"context"
	"errors"
	"iter"
	"time"
)

// What calls of an engine fail with. Errors may have more to say; ask with errors.Is.
// Every other error says that it is not known what has become of the call.
var (
	// ErrConflict: another group follows the position that the append named. This one is
	// not in the log and will never be.
	ErrConflict = errors.New("cluster: another group follows this position")

	// ErrNone: the log of the key is empty.
	ErrNone = errors.New("cluster: no group under this key")

	// ErrGone: the log has not, or has no more, what the call named. It has expired, or
	// was lost; or a node answered that is behind. An append that fails with it may or
	// may not have happened.
	ErrGone = errors.New("cluster: the log does not have this position")

	// ErrFull: there is no room. This call has not appended the group and will not.
	// Where an earlier call with the same nonce left its outcome open, it still is.
	ErrFull = errors.New("cluster: the log is full")

	// ErrNobody: nobody serves the hub's id. The request has reached nobody.
	ErrNobody = errors.New("cluster: nobody serves this hub")

	// ErrTooLarge: a group is larger than MaxGroup, or a message than MaxMessage.
	// Nothing was appended or sent.
	ErrTooLarge = errors.New("cluster: larger than an engine takes")

	// ErrInvalid: an append that no engine takes: not of exactly one kind, without a
	// nonce, or one whose Before is above its After. Nothing was appended.
	ErrInvalid = errors.New("cluster: not a group that can be appended")

	// ErrClosed: the engine is closed.
	ErrClosed = errors.New("cluster: the engine is closed")
)

const (
	// MaxGroup is the size in bytes of the largest Body of a group. Every engine takes it.
	MaxGroup = 256 << 10

	// MaxMessage is the size in bytes of the largest request, reply or beat. Every
	// engine takes it.
	MaxMessage = 512 << 10
)

// Position is the place of a group in the log of its key. Positions rise within a key,
// with holes between them; 0 is before all. They say nothing across keys.
type Position uint64

// Kind tells who is told of a group. A group has one; a set of them tells what to read.
type Kind uint8

const (
	// Shared groups are handed to the tails of their key.
	Shared Kind = 1 << iota
	// Own groups are only read.
	Own
	// Part is a part of something large, which is only read and often passed over.
	Part

	// Every is the set of all kinds.
	Every = Shared | Own | Part
)

// Group is what a log is made of.
type Group struct {
	// Position is given by the engine when the group is appended. It is 0 in an
	// announcement (see Log.Announce) and of no meaning in an append.
	Position Position

	// After is the position that the append named: of the group before this one, of
	// whatever kind, or 0. A reader that finds another one before it misses some.
	After Position

	// Before is the position of the Shared group before this one, or 0: the appender
	// says it, and the engine keeps it as it was said. In an announcement it is the
	// position of the last Shared one.
	Before Position

	Kind Kind

	// Nonce is drawn for each group by whoever appends it, and the same when the append
	// is repeated: the engine tells by it whether the group is there already. It must
	// not be zero.
	Nonce Nonce

	// Age is how long ago the group was appended, by the engine's clock as far as it
	// knows it, when it is handed out. In an append it has no meaning.
	Age time.Duration

	Body []byte
}

// Announced tells whether g is no group but an announcement.
func (g Group) Announced() bool { return g.Position == 0 }

// Log keeps for each key a sequence of groups, and appends in one order whoever asks.
type Log interface {
	// Append adds g to the log of the key, after the group at g.After (0: there is none),
	// and returns its position once it is committed: once no failure that the engine is
	// made for can take it away. Of all appends that name one position, of whatever
	// kinds and on whatever connections, at most one succeeds.
	//
	// ErrConflict, ErrFull, ErrTooLarge and ErrInvalid are sure. Every other error,
	// the context's too, leaves open whether the group was added, or will be even
	// after the call has returned. The same append again, with the same nonce, settles
	// it: it succeeds with the group's position if it was added meanwhile, whatever
	// has followed it since. It is known for less than Keeps; a caller that has not
	// settled it by then knows nothing.
	//
	// An engine does not repeat appends by itself. It may fail while it has no leader,
	// and soon after an append that was acknowledged; the caller tries again, after
	// a pause.
	Append(ctx context.Context, key Key, g Group) (Position, error)

	// Last is the last group of a key, of whatever kind. ErrNone: there is none.
	// It may be old, and ErrNone wrong, for as long as a node of the engine does
	// not know that it leads no more. Nothing final may be built on that.
	Last(ctx context.Context, key Key) (Group, error)

	// LastLinearizable is Last, but no older than the call: every group that was
	// committed before it began is known to it, for as long as groups are kept: nodes
	// let them go each by its own clock. It costs an append, which
	// all share that ask for keys of the same shard meanwhile.
	LastLinearizable(ctx context.Context, key Key) (Group, error)

	// Read yields the groups of the key that are of one of the kinds, in order, with
	// after < Position ≤ until. The caller names as until the position of a group of these
	// kinds that it knows of (from Group.Before, or Last): Read goes on until it has
	// yielded that one, also where nodes do not have it yet, or until the context
	// ends. ErrGone: it is there no more. Groups before it may have expired, which their
	// After shows, and for Shared ones Before.
	//
	// Each range over it reads anew. An error is yielded last, with a zero Group.
	Read(ctx context.Context, key Key, kinds Kind, after, until Position) iter.Seq2[Group, error]

	// Tail calls f with each Shared group of the key soon after it was committed, in order,
	// from about the time at which it returns. Some may be missing: the next one's
	// Before tells, and Read has them. Each comes once, and positions rise, for as long as
	// the log is not lost; where it was, lower ones come, and what is in them
	// has to tell.
	//
	// What Announce was given comes too, and may have been overtaken.
	//
	// stop ends it, and returns when f is not running and will not be called again.
	Tail(key Key, f func(Group)) (stop func(), err error)

	// Announce tells the tails of the key, as far as they hear it, that the last Shared
	// group is at this position: f of each gets a Group with Before and nothing else.
	Announce(key Key, last Position) error

	// Keeps is how long groups are kept, at least, by the clocks of the engine's nodes.
	// It is the same for the life of a cluster.
	Keeps() time.Duration
}

// Bus passes small messages between hubs, each at most once, late or never.
type Bus interface {
	// Serve calls answer with each request to the hub self. reply may be called any number
	// of times, at any time, by any goroutine; its error says that the reply has
	// not left, and no error that perhaps it has. A hub's id is served once.
	//
	// stop ends it, and returns when answer is not running and will not be called again.
	Serve(self HubID, answer func(from HubID, request []byte, reply func([]byte) error)) (stop func(), err error)

	// Ask sends a request once, when it is ranged over, and yields what is replied, as
	// often as that is and in order, until the caller breaks off or the context ends. How
	// many replies there are, and whether one is missing, the two have to agree on. A reply that comes after the range has
	// ended reaches nobody. ErrNobody and the context's error are yielded last.
	Ask(ctx context.Context, from, to HubID, request []byte) iter.Seq2[[]byte, error]

	// Beat tells all hubs something, the one that says it too.
	Beat(from HubID, beat []byte) error

	// Beats calls f with each beat of any hub.
	//
	// stop ends it, and returns when f is not running and will not be called again.
	Beats(f func(from HubID, beat []byte)) (stop func(), err error)
}

// Engine is all that hubs need to be several. It belongs to whoever made it; a hub that
// was given one does not close it, and several hubs of one process may share one.
type Engine interface {
	Log
	Bus

	// State is what the engine knows of itself, without asking anybody. It does not wait.
	State() State

	// Close ends everything: no callback runs when it has returned, and none will; calls
	// that were under way have returned or do so at once. Calls after it fail with
	// ErrClosed. It may be called again.
	Close() error
}

// State is what an engine knows of itself.
type State struct {
	// Connected: requests and appends can be sent.
	Connected bool

	// ClockSpread is the largest distance between this process's clock and the clock of a
	// node of the engine, of those that the engine could measure not long ago. A node's
	// clock decides when it lets groups go, so a large spread (half a minute is) can empty
	// a log early: nothing should be created on an empty log then. Of two
	// processes whose clocks are right, both see the node whose clock is not.
	ClockSpread time.Duration

	// Shards are the parts that keys are spread over (see Key.Shard): what happens to
	// one need not happen to another.
	Shards []Shard
}

// Shard is a part of an engine's log.
type Shard struct {
	// Leader names the node that orders the appends, as last heard; empty: none is known.
	Leader string

	// Filled is how much of the shard's room is taken, from 0 to 1, as last heard, and 0 where
	// there is no bound. At 1 appends fail with ErrFull. Who writes what can wait should
	// stop earlier (at 0.8), so that there is room for what cannot.
	Filled float64

	// Room is how many bytes the shard takes, and 0 where there is no bound, or it is not known: then it is not seen to
	// that one key leaves room for the others.
	Room int64
}

// Shard is that of the key.
func (s State) Shard(key Key) Shard { return s.Shards[key.Shard(len(s.Shards))] }

// Check tells whether g can be appended: nil, or an error that is ErrInvalid or
// ErrTooLarge. Engines begin an append with it.
func (g Group) Check() error {
	switch {
	case g.Kind != Shared && g.Kind != Own && g.Kind != Part, g.Nonce == Nonce{}, g.Before > g.After:
		return ErrInvalid
	case len(g.Body) > MaxGroup:
		return ErrTooLarge
	}
	return nil
}
