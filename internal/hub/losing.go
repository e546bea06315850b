package hub

import (
	"errors"
	"fmt"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
)

// This file is what a hub keeps of a channel that it has owned, or has had members of, until the engine has lost the end of its
// log: messages had numbers that are in no log any more, and members may have seen them. So they are not given again where this hub
// owns the channel next. Where another one does, which has heard nothing of who has owned the channel, it goes on well above what there
// is; and else the members that have seen them say so, when they come back (star.Resume).

// numbers are those of the newest message to slaves, and of the newest to the master.
type numbers struct{ down, up uint64 }

// givenNumbers are the numbers that messages of one channel have had.
type givenNumbers struct {
	incarnation cluster.Nonce
	numbers     numbers
	// lost is when the log has lost some of them, or zero.
	lost time.Time
}

// maxGiven is of how many channels that is kept. Beyond that all is forgotten.
const maxGiven = 10_000

func (cl *clustered) keepGiven(key cluster.Key, incarnation cluster.Nonce, n numbers) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.given == nil || len(cl.given) >= maxGiven {
		cl.given = make(map[cluster.Key]givenNumbers)
	}
	known := cl.given[key]
	if known.incarnation == incarnation {
		n = numbers{max(n.down, known.numbers.down), max(n.up, known.numbers.up)}
	}
	cl.given[key] = givenNumbers{incarnation, n, known.lost}
}

// keepLoss notes that the log has lost some of what is kept of the channel.
func (cl *clustered) keepLoss(key cluster.Key) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	known := cl.given[key]
	known.lost = time.Now()
	cl.given[key] = known
}

// lostFor is how long an old answer may have what the log has lost.
const lostFor = time.Minute

// hasLost reports whether the log of the channel has lost its end not long ago.
func (cl *clustered) hasLost(key cluster.Key) bool {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	known := cl.given[key]
	return !known.lost.IsZero() && time.Since(known.lost) < lostFor
}

func (cl *clustered) numbersOf(key cluster.Key, incarnation cluster.Nonce) numbers {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	known := cl.given[key]
	if known.incarnation != incarnation {
		return numbers{}
	}
	return known.numbers
}

// reached is how far an edge is in a log, also by what others have said.
type reached struct {
	at    cluster.Position
	epoch uint64
}

func (e *edge) reached() reached {
	e.mu.Lock()
	defer e.mu.Unlock()
	return reached{e.merging.At(), max(e.merging.Epoch(), e.owner.Epoch)}
}

// isBehind reports whether the group, which was the last one of the log since then, is not as far.
func (r reached) isBehind(last cluster.Group, h inner.Header) bool {
	return inner.LastShared(last) < r.at || h.Epoch < r.epoch
}

// isDeserted reports whether the owner has said for a while that it does not have the channel: the log has lost that another one owns it.
func (e *edge) isDeserted() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.unknown.IsZero() && time.Since(e.unknown) > succeedTimeout
}

// errFallen: the log has come further than it does.
var errFallen = fmt.Errorf("%w: it has come further, or had a later owner", inner.ErrLost)

// isLoss reports whether that is an error by which the log is not what it was.
func isLoss(err error) bool {
	return errors.Is(err, inner.ErrLost) || errors.Is(err, inner.ErrBroken) || errors.Is(err, inner.ErrDisorder)
}
