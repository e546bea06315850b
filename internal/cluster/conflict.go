package cluster

import (
	"context"
	"errors"
	"fmt"

	"github.com/lectern-go/lectern/cluster"
)

// This file is what a Writer does where the log does not take its group at the position that it names: it reads what
// follows there.

// followed is what follows the position that an append named.
type followed struct {
	own          cluster.Position // of the group itself, or 0
	last, shared cluster.Position // behind the group and the doubts that follow
	failed       error            // what follows those is another hub's
}

// look finds out what follows. It returns as try does.
func (a *appending) look(ctx context.Context) (cluster.Position, error) {
	within, cancel := context.WithDeadline(ctx, a.expires())
	defer cancel()
	for {
		f, err := a.follows(within)
		switch {
		case err == nil:
			return a.take(ctx, f)
		case errors.Is(err, ErrLost), errors.Is(err, cluster.ErrClosed):
			return 0, err
		case ctx.Err() != nil:
			return 0, ctx.Err()
		case within.Err() != nil:
			return 0, ErrLost
		}
		pause(within, readAgain)
	}
}

// take goes by what follows.
func (a *appending) take(ctx context.Context, f followed) (cluster.Position, error) {
	if f.own > 0 {
		a.committed(f.own)
	}
	a.mu.Lock()
	a.last, a.shared, a.failed = f.last, f.shared, f.failed
	a.mu.Unlock()
	switch {
	case f.own > 0:
		return f.own, nil
	case f.failed != nil:
		return 0, f.failed
	case f.last == a.g.After:
		// Nothing follows. An engine may refuse for a moment what it would take, or does not have yet what it
		// has acknowledged.
		pause(ctx, readAgain)
		return 0, nil
	}
	// Doubts. No earlier attempt can succeed any more, as something else follows the position
	// that it named.
	a.g.After, a.g.Before, a.open = f.last, f.shared, false
	return 0, nil
}

// follows reads what follows. Whatever is there is there for good, so an old answer that shows something
// is as good as a new one. Any error but ErrLost is one of reading.
func (a *appending) follows(ctx context.Context) (followed, error) {
	f := followed{last: a.g.After, shared: a.g.Before}
	last, err := a.log.Last(ctx, a.key)
	if err != nil || last.Position <= f.last {
		last, err = a.log.LastLinearizable(ctx, a.key)
		if err != nil && !errors.Is(err, cluster.ErrNone) { // none is at 0
			return f, err
		}
		if last.Position < f.last {
			return f, fmt.Errorf("%w: its last group is at %d, and not at %d", ErrLost, last.Position, f.last)
		}
	}
	for g, err := range groups(ctx, a.log, a.key, f.last, last.Position) {
		switch {
		case errors.Is(err, ErrBroken):
			err = fmt.Errorf("%w: %w", ErrLost, err)
			fallthrough
		case err != nil:
			if f.own > 0 {
				return f, nil // the rest will show
			}
			return f, err
		case g.Nonce == a.g.Nonce:
			f.own = g.Position
		default:
			if f.failed = a.another(g); f.failed != nil {
				return f, a.isThere(ctx)
			}
		}
		f.last = g.Position
		if g.Kind == cluster.Shared {
			f.shared = g.Position
		}
	}
	return f, nil
}

// isThere is ErrLost where another group is at the position of the last one of its own: the log has lost that, and has given its
// position again, so that what follows there seems to follow it. Where nothing is read there, it may be too old.
func (a *appending) isThere(ctx context.Context) error {
	if a.own == 0 {
		return nil
	}
	for g, err := range a.log.Read(ctx, a.key, cluster.Every, a.own-1, a.own) {
		switch {
		case errors.Is(err, cluster.ErrGone):
			return nil
		case err != nil:
			return err
		case g.Position == a.own && g.Nonce != a.nonce:
			return fmt.Errorf("%w: what was written at %d is not there any more", ErrLost, a.own)
		}
		break
	}
	return nil
}

// another is why nothing can be written behind a group of somebody else, or nil where it is a doubt, or a remnant of a former owner.
func (a *appending) another(g cluster.Group) error {
	h, err := ParseHeader(g.Body)
	switch {
	case err != nil:
		return fmt.Errorf("the group at %d: %w", g.Position, err)
	case h.Claim == Doubt:
		return nil
	}
	// Who claims the channel has to take the former owner's groups as they are.
	if own, err := ParseHeader(a.g.Body); err == nil && own.Claim != Owned && isRemnant(h, own) {
		return nil
	}
	return &Deposed{Position: g.Position, Header: h}
}

// isRemnant reports whether a group is one of a former owner, behind a group of the header: the log has lost its end, and has given its
// positions again, so that what was to follow there was taken for what follows here. It does not count, for anybody.
func isRemnant(h, behind Header) bool {
	return h.Incarnation == behind.Incarnation && h.Epoch < behind.Epoch
}
