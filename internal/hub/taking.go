package hub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/lectern-go/lectern/cluster"
	inner "github.com/lectern-go/lectern/internal/cluster"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is how a hub becomes the owner of a channel that another one has owned: because the master comes
// back here, because nobody owns it, or because its owner does not answer.

// takeTimeout is how long is tried.
const takeTimeout = 10 * time.Second

// look has the hub take the channel of the edge where nobody owns it, and doubt its owner where that is not
// heard. It does not wait.
func (cl *clustered) look(e *edge) {
	if !cl.hub.acquire() {
		return
	}
	go func() {
		defer cl.hub.goroutines.Done()
		cl.lookAt(e)
	}()
}

func (cl *clustered) lookAt(e *edge) {
	ctx, cancel := context.WithTimeout(cl.writing, findTimeout)
	defer cancel()
	reached := e.reached()
	last, header, there, err := cl.last(ctx, e.key)
	if err == nil && there && reached.isBehind(last, header) {
		if last, header, err = inner.FindFinal(ctx, cl.engine, e.key); err == nil && reached.isBehind(last, header) {
			e.lose(errFallen)
			return
		}
	}
	switch {
	case err != nil:
		return // the edge asks again, or the owner is not heard for longer
	case !there || header.Incarnation != e.incarnation():
		e.gone(last)
		return
	case header.Claim == inner.Free:
		cl.take(ctx, e, e.causeOf(causeGivenUp), nil)
		return
	case header.Claim != inner.Doubt:
		e.learn(ownerBy(header))
	}
	switch owner := e.known().Hub; {
	case owner == cl.id:
		// It was not heard that the claim was written, or no successor has come.
		if time.Since(e.began) > succeedTimeout {
			cl.take(ctx, e, e.causeOf(causeUnowned), nil)
		}
	case cl.beating.Standing(owner) != inner.Heard:
		e.doubt(cl, owner)
	case e.isDeserted():
		cl.take(ctx, e, e.causeOf(causeUnowned), nil)
	}
}

// lacksOwner reports whether somebody is here, or wants to be, and nobody who owns the channel is heard, of which nothing
// is being done.
func (e *edge) lacksOwner() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	wanted := len(e.seats) > 0 || len(e.calls) > 0
	return wanted && !e.over && e.taking == nil && e.doubted == cluster.HubID{} &&
		e.owner.Hub != e.hub.clustered.id && e.hub.clustered.beating.Standing(e.owner.Hub) != inner.Heard
}

// doubt has the channel taken where its owner does not answer.
func (e *edge) doubt(cl *clustered, owner cluster.HubID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over || e.doubted == owner {
		return
	}
	if e.undoubt != nil {
		e.undoubt()
	}
	e.doubted = owner
	e.undoubt = cl.doubts.Doubt(e.key, owner, func() {
		e.mu.Lock()
		still := !e.over && e.owner.Hub == owner
		e.doubted = cluster.HubID{}
		e.mu.Unlock()
		// Also where nobody is here any more, who has looked for the channel: else nobody may have it, and it would not end.
		if still && cl.hub.acquire() {
			go func() {
				defer cl.hub.goroutines.Done()
				ctx, cancel := context.WithTimeout(cl.writing, takeTimeout)
				defer cancel()
				cl.take(ctx, e, e.causeOf(causeUnheard), nil)
			}()
		}
	})
}

func (e *edge) incarnation() cluster.Nonce {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.owner.Incarnation
}

// learn notes who owns the channel.
func (e *edge) learn(owner inner.Owner) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over || owner.Incarnation != e.owner.Incarnation || owner.Epoch < e.owner.Epoch {
		return
	}
	e.owner = owner
	e.ask(owner)
}

// gone ends the edge of a channel that there is not any more, by what is last in its log, if anything is. Then that tells what the
// members here have missed, and why the channel has ended, also where there is another one of the name by now.
func (e *edge) gone(last cluster.Group) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if last.Position > 0 && e.following != nil {
		e.following.Expect(inner.LastShared(last))
		return
	}
	e.channel.Emit(e.end(nil, errRecreated))
}

// endWaiting gives up waiting for the answer of an owner behind the end of its channel.
func (e *edge) endWaiting() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for !e.over && e.merging.Ending() {
		steps, err := e.merging.Abandon()
		if err != nil || len(steps) == 0 {
			return
		}
		e.carryOut(steps)
	}
}

// errNotTaken: the channel could not be taken.
var errNotTaken = errors.New("hub: the channel could not be taken over")

// errHasEnded: there is nothing to take. The edge is over, or is about to be, when it has carried out what is in the log.
var errHasEnded = errors.New("hub: the channel has ended")

