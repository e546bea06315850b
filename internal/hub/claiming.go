package hub

import (
	"context"
	"errors"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/star"
)

// This file is how a hub writes down that a channel is its own from then on.

// taking is an edge on its way to be the owner's hub.
type taking struct {
	edge *edge
	may  func(*star.Channel) error
	// claimed: it is written down that the channel is this hub's. rules is the channel as of then, pacing tells when it is to
	// be written down anew, volume how much of the log it takes, writer goes on behind that, and from is the hub that has owned
	// it.
	claimed bool
	rules   *star.Channel
	pacing  *inner.Pacing
	volume  *inner.Volume
	writer  *inner.Writer
	owner   inner.Owner
	base    cluster.Position
	from    cluster.HubID
	// unheard: nothing is heard of that. Where all machines have lost their power, the log may have lost what it has written
	// last. Else numbers has what it answers, or is nil where nobody is asked.
	unheard bool
	numbers <-chan numbers
}

// claim tries to write down that the channel is this hub's. Where the owner has written meanwhile, it may be tried again: it
// depends on what that was.
func (cl *clustered) claim(ctx context.Context, t *taking) error {
	e := t.edge
	// What is not known of the log would be carried out twice, or not at all: an old answer does not do.
	reached := e.reached()
	last, header, err := inner.FindFinal(ctx, cl.engine, e.key)
	switch {
	case errors.Is(err, cluster.ErrNone):
		e.gone(cluster.Group{})
		return errHasEnded
	case err != nil:
		return err
	case header.Claim == inner.Ended || header.Incarnation != e.incarnation():
		e.gone(last)
		return errHasEnded
	case reached.isBehind(last, header):
		e.lose(errFallen)
		return errNotTaken
	case t.may == nil && !e.isDeserted() && header.Claim != inner.Free && header.Claim != inner.Doubt && header.Hub != cl.id && cl.beating.Standing(header.Hub) == inner.Heard:
		return errNotTaken
	}
	if err = cl.read(ctx, t, last); err != nil {
		return err
	}
	if t.may != nil {
		if err := t.may(t.rules); err != nil {
			return err
		}
	}
	shared := inner.LastShared(last)
	if err := e.reach(ctx, shared); err != nil {
		return err
	}
	t.from, t.base = header.Hub, header.Base
	t.unheard, t.numbers = header.Claim == inner.Doubt || cl.beating.Standing(header.Hub) != inner.Heard, nil
	if header.Claim == inner.Free || header.Hub == cl.id {
		t.unheard = false
	} else if !t.unheard {
		t.askNumbers(ctx, cl)
	}
	t.owner = inner.Owner{Hub: cl.id, Epoch: max(header.Epoch+1, uint64(time.Now().UnixMilli())), Incarnation: header.Incarnation}
	t.writer = inner.NewWriter(cl.engine, cl.gate, e.key, last.Position, shared)
	if still, err := e.claims(t.owner, shared); err != nil || !still {
		return err
	}
	header.Claim, header.Hub, header.Epoch = inner.Owned, cl.id, t.owner.Epoch
	// Once it is asked for, it has to be known what became of it, however long that takes.
	_, err = t.writer.Append(cl.writing, cluster.NewNonce(), cluster.Shared, inner.AppendGroup(nil, header, nil))
	if t.claimed = err == nil; t.claimed {
		return nil
	}
	var deposed *inner.Deposed
	if errors.As(err, &deposed) {
		e.claimsNot()
		if t.may != nil || deposed.Header.Claim == inner.Free {
			return nil
		}
	}
	return err
}

// claims notes what this hub is about to write down: who it is then, and behind which shared group. still is false where
// another group is known to follow that.
func (e *edge) claims(owner inner.Owner, at cluster.Position) (still bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.over:
		return false, errNotTaken
	case e.merging.At() != at:
		return false, nil
	}
	e.claimed = owner
	return true, nil
}

// claimsNot notes that it was not written down.
func (e *edge) claimsNot() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.claimed = inner.Owner{}
}

// reach waits until what is decided up to the position was carried out here. For replies of who has owned the
// channel it does not wait.
func (e *edge) reach(ctx context.Context, p cluster.Position) error {
	for {
		e.mu.Lock()
		if steps, err := e.merging.Abandon(); err == nil && len(steps) > 0 {
			e.carryOut(steps)
		}
		switch {
		case e.over || e.following == nil:
			e.mu.Unlock()
			return errNotTaken
		case e.merging.At() >= p:
			e.mu.Unlock()
			return nil
		}
		moved, following := e.nextMove(), e.following
		e.mu.Unlock()
		following.Expect(p)
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
