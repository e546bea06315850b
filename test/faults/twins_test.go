package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/lectern-go/lectern"
)

// stayOn is what a client does whose seat another one has taken over by its ticket: it comes
// back as long as it is let, and sends. Of the two one is left. While the hub has not heard
// of the new one, that may be the old one.
func (r *faultRound) stayOn(s *faultSeat, old membershipHandle, oldUser *faultUser, next membershipHandle, seed uint64) {
	defer oldUser.Close()
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
	slave, err := u.Join(ctx, s.life.channel, s.name, lectern.WithToken(takesOver), lectern.WithMaster("alice"))
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
	next.events = append([]told{{at: asked}}, next.events...) // it is told again what is kept
	next.mu.Unlock()
	old, oldUser := s.handle, s.user
	r.actors.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		defer cancel()
		s.send(ctx, old, &sent{text: s.text("seized", 0), to: toEverybody, stale: true})
		_ = oldUser.Close()
	})
	return next
}