// awaitOver waits until this is the edge no more, and reports whether that is so.
func (e *edge) awaitOver(ctx context.Context) bool {
	for {
		e.mu.Lock()
		if e.over {
			e.mu.Unlock()
			return true
		}
		moved := e.nextMove()
		e.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

// take makes this hub the owner of the edge's channel, for this cause. may says whether that is right, by the channel as it is
// in the log, or is nil. Where another hub has taken the channel meanwhile, or it has ended, it is an error.
func (cl *clustered) take(ctx context.Context, e *edge, why cause, may func(*star.Channel) error) (err error) {
	_, err = cl.takeAnd(ctx, e, why, may, nil)
	return err
}

// takeAnd is take with what is done first, or nil. shared is the position behind which that was told.
func (cl *clustered) takeAnd(ctx context.Context, e *edge, why cause, may func(*star.Channel) error, first func(*journal, *star.Channel, time.Time)) (shared cluster.Position, err error) {
	if !e.begin(ctx) {
		return 0, errNotTaken
	}
	defer func() {
		if e.endTaking(); err != nil && ctx.Err() == nil {
			cl.hub.config.Logger.Info("channel not taken over", "channel", e.channel.Name(), "cause", string(why), "error", err)
		}
	}()
	t := taking{edge: e, may: may}
	for !t.claimed {
		if err := cl.claim(ctx, &t); err != nil {
			return 0, err
		}
	}
	j := cl.hub.newJournal(e.channel, e.key, t.owner, t.writer, t.base, t.pacing, inner.None)
	j.volume = t.volume
	given, known := t.given(ctx, cl)
	j.overtaken.Store(true) // what another hub has written behind the claim was not heard of
	j.announcer.Appended(t.writer.Shared())
	if may != nil && first == nil { // else who enters is in with the first step, or is not
		j.expects = time.Now().Add(expectFor)
	}
	if !e.become(t.rules, j, may != nil, func(rules *star.Channel) {
		if rules.NumberFrom(given.down, given.up); !known {
			rules.NumberAnew()
		}
	}, first) {
		j.free(ctx)
		return 0, errNotTaken
	}
	cl.register(e.channel, nil)
	cl.close(e)
	cl.hub.config.Observer.Add(star.Takeovers, string(why), 1)
	cl.hub.config.Logger.Info("channel taken over", "channel", e.channel.Name(), "cause", string(why), "from", t.from.String(), "epoch", t.owner.Epoch)
	if first == nil {
		return 0, nil
	}
	if err := e.channel.Flush(ctx); err != nil {
		return 0, err
	}
	if !j.committed.Load() { // else it is done, though another hub may have the channel by now
		return 0, errNotTaken
	}
	return j.writer.Shared(), nil
}

// expectFor is how long a hub that has taken a channel for a master who is about to enter keeps it for that.
const expectFor = 5 * time.Second

// begin waits until nobody is taking the channel of the edge, and reports whether it is an edge still.
func (e *edge) begin(ctx context.Context) bool {
	for {
		e.mu.Lock()
		if e.over || e.taking == nil {
			defer e.mu.Unlock()
			if !e.over {
				e.taking = make(chan struct{})
			}
			return !e.over
		}
		taking := e.taking
		e.mu.Unlock()
		select {
		case <-taking:
		case <-ctx.Done():
			return false
		}
	}
}

func (e *edge) endTaking() {
	e.mu.Lock()
	defer e.mu.Unlock()
	close(e.taking)
	e.taking, e.claimed = nil, inner.Owner{}
}

// isOver reports whether this is the edge no more.
func (e *edge) isOver() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.over
}

// become makes this hub the owner, with the seats that are here, and does what was called for and is not
// answered. forMaster: the master is about to enter here. number says how the next messages are numbered.
func (e *edge) become(rules *star.Channel, j *journal, forMaster bool, number func(*star.Channel), first func(*journal, *star.Channel, time.Time)) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return false
	}
	e.asking.Take()
	calls := e.parked
	for _, n := range slices.Sorted(maps.Keys(e.replied)) { // they may be answered once more
		calls = append(calls, e.replied[n]...)
	}
	calls = append(calls, e.calls...)
	e.calls, e.replied, e.parked = nil, nil, nil
	e.channel.Own(rules, j, func(rules *star.Channel, now time.Time) {
		for _, s := range e.members {
			s.missed = !s.unanswered.IsZero()
		}
		rules.TakeOver(now, func(role wire.Role, username string, hub star.Hub) *star.Attachment {
			a := e.attached(rules, role, username, hub, forMaster)
			if a == nil && role == wire.Slave {
				// It is away from now on. Where its connection lives, its hub has to hear of that.
				membership, epoch := rules.Membership(username)
				j.lost = append(j.lost, output{kind: star.Dismiss, to: toMembership, membership: membership, epoch: epoch})
			}
			return a
		})
		number(rules)
		for m, s := range e.members {
			if s.gone {
				continue
			}
			a := &s.seat.Attachment
			if s.missed || rules.Find(m.membership, m.epoch) != a && rules.Return(now, a, m.membership, m.epoch) != nil {
				rules.Eject(a, wire.ErrShutdown) // its peer comes back, says what it has, and asks again
			}
		}
		for _, s := range e.seats {
			if s.waits && !s.gone {
				s.join.do(e.hub, rules, now, &s.seat.Attachment)
			}
		}
		for _, c := range calls {
			if c.op == opReturn {
				continue
			}
			c.entry.Again = true
			if answer := c.do(e.hub, rules, now, &c.local.seat.Attachment); answer != nil && c.result != nil {
				c.result <- answer
				c.result = nil
			}
		}
		// Who is made the master has had its word on what it asked for as a slave, which the former owner may have accepted.
		if first != nil {
			first(j, rules, now)
		}
	})
	e.over = true
	e.wake()
	return true
}

// attached is the attachment of a member that is on a connection of a hub that is there.
func (e *edge) attached(rules *star.Channel, role wire.Role, username string, hub star.Hub, forMaster bool) *star.Attachment {
	cl := e.hub.clustered
	at := cluster.HubID(hub)
	if at == cl.id {
		membership, epoch := rules.Membership(username)
		s := e.members[member{membership, epoch}]
		if s == nil || s.gone {
			return nil
		}
		// What a slave was given when it has returned was in an answer of who has owned the channel, and what was not
		// answered may be in the log. It is given nothing behind that.
		if s.missed = s.missed || s.lost && role == wire.Slave; s.missed {
			return nil
		}
		return &s.seat.Attachment
	}
	if role == wire.Master && !forMaster || cl.beating.Standing(at) == inner.Lost {
		return nil // who owns the channel of a master is its own hub
	}
	there := newRemoteSeat(remoteName{hub: at}, 0)
	there.inherited = true
	return &there.Attachment
}
