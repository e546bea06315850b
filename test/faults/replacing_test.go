package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/memnet"
	"github.com/lectern-go/lectern/transport"
)

// This file replaces the hub of a round: it is shut down, and a new one goes on from what it
// has left, at the same address.

// faultAddress is where the users of a round find a hub: one, none, or the one that has taken
// its place.
type faultAddress struct {
	network faultNetwork

	mu        sync.Mutex
	random    *rand.Rand
	processes []*faultProcess // nil where one of several is being replaced
}

// faultProcess is a hub that listens. One of connect and dial is how it is reached, and stop
// is the end of its listening.
type faultProcess struct {
	hub     *lectern.Hub
	connect func(context.Context) (*memnet.Conn, error)
	dial    func(context.Context) (transport.Conn, error)
	stop    func()
}

// serve has the hubs listen.
func (a *faultAddress) serve(hubs []*lectern.Hub) {
	a.mu.Lock()
	a.processes = make([]*faultProcess, len(hubs))
	a.mu.Unlock()
	for i, hub := range hubs {
		a.serveOne(i, hub)
	}
}

// serveOne has one of the hubs listen.
func (a *faultAddress) serveOne(i int, hub *lectern.Hub) {
	p := a.network.serve(hub)
	p.hub = hub
	a.mu.Lock()
	defer a.mu.Unlock()
	a.processes[i] = p
}

// present is who listens, any of several, or nil.
func (a *faultAddress) present() *faultProcess {
	a.mu.Lock()
	defer a.mu.Unlock()
	there := slices.DeleteFunc(slices.Clone(a.processes), func(p *faultProcess) bool { return p == nil })
	if len(there) == 0 {
		return nil
	}
	return there[a.random.IntN(len(there))]
}

// leave lets nobody find the hub any more, and returns how to end its listening.
func (a *faultAddress) leave() (stop func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	left := a.processes
	a.processes = nil
	return func() {
		for _, p := range left {
			p.stop()
		}
	}
}

// leaveOne lets nobody find one of the hubs any more, and returns how to end its listening.
func (a *faultAddress) leaveOne(i int) (stop func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stop = a.processes[i].stop
	a.processes[i] = nil
	return stop
}

func (a *faultAddress) connect(ctx context.Context) (*memnet.Conn, error) {
	if p := a.present(); p != nil {
		return p.connect(ctx)
	}
	return nil, errNobodyThere
}

// Dial makes the address a transport.Dialer, over memory.
func (a *faultAddress) Dial(ctx context.Context) (transport.Conn, error) {
	p := a.present()
	switch {
	case p == nil:
		return nil, errNobodyThere
	case p.dial != nil:
		return p.dial(ctx)
	}
	return a.besides(ctx)
}

// besides connects to the hub without its network.
func (a *faultAddress) besides(ctx context.Context) (transport.Conn, error) {
	p := a.present()
	if p == nil {
		return nil, errNobodyThere
	}
	conn, err := p.hub.Dial(ctx)
	if err != nil {
		return nil, errNobodyThere // a hub may be there again
	}
	return conn, nil
}

var errNobodyThere = errors.New("nobody listens")

// faultless dials the hub without any faults, over memory.
type faultless struct{ address *faultAddress }

func (f faultless) Dial(ctx context.Context) (transport.Conn, error) { return f.address.besides(ctx) }

// replacement is one hub that took the place of another one. The former one was told to stop
// at stopped, and had left everything at left; the new one was there at back. oneOf: there were others meanwhile, of the same
// cluster.
type replacement struct {
	stopped, left, back time.Time
	oneOf               bool
}

// faultReturn is how long everybody takes to be back whose connection is without faults, once
// there is a hub again.
const faultReturn = 500 * time.Millisecond

// replaceHubs replaces the hub as often as the seed says, while the users act.
func (r *faultRound) replaceHubs(until time.Time) {
	random := r.random(7)
	for range r.restarts {
		time.Sleep(time.Duration(random.Int64N(max(int64(time.Until(until)/2), 1))))
		if r.acting.Err() != nil || !r.replace(random) {
			return
		}
	}
}

