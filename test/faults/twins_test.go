package faults

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lectern-go/lectern"
)

// takeOver moves a seat to another client, as after a restart: the old one is
// still connected, but will not dial any more.
func (r *faultRound) takeOver(s *faultSeat, random *rand.Rand) bool {
	old, oldUser := s.handle, s.user
	if r.twins {
		s.mu.Lock()
		s.shared = true
		s.mu.Unlock()
	} else {
		oldUser.die(random.IntN(2) == 0)
	}
	ticket := old.Ticket()
	u := r.user(oldUser.faulty)
	began := time.Now()
	for {
		ctx, cancel := context.WithTimeout(r.open, faultPatience)
		next, err := resumeAs(ctx, u, s, ticket)
		timedOut := ctx.Err() != nil
		cancel()
		if err == nil {
			s.move(u, next)
			break
		}
		if timedOut {
			s.life.leaves(s)
		}
		if r.isShut() {
			s.life.leaves(s) // the hub may have got its resume, and gets its Close
			err = lectern.ErrShutdown
			timedOut = true
		}
		if errors.Is(err, lectern.ErrResumeFailed) || errors.Is(err, lectern.ErrReplaced) || timedOut || time.Since(began) > faultPatience {
			s.over(err)
			_ = u.Close()
			r.dismiss(s, old, oldUser)
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	if r.twins {
		newer, seed := s.handle, random.Uint64()
		r.actors.Go(func() { r.stayOn(s, old, oldUser, newer, seed) })
		return true
	}
	// What the old one still tries must have no effect any more.
	r.actors.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		s.send(ctx, old, &sent{text: s.text("zombie", 0), to: toEverybody, stale: true})
		r.dismiss(s, old, oldUser)
	})
	return true
}

func resumeAs(ctx context.Context, u *faultUser, s *faultSeat, ticket lectern.Ticket) (membershipHandle, error) {
	if s.isMaster() {
		return asHandle(u.ResumeMaster(ctx, ticket))
	}
	return asHandle(u.ResumeSlave(ctx, ticket))
}

func asHandle[T membershipHandle](h T, err error) (membershipHandle, error) {
	if err != nil {
		return nil, err
	}
	return h, nil
}

// stayOn is what a client does whose seat another one has taken over by its ticket: it comes
// back as long as it is let, and sends. Of the two one is left. While the hub has not heard
// of the new one, that may be the old one.
func (r *faultRound) stayOn(s *faultSeat, old membershipHandle, oldUser *faultUser, next membershipHandle, seed uint64) {
	defer r.dismiss(s, old, oldUser)
	random := rand.New(rand.NewPCG(seed, 0))
	for i := 0; old.Err() == nil && next.Err() == nil && r.acting.Err() == nil; i++ {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		s.send(ctx, old, &sent{text: s.text(fmt.Sprint("twin ", seed), i), to: toEverybody})
		cancel()
		pause(random, 200*time.Millisecond)
	}
	if r.acting.Err() == nil && old.Err() == nil {
		s.life.leaves(s) // the other one has ended, or is about to
		return
	}
	// Who is left when everybody could come back is one.
	time.Sleep(faultX + faultS - time.Second)
	if old.Err() == nil && next.Err() == nil && r.shutAt.IsZero() {
		r.fail("%v is held by two", s)
	}
	s.life.leaves(s)
}

// seize enters as a user whom the service gives its seat back, from the client that has it.
// Where there is no seat any more, it is a new one. What the former client still tries has no
// effect.
func (r *faultRound) seize(s *faultSeat) *faultSeat {
	u := r.user(s.user.faulty)
	asked := time.Now()
	ctx, cancel := context.WithTimeout(r.acting, 2*time.Second)
	slave, err := u.Join(ctx, s.life.channel, s.name, append(r.expects(), lectern.WithToken(takesOver))...)
	cancel()
	s.mu.Lock()
	s.shared = true // also where nobody knows whether it was
	s.mu.Unlock()
	if err != nil {
		_ = u.Close()
		return nil
	}
	next := r.sit(s.life, u, s.name, slave, asked)
	next.mu.Lock()
	next.seized = s
	next.events = append([]told{{at: asked}}, next.events...) // it is told again what is kept
	next.mu.Unlock()
	old, oldUser := s.handle, s.user
	r.actors.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		s.send(ctx, old, &sent{text: s.text("seized", 0), to: toEverybody, stale: true})
		r.dismiss(s, old, oldUser)
	})
	return next
}
