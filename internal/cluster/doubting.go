package cluster

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// PerRank is how much longer a hub waits for each that may go first.
	PerRank = 150 * time.Millisecond

	// answerWithin is how long a hub that is doubted has to answer, from when the doubt was committed.
	answerWithin = time.Second

	// takenFor is for how long what was found in the log is good enough to act on.
	takenFor = 2 * time.Second

	// lookAgain is the pause after a call that has failed.
	lookAgain = 250 * time.Millisecond
)

// ControlKey is the key of the log in which a hub is doubted, and answers, on behalf of all channels of a shard.
// It is in that shard of so many, and no channel's: that of a channel is the first half of a
// hash (see cluster.KeyOf), this is the second.
//
// One log for each channel would do too, and need no key of its own. But who stops with 10,000 channels would be doubted 10,000
// times by each hub that has members, in all its channels, for an answer that is the same everywhere: whether
// it can still append to that shard.
func ControlKey(shard int, hub cluster.HubID) (key cluster.Key) {
	sum := sha256.Sum256(append([]byte("hub "), hub[:]...))
	copy(key[:], sum[len(key):])
	binary.BigEndian.PutUint16(key[:], uint16(shard)) // which its Shard is, as there are more than so many
	return key
}

// Doubting is how a hub finds out about one that it does not hear, whether that still writes to a shard: a
// doubt is appended to its control log, and it answers there, or it is not there. It is state without a lock, a clock or a
// goroutine, for one hub and one shard; whoever has it does what Next says, and tells it
// what came of that.
//
// It is for calm, not for safety. Who takes a channel over from a hub that lives deposes it, and nothing is lost; but that
// should not happen because two hubs do not hear each other.
type Doubting struct {
	hub    cluster.HubID
	rank   int
	silent time.Time // its latest sign of life

	// What is known of the control log.
	seen     bool // anything is
	position cluster.Position
	asked    time.Time // when the doubt at position was committed, or one before it that it follows; zero: it is none
	looked   time.Time // when the look began that found it to be the last
	failed   time.Time // when the last call failed; zero: it did not
}

// Move is what to do about a doubt.
type Move uint8

const (
	// Pause: nothing, until then.
	Pause Move = iota
	// Look: ask for the last group of the control key, no older than the call, and tell it by Found.
	Look
	// Ask: append a doubt after the position that After tells, and tell it by Asked.
	Ask
	// Take: the hub has not answered. Whoever may, takes over its channels of this shard, until
	// then; after that, ask Next again.
	Take
)

// Sign is a group of a control log: an answer, if it is the hub's own, and a doubt, if it is another's.
type Sign struct {
	Position cluster.Position // 0: the log is empty
	After    cluster.Position
	From     cluster.HubID
	Age      time.Duration
}

// NewDoubting begins to doubt a hub that was silent since then (see Hubs.Silent), as the hub with this rank (see Hubs.Rank).
func NewDoubting(hub cluster.HubID, silent time.Time, rank int) *Doubting {
	return &Doubting{hub: hub, silent: silent, rank: rank}
}

// Alive tells a sign of life of then: a beat, or a group that the hub has appended to any log of the
// shard; or that silence counts from then only. What was asked before it is answered.
func (d *Doubting) Alive(at time.Time) {
	if at.After(d.silent) {
		d.silent = at
	}
}

// Next is what to do now, and until when that holds; for Look and Ask it holds until it is done.
func (d *Doubting) Next(now time.Time) (move Move, until time.Time) {
	due := later(d.silent.Add(UnheardAfter+time.Duration(d.rank)*PerRank), d.failed.Add(lookAgain))
	answered := d.asked.Add(answerWithin)
	switch {
	case now.Before(due):
		return Pause, due
	case !d.seen || !d.failed.IsZero():
		return Look, now
	case !d.asked.After(d.silent): // there is no doubt, or it was about an earlier silence
		if d.looked.Before(due) {
			return Look, now
		}
		return Ask, now
	case now.Before(answered):
		return Pause, answered
	case d.looked.Before(answered) || now.Sub(d.looked) >= takenFor:
		return Look, now
	}
	return Take, d.looked.Add(takenFor)
}

// After is the position that a doubt is to be appended after.
func (d *Doubting) After() cluster.Position { return d.position }

// Found tells the last group of the control log, for which it was asked then.
func (d *Doubting) Found(began, now time.Time, last Sign) {
	if !d.seen || last.Position != d.position {
		d.found(now.Add(-last.Age), last)
	}
	d.seen, d.position, d.looked, d.failed = true, last.Position, began, time.Time{}
}

// found takes a group that is new, and of then by the engine's clock.
func (d *Doubting) found(at time.Time, last Sign) {
	if d.seen && last.Position > d.position { // whatever that clock says: it was not there at the last look, nor when we asked
		at = later(at, later(d.looked, d.asked))
	}
	switch {
	case last.Position == 0:
		d.asked = time.Time{}
	case last.From == d.hub:
		d.asked = time.Time{}
		d.Alive(at)
	case d.asked.IsZero() || last.After != d.position: // else two ask, and the first is not answered
		d.asked = at
	}
}

// Asked tells that a doubt has been committed.
func (d *Doubting) Asked(now time.Time, at cluster.Position) { d.position, d.asked = at, now }

// Failed tells that a look or a doubt has failed, or that what became of it is not known. A look tells; and if there is
// no doubt then, one is appended, with another nonce. Two are one too many, and harmless.
func (d *Doubting) Failed(now time.Time) { d.failed = now }