// replace has a new hub take the place of the present one. It reports whether there was
// something to replace.
func (r *faultRound) replace(random *rand.Rand) bool {
	r.replacing <- struct{}{}
	defer func() { <-r.replacing }()
	if r.isShut() {
		return false
	}
	if len(r.present()) > 1 {
		r.replaceOneOf(random)
		return true
	}
	within := time.Duration(random.Int64N(int64(300 * time.Millisecond)))
	gap := time.Duration(random.Int64N(int64(faultS / 4)))
	switch random.IntN(6) {
	case 0:
		gap = faultX + gap // everybody's time is up
	case 1, 2:
		gap = 0
	}
	r.mu.Lock()
	r.replacements = append(r.replacements, replacement{stopped: time.Now()})
	this := &r.replacements[len(r.replacements)-1]
	r.mu.Unlock()
	old := r.present()[0]
	var stop func()
	early := random.IntN(2) == 0 // or who comes is refused for a while
	if early {
		stop = r.address.leave()
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	_ = old.Shutdown(ctx) // hurried where it takes too long, which is no fault
	var state bytes.Buffer
	if err := old.Export(&state); err != nil {
		r.fail("Export: %w", err)
	}
	r.endOfEvents()
	if !early {
		stop = r.address.leave()
	}
	stop()
	r.mu.Lock()
	this.left = time.Now()
	r.mu.Unlock()
	time.Sleep(gap)
	next, err := lectern.NewHub(r.policy(r.service))
	if err == nil {
		err = next.Restore(&state)
	}
	if err != nil {
		r.fail("Restore: %w", err)
	}
	r.mu.Lock()
	r.hubs = []*lectern.Hub{next}
	r.follows(r.hubs)
	this.back = time.Now()
	r.mu.Unlock()
	r.address.serve([]*lectern.Hub{next})
	return true
}

// present are the hubs that there are now, or the one that was there last.
func (r *faultRound) present() []*lectern.Hub {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hubs
}

// overlaps reports whether the hub was being replaced, or its users were coming back, at some
// time between the two.
func (r *faultRound) overlaps(from, to time.Time) bool {
	_, found := r.replacedBetween(from, to)
	return found
}

// replacedBetween is the first replacement that overlaps that time.
func (r *faultRound) replacedBetween(from, to time.Time) (replacement, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.replacements, func(p replacement) bool {
		return !to.Before(p.stopped) && (p.back.IsZero() || !from.After(p.back.Add(faultReturn)))
	})
	if i < 0 {
		return replacement{}, false
	}
	return r.replacements[i], true
}

// interrupts reports whether an error is one that a hub which is being replaced may be the
// reason of.
func (r *faultRound) interrupts(since time.Time) bool { return r.overlaps(since, time.Now()) }

// verifyReplacements: between the stop of one hub and the beginning of the next nothing is
// accepted, and nobody gets in.
func (l *life) verifyReplacements() error {
	for _, p := range l.round.replacements {
		if p.oneOf {
			continue
		}
		within := func(from, to time.Time) bool { return from.After(p.stopped) && to.Before(p.back) }
		for _, one := range l.spoken {
			if within(one.began, one.done) && one.err == nil {
				return errors.New(one.text + " was accepted while there was no hub")
			}
		}
		for _, s := range l.seats {
			// A switch may get the answer of one that was given up before the stop, and what
			// a hand-over has made may be read behind it.
			if within(s.asked, s.entered) && !s.switched && s.former == nil {
				return errors.New(s.name + " got in while there was no hub")
			}
			for _, one := range s.sends {
				if within(one.began, one.done) && one.err == nil {
					return errors.New(one.text + " was accepted while there was no hub")
				}
			}
		}
	}
	return nil
}

// verifyEndedMeanwhile: a channel of which the witness does not find anything when it is back
// has ended for a reason that there was: its time was up, or its master has left, or was about
// to be given up when the hub stopped, or was not let back.
func (l *life) verifyEndedMeanwhile() error {
	w := l.witness.seat
	p, ok := l.round.replacedBetween(w.ended, w.ended)
	if !ok {
		return fmt.Errorf("the witness ended with %w at %v, when no hub was replaced", w.err, w.ended)
	}
	var away time.Time // until when the master was away, as far as the witness knows
	for _, e := range w.events {
		if told, ok := e.event.(lectern.Presence); ok && told.State != lectern.StateUnknown {
			away = told.Deadline
		}
	}
	switch {
	case !p.back.Before(p.stopped.Add(faultX)), l.left, l.mayHaveLeft():
	case !away.IsZero() && away.Before(p.back.Add(faultReturn)):
	case l.refusedMaster(w.ended, false):
	default:
		return fmt.Errorf("the witness ended with %w at %v, though the channel had time", w.err, w.ended)
	}
	return nil
}

// unreached is since when the seat's holder could not reach the hub at its end.
func (s *faultSeat) unreached() (since time.Time) {
	for _, e := range s.events {
		p, ok := e.event.(lectern.Presence)
		if ok && (!s.isMaster() || p.Username == s.name) {
			since = time.Time{}
			if p.State == lectern.StateUnknown {
				since = p.Since
			}
		}
	}
	return since
}

// gaveUp reports whether the seat's holder has ended because it could not reach the hub.
func (s *faultSeat) gaveUp() bool {
	since := s.unreached()
	return !since.IsZero() && s.ended.Equal(since.Add(faultX))
}
