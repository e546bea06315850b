package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lectern-go/lectern"
)

// This file is who may speak: the masters of a round mute slaves and let them speak again, and each
// send of a slave is held against when it was muted. What cannot have been either way was decided
// wrongly.

// muting is what a master has asked for, and what it was told.
type muting struct {
	to          string // all are meant where it is toEverybody
	on          bool
	began, done time.Time
	err         error
}

// mutes has the master of the seat mute and unmute for as long as the round goes on.
func (r *faultRound) mutesAround(s *faultSeat, random *rand.Rand) {
	for r.acting.Err() == nil {
		pause(random, 300*time.Millisecond)
		master, ok := s.present().(*lectern.Master)
		if !ok {
			return
		}
		patience := faultPatience
		if random.IntN(5) == 0 {
			patience = 50 * time.Millisecond
		}
		one := &muting{to: toEverybody, on: random.IntN(3) == 0}
		if random.IntN(3) > 0 {
			one.to, one.on = fmt.Sprint("user_", random.IntN(faultSlaves)), random.IntN(2) == 0
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		s.life.mute(ctx, master, one)
		cancel()
	}
}

// mute asks the hub, and notes what has come of it.
func (l *life) mute(ctx context.Context, master *lectern.Master, one *muting) {
	one.began = time.Now()
	switch {
	case one.to == toEverybody && one.on:
		one.err = master.MuteAll(ctx)
	case one.to == toEverybody:
		one.err = master.UnmuteAll(ctx)
	case one.on:
		one.err = master.Mute(ctx, one.to)
	default:
		one.err = master.Unmute(ctx, one.to)
	}
	one.done = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mutings = append(l.mutings, one)
}

// mayBe is how a slave of that name can have been in the time: muted, or free, or either. A master
// asks for one thing after the other, so what it was not told of has happened, if at all, before the
// next one. An empty name is for what is so of all.
//
// Of channels that are handed over it is not known: two masters can ask at a time, and who takes part in a
// hand-over is muted as all are.
func (l *life) mayBe(name string, from, until time.Time) (muted, free bool) {
	if l.round.hands {
		return true, true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	is := map[bool]bool{false: true}
	was := map[bool]bool{}
	for _, one := range l.mutings {
		if one.to != toEverybody && one.to != name || one.began.After(until) {
			continue
		}
		if !one.done.Before(from) {
			was[true], was[false] = was[true] || is[true], was[false] || is[false]
		}
		if one.err == nil {
			is = map[bool]bool{}
		}
		is[one.on] = true
	}
	return was[true] || is[true], was[false] || is[false]
}

// unmuteAll has every master that is there let all speak, which has to work, after each slave was as
// its master has said last.
func (r *faultRound) unmuteAll() {
	if !r.mutes {
		return
	}
	r.checkVoice()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	for s := range r.remaining() {
		if master, ok := s.present().(*lectern.Master); ok && master.Err() == nil {
			one := &muting{to: toEverybody}
			if s.life.mute(ctx, master, one); one.err != nil && master.Err() == nil {
				r.fail("%v: to let all speak: %w", s, one.err)
			}
		}
	}
}

// checkVoice is called when everybody knows what there is to know.
func (r *faultRound) checkVoice() {
	now := time.Now()
	for s := range r.remaining() {
		h := s.present()
		if h == nil || h.Err() != nil {
			continue
		}
		name, is := s.name, false
		if master, ok := h.(*lectern.Master); ok {
			name, is = toEverybody, master.AllMuted()
		} else {
			is = h.(*lectern.Slave).Muted()
		}
		if muted, free := s.life.mayBe(name, now, now); is && !muted || !is && !free {
			r.fail("%v knows that it is muted: %v", s, is)
		}
	}
}

// verifyVoice: what a slave has sent of its own accord was accepted while it may have been free, and
// refused as muted while it may have been; what it has answered was not refused for that, and no change
// of an attribute. Its events tell of changes alone.
func (l *life) verifyVoice() error {
	for _, s := range l.seats {
		for _, one := range s.sends {
			refused := errors.Is(one.err, lectern.ErrMuted)
			muted, free := l.mayBe(s.name, one.began, one.done)
			switch {
			case refused && (s.isMaster() || one.question != ""):
				return fmt.Errorf("%q was refused: %w", one.text, one.err)
			case refused && !muted:
				return fmt.Errorf("%q was refused between %v and %v, and %s was free: %w", one.text, one.began, one.done, s.name, one.err)
			case one.err == nil && !s.isMaster() && one.question == "" && !free:
				return fmt.Errorf("%q was accepted between %v and %v, and %s was muted", one.text, one.began, one.done, s.name)
			}
			if refused {
				l.round.muted.Add(1)
			}
		}
		for _, q := range s.asks {
			for _, a := range q.answers {
				if muted, _ := l.mayBe(s.name, q.began, q.done); errors.Is(a.Err, lectern.ErrMuted) && (s.isMaster() || !muted) {
					return fmt.Errorf("%q was refused: %w", q.question, a.Err)
				}
			}
		}
		for _, one := range s.changes {
			if errors.Is(one.err, lectern.ErrMuted) {
				return fmt.Errorf("a change of %s's %s was refused: %w", s.name, one.key, one.err)
			}
		}
		var last *lectern.Muted
		for _, e := range s.events {
			if e.event == nil {
				last = nil // another handle begins with what is so
			}
			if m, ok := e.event.(lectern.Muted); ok {
				if last != nil && last.On == m.On {
					return fmt.Errorf("%s was told twice that it is muted: %v", s.name, m.On)
				}
				last = &m
			}
		}
	}
	return nil
}
