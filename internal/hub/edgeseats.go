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

// This file is what an edge carries out for the members that are here: what groups of the log and replies of the owner
// have for them.

// reply is what a reply has for the members here. The lock is held.
func (e *edge) reply(effects []star.Effect, r *inner.ReplyAt) []star.Effect {
	calls := e.replied[r.N]
	delete(e.replied, r.N)
	for _, item := range r.Items {
		if item.Kind == takeItem {
			e.takeFor(calls, item.Data)
			continue
		}
		effects = e.item(effects, item, calls)
	}
	for _, c := range calls {
		switch c.op {
		case opLose, opLeave:
			e.leaving = append(e.leaving, c.local)
		case opReturn:
			c.local.returning, c.local.lost = false, false
		case opQuery:
			if c.local.member == (member{}) && !e.isCalling(c.local) {
				e.leaving = append(e.leaving, c.local)
			}
		}
	}
	return effects
}

// isCalling reports whether a call of the seat is not answered. The lock is held.
func (e *edge) isCalling(s *edgeSeat) bool {
	of := func(c *call) bool { return c.local == s }
	for _, calls := range e.replied {
		if slices.ContainsFunc(calls, of) {
			return true
		}
	}
	return slices.ContainsFunc(e.calls, of) || slices.ContainsFunc(e.parked, of)
}

// called is the seat of that number, also where it is none any more, among those that have made the calls.
func called(calls []*call, seat uint64) *edgeSeat {
	for _, c := range calls {
		if c.local.id == seat {
			return c.local
		}
	}
	return nil
}

// errRecreated is told to members of a channel that has ended unseen, and was created anew.
var errRecreated = wire.ErrChannelClosed.With("the channel has ended")

// item is what an item of a group, or of a reply to calls, has for the members here.
func (e *edge) item(effects []star.Effect, item inner.Item, calls []*call) []star.Effect {
	switch item.Kind {
	case inner.Record:
		return e.record(effects, star.Record(item.Data))
	case inner.Effect:
		o, err := unpackOutput(item.Data)
		if err != nil {
			e.fail(err)
			return effects
		}
		return e.output(effects, &o, calls)
	}
	return effects
}

// record is what a record has for the members here: of messages to all there is nothing else.
func (e *edge) record(effects []star.Effect, r star.Record) []star.Effect {
	shared, err := star.ReadShared(r)
	if err != nil {
		e.fail(err)
		return effects
	}
	e.newest = max(e.newest, shared.Seq)
	switch shared.Kind {
	case star.SharedHanded:
		e.master = shared.Name
	case star.SharedDown:
		if shared.Number != 0 || len(e.members) == 0 {
			break // to one alone it is an effect
		}
		packet, _, err := star.DownPacket(e.channel.Name(), e.master, r, time.Now())
		if err != nil {
			e.fail(err)
			break
		}
		effects = append(effects, star.Effect{Kind: star.SendAll, Packet: packet})
	}
	return effects
}

// output is what an effect of the owner has for the members here. calls are those that it answers.
func (e *edge) output(effects []star.Effect, o *output, calls []*call) []star.Effect {
	var s *edgeSeat
	switch o.to {
	case toAll:
		if o.kind == star.ReleaseAll {
			return e.end(effects, o.end)
		}
		return append(effects, o.effect(nil))
	case toMembership:
		if s = e.members[member{o.membership, o.epoch}]; s != nil && s.lost && s.membership != 0 && o.isTold() {
			return effects // it is behind what the slave is given when it returns, in an answer that has not come
		}
	case toSeat:
		if o.hub == e.hub.clustered.id {
			s = e.seats[o.seat]
		}
	case toCaller:
		if s = e.seats[o.seat]; s == nil && o.kind == star.Answer {
			s = called(calls, o.seat) // what was asked for behind the end
		}
	}
	if s == nil {
		return effects
	}
	effect := o.effect(&s.seat.Attachment)
	switch o.kind {
	case star.Enter:
		if e.members[s.member] == s {
			delete(e.members, s.member) // it has come again
		}
		s.member, s.join, s.waits = member{o.membership, o.epoch}, nil, false
		e.members[s.member] = s
		if s.seat.Attachment.Numbered(o.membership, o.epoch); s.succeeds != nil {
			e.succeed(s)
			return effects
		}
	case star.Admit:
		if s.lost = false; s.admitted {
			return effects // by who has owned the channel before
		}
		s.admitted = true
	case star.Dismiss:
		if s.lost = !s.gone; !s.admitted {
			return effects
		}
		s.admitted = false
	case star.Release, star.Refuse, star.Vacate, star.Eject:
		if s.gone && o.kind == star.Eject {
			return effects
		}
		s.gone = true
		e.leaving = append(e.leaving, s) // what is told to it comes behind
		if s.admitted && o.kind == star.Eject {
			s.admitted = false
			effects = append(effects, star.Effect{Kind: star.Dismiss, To: effect.To})
		}
	case star.SendOne, star.Answer, star.SendReplay:
		if !e.waitsBy(s, o) {
			effect.Kind, effect.Packet, effect.End = star.Refuse, nil, s.refused
			return append(effects, effect)
		}
		effect.Packet = s.withSecret(effect.Packet)
	}
	return append(effects, effect)
}

