package cluster

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/lectern-go/lectern/cluster"
)

// ErrBroken is what reading fails with where the log has a hole, or goes on with another channel: its groups do not give a state.
var ErrBroken = errors.New("cluster: the log of the channel has a hole")

const (
	// readAgain is the pause before what could not be read is read again.
	readAgain = 100 * time.Millisecond
	// holeTries is how often a hole has to be seen until it is believed: a node may lack groups that
	// others have.
	holeTries = 3
)

// Find is the last group of a channel and its header. It may be old, and cluster.ErrNone wrong, so nothing final is built on it.
// Where the header cannot be read the group is returned with the error.
func Find(ctx context.Context, log cluster.Log, key cluster.Key) (cluster.Group, Header, error) {
	return found(log.Last(ctx, key))
}

// FindFinal is Find for who builds something final on it: it is no older than the call, and costs an append.
func FindFinal(ctx context.Context, log cluster.Log, key cluster.Key) (cluster.Group, Header, error) {
	return found(log.LastLinearizable(ctx, key))
}

func found(g cluster.Group, err error) (cluster.Group, Header, error) {
	if err != nil {
		return cluster.Group{}, Header{}, err
	}
	h, err := ParseHeader(g.Body)
	return g, h, err
}

// LastShared is the position of the last Shared group up to this one, as a Writer that goes on behind it has to know.
func LastShared(g cluster.Group) cluster.Position {
	if g.Kind == cluster.Shared {
		return g.Position
	}
	return g.Before
}

// State yields the groups that the state at the last one is rebuilt from, in order: all after its base, itself too. Doubts are
// among them, remnants of former owners are not. That none is missing and all are of one channel is certain, so what was yielded before an error is
// right as far as it goes. ErrBroken: there is no such state, or no more. What cannot be read is tried again
// until the context ends.
func State(ctx context.Context, log cluster.Log, key cluster.Key, last cluster.Group) iter.Seq2[cluster.Group, error] {
	return func(yield func(cluster.Group, error) bool) {
		of, err := ParseHeader(last.Body)
		if err != nil {
			yield(cluster.Group{}, err)
			return
		}
		if of.Base >= last.Position {
			yield(cluster.Group{}, fmt.Errorf("%w: the base %d is not before %d", ErrBroken, of.Base, last.Position))
			return
		}
		before := Header{Incarnation: of.Incarnation}
		for g, err := range groups(ctx, log, key, of.Base, last.Position) {
			if errors.Is(err, cluster.ErrGone) {
				err = fmt.Errorf("%w: %w", ErrBroken, err)
			}
			var h Header
			if err == nil {
				h, err = belongs(g, of)
			}
			switch {
			case err != nil:
				yield(cluster.Group{}, err)
				return
			case h.Claim != Doubt && isRemnant(h, before):
				continue
			case h.Claim != Doubt:
				before.Epoch = h.Epoch
			}
			if !yield(g, nil) {
				return
			}
		}
	}
}

// belongs tells whether a group is one of the channel that the header is of. A doubt changes nothing, whatever it says.
func belongs(g cluster.Group, of Header) (h Header, err error) {
	h, err = ParseHeader(g.Body)
	switch {
	case err != nil:
		return h, err
	case h.Claim == Doubt:
	case h.Incarnation != of.Incarnation:
		return h, fmt.Errorf("%w: at %d is another channel", ErrBroken, g.Position)
	case g.After == 0 && g.Nonce != h.Incarnation:
		return h, fmt.Errorf("%w: the group at %d did not create the channel", ErrBroken, g.Position)
	}
	return h, nil
}

// groups yields all groups of the key after a position up to another, at which there is one. Each names the one before
// it. What cannot be read is tried again, a hole too for a while.
func groups(ctx context.Context, log cluster.Log, key cluster.Key, after, until cluster.Position) iter.Seq2[cluster.Group, error] {
	return func(yield func(cluster.Group, error) bool) {
		for holes := 0; after < until; {
			var failed error
			for g, err := range log.Read(ctx, key, cluster.Every, after, until) {
				if err != nil {
					failed = err
					break
				}
				if g.After != after {
					failed = fmt.Errorf("%w: %d follows %d, and not %d", ErrBroken, g.Position, g.After, after)
					holes++
					break
				}
				if !yield(g, nil) {
					return
				}
				after, holes = g.Position, 0
			}
			if after >= until {
				return
			}
			if ended := ctx.Err(); ended != nil {
				failed = ended
			}
			if ctx.Err() != nil || holes == holeTries || errors.Is(failed, cluster.ErrGone) || errors.Is(failed, cluster.ErrClosed) {
				yield(cluster.Group{}, failed)
				return
			}
			pause(ctx, readAgain)
		}
	}
}

// pause waits, until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
