package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
)

// act lets everybody act while things happen, then heals everything, and looks whether it is as it should be.
func (r *round) act() {
	defer r.finish()
	var users []*user
	var mu sync.Mutex
	for row := range r.rows {
		r.actors.Go(func() {
			random := rand.New(rand.NewPCG(r.seed, uint64(100+row)))
			for number := 1; ; number++ {
				l := r.create(row, number)
				if l == nil {
					return
				}
				mu.Lock()
				users = append(users, l.user)
				mu.Unlock()
				for i := range r.slaves {
					u := r.user(fmt.Sprintf("slave %d.%d", row, i))
					mu.Lock()
					users = append(users, u)
					mu.Unlock()
					r.actors.Go(func() { l.beSlave(u) })
				}
				r.actors.Go(l.beMaster)
				if !r.recreates {
					return
				}
				if r.pause(random, 15*time.Second); r.stopped() {
					return
				}
				l.close()
			}
		})
	}
	if r.links {
		r.actors.Go(func() {
			r.pause(rand.New(rand.NewPCG(r.seed, 3)), 3*time.Second)
			mu.Lock()
			some := append([]*user(nil), users...)
			mu.Unlock()
			if len(some) > 0 {
				r.breaks(some)
			}
		})
	}
	if r.fills || r.loses {
		r.actors.Go(r.harmLog)
	}
	if r.choice.storm {
		r.storm()
	} else {
		time.Sleep(roundSpan)
	}
	close(r.stop)
	r.network.Heal()
	r.note("everything is healed: %v", r.network.Counts())
	if !r.waits("everything that is under way", answersBy, r.actors.Wait) || r.hasFailed() {
		return
	}
	time.Sleep(roundHeals)
	if r.ages {
		time.Sleep(roundKeeps + roundX) // what is known by then is in snapshots
	}
	var last []*life
	for _, l := range r.lives {
		if l.hasClosed() {
			l.expectEnd(lectern.ErrMasterLeft)
			continue
		}
		last = append(last, l)
	}
	for _, l := range last {
		l.lastWords()
	}
	time.Sleep(2 * time.Second)
	for _, l := range last {
		l.look()
	}
	if r.hasFailed() {
		return
	}
	if r.abandons {
		r.abandon(last)
	}
	if r.sleeps {
		r.sleep(last)
	}
	for _, l := range last {
		switch {
		case r.abandons, r.sleeps:
		case r.expires:
			l.expires()
		case r.reuses:
			l.reuses()
		case r.dies:
			l.masterDies()
		default:
			l.masterCloses()
		}
	}
	for _, l := range last {
		l.again()
	}
}

// abandon ends everybody and all hubs. Nobody has anything of the channels then: there are others of the names when X is over.
func (r *round) abandon(last []*life) {
	died := time.Now()
	for _, l := range r.lives {
		l.user.die()
		for _, s := range l.seats {
			s.user.die()
		}
	}
	for _, p := range r.living() {
		r.killHub(p.id)
	}
	for range roundHubs {
		r.startHub()
	}
	var all sync.WaitGroup
	for _, l := range last {
		all.Go(func() { l.becomesFree(died) })
	}
	all.Wait()
}

// becomesFree tries to create the channel anew, whose master has died then, until that works.
func (l *life) becomesFree(died time.Time) {
	r := l.round
	u := r.user("successor of " + l.user.name)
	defer func() { _ = u.Close() }()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		h, err := u.Create(ctx, l.channel, u.name)
		cancel()
		switch took := time.Since(died); {
		case err == nil:
			if r.abandons && took < roundX {
				r.fail("%s can be created anew %v after its master has died", l.channel, took)
			}
			if err := h.Close(); err != nil {
				r.fail("the successor closes %s: %w", l.channel, err)
			}
			return
		case took > roundX+20*time.Second:
			r.fail("%s cannot be created anew %v after its master has died: %w", l.channel, took, err)
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// waits waits for something that has to end by itself.
// It is a failure where that takes longer.
func (r *round) waits(what string, within time.Duration, wait func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait()
	}()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		r.fail("%s has not ended after %v", what, within)
		r.note("what is under way: %s", goroutines())
		return false
	}
}

