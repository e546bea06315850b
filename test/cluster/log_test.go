package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
)

// This file is what happens to the log.

// lost is when the log has lost what, in a round in which it does: all that was appended since.
type lost struct{ since, at time.Time }

// mayBeLost: it may have been in the part of the log that was lost. Whoever was not answered by then may have sent it again. Soon
// after that numbers may be those of messages that were lost, which who had got these takes for the same.
func (r *round) mayBeLost(one *sent) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.lost.at.IsZero() && !one.done.Before(r.lost.since) && !one.began.After(r.lost.at.Add(renumbered))
}

// renumbered is for how long numbers may be given out again.
const renumbered = 10 * time.Second

// hasLost reports whether the log has lost something.
func (r *round) hasLost() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.lost.at.IsZero()
}

// harmLog has a shard be full for a while, or lose the end of what it has.
func (r *round) harmLog() {
	random := rand.New(rand.NewPCG(r.seed, 4))
	select {
	case <-time.After(8*time.Second + time.Duration(random.Int64N(int64(8*time.Second)))):
	case <-r.stop:
		return
	}
	r.mu.Lock()
	if len(r.lives) == 0 {
		r.mu.Unlock()
		return
	}
	l := r.lives[random.IntN(len(r.lives))]
	r.mu.Unlock()
	shard := cluster.KeyOf(l.channel).Shard(roundShards)
	if r.fills {
		full := time.Second + time.Duration(random.Int64N(int64(6*time.Second)))
		r.note("there is no room in the shard of %s for %v", l.channel, full)
		r.network.Fill(shard, full)
		return
	}
	if after, since, ok := r.losable(l, 1+random.IntN(8)); ok {
		r.note("the shard of %s loses what comes after %d, of the last %v", l.channel, after, time.Since(since))
		r.mu.Lock()
		r.lost = lost{since, time.Now()}
		r.mu.Unlock()
		r.network.Lose(shard, after)
	}
}

// losable is behind which group so many of a channel are, and since when, where that is not long ago: everybody has joined for
// good before.
func (r *round) losable(l *life, groups int) (after cluster.Position, since time.Time, ok bool) {
	r.mu.Lock()
	lives := append([]*life(nil), r.lives...)
	r.mu.Unlock()
	for _, l := range lives {
		l.mu.Lock()
		all := len(l.seats) == r.slaves
		for _, s := range l.seats {
			all = all && time.Since(s.entered) > 3*time.Second
		}
		l.mu.Unlock()
		if !all {
			return 0, since, false
		}
	}
	key := cluster.KeyOf(l.channel)
	last, err := r.log.Last(context.Background(), key)
	if err != nil || len(lives) < r.rows {
		return 0, since, false
	}
	var all []cluster.Group
	for g, err := range r.log.Read(context.Background(), key, cluster.Every, 0, last.Position) {
		if err != nil {
			return 0, since, false
		}
		all = append(all, g)
	}
	if len(all) <= groups {
		return 0, since, false
	}
	first := all[len(all)-groups]
	return first.Position - 1, time.Now().Add(-first.Age), first.Age < 3*time.Second
}

// hush has a hub be heard by no other for a while, and hear none. The log it reaches.
func (r *round) hush(id cluster.HubID) {
	others := func(do func(from, to cluster.HubID)) {
		for _, p := range r.living() {
			if p.id != id {
				do(id, p.id)
				do(p.id, id)
			}
		}
	}
	others(r.network.Cut)
	time.Sleep(8 * time.Second)
	others(r.network.Mend)
}

// expires has the log be gone, too early, while its nodes do not agree about the time. As long as they do not, nobody creates the
// channel anew, whose master is there. Then it is over for everybody, and free.
func (l *life) expires() {
	r := l.round
	key := cluster.KeyOf(l.channel)
	last, err := r.log.Last(context.Background(), key)
	if err != nil {
		r.fail("the log of %s: %w", l.channel, err)
		return
	}
	r.network.SpreadClocks(time.Minute)
	r.log.Expire(key.Shard(roundShards), last.Position)
	r.note("the log of %s is gone", l.channel)
	u := r.user("usurper of " + l.user.name)
	defer func() { _ = u.Close() }()
	for range 5 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		_, err := u.Create(ctx, l.channel, u.name)
		cancel()
		if err == nil {
			r.fail("%s can be created anew while its master is there, as the log is empty, and the clocks are not right", l.channel)
			return
		}
		var refused *lectern.Error
		if !errors.Is(err, lectern.ErrBusy) && !errors.Is(err, lectern.ErrChannelExists) && errors.As(err, &refused) {
			r.fail("%s is created anew: %w", l.channel, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	r.network.SpreadClocks(0)
	_ = l.handle.Close()
	for _, s := range l.seats {
		if s.isIn() {
			_ = s.slave.Leave()
		}
	}
	l.becomesFree(time.Now().Add(-roundX))
}
