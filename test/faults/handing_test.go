package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lectern-go/lectern"
)

// This file is how the mastership goes from one to another in a round: masters hand over, and stay or
// leave, and the service sets others, again and again while everything else happens. Whoever has
// become something else goes on as that. What has come of it is in succession_test.go.

// handing is what a master or the service has asked for, and what it was told.
type handing struct {
	by          *faultSeat // nil: the service
	to          string
	stay        bool
	began, done time.Time
	err         error
	stays       *lectern.Slave
}

// somebody is one of those who come and go.
func (r *faultRound) somebody(random *rand.Rand) string {
	if r.hands && random.IntN(faultSlaves+1) == 0 {
		return "alice"
	}
	return fmt.Sprint("user_", random.IntN(faultSlaves))
}

// handsAround has the master of the seat hand over for as long as it is one.
func (r *faultRound) handsAround(s *faultSeat, random *rand.Rand) {
	for r.acting.Err() == nil {
		pause(random, 1200*time.Millisecond)
		patience := faultPatience
		if random.IntN(5) == 0 {
			patience = 1 + time.Duration(random.Int64N(int64(50*time.Millisecond)))
		}
		if !r.handsOver(s, &handing{by: s, to: r.somebody(random), stay: random.IntN(3) > 0}, patience) {
			return
		}
	}
}

// handsOver hands over, and reports whether there was a master who could.
func (r *faultRound) handsOver(s *faultSeat, one *handing, patience time.Duration) bool {
	s.handing <- struct{}{}
	defer func() { <-s.handing }()
	master, ok := s.present().(*lectern.Master)
	if !ok || r.acting.Err() != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	one.began = time.Now()
	one.stays, one.err = master.HandOver(ctx, one.to, one.stay)
	one.done = time.Now()
	if one.stays != nil {
		s.stays, s.gave = one.stays, master
	}
	s.life.hands(one)
	return true
}

func (l *life) hands(one *handing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handings = append(l.handings, one)
}

// setsMasters is the service, which sets masters of whatever channels there are.
func (r *faultRound) setsMasters() {
	random := r.random(900)
	for r.acting.Err() == nil {
		pause(random, 1500*time.Millisecond)
		l, one := r.latest(random.IntN(r.rows)), &handing{to: r.somebody(random)}
		if l == nil {
			continue
		}
		channel, ok := r.channel(l.channel)
		if !ok {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), faultStall)
		one.began = time.Now()
		one.err = channel.SetMaster(ctx, one.to)
		one.done = time.Now()
		cancel()
		l.hands(one)
	}
}

// follow is the seat that this one, which is over, has become by a hand-over, or nil. What its holder
// has had by its secret is tried, and is worth nothing.
func (r *faultRound) follow(s *faultSeat) *faultSeat {
	if !errors.Is(s.handle.Err(), lectern.ErrHandedOver) {
		return nil
	}
	ticket := s.handle.Ticket()
	wait := time.Duration(rand.New(rand.NewPCG(r.seed, s.epoch)).Int64N(int64(time.Second)))
	r.actors.Go(func() {
		time.Sleep(wait)
		u := r.user(false)
		defer u.Close()
		r.triesOld(s, u, ticket)
	})
	next := s.becomes(s.handle)
	if next == nil {
		if s.isMaster() {
			r.triesOld(s, s.user, ticket)
		} else {
			r.fail("%v has ended with %w, and is no master", s, s.handle.Err())
		}
		return nil
	}
	return r.succeed(s, s.user, next)
}

// becomes is what the handle, which is over, has become by a hand-over, or nil.
func (s *faultSeat) becomes(h membershipHandle) membershipHandle {
	s.handing <- struct{}{} // its HandOver has returned
	defer func() { <-s.handing }()
	switch h := h.(type) {
	case *lectern.Slave:
		if master := h.Promoted(); master != nil {
			return master
		}
	case *lectern.Master:
		if s.stays != nil && s.gave == h {
			return s.stays
		}
	}
	return nil
}

func (r *faultRound) succeed(s *faultSeat, u *faultUser, h membershipHandle) *faultSeat {
	next := r.sit(s.life, u, s.name, h, time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	next.former, next.shared = s, s.shared
	return next
}

// triesOld expects that what was a ticket before a hand-over takes its client nowhere, in either role.
func (r *faultRound) triesOld(s *faultSeat, u *faultUser, ticket lectern.Ticket) {
	for _, role := range []bool{true, false} {
		asked := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		var err error
		if ticket.Master = role; role {
			_, err = u.ResumeMaster(ctx, ticket)
		} else {
			_, err = u.ResumeSlave(ctx, ticket)
		}
		timedOut := ctx.Err() != nil
		cancel()
		switch {
		case err == nil:
			r.fail("%v is over, and its ticket has brought somebody back, as the master: %v", s, role)
		case errors.Is(err, lectern.ErrResumeFailed):
			r.tried.Add(1)
		case !u.faulty && !timedOut && !r.isShut() && !r.interrupts(asked):
			r.fail("the ticket of %v, which is over: %w", s, err)
		}
	}
}

// dismiss ends a client that nobody uses any more, which has had the handle h of the seat. Where the hub has
// made that something else, it ends with it: a master's end is that of the channel.
func (r *faultRound) dismiss(s *faultSeat, h membershipHandle, u *faultUser) {
	_ = u.Close()
	if h == s.handle {
		s.read(context.Background()) // what nobody has taken, though the hub knows that it has come
	}
	for h = s.becomes(h); h != nil; h = s.becomes(h) {
		s = r.succeed(s, u, h)
		s.late = true
		s.life.leaves(s)
		s.read(context.Background())
		s.over(h.Err())
	}
}
