package faults

import (
	"errors"
	"sync"
	"testing/synctest"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// This file holds Hub.Events against the channels, at many moments of a round: the list that
// is kept from it is the hub's own, of a reader that was there from the beginning, and of one
// that has begun at any time.

// eventReaders are those of the hub that there is.
type eventReaders struct {
	first, later *stage.Roster
	reigns       *sync.WaitGroup
}

// follows begins to read the events of the hubs.
func (r *faultRound) follows(hubs []*lectern.Hub) {
	r.readers = nil
	for _, hub := range hubs {
		r.readers = append(r.readers, r.followsOne(hub))
	}
}

func (r *faultRound) followsOne(hub *lectern.Hub) eventReaders {
	readers := eventReaders{first: stage.FollowEvents(hub), later: stage.FollowEvents(hub), reigns: new(sync.WaitGroup)}
	readers.reigns.Go(func() { r.followReigns(hub) })
	return readers
}

// compareEvents holds the lists against the hub at this moment. Nothing that was decided is
// under way: everybody waits for something.
func (r *faultRound) compareEvents() {
	synctest.Wait()
	for _, readers := range r.readers {
		if err := errors.Join(readers.first.Compare(), readers.later.Compare()); err != nil {
			r.fail("events: %w", err)
		}
	}
}

// watchEvents compares while the users act, but not while the hub is being replaced.
func (r *faultRound) watchEvents() {
	random := r.random(8)
	for r.acting.Err() == nil {
		pause(random, 60*time.Millisecond)
		select {
		case r.replacing <- struct{}{}:
		default:
			continue
		}
		if r.acting.Err() == nil && !r.isShut() {
			if r.compareEvents(); random.IntN(4) == 0 {
				i := random.IntN(len(r.readers))
				if err := r.readers[i].later.Stop(); err != nil {
					r.fail("events: %w", err)
				}
				r.readers[i].later = stage.FollowEvents(r.present()[i])
			}
		}
		<-r.replacing
	}
}

// endOfEvents expects that the events of the hubs have ended with them, and have told the end of
// everything. They have shut down.
func (r *faultRound) endOfEvents() {
	for i := range r.readers {
		r.endOfEventsOf(i)
	}
}

func (r *faultRound) endOfEventsOf(i int) {
	readers := r.readers[i]
	for _, reader := range []*stage.Roster{readers.first, readers.later} {
		if err := errors.Join(reader.Wait(), reader.Compare()); err != nil {
			r.fail("the end of the events: %w", err)
		}
		if n := reader.Missed(); n > 0 {
			r.fail("%d events were missed", n)
		}
	}
	readers.reigns.Wait()
}