// finish ends everybody and everything, and looks at what is known then.
func (r *round) finish() {
	var clients sync.WaitGroup
	for _, l := range r.lives {
		l.mu.Lock()
		all := map[*user]bool{l.user: true}
		for _, s := range l.seats {
			all[s.user] = true
		}
		l.mu.Unlock()
		for u := range all {
			clients.Go(func() {
				u.die()
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				_, _ = u.Detach(ctx)
			})
		}
	}
	clients.Wait()
	for _, l := range r.lives {
		l.reading.Wait()
		l.verify()
	}
	r.actors.Wait()
	for _, u := range r.all { // also who has not got into a channel
		u.die()
		_ = u.Close()
	}
	for _, p := range r.living() {
		r.ends.Go(func() { r.end(p) })
	}
	r.waits("the closing of the hubs", 30*time.Second, r.ends.Wait)
	r.verifyLogs()
	_ = r.network.Close()
}

// lastWords has everybody say something, now that all is well.
func (l *life) lastWords() {
	r := l.round
	var all sync.WaitGroup
	say := func(s *seat, stream string, do func(context.Context, lectern.Payload) error) {
		all.Go(func() {
			one := &sent{stream: stream, number: 1 << 20}
			l.send(s, one, do)
			if took := one.done.Sub(one.began); one.err != nil || took > 2*time.Second {
				r.fail("the last word %v has taken %v", one, took)
			}
		})
	}
	say(l.master, l.stream()+" master", func(ctx context.Context, text lectern.Payload) error {
		_, err := l.handle.Broadcast(ctx, text)
		return err
	})
	l.mu.Lock()
	seats := append([]*seat(nil), l.seats...)
	l.mu.Unlock()
	for _, s := range seats {
		if s.isIn() {
			say(s, l.stream()+" "+s.name+" last", func(ctx context.Context, text lectern.Payload) error {
				_, err := s.slave.Send(ctx, text)
				return err
			})
		}
	}
	all.Wait()
}

// isOutOnPurpose: this end was wanted, by the slave or by its master. Whose connection was lost when it was
// kicked is told so by its resume.
func (s *seat) isOutOnPurpose(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.leaves.IsZero() && errors.Is(err, lectern.ErrLeft) ||
		s.life.hasClosed() && isEnd(err) || s.kicked && (errors.Is(err, lectern.ErrKicked) || errors.Is(err, lectern.ErrResumeFailed))
}

func (s *seat) isIn() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended.IsZero()
}

// look looks at what everybody knows, now that all is well.
func (l *life) look() {
	r := l.round
	if err := l.handle.Err(); err != nil {
		r.fail("the master of %s is out: %w", l.channel, err)
		return
	}
	in := map[string]bool{}
	l.mu.Lock()
	for _, s := range l.seats {
		if !s.isIn() {
			if !s.isOutOnPurpose(s.err) {
				r.fail("%s is out of %s since %v: %w", s.name, l.channel, r.since(s.ended), s.err)
			}
			continue
		}
		in[s.name] = true
		if m := s.slave.Master(); m.State != lectern.StateOnline || m.Username != l.user.name {
			r.fail("%s in %s takes its master %s for %v since %v", s.name, l.channel, m.Username, m.State, r.since(m.Since))
		}
	}
	l.mu.Unlock()
	slaves := len(in)
	for _, m := range l.handle.Members() {
		if r.isLate(m.State, in[m.Username]) {
			continue
		}
		if !in[m.Username] || m.State != lectern.StateOnline {
			r.fail("the master of %s takes %s, who is in: %v, for %v since %v", l.channel, m.Username, in[m.Username], m.State, r.since(m.Since))
		}
		delete(in, m.Username)
	}
	for name := range in {
		r.fail("the master of %s does not know of %s", l.channel, name)
	}
	l.compare(slaves)
}

// isLate reports whether a member is one whose end the log has lost, or by a join that was on its way when its connection was lost: who had sent it has joined by another
// connection since then, and has switched to another channel.
func (r *round) isLate(state lectern.State, in bool) bool {
	return !in && (r.switches && state == lectern.StateAway || r.hasLost())
}

