package hub

import (
	"github.com/lectern-go/lectern/cluster"
)

// This file is what a hub keeps of a channel that it has owned until the engine has lost the end of its log: messages had numbers
// that are in no log any more, and members may have seen them. So they are not given again where this hub owns the channel once more.

// numbers are those of the newest message to slaves, and of the newest to the master.
type numbers struct{ down, up uint64 }

// maxGiven is of how many channels that is kept. Beyond that all is forgotten.
const maxGiven = 10_000

func (cl *clustered) keepGiven(key cluster.Key, n numbers) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	if cl.given == nil || len(cl.given) >= maxGiven {
		cl.given = make(map[cluster.Key]numbers)
	}
	cl.given[key] = n
}

func (cl *clustered) takeGiven(key cluster.Key) numbers {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	n := cl.given[key]
	delete(cl.given, key)
	return n
}
