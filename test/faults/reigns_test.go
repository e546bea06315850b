package faults

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern"
)

// This file is who is the master of a channel when, by the hub's own account: by what Hub.Events tells.

// reign is the time in which one is the master. to is zero while it goes on. epoch is that of the
// membership at its beginning. why is by whose word it was handed over, or empty.
type reign struct {
	name     string
	epoch    uint64
	why      string
	from, to time.Time
}

func (g *reign) String() string {
	return fmt.Sprintf("%s, epoch %d, from %s to %s, by %q", g.name, g.epoch, g.from.Format("05.000000"), g.to.Format("05.000000"), g.why)
}

// followReigns reads the events of a hub until it ends.
func (r *faultRound) followReigns(hub *lectern.Hub) {
	for e := range hub.Events(context.Background()) {
		r.reigning(e)
	}
}

func (r *faultRound) reigning(e lectern.HubEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.reigns[e.Channel]
	var last *reign
	if len(all) > 0 {
		last = all[len(all)-1]
	}
	goesOn := last != nil && last.to.IsZero()
	switch {
	case e.Kind == lectern.EventCreated && last == nil:
	case e.Kind == lectern.EventCreated && e.Existing && e.Username == last.name:
		last.to = time.Time{} // at another hub
		return
	case (e.Kind == lectern.EventHandedOver || e.Kind == lectern.EventCreated && e.Existing && e.Why != "") && goesOn:
		last.to = e.Time
	case e.Kind == lectern.EventEnded && goesOn:
		last.to = e.Time
		return
	default:
		return // nothing of this, or it is another channel, which has the name of one that was over
	}
	r.reigns[e.Channel] = append(all, &reign{name: e.Username, epoch: e.Epoch, why: e.Why, from: e.Time})
}

// reigns are those of the channel, in order. Each but the last one has ended when the next one began.
func (l *life) reigns() []*reign {
	l.round.mu.Lock()
	defer l.round.mu.Unlock()
	return l.round.reigns[l.channel]
}

// reignOf is the number of the reign in which the master of the seat is one: epochs rise from one
// to the next.
func (l *life) reignOf(s *faultSeat) int {
	all := l.reigns()
	for i, reign := range slices.Backward(all) {
		if reign.epoch <= s.epoch {
			return i
		}
	}
	return -1
}

// isNobodys reports whether the last one who was the master was never told, since its client had given up
// by then: that leaves.
func (l *life) isNobodys() bool {
	last := len(l.reigns()) - 1
	return last > 0 && !slices.ContainsFunc(l.seats, func(s *faultSeat) bool { return s.isMaster() && l.reignOf(s) == last })
}

// ended reports whether the reign was over by then.
func (g *reign) ended(by time.Time) bool { return !g.to.IsZero() && !by.Before(g.to) }

// mayReign reports whether who has that name may have been the master in that time, and whether it may
// have been something else.
func (l *life) mayReign(name string, from, to time.Time) (is, isNot bool) {
	if !l.round.hands {
		return name == "alice", name != "alice"
	}
	isNot = true
	for _, g := range l.reigns() {
		if g.name == name && !to.Before(g.from) && (g.to.IsZero() || !from.After(g.to)) {
			is = true
			isNot = isNot && !(from.After(g.from) && (g.to.IsZero() || to.Before(g.to)))
		}
	}
	return is, isNot
}

// refusedMaster reports whether the service has not let back somebody who was the master, at that
// time, or before it.
func (l *life) refusedMaster(at time.Time, exactly bool) bool {
	return slices.ContainsFunc(l.reigns(), func(g *reign) bool {
		return l.round.service.refused(whoIn(l.channel, g.name), at, exactly)
	})
}

// successions says in words how often the mastership has gone over.
func (r *faultRound) successions() string {
	byMaster, byService, followed, stayed := 0, 0, 0, 0
	for _, l := range r.lives {
		for _, g := range l.reigns() {
			switch g.why {
			case "master":
				byMaster++
			case "service":
				byService++
			}
		}
		for _, s := range l.seats {
			switch {
			case s.former == nil:
			case s.isMaster():
				followed++
			default:
				stayed++
			}
		}
	}
	return fmt.Sprintf("%d hand-overs by masters and %d by the service, of which %d clients were told, and %d stayed", byMaster, byService, followed, stayed)
}
