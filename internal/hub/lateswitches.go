package hub

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is the end of switches, in a cluster, whose connection has ended before it was known whether they lead anywhere: the
// join may be decided, here or at another hub, and be lost all the same. What is left for it is kept until it is committed.

// lateSwitches are those of a hub.
type lateSwitches struct {
	mu  sync.Mutex
	all map[*delivery.Seat]lateSwitch
}

// lateSwitch is one: the seat that was being entered, the one that is to be left, and since when the connection has ended.
type lateSwitch struct {
	in, previous *seat
	since        time.Time
}

// lateFor is how long it is kept: then the peer has come back, or its members are gone.
const lateFor = time.Minute

func (l *lateSwitches) add(in, previous *seat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = make(map[*delivery.Seat]lateSwitch)
	}
	l.all[&in.Seat] = lateSwitch{in, previous, time.Now()}
}

func (l *lateSwitches) take(in *delivery.Seat) (s lateSwitch, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok = l.all[in]
	delete(l.all, in)
	return s, ok
}

// expire lets go those that nothing was heard of for too long.
func (l *lateSwitches) expire(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for in, s := range l.all {
		if now.Sub(s.since) >= lateFor {
			delete(l.all, in)
		}
	}
}

// finishLate ends a switch of a connection that is gone, now that the seat is known to be in. It does not wait.
func (s *session) finishLate(entered *delivery.Seat) {
	if s.hub.clustered == nil {
		return
	}
	late, ok := s.hub.clustered.lateSwitches.take(entered)
	if !ok || !s.hub.acquire() {
		return
	}
	go func() {
		defer s.hub.goroutines.Done()
		if errors.Is(s.leaveLate(late.previous), wire.ErrReplaced) {
			_ = s.leaveLate(late.in) // the peer has come back to what it was to leave
		}
	}()
}

// forgetLate lets a switch go that leads nowhere.
func (h *Hub) forgetLate(refused *delivery.Seat) {
	if h.clustered != nil {
		h.clustered.lateSwitches.take(refused)
	}
}

// leaveLate ends the membership of a seat whose connection is gone.
func (s *session) leaveLate(left *seat) (err error) {
	was := member{left.Membership(), left.Epoch()}
	for !left.Channel().Decide(func(rules *star.Channel, now time.Time) {
		var gone bool
		if gone, err = rules.LeaveCutOff(&left.Attachment, was.membership, was.epoch); !gone && err == nil {
			err = rules.Leave(now, &left.Attachment, 0)
		}
	}) {
		ctx, cancel := context.WithTimeout(s.hub.clustered.writing, findTimeout)
		c := s.switchQuery(left, queryLeave, 0)
		c.late = was
		q, asked, err := s.queryWithin(ctx, left, c)
		cancel()
		if err != nil {
			return err
		}
		if asked {
			return q.err
		}
	}
	return err
}
