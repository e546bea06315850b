package histories

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/lectern-go/lectern"
)

// This file is how actors enter channels. A join may wait, for the channel or at its door: then
// its actor does other things meanwhile.

// attempt is a call by which somebody enters a channel.
type attempt struct {
	in     input
	h      *held
	client *lectern.Client
	lane   *lane
	ctx    context.Context
	// try is the call. Of a join it is given what it tells when it waits.
	try func(...lectern.JoinOption) error
	out output
	// waits is closed when the hub says that it waits, and done when it is over.
	waits, done chan struct{}
	cancel      func()
}

// enter is create, join or resume.
func (a *actor) enter(channel string, contested bool) {
	ctx, done := a.impatient()
	ctx, cancel := context.WithCancel(ctx)
	in := input{channel: channel, handle: a.w.recorder.newHandle(), user: a.name}
	in.member = in.handle
	h := &held{handle: in.handle, member: in.member}
	t := &attempt{h: h, client: a.clients[channel], lane: a.lane, ctx: ctx, cancel: cancel, waits: make(chan struct{}), done: make(chan struct{})}
	c := t.client
	k, known := a.w.anyTicket(a.rng, channel)
	switch n := a.rng.IntN(10); {
	case contested && n == 6 && a.rng.IntN(2) == 0:
		token := lectern.WithToken(seizes)
		if in.op = seizeJoin; a.w.wasMaster(channel, a.name) {
			in.op = seizeCreate
			t.try = func(...lectern.JoinOption) (err error) {
				h.master, err = c.Create(ctx, channel, a.name, token)
				return err
			}
		} else {
			t.try = func(how ...lectern.JoinOption) (err error) {
				h.slave, err = c.Join(ctx, channel, a.name, append(how, token)...)
				return err
			}
		}
	case contested && known && n < 4:
		// By a client of its own: one that has had the membership already is let in by that.
		c = a.w.client()
		a.clients[channel], t.client = c, c
		in.op, in.member, in.user, in.from = resume, k.member, k.Username, k.handle
		h.member = k.member
		if a.rng.IntN(4) == 0 {
			in.says = []string{refuses, unsure}[a.rng.IntN(2)]
			k.Token = in.says
		}
		t.try = func(...lectern.JoinOption) (err error) {
			if k.master {
				h.master, err = c.ResumeMaster(ctx, k.Ticket)
			} else {
				h.slave, err = c.ResumeSlave(ctx, k.Ticket)
			}
			return err
		}
	case n < 7:
		in.op = join
		// By its attributes the master's actor knows who has knocked.
		if in.pairs = a.pairs(); in.pairs == nil {
			in.pairs = []pair{{keys[0], a.w.text()}}
		}
		options := []lectern.JoinOption{lectern.WithAttributes(payloads(in.pairs))}
		if a.rng.IntN(3) == 0 {
			in.expect = a.others[a.rng.IntN(len(a.others))]
			options = append(options, lectern.WithMaster(in.expect))
		}
		if in.wait = a.rng.IntN(6) == 0; in.wait {
			options = append(options, lectern.WithWait())
		}
		t.try = func(how ...lectern.JoinOption) (err error) {
			h.slave, err = c.Join(ctx, channel, a.name, slices.Concat(how, options)...)
			return err
		}
	default:
		in.op = create
		in.pairs = a.pairs()
		options := []lectern.CreateOption{lectern.WithAttributes(payloads(in.pairs))}
		if in.door = a.anyDoor(); in.door != lectern.DoorOpen {
			options = append(options, lectern.WithDoor(in.door))
		}
		t.try = func(...lectern.JoinOption) (err error) {
			h.master, err = c.Create(ctx, channel, a.name, options...)
			return err
		}
	}
	t.in = in
	if in.op != join && in.op != seizeJoin {
		t.out = t.lane.run(in, func() output { return t.make() })
		cancel()
		done()
		a.entered(channel, contested, t)
		return
	}
	t.lane = a.w.recorder.lane()
	a.w.answers.Go(func() {
		a.w.joins(t)
		cancel()
		done()
		close(t.done)
	})
	select {
	case <-t.done:
		a.entered(channel, contested, t)
	case <-t.waits:
		a.waits[channel] = t
	}
}

// make makes the call, and returns how it has ended.
func (t *attempt) make(how ...lectern.JoinOption) output {
	err := t.try(how...)
	out := output{outcome: outcomeOf(err)}
	if out.outcome == ended && !(t.in.op == resume && errors.Is(err, lectern.ErrReplaced)) {
		// What it has waited for is over. Or its connection had a membership of the channel
		// that is over, and the word of that is not out yet. Nothing has happened.
		out.outcome = refused
	}
	return out
}

// joins records a join, and beside it that it has waited, if it was told so at the door. Else that is left open.
func (w *world) joins(t *attempt) {
	door := w.recorder.lane()
	door.called = w.recorder.clock.Add(1)
	in := t.in
	if in.op = knock; t.in.op == seizeJoin {
		in.says = seizes
	}
	waits := sync.OnceFunc(func() { close(t.waits) })
	told := false
	t.lane.called = w.recorder.clock.Add(1)
	t.out = t.make(lectern.WithWaiting(func(what lectern.Waiting) {
		// The channel may come before it stands there, though it was told to wait for it.
		if what.For == lectern.WaitingForDoor && !told {
			told = true
			door.add(in, output{outcome: ok})
		}
		waits()
	}))
	if !told || t.out.outcome != unknown {
		t.lane.add(t.in, t.out) // else it tells nothing: it is in by what its master does, or not
	}
	switch {
	case told:
	case t.out.outcome == unknown:
		door.follow(in)
	default:
		door.add(in, output{outcome: perhaps})
	}
}

// entered goes on after an attempt is over.
func (a *actor) entered(channel string, contested bool, t *attempt) {
	delete(a.waits, channel)
	in := t.in
	switch t.out.outcome {
	case "forbidden":
		// It has got a seat of the other role, and drops the connection.
		in.op = letGo
		t.lane.follow(in)
		a.clients[channel] = a.w.client()
	case ok:
		a.hold(channel, contested, t.h)
	case unknown:
		a.unclear[t.client] = true
		// The client leaves once it learns that it has entered after all, or loses
		// its connection where it has come back. What that meets on the same
		// connection is a matter of its own, so it goes on with another one.
		if t.ctx.Err() != nil {
			switch in.op {
			case resume:
				in.op = letGo
			case seizeCreate, seizeJoin:
				// It drops the connection where it has got a seat of the other role.
				other := in
				other.op, in.op = letGo, giveUp
				t.lane.follow(other)
			default:
				in.op = giveUp
			}
			t.lane.follow(in)
		}
		a.clients[channel] = a.w.client()
	}
}

// bide is what is done in a channel to which a join waits.
func (a *actor) bide(channel string, contested bool) {
	if a.rng.IntN(6) == 0 {
		a.stopWaiting(channel, contested)
		return
	}
	a.status(channel)
}

// stopWaiting gives the join up that waits for the channel, if there is one.
func (a *actor) stopWaiting(channel string, contested bool) {
	if t := a.waits[channel]; t != nil {
		t.cancel()
		<-t.done
		a.entered(channel, contested, t)
	}
}

// waitsOn reports whether a join of the client waits.
func (a *actor) waitsOn(c *lectern.Client) bool {
	for _, t := range a.waits {
		if t.client == c {
			return true
		}
	}
	return false
}
