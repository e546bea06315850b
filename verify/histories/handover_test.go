package histories

import (
	"context"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/lectern-go/lectern"
)

// This file is how the mastership goes from one to another: the model of it, and who brings it about.
// By it the handles of the two end, and others follow on them.

// roleChanged is the refusal of what was on its way meanwhile.
const roleChanged outcome = "role_changed"

// following is the handle, and the membership, that follows on one of another role.
func following(handle int) int { return handle + 1<<20 }

// present is the operation of what has followed on its handle until now.
func (s star) present(in input) input {
	for s.handed.has(in.handle) {
		in.handle = following(in.handle)
		in.member = in.handle
	}
	return in
}

// following is the seat that follows on another one, with another secret.
func (x seat) following() seat {
	handle := following(x.holder)
	return seat{
		member: handle, holder: handle, name: x.name, owner: handle, sure: x.sure,
		secret: handleSet(handle), current: handleSet(handle),
	}
}

// handsOver is the channel after the slave has become its master (rule 7). Nothing that one of the two
// has had before is worth anything from then on. Who waits for the former master by name does so in
// vain. The attributes of the channel stay.
func (s star) handsOver(x seat, stays bool) star {
	former := s.master
	s = s.endReaders(former, 0).out(x)
	s.voice = s.voice.without(x.name)
	s.handed = s.handed.with(x.holder)
	s = s.noted(entry{what: isMaster, name: x.name})
	s.away = false
	s.master = x.following()
	s.master.heir, s.master.former = s.log().length(), former.former.with(x.owner)
	s = s.decideAll("wrong_master", func(w waiter) bool { return w.in.expect != "" }).hears()
	s = s.reads(s.master.holder, s.master, true)
	if stays {
		s.handed = s.handed.with(former.holder)
		slave := former.following()
		slave.start = s.log().length()
		s.slaves = append(slices.Clone(s.slaves), slave)
		slices.SortFunc(s.slaves, func(a, b seat) int { return strings.Compare(a.name, b.name) })
		s = s.reads(slave.holder, slave, false)
	}
	return s
}

// preside is what only some masters do: they hand over, keep the door, and have slaves be quiet.
func (a *actor) preside(channel string, h *held, contested bool) {
	ctx, done := a.impatient()
	defer done()
	in := input{channel: channel, handle: h.handle, member: h.member, again: h.cut}
	var stays *lectern.Slave
	var try func(context.Context) error
	switch n := a.rng.IntN(6); {
	case n < 2:
		in.op, in.door = setDoor, a.anyDoor()
		try = func(ctx context.Context) error { return h.master.SetDoor(ctx, in.door) }
	case n < 4:
		in.op, in.on = mute, a.rng.IntN(2) == 0
		if a.rng.IntN(2) == 0 {
			in.to = a.anySlave(h)
		}
		try = func(ctx context.Context) error { return h.mute(ctx, in.to, in.on) }
	default:
		in.op, in.to, in.stay = handOver, a.anySlave(h), a.rng.IntN(2) == 0
		try = func(ctx context.Context) (err error) {
			stays, err = h.master.HandOver(ctx, in.to, in.stay)
			return err
		}
	}
	ticket := h.ticket()
	out := a.operate(channel, in, func() (lectern.Receipt, error) { return lectern.Receipt{}, try(ctx) })
	next := following(h.handle)
	switch {
	case in.op != handOver:
	case out.outcome == unknown && in.stay:
		// It leaves, where the mastership has gone over.
		in.op, in.handle, in.member = giveUp, next, next
		a.lane.follow(in)
	case out.outcome == ok && in.stay:
		a.hold(channel, contested, &held{handle: next, member: next, slave: stays, cut: h.cut})
	case out.outcome == ok:
		delete(a.holds, channel)
		if a.rng.IntN(2) == 0 {
			a.comeBackInVain(channel, ticket)
		}
	}
}

// anySlave is the name of a slave, or of somebody who is none.
func (a *actor) anySlave(h *held) string {
	if there := h.master.Members(); len(there) > 0 && a.rng.IntN(6) > 0 {
		return there[a.rng.IntN(len(there))].Username
	}
	return a.others[a.rng.IntN(len(a.others))]
}

// comeBackInVain is by the secret of a master that has handed over, and by the client that was it.
func (a *actor) comeBackInVain(channel string, k ticket) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	in := input{op: resume, channel: channel, handle: a.w.recorder.newHandle(), member: k.member, user: k.Username, from: k.handle}
	a.lane.run(in, func() output {
		_, err := a.clients[channel].ResumeMaster(ctx, k.Ticket)
		return output{outcome: outcomeOf(err)}
	})
}

func (h *held) mute(ctx context.Context, name string, on bool) error {
	switch {
	case name == "" && on:
		return h.master.MuteAll(ctx)
	case name == "":
		return h.master.UnmuteAll(ctx)
	case on:
		return h.master.Mute(ctx, name)
	}
	return h.master.Unmute(ctx, name)
}

// appoint is the service that makes a slave the master.
func (a *actor) appoint(channel string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	in := input{op: setMaster, channel: channel, to: a.others[a.rng.IntN(len(a.others))]}
	a.lane.run(in, func() output {
		c, exists := a.w.hub.Channel(channel)
		if !exists && a.w.hub.areSeveral() {
			return output{outcome: unknown} // it may be on its way from one to another
		}
		if !exists {
			return output{outcome: outcome(lectern.ErrNoSuchChannel.Code)}
		}
		return output{outcome: outcomeOf(c.SetMaster(ctx, in.to))}
	})
}

// withoutReturns is the history without what says nothing: that slaves come back, where no slave of the channel
// has ever become the master.
func withoutReturns(history []porcupine.Operation) []porcupine.Operation {
	handed := make(map[string]bool)
	for _, op := range history {
		in, out := op.Input.(input), op.Output.(output)
		if (in.op == handOver || in.op == setMaster) && (out.outcome == ok || out.outcome == unknown) {
			handed[in.channel] = true
		}
	}
	return slices.DeleteFunc(history, func(op porcupine.Operation) bool {
		in := op.Input.(input)
		return in.op == comeBack && in.slave && !handed[in.channel]
	})
}
