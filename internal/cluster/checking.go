package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// askFor bounds one question for the end of the log.
	askFor = 5 * time.Second

	// askPause is the first pause after a question that was not answered, and askPauseMax the longest.
	askPause    = 100 * time.Millisecond
	askPauseMax = time.Second
)

// check has askEnd ask, also where it is asking already: what it is told then may be older. The lock is held.
func (f *Follower) check() {
	if f.over {
		return
	}
	f.ask = true
	if !f.asking {
		f.asking = true
		f.running.Go(f.askEnd)
	}
}

// askEnd asks the log for its end until it has been told. It is beside run, so that what comes on the tail is delivered while
// the log has no leader.
func (f *Follower) askEnd() {
	wait := askPause
	for {
		f.mu.Lock()
		if f.over || !f.ask {
			f.asking = false
			f.mu.Unlock()
			return
		}
		f.ask = false
		taken, nonce := f.taken, f.nonce
		f.mu.Unlock()
		g, sure, err := f.lastGroup()
		if f.judge(g, sure, err, taken, nonce) {
			continue
		}
		pause(f.ctx, wait)
		wait = min(2*wait, askPauseMax)
	}
}

// lastGroup is the last group, or cluster.ErrNone. sure: it is no older than the call. What is older would hide what it is asked
// for: a node that leads no more does not know of what was missed, nor that the log is another one. Where
// the shard is full, nothing is sure.
func (f *Follower) lastGroup() (g cluster.Group, sure bool, err error) {
	ctx, cancel := context.WithTimeout(f.ctx, askFor)
	defer cancel()
	g, err = f.log.LastLinearizable(ctx, f.key)
	if errors.Is(err, cluster.ErrFull) {
		g, err = f.log.Last(ctx, f.key)
		return g, false, err
	}
	return g, true, err
}

// judge compares the last group of the log with what was delivered when it was asked for, and tells whether it is an answer.
func (f *Follower) judge(g cluster.Group, sure bool, err error, taken cluster.Position, nonce cluster.Nonce) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	shared := LastShared(g)
	switch {
	case errors.Is(err, cluster.ErrClosed):
		f.fail(err)
	case errors.Is(err, cluster.ErrNone):
		if sure && taken > 0 {
			f.fail(fmt.Errorf("%w: all groups", cluster.ErrGone))
		}
	case err != nil:
		f.ask = true
		return false
	case sure && shared < taken:
		f.fail(fmt.Errorf("%w: it ends at %d, and %d was read", ErrLost, shared, taken))
	case sure && g.Position == taken && nonce != cluster.Nonce{} && g.Nonce != nonce:
		f.fail(fmt.Errorf("%w: another group is at %d now", ErrBroken, taken))
	default:
		f.told(shared, tailLate)
	}
	return true
}
