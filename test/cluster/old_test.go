package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
)

// This file is what hubs do that have missed the end of a channel.

// reuses closes the channel while a hub with members of it is cut off, has all be gone that is in the log, and creates another one of the
// name. The members of the one before are told nothing of that, and are out.
func (l *life) reuses() {
	r := l.round
	var old []*seat
	var cut *placed
	for _, s := range l.seats {
		at := s.user.present().hub
		if s.isIn() && at != l.user.present().hub && (cut == nil || cut == at) {
			cut = at
			old = append(old, s)
		}
	}
	if cut == nil {
		l.masterCloses()
		return
	}
	r.note("hub %d is cut off, with %d members of %s", cut.number, len(old), l.channel)
	r.network.Isolate(cut.id)
	if err := l.handle.Close(); err != nil {
		r.fail("the master closes %s: %w", l.channel, err)
		return
	}
	key := cluster.KeyOf(l.channel)
	last, err := r.log.Last(context.Background(), key)
	if err != nil {
		r.fail("the log of %s: %w", l.channel, err)
		return
	}
	r.log.Expire(key.Shard(roundShards), last.Position)
	r.note("the log of %s is gone", l.channel)
	next := &life{round: r, row: l.row, number: l.number + 1, channel: l.channel, over: make(chan struct{})}
	if !next.follows(l, cut) {
		return
	}
	next.says("while it is cut off")
	r.network.Join(cut.id)
	for range 20 {
		time.Sleep(250 * time.Millisecond)
		next.says("when it is back")
	}
	for _, s := range old {
		if s.isIn() {
			r.fail("%s is still in %s, which is over", s.name, l.stream())
		}
	}
	if err := next.handle.Close(); err != nil {
		r.fail("the master closes %s: %w", next.stream(), err)
	}
	next.reading.Wait()
}

// follows creates the next channel of the name, with as many slaves, at other hubs than that one.
func (l *life) follows(before *life, cut *placed) bool {
	r := l.round
	ctx, cancel := r.patient()
	defer cancel()
	enters := func(name string) *user {
		u := r.user(name)
		u.avoids = cut
		return u
	}
	l.user = enters("next " + before.user.name)
	h, err := l.user.Create(ctx, l.channel, l.user.name)
	if err != nil {
		r.fail("%s is created anew: %w", l.channel, err)
		return false
	}
	l.handle, l.master = h, &seat{life: l, user: l.user, name: l.user.name, entered: time.Now()}
	l.reading.Go(func() { read(l.master, h.Events, h.Err, l.replies) })
	for i := range before.seats {
		u := enters(fmt.Sprintf("next slave %d.%d", l.row, i))
		s, err := u.Join(ctx, l.channel, u.name)
		if err != nil {
			r.fail("%s joins %s: %w", u.name, l.stream(), err)
			return false
		}
		l.seated(u, s, time.Now())
	}
	r.mu.Lock()
	r.lives = append(r.lives, l)
	r.mu.Unlock()
	return true
}

// says has the master send one message to all, and one to each.
func (l *life) says(what string) {
	for i, name := range append([]string{""}, l.present()...) {
		one := &sent{stream: fmt.Sprintf("%s %s %d to %s", l.stream(), what, len(l.sends), name), number: i, to: name}
		l.send(l.master, one, func(ctx context.Context, text lectern.Payload) (err error) {
			if one.to == "" {
				_, err = l.handle.Broadcast(ctx, text)
			} else {
				_, err = l.handle.Send(ctx, one.to, text)
			}
			return err
		})
		if one.err != nil {
			l.round.fail("%v", one)
		}
	}
}

// sleep freezes all hubs while something is written, for longer than the log keeps what it has. Then all is over for everybody, and the
// names are free.
func (r *round) sleep(last []*life) {
	var sends sync.WaitGroup
	for _, l := range last {
		l.master.begins()
		sends.Go(func() {
			for number := range 20 {
				one := &sent{stream: l.stream() + " asleep", number: number}
				l.send(l.master, one, func(ctx context.Context, text lectern.Payload) error {
					_, err := l.handle.Broadcast(ctx, text)
					return err
				})
			}
		})
	}
	time.Sleep(2 * time.Millisecond)
	r.note("all hubs sleep")
	hubs := r.living()
	for _, p := range hubs {
		r.network.Freeze(p.id)
	}
	time.Sleep(roundKeeps + roundKeeps/4)
	for _, p := range hubs {
		r.network.Thaw(p.id)
	}
	r.note("all hubs are awake")
	woken := time.Now()
	r.waits("what was sent before all hubs slept", answersBy, sends.Wait)
	time.Sleep(roundHeals)
	for _, l := range last {
		for _, err := range append([]error{l.handle.Err()}, l.errs()...) {
			if err != nil && !isEnd(err) && !errors.Is(err, lectern.ErrNoSuchChannel) {
				r.fail("when all hubs were asleep, a member of %s is told %w", l.channel, err)
			}
		}
		_ = l.user.Close()
		for _, s := range l.seats {
			_ = s.user.Close()
		}
		l.becomesFree(woken.Add(-roundX))
	}
}

// errs are why the slaves are out.
func (l *life) errs() (errs []error) {
	for _, s := range l.seats {
		errs = append(errs, s.slave.Err())
	}
	return errs
}
