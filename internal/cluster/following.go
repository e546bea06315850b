package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

const (
	// tailLate is how long the tail has to bring what it is known from elsewhere that there is.
	tailLate = 100 * time.Millisecond

	// tailQuiet is how long nothing need be heard on a tail before the log is asked. Owners announce more often.
	tailQuiet = 150 * time.Second

	// What the tail has brought and deliver has not taken is bounded by these, and so is what is read in one go. What
	// is beyond is read from the log when it is its turn.
	tailGroups = 256
	tailBytes  = 2 << 20
)

// Follower hands on the Shared groups of one key, in order and without holes, whatever the tail misses.
//
// What is next is told by the groups themselves: each names the one before it. So nothing can be missed
// without a trace once something is heard of what comes after, also where groups have expired, the process
// was stopped for longer than they are kept, or the log was lost: then the chain is broken, or the
// log is empty, and the Follower is lost. No clock is needed for that.
//
// A Follower at rest has a timer and no goroutine. The timer is its own, and is not touched by what comes on the tail:
// one for all followers would have to know them, under one more lock, and would save nothing.
type Follower struct {
	log     cluster.Log
	key     cluster.Key
	deliver func(cluster.Group)
	lost    func(error)

	ctx      context.Context // ended by Close
	cancel   func()
	stopTail func()
	silence  alarm
	running  sync.WaitGroup // run and askEnd
	closing  sync.Once

	mu    sync.Mutex
	over  bool  // closed, or lost
	fault error // why it is lost, until run has said so

	at    cluster.Position // deliver has returned for
	taken cluster.Position // deliver has been called with, or is about to be
	nonce cluster.Nonce    // of the group at taken; zero: it was never seen

	// What the tail has brought after taken: each follows the one before it, and in front of the first there may be
	// a hole. What does not fit is let go, and known says that it is there.
	waiting []cluster.Group
	bytes   int
	known   cluster.Position // there is a Shared group here, or 0; at or below taken it means nothing
	due     time.Time        // when known is looked for in the log

	heard time.Time        // when something last came on the tail
	last  cluster.Position // of the last group that came on the tail

	active bool          // run runs
	wake   chan struct{} // tells run that there is something new; of capacity 1
	enough func()        // ends the read that run has under way; nil: there is none

	asking bool // askEnd runs
	ask    bool // it has to ask
}

// Follow calls deliver with each Shared group of the key after position at, in the order of the log, each once,
// one call at a time, until Close. It may do so before it has returned. deliver may wait: what comes meanwhile is kept
// within bounds, and read from the log where it exceeds them.
//
// Nothing is known of what was committed before Follow was called: Expect says it, or Check finds it, or what comes next
// shows it.
//
// lost is called once, where what comes next cannot be had: an error that is cluster.ErrGone (it has expired),
// ErrBroken or ErrLost (it is not the log any more that it was), or cluster.ErrClosed (the engine is).
// Nothing is delivered after that, and a Close is still needed. lost and deliver may call every method but Close.
func Follow(log cluster.Log, key cluster.Key, at cluster.Position, deliver func(cluster.Group), lost func(error)) (*Follower, error) {
	f := &Follower{
		log: log, key: key, deliver: deliver, lost: lost,
		at: at, taken: at, heard: time.Now(), wake: make(chan struct{}, 1),
	}
	f.ctx, f.cancel = context.WithCancel(context.Background())
	f.silence.ring = f.listen
	stop, err := log.Tail(key, f.hear)
	if err != nil {
		f.cancel()
		return nil, err
	}
	f.stopTail = stop
	f.silence.set(tailQuiet)
	return f, nil
}

// At is the position of the last group that deliver has returned for, or the one given to Follow.
func (f *Follower) At() cluster.Position {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.at
}

// Expect says that there is a Shared group at p: it is fetched if the tail has not brought it within 100 ms.
func (f *Follower) Expect(p cluster.Position) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told(p, tailLate)
}

// Check asks the log for its end, and fetches what is missing. It is called when the connection to the engine was
// replaced, as the end of what was sent meanwhile may be missing. It does not wait.
func (f *Follower) Check() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.check()
}

// Close returns when neither deliver nor lost is running, and neither will be called again.
func (f *Follower) Close() {
	f.closing.Do(func() {
		f.mu.Lock()
		f.over, f.waiting = true, nil
		f.mu.Unlock()
		f.cancel()
		f.silence.stop()
		f.stopTail()
		f.running.Wait()
	})
}

// hear is called with what comes on the tail.
func (f *Follower) hear(g cluster.Group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	f.heard = time.Now()
	if g.Announced() {
		f.told(g.Before, tailLate)
		return
	}
	falls := g.Position <= f.last
	f.last = g.Position
	tip := f.taken
	if n := len(f.waiting); n > 0 {
		tip = f.waiting[n-1].Position
	}
	switch {
	case g.Position == f.taken && g.Nonce != f.nonce && f.nonce != cluster.Nonce{}:
		f.fail(fmt.Errorf("%w: another group is at %d now", ErrBroken, g.Position))
	case falls:
		// It was here already, or the log was lost and goes on from an earlier position. The log itself knows.
		f.check()
	case g.Position <= tip: // a fill was faster
	case len(f.waiting) == 0 || g.Before == tip && len(f.waiting) < tailGroups && f.bytes+len(g.Body) <= tailBytes:
		f.waiting = append(f.waiting, g)
		f.bytes += len(g.Body)
		if g.Before == f.taken && f.enough != nil {
			f.enough() // the tail was faster
		}
		f.start()
	default:
		f.told(g.Position, 0)
	}
}

// told takes note that there is a Shared group at p, which the tail may bring within this time. The lock is held.
func (f *Follower) told(p cluster.Position, within time.Duration) {
	if f.over || p <= f.taken {
		return
	}
	due := time.Now().Add(within)
	if f.known <= f.taken || due.Before(f.due) {
		f.due = due
	}
	f.known = max(f.known, p)
	f.start()
}

// listen is called by the timer.
func (f *Follower) listen() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	if time.Since(f.heard) >= tailQuiet {
		f.heard = time.Now()
		f.check()
	}
	f.silence.set(tailQuiet - time.Since(f.heard))
}

// fail ends the following. run says so. The lock is held.
func (f *Follower) fail(err error) {
	if f.over {
		return
	}
	f.over, f.fault, f.waiting = true, err, nil
	if f.enough != nil {
		f.enough()
	}
	f.start()
}
