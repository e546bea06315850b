package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
)

// This file is what a hub keeps of a channel that it has owned, or has had members of, until the engine has lost the end of its
// log: messages had numbers that are in no log any more, and members may have seen them. So they are not given again: whoever owns the
// channel next asks the one before, or goes on well above what there is where that does not answer. Of what is given again all the
// same, members that have seen more say so when they come back (star.Resume).

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
	cl.givenMu.Lock()
	defer cl.givenMu.Unlock()
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
	cl.givenMu.Lock()
	defer cl.givenMu.Unlock()
	known := cl.given[key]
	known.lost = time.Now()
	cl.given[key] = known
}

// lostFor is how long an old answer may have what the log has lost.
const lostFor = time.Minute

// hasLost reports whether the log of the channel has lost its end not long ago.
func (cl *clustered) hasLost(key cluster.Key) bool {
	cl.givenMu.Lock()
	defer cl.givenMu.Unlock()
	known := cl.given[key]
	return !known.lost.IsZero() && time.Since(known.lost) < lostFor
}

func (cl *clustered) numbersOf(key cluster.Key, incarnation cluster.Nonce) (n numbers, known bool) {
	cl.givenMu.Lock()
	defer cl.givenMu.Unlock()
	kept, known := cl.given[key]
	if !known || kept.incarnation != incarnation {
		return numbers{}, false
	}
	return kept.numbers, true
}

// givenIn is numbersOf, also for a channel that this hub owns.
func (cl *clustered) givenIn(key cluster.Key, incarnation cluster.Nonce) (n numbers, known bool) {
	cl.mu.Lock()
	c := cl.keys[key]
	cl.mu.Unlock()
	if c != nil {
		if j, _ := c.Journal().(*journal); j != nil && j.owner.Incarnation == incarnation {
			j.mu.Lock()
			defer j.mu.Unlock()
			return j.given, true
		}
	}
	return cl.numbersOf(key, incarnation)
}

// askNumbers asks who has owned the channel until now which numbers messages have had, and has them told. It does not wait.
func (t *taking) askNumbers(ctx context.Context, cl *clustered) {
	told := make(chan numbers, 1)
	if t.numbers = told; !cl.hub.acquire() {
		close(told)
		return
	}
	q := inquiry{What: inquiryNumbers, Channel: t.edge.channel.Name(), Incarnation: t.edge.incarnation()}
	from := t.from
	go func() {
		defer cl.hub.goroutines.Done()
		defer close(told)
		if o, err := cl.askOnce(ctx, from, q.pack()); err == nil && !o.Elsewhere {
			told <- numbers{o.Down, o.Up}
		}
	}()
}

// numbersFor is how long is waited for the answer.
const numbersFor = 50 * time.Millisecond

// given are the numbers up to which messages may have had them. known is false where that is not known.
func (t *taking) given(ctx context.Context, cl *clustered) (n numbers, known bool) {
	n, _ = cl.numbersOf(t.edge.key, t.owner.Incarnation)
	if t.numbers == nil {
		return n, !t.unheard
	}
	timer := time.NewTimer(numbersFor)
	defer timer.Stop()
	select {
	case told, ok := <-t.numbers:
		return numbers{max(n.down, told.down), max(n.up, told.up)}, ok
	case <-timer.C:
	case <-ctx.Done():
	}
	return n, false
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
