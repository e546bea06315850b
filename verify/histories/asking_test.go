package histories

import (
	"context"
	"errors"
	"slices"

	"github.com/lectern-go/lectern"
)

// This file is what slaves ask their master, and what it answers: the model of it, and who does it.

// awaited is whether an answer is awaited.
type awaited int

const (
	over awaited = iota
	// maybe: another client has the seat by now, and it is not known whether it was heard.
	maybe
	open
)

// awaits is whether the seat awaits an answer to the ask of that number.
func (s star) awaits(x seat, question uint64) awaited {
	e := s.log().find(func(e *entry) bool { return e.asks && e.seq == question })
	switch {
	case e == nil || e.owner != x.owner || s.answered.has(int(question)):
		return over
	case e.handle == x.holder:
		return open
	case x.current == handleSet(x.holder):
		return over
	}
	return maybe
}

// closed is the channel after an ask is over, if there is one.
func (s star) closed(of func(*entry) bool) star {
	if !s.exists {
		return s
	}
	if e := s.log().find(func(e *entry) bool { return e.asks && of(e) }); e != nil && !s.answered.has(int(e.seq)) {
		s.answered = s.answered.with(int(e.seq))
	}
	return s
}

// hasAnswered reports whether the handle can have got that answer: one to what it has asked.
func (s star) hasAnswered(handle int, got reading) bool {
	i := slices.IndexFunc(s.readers, func(r reader) bool { return r.handle == handle })
	if i < 0 {
		return false
	}
	log := s.logs[s.readers[i].life]
	answer := log.find(func(e *entry) bool { return e.what == replied && e.text == got.text && e.declined == got.declined })
	if answer == nil || answer.to != s.readers[i].name || got.seq != 0 && got.seq != answer.seq {
		return false
	}
	return log.find(func(e *entry) bool {
		return e.asks && e.seq == answer.question && e.handle == handle && e.index < answer.index
	}) != nil
}

// ask has a slave ask its master, and goes on meanwhile.
func (a *actor) ask(channel string, h *held) {
	lane, in := a.w.recorder.lane(), input{op: ask, channel: channel, handle: h.handle, member: h.member, text: a.w.text()}
	ctx, cancel := context.WithCancel(a.w.asking)
	if a.rng.IntN(4) == 0 {
		var done func()
		ctx, done = a.impatient()
		cancel = func() {}
		a.w.answers.Go(done)
	}
	lane.called = a.w.recorder.clock.Add(1)
	a.w.answers.Go(func() {
		defer cancel()
		answer, err := h.slave.Request(ctx, lectern.Text(in.text))
		got := reading{what: replied, text: answer.Text(), seq: answer.Seq}
		var no *lectern.DeclinedError
		declined := errors.As(err, &no)
		if declined {
			got = reading{what: replied, text: no.Code, declined: true}
		}
		if err != nil && !declined {
			// It may have been asked, whatever has ended then.
			if why := outcomeOf(err); why == refused || why == "muted" {
				lane.add(in, output{outcome: why})
				return
			}
			lane.follow(in)
			in.op = withdraw
			lane.follow(in)
			return
		}
		lane.add(in, output{outcome: ok, seq: answer.ReplyTo})
		lane.called = a.w.recorder.clock.Add(1)
		in.op = hear
		lane.add(in, output{outcome: ok, got: got})
	})
}

// reply answers something that the master was asked, and reports whether there is anything.
func (a *actor) reply(channel string, h *held) bool {
	asked := h.master.OpenRequests()
	if len(asked) == 0 {
		return false
	}
	ctx, done := a.impatient()
	defer done()
	to := asked[a.rng.IntN(len(asked))]
	in := input{
		op: reply, channel: channel, handle: h.handle, member: h.member, to: to.From, question: to.RequestID,
		text: a.w.text(), declined: a.rng.IntN(3) == 0,
	}
	a.operate(channel, in, func() (lectern.Receipt, error) {
		if in.declined {
			return h.master.Decline(ctx, to, in.text, "")
		}
		return h.master.Reply(ctx, to, lectern.Text(in.text))
	})
	return true
}
