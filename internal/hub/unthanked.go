package hub

import (
	"time"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/star"
)

// This file is what this hub, which owns a channel, knows of hubs that were lost and come back: what a member was given by an
// answer that its hub may not have got.

// returned notes that the seat is back by request n of its hub. What it has missed is in the answer: until the hub has
// thanked for that, it is not known that the member was given it.
func (j *journal) returned(seat *remoteSeat, n uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	of := j.returns[seat.name.hub]
	if of == nil {
		of = make(map[*remoteSeat]uint64)
		if j.returns == nil {
			j.returns = make(map[cluster.HubID]map[*remoteSeat]uint64)
		}
		j.returns[seat.name.hub] = of
	}
	of[seat] = n
}

// thanked forgets of whom it is known by now that their hub has the answers by which they are back.
func (j *journal) thanked(hub cluster.HubID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	of := j.returns[hub]
	if len(of) == 0 {
		return
	}
	n := j.answering.Has(hub)
	for seat, by := range of {
		if by <= n {
			delete(of, seat)
		}
	}
	if len(of) == 0 {
		delete(j.returns, hub)
	}
}

// unthanked reports whether the seat is back by an answer that its hub has not thanked for.
func (j *journal) unthanked(seat *remoteSeat) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, is := j.returns[seat.name.hub][seat]
	return is
}

// hubLost has the members be away whose hub is lost. Those who go on there return, but for those of whom it is not known what
// they were given when they have returned before: their peers resume, and say what they have. The channel's lock is held.
func (j *journal) hubLost(hub cluster.HubID, rules *star.Channel, now time.Time) {
	j.answering.Forget(hub)
	j.mu.Lock()
	unsure := j.returns[hub]
	delete(j.returns, hub)
	j.mu.Unlock()
	for seat := range unsure {
		rules.Lose(now, &seat.Attachment)
	}
	rules.HubLost(now, star.Hub(hub))
	j.forgetAt(hub)
}

// forgetAt lets the seats of members at a hub go that is lost. Who goes on there has another one (backBy). The
// channel's lock is held.
func (j *journal) forgetAt(hub cluster.HubID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for name, seat := range j.remotes {
		if name.hub == hub && seat.Entered() {
			delete(j.remotes, name)
		}
	}
}
