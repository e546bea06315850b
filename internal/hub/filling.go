package hub

import (
	"sync/atomic"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file keeps room in the log of a cluster for what has to be written whatever happens: whose a channel is, who comes and
// goes, and that it ends. Where a shard is nearly full, messages and changes of attributes are refused, until what is old
// has gone.

// nearlyFull is how full a shard is then, from 0 to 1.
const nearlyFull = 0.8

// errFull refuses what there is no room for then.
var errFull = wire.ErrBusy.With("the cluster's log has little room left: send it again later, under a new ref")

// filling is which shards are nearly full. It is asked for each message, and read anew once a second.
type filling struct {
	any    atomic.Bool
	shards []atomic.Bool
}

func (f *filling) read(state cluster.State) {
	any := false
	for i, shard := range state.Shards {
		full := shard.Filled >= nearlyFull
		f.shards[i].Store(full)
		any = any || full
	}
	f.any.Store(any)
}

// isFull reports whether the log of the channel has no room for messages.
func (cl *clustered) isFull(channel string) bool {
	if cl == nil || !cl.filling.any.Load() {
		return false
	}
	return cl.filling.shards[cluster.KeyOf(channel).Shard(len(cl.filling.shards))].Load()
}