// compare compares what the hubs say of the channel.
func (l *life) compare(slaves int) {
	r := l.round
	var first lectern.ChannelSnapshot
	for i, p := range r.living() {
		c, exists := p.Channel(l.channel)
		if !exists {
			r.fail("hub %d says that there is no %s", p.number, l.channel)
			return
		}
		s, exists := c.Snapshot()
		if !exists {
			r.fail("hub %d has nothing to say of %s", p.number, l.channel)
			return
		}
		// What waits is known only where it does.
		s.Master.Queued = lectern.QueueSize{}
		for i := range s.Slaves {
			s.Slaves[i].Queued = lectern.QueueSize{}
			s.Slaves[i].Deadline = s.Slaves[i].Deadline.UTC().Round(0) // as it comes from another hub
		}
		if i == 0 {
			first = s
			there := len(s.Slaves)
			for _, one := range s.Slaves {
				if r.isLate(one.State, false) {
					there--
				}
			}
			if there != slaves && !r.hasLost() || s.Master.State != lectern.StateOnline {
				r.fail("hub %d says that %s is %+v", p.number, l.channel, s)
			}
		}
		if !reflect.DeepEqual(s, first) {
			r.fail("of %s hub %d says %+v, and the first one %+v", l.channel, p.number, s, first)
		}
	}
}

// masterCloses ends the channel on purpose.
func (l *life) masterCloses() {
	if err := l.handle.Close(); err != nil {
		l.round.fail("the master closes %s: %w", l.channel, err)
	}
	time.Sleep(time.Second)
	l.expectEnd(lectern.ErrMasterLeft)
}

// masterDies ends the master, and where hubs are killed, its hub too.
func (l *life) masterDies() {
	r := l.round
	link := l.user.present()
	if r.unheard {
		r.hush(link.hub.id)
	}
	died, anybody := time.Now(), len(l.present()) > 0
	l.user.die()
	if r.kills {
		r.killHub(link.hub.id)
		r.startHub()
	}
	time.Sleep(roundX - time.Second)
	l.mu.Lock()
	for _, s := range l.seats {
		if !s.isOutOnPurpose(s.err) && !s.isIn() {
			r.fail("%s is out of %s %v after its master has died: %v", s.name, l.channel, s.ended.Sub(died), s.err)
		}
	}
	l.mu.Unlock()
	time.Sleep(9 * time.Second)
	l.expectEnd(lectern.ErrMasterDown)
	if !anybody {
		l.becomesFree(time.Now()) // where its hub was killed, X begins when somebody asks for it
	}
}

// expectEnd expects that nobody is in any more, and that who was in last was told this.
func (l *life) expectEnd(why error) {
	r := l.round
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.seats {
		if s.isIn() {
			r.fail("%s is still in %s, and should be told %v", s.name, l.channel, why)
			continue
		}
		if !s.isOutOnPurpose(s.err) && !errors.Is(s.err, why) {
			r.fail("%s in %s should be told %v, and was told %v at %v", s.name, l.channel, why, s.err, r.since(s.ended))
		}
	}
}

// again makes another channel of the same name, and has it do.
func (l *life) again() {
	r := l.round
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	one, two := r.user("another master"), r.user("another slave")
	defer func() { _, _ = one.Close(), two.Close() }()
	master, err := one.Create(ctx, l.channel, one.name)
	if err != nil {
		r.fail("%s cannot be created anew: %w", l.channel, err)
		return
	}
	slave, err := two.Join(ctx, l.channel, two.name)
	if err != nil {
		r.fail("%s cannot be joined, which was created anew: %w", l.channel, err)
		return
	}
	if _, err = master.Broadcast(ctx, lectern.Text("hello")); err != nil {
		r.fail("nothing can be sent in %s, which was created anew: %w", l.channel, err)
		return
	}
	if m, err := slave.Receive(ctx); err != nil || m.Text() != "hello" {
		r.fail("what is heard in %s, which was created anew, is %q, %w", l.channel, m.Text(), err)
	}
}