// withSecret puts the secret into the answer by which the peer is told that it is in: nobody else has it.
func (s *edgeSeat) withSecret(p *wire.Packet) *wire.Packet {
	if p == nil || s.secret == "" {
		return p
	}
	if f := p.Frame(); f == nil || f.Type != wire.Joined {
		return p
	}
	told := *p.Frame()
	told.Secret = s.secret
	return wire.NewPacket(&told)
}

// claim is what a claim has for the members here. The lock is held.
func (e *edge) claim(effects []star.Effect, h *inner.Header) []star.Effect {
	if h.Claim == inner.Owned && h.Hub != e.hub.clustered.id {
		e.knocks = true
	}
	if h.Claim == inner.Ended {
		return e.end(effects, errRecreated) // what has ended it was told before, if anybody is still here
	}
	return effects
}

// end ends the edge with the channel. The lock is held.
func (e *edge) end(effects []star.Effect, why *wire.Cause) []star.Effect {
	if e.over {
		return effects
	}
	var unanswered []star.Effect
	for _, s := range e.seats {
		switch {
		case s.gone || s.admitted:
		case s.member == (member{}):
			none := wire.ErrNoSuchChannel
			if revoke := e.callOf(s, opRevoke, opRevokeStayed); revoke != nil {
				effects = append(effects, revoke.revoked(&s.seat.Attachment)...) // which may be why the channel has ended
				continue
			}
			switch {
			case s.join != nil:
			case e.callOf(s, opResume) != nil:
				none = wire.ErrResumeFailed
			case e.callOf(s, opHandedOver) != nil:
				none = wire.ErrNotAMember
			default:
				continue // it has only asked something, and is told that there is no answer
			}
			unanswered = append(unanswered, star.Effect{Kind: star.Refuse, To: &s.seat.Attachment, End: none})
		default: // it was catching up
			effects = append(effects, star.Effect{Kind: star.Release, To: &s.seat.Attachment, End: why})
		}
	}
	effects = append(e.refuseBehind(effects), star.Effect{Kind: star.ReleaseAll, End: why})
	e.finish()
	e.hub.clustered.drop(e)
	e.hub.clustered.refuse(e, unanswered)
	return effects
}

// refuseBehind refuses what was asked for on seats that are none any more, and is not answered as the channel ends: what members
// have asked for is answered by the end. The lock is held.
func (e *edge) refuseBehind(effects []star.Effect) []star.Effect {
	calls := slices.Clone(e.parked)
	for _, n := range slices.Sorted(maps.Keys(e.replied)) {
		calls = append(calls, e.replied[n]...)
	}
	for _, c := range append(calls, e.calls...) {
		if c.op == opFrame && c.local.gone {
			why := notAMember(e.channel.Name()).Explain(c.frame)
			packet := refusalPacket(c.frame.Ref, c.frame.Channel, why)
			effects = append(effects, star.Effect{Kind: star.Answer, To: &c.local.seat.Attachment, Packet: packet, End: why})
		}
	}
	return effects
}

// refuse refuses those who wanted to enter a channel that has ended. Where there is another one of its name, whose end this
// hub has heard of late, they are to try again. It does not wait. The edge's lock is held.
func (cl *clustered) refuse(e *edge, refusals []star.Effect) {
	if len(refusals) == 0 || !cl.hub.acquire() {
		return // else their connections end with the hub
	}
	go func() {
		defer cl.hub.goroutines.Done()
		ctx, cancel := context.WithTimeout(cl.writing, findTimeout)
		defer cancel()
		_, last, err := inner.FindFinal(ctx, cl.engine, e.key)
		if none := errors.Is(err, cluster.ErrNone) || err == nil && last.Claim == inner.Ended; !none {
			for i := range refusals {
				refusals[i].End = errGone
			}
		}
		e.channel.Emit(refusals)
	}()
}

// callOf is a call of the seat that is one of these and is not answered, or nil. The lock is held.
func (e *edge) callOf(s *edgeSeat, ops ...op) *call {
	waiting := slices.Concat(e.calls, e.parked)
	for _, calls := range e.replied {
		waiting = append(waiting, calls...)
	}
	for _, c := range waiting {
		if c.local == s && slices.Contains(ops, c.op) {
			return c
		}
	}
	return nil
}
