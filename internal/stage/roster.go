package stage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
)

// Roster is a list of all channels and members of a hub that is kept from Hub.Events alone.
type Roster struct {
	hub    *lectern.Hub
	cancel context.CancelFunc
	over   chan struct{}

	mu       sync.Mutex
	channels map[string]map[string]lectern.HubEvent
	missed   int
	err      error
	// pause is how long the reader waits before each event, or zero.
	pause time.Duration
}

// FollowEvents begins to keep a list of the hub's channels. Stop ends it.
func FollowEvents(hub *lectern.Hub) *Roster { return FollowEventsSlowly(hub, 0) }

// FollowEventsSlowly is FollowEvents for a reader that waits before each event.
func FollowEventsSlowly(hub *lectern.Hub, pause time.Duration) *Roster {
	ctx, cancel := context.WithCancel(context.Background())
	r := &Roster{hub: hub, cancel: cancel, over: make(chan struct{}), channels: map[string]map[string]lectern.HubEvent{}, pause: pause}
	go func() {
		defer close(r.over)
		for event := range hub.Events(ctx) {
			if r.pause > 0 {
				time.Sleep(r.pause)
			}
			r.take(event)
		}
	}()
	return r
}

// Stop ends the reading, and returns what was wrong with the events.
func (r *Roster) Stop() error {
	r.cancel()
	return r.Wait()
}

// Wait waits until the events have ended by themselves, as they do with their hub.
func (r *Roster) Wait() error {
	<-r.over
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Missed is how many events were missed in all.
func (r *Roster) Missed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missed
}

func (r *Roster) fail(e lectern.HubEvent, what string) {
	r.err = errors.Join(r.err, fmt.Errorf("the event %+v, but %s", e, what))
}

func (r *Roster) take(e lectern.HubEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	members, there := r.channels[e.Channel]
	member, in := members[e.Username]
	switch e.Kind {
	case lectern.EventMissed:
		clear(r.channels)
		r.missed += e.Missed
		return
	case lectern.EventEnded:
		if !there || e.Why == "" {
			r.fail(e, "there is no such channel, or no reason")
		}
		delete(r.channels, e.Channel)
		return
	case lectern.EventMoved:
		if !there {
			r.fail(e, "there is no such channel")
		}
		delete(r.channels, e.Channel)
		return
	case lectern.EventCreated:
		if there || !e.Master {
			r.fail(e, "there is such a channel, or that is no master")
		}
		members = map[string]lectern.HubEvent{}
		r.channels[e.Channel] = members
	case lectern.EventJoined:
		if !there || in || e.Master || e.Number == 0 {
			r.fail(e, "there is such a member, or no such channel, or it has no number")
		}
	case lectern.EventKnocked:
		// Nobody of that name is in, and nobody is by that.
		if !there || in || e.Master || e.Number == 0 || e.State != lectern.StateUnknown {
			r.fail(e, "there is such a member, or no such channel, or it has no number")
		}
		return
	case lectern.EventHandedOver:
		if !in || member.Master || !e.Master || e.Epoch <= member.Epoch || e.Why == "" {
			r.fail(e, "the member is no slave, or it is not said by whose word")
		}
		maps.DeleteFunc(members, func(_ string, m lectern.HubEvent) bool { return m.Master })
	default:
		if !in || member.Master != e.Master || member.Number != e.Number || e.Epoch < member.Epoch || e.Existing {
			r.fail(e, "the member is another one, or is none")
		}
	}
	if e.Kind == lectern.EventLeft {
		if e.State != lectern.StateGone || e.Why == "" {
			r.fail(e, "it is not gone, or there is no reason")
		}
		delete(members, e.Username)
		return
	}
	if e.Kind == lectern.EventAway && e.State != lectern.StateAway || e.Kind == lectern.EventBack && e.State != lectern.StateOnline {
		r.fail(e, "its state is another one")
	}
	members[e.Username] = e
}

// Compare returns how the list differs from what the hub has. Everything that was decided must
// have been told by then.
func (r *Roster) Compare() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := 0
	for channel := range r.hub.Channels() {
		shot, exists := channel.Snapshot()
		if !exists {
			continue
		}
		found++
		members := r.channels[channel.Name()]
		if len(members) != 1+len(shot.Slaves) {
			return fmt.Errorf("the events tell of %d members of %s, which has %d", len(members), channel.Name(), 1+len(shot.Slaves))
		}
		for i, has := range append(slices.Clone(shot.Slaves), shot.Master) {
			told := members[has.Username]
			same := told.Master == (i == len(shot.Slaves)) && told.State == has.State && told.Epoch == has.Epoch &&
				told.Deadline.Equal(has.Deadline) && bytes.Equal(told.Data, has.Data)
			if !same {
				return fmt.Errorf("the events tell of %+v in %s, which has %+v", told, channel.Name(), has)
			}
		}
	}
	if found != len(r.channels) {
		return fmt.Errorf("the events tell of %d channels, and there are %d", len(r.channels), found)
	}
	return r.err
}
