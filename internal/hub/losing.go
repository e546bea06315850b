package hub

import (
	"errors"

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
}

// maxGiven is of how many channels that is kept. Beyond that all is forgotten.
const maxGiven = 10_000

func (cl *clustered) keepGiven(key cluster.Key, incarnation cluster.Nonce, n numbers) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.given == nil || len(cl.given) >= maxGiven {
		cl.given = make(map[cluster.Key]givenNumbers)
	}
	if known := cl.given[key]; known.incarnation == incarnation {
		n = numbers{max(n.down, known.numbers.down), max(n.up, known.numbers.up)}
	}
	cl.given[key] = givenNumbers{incarnation, n}
}

func (cl *clustered) takeGiven(key cluster.Key, incarnation cluster.Nonce) numbers {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	known := cl.given[key]
	delete(cl.given, key)
	if known.incarnation != incarnation {
		return numbers{}
	}
	return known.numbers
}

// isLoss reports whether that is an error by which the log is not what it was.
func isLoss(err error) bool {
	return errors.Is(err, inner.ErrLost) || errors.Is(err, inner.ErrBroken) || errors.Is(err, inner.ErrDisorder)
}
