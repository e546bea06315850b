package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
)

// absent is a master that is away, with a slave that is told its end, and a slave that is away,
// with a master that is told: both ends come at the instant at which they would have come
// without a restart.
type absent struct {
	c       *class
	clients []*lectern.Client
	waiting sync.WaitGroup
	// It was between these two that they went away. gone is closed then.
	timeout     time.Duration
	first, last time.Time
	gone        chan struct{}

	mu   sync.Mutex
	late []time.Duration
}

// leave has a master and a slave of channels of their own go away now, for good.
func (c *class) leave(ctx context.Context, round int, timeout time.Duration) (*absent, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	a := &absent{c: c, timeout: timeout, gone: make(chan struct{})}
	client := func() *lectern.Client {
		a.clients = append(a.clients, c.client())
		return a.clients[len(a.clients)-1]
	}
	deserted, left := fmt.Sprint("deserted ", round), fmt.Sprint("left ", round)
	leaver := client()
	if _, err := leaver.Create(ctx, deserted, "master", lectern.WithMasterTimeout(timeout)); err != nil {
		return nil, err
	}
	slave, err := client().Join(ctx, deserted, "slave")
	if err != nil {
		return nil, err
	}
	master, err := client().Create(ctx, left, "master")
	if err != nil {
		return nil, err
	}
	if _, err := leaver.Join(ctx, left, "slave"); err != nil {
		return nil, err
	}
	a.waiting.Go(func() { a.awaitMastersEnd(slave) })
	a.waiting.Go(func() { a.awaitSlavesEnd(master) })
	a.first = time.Now()
	_, err = leaver.Detach(ctx)
	a.last = time.Now()
	close(a.gone)
	return a, err
}

// ended notes how long after its instant an end was told.
func (a *absent) ended(what string) {
	now := time.Now()
	<-a.gone
	late := now.Sub(a.last.Add(a.timeout))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.late = append(a.late, max(late, 0))
	switch {
	case now.Before(a.first.Add(a.timeout - clockStep)):
		a.c.counts.add(wrongTimes, fmt.Errorf("%s is over %v before its end", what, a.first.Add(a.timeout).Sub(now)))
	case late > endTolerance:
		a.c.counts.add(wrongTimes, fmt.Errorf("%s is over %v after its end", what, late))
	}
}

const (
	// endTolerance is how late an end may be told, on a machine that does other things too.
	endTolerance = 250 * time.Millisecond
	// clockStep is what the wall clock, by which a time goes on in the next process, may have
	// been set back by meanwhile, and how late the beginning may be noted on a machine that does other things too.
	clockStep = 20 * time.Millisecond
)

// awaitMastersEnd waits for the end of a channel whose master goes away.
func (a *absent) awaitMastersEnd(slave *lectern.Slave) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, err := range slave.Events(ctx) {
		switch {
		case errors.Is(err, lectern.ErrMasterDown):
			a.ended("a master's time")
		case err != nil:
			a.c.counts.add(wrongTimes, fmt.Errorf("a channel whose master is away ends with %w", err))
		}
	}
}

// awaitSlavesEnd waits for the end of a slave that goes away.
func (a *absent) awaitSlavesEnd(master *lectern.Master) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for event, err := range master.Events(ctx) {
		if err != nil {
			a.c.counts.add(wrongTimes, fmt.Errorf("waiting for the end of a slave: %w", err))
			return
		}
		if presence, ok := event.(lectern.Presence); ok && presence.Username == "slave" && presence.State == lectern.StateGone {
			if presence.Reason != "timeout" {
				a.c.counts.add(wrongTimes, fmt.Errorf("a slave that is away is gone: %s", presence.Reason))
			}
			a.ended("a slave's time")
			return
		}
	}
}

// wait waits for both ends, and returns how late they were told.
func (a *absent) wait() []time.Duration {
	a.waiting.Wait()
	for _, client := range a.clients {
		_ = client.Close()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.late
}
