package hub

import (
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file keeps room in the log of a cluster for what has to be written whatever happens: whose a channel is, who comes and
// goes, and that it ends. Where a shard is nearly full, messages and changes of attributes are refused, until what is old
// has gone. Where it is half full, they are refused in a channel that takes much of it, so that it does not fill the shard for all.

const (
	// nearlyFull is how full a shard is where there is no room for messages, and halfFull where one channel may not take more than
	// muchOf, from 0 to 1.
	nearlyFull = 0.8
	halfFull   = 0.5
	muchOf     = 0.25
)

var (
	// errFull refuses what there is no room for then.
	errFull = wire.ErrBusy.With("the cluster's log has little room left: send it again later, under a new ref")
	// errMuch refuses it in a channel that takes much.
	errMuch = wire.ErrBusy.With("the channel takes much of the cluster's log, which has little room left: send it again later, under a new ref")
)

// filling is which shards are nearly full, and which channels of this hub take much of one that is half full. It is asked for each
// message, and read anew once a second.
type filling struct {
	any    atomic.Bool
	shards []atomic.Bool
	much   atomic.Pointer[map[string]struct{}]
}

// readFilling reads it anew.
func (cl *clustered) readFilling() {
	f, state := &cl.filling, cl.engine.State()
	any, half := false, false
	for i, shard := range state.Shards {
		full := shard.Filled >= nearlyFull
		f.shards[i].Store(full)
		any, half = any || full, half || shard.Filled >= halfFull
	}
	f.any.Store(any)
	f.much.Store(nil)
	if half {
		f.much.Store(cl.takeMuch(state))
	}
}

// takeMuch are the channels of this hub that take much of a shard that is half full, or nil where there are none.
func (cl *clustered) takeMuch(state cluster.State) *map[string]struct{} {
	var much map[string]struct{}
	now := time.Now()
	for _, c := range cl.hub.listed() {
		j, _ := c.Journal().(*journal)
		if j == nil {
			continue
		}
		shard := state.Shard(j.key)
		if shard.Room == 0 || shard.Filled < halfFull || float64(j.volume.Bytes(now)) < muchOf*float64(shard.Room) {
			continue
		}
		if much == nil {
			much = make(map[string]struct{})
		}
		much[c.Name()] = struct{}{}
	}
	if much == nil {
		return nil
	}
	return &much
}

// noRoom is why the log has no room for a message in the channel, or nil.
func (cl *clustered) noRoom(channel string) *wire.Cause {
	if cl == nil {
		return nil
	}
	if cl.filling.any.Load() && cl.filling.shards[cluster.KeyOf(channel).Shard(len(cl.filling.shards))].Load() {
		return errFull
	}
	if much := cl.filling.much.Load(); much != nil {
		if _, is := (*much)[channel]; is {
			return errMuch
		}
	}
	return nil
}
