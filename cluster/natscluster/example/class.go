package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/transport"
)

const (
	broadcastEvery = 250 * time.Millisecond
	sendEvery      = time.Second
	// tryAgain is when what a hub has refused, and so not done, is tried again.
	tryAgain = 50 * time.Millisecond
)

// A member sends numbers and hears those of the other side. A class is a master and its slaves; each member has a
// client of its own.
type member struct {
	class  *class
	name   string
	client *lectern.Client
	master *lectern.Master // one of the two
	slave  *lectern.Slave

	mu           sync.Mutex
	acknowledged uint64
	due          uint64               // what was acknowledged at the time that is looked at
	heard        map[string]*sequence // by the sender
	// heardAt is when the last message came, and pause the longest time between two since somebody asked.
	heardAt time.Time
	pause   time.Duration
	evicted bool
}

type class struct {
	tally  *tally
	name   string
	master *member
	slaves []*member
}

// startClass has the members enter, and then send and hear until these end.
func startClass(sending, hearing context.Context, t *tally, name string, slaves int, dialer func() transport.Dialer) (*class, error) {
	c := &class{tally: t, name: name}
	c.master = c.newMember("teacher", dialer())
	var err error
	if c.master.master, err = c.master.client.Create(hearing, name, c.master.name); err != nil {
		return c, fmt.Errorf("%s is not created: %w", name, err)
	}
	for i := range slaves {
		s := c.newMember("student "+strconv.Itoa(i+1), dialer())
		c.slaves = append(c.slaves, s)
		if s.slave, err = s.client.Join(hearing, name, s.name); err != nil {
			return c, fmt.Errorf("%s of %s does not get in: %w", s.name, name, err)
		}
	}
	for _, m := range append(c.slaves, c.master) {
		t.hearing.Go(func() { m.hears(hearing) })
		t.sending.Go(func() { m.sends(sending, hearing) })
	}
	return c, nil
}

func (c *class) newMember(name string, dialer transport.Dialer) *member {
	return &member{class: c, name: name, client: lectern.NewClient(dialer, lectern.ClientOptions{}), heard: make(map[string]*sequence)}
}

// close ends the clients: their memberships with them.
func (c *class) close() {
	for _, m := range append(c.slaves, c.master) {
		_ = m.client.Close()
	}
}

// hears takes what comes until ctx ends, or the membership.
func (m *member) hears(ctx context.Context) {
	var events func(func(lectern.Event, error) bool)
	if m.master != nil {
		events = m.master.Events(ctx)
	} else {
		events = m.slave.Events(ctx)
	}
	for event, err := range events {
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			m.mu.Lock()
			m.evicted = true
			m.mu.Unlock()
			m.class.tally.fault(&m.class.tally.evicted, m, "is out: %v", err)
			return
		}
		switch event := event.(type) {
		case lectern.Message:
			m.hear(event.From, event.Text(), time.Now())
		case lectern.Gap:
			// What is missing in it is counted at the end.
			m.class.tally.gaps.Add(1)
		}
	}
}

func (m *member) hear(from, text string, now time.Time) {
	t := m.class.tally
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.fault(&t.strange, m, "hears %q of %s", text, from)
		return
	}
	m.mu.Lock()
	s := m.heard[from]
	if s == nil {
		s = new(sequence)
		m.heard[from] = s
	}
	expected := max(s.last, s.next)
	how := s.Hear(n)
	if !m.heardAt.IsZero() {
		m.pause = max(m.pause, now.Sub(m.heardAt))
	}
	m.heardAt = now
	m.mu.Unlock()
	t.received.Add(1)
	switch how {
	case doubled:
		t.fault(&t.doubled, m, "hears %d of %s again, being at %d", n, from, expected)
	case outOfOrder:
		t.fault(&t.disordered, m, "hears %d of %s late, being at %d", n, from, expected)
	}
}

// sends sends number after number until ctx ends, each when the one before was acknowledged. What is under way then is
// finished, until the end.
func (m *member) sends(ctx, end context.Context) {
	every := sendEvery
	if m.master != nil {
		every = broadcastEvery
	}
	next := time.Now().Add(rand.N(every))
	for n := uint64(1); ; n++ {
		if !sleep(ctx, time.Until(next)) || !m.sendOne(end, n) {
			return
		}
		m.mu.Lock()
		m.acknowledged = n
		m.mu.Unlock()
		m.class.tally.sent.Add(1)
		if next = next.Add(every); time.Until(next) < 0 {
			next = time.Now() // it was held up: what was not sent meanwhile is not made up for
		}
	}
}

// sendOne sends a number until it is acknowledged, and tells whether it was.
func (m *member) sendOne(ctx context.Context, n uint64) bool {
	for {
		var err error
		if text := lectern.Text(strconv.FormatUint(n, 10)); m.master != nil {
			_, err = m.master.Broadcast(ctx, text)
		} else {
			_, err = m.slave.Send(ctx, text)
		}
		switch {
		case err == nil:
			return true
		case ctx.Err() != nil || m.isEvicted() || m.isOver():
			return false // hears tells
		case errors.Is(err, lectern.ErrSendUnknown):
			m.class.tally.fault(&m.class.tally.strange, m, "does not know of %d: %v", n, err)
			return true
		}
		t := m.class.tally
		if !errors.Is(err, lectern.ErrBusy) {
			t.fault(&t.strange, m, "is refused %d: %v", n, err)
		}
		t.refused.Add(1)
		if !sleep(ctx, tryAgain) {
			return false
		}
	}
}

func (m *member) isEvicted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.evicted
}

// isOver tells whether the membership has ended.
func (m *member) isOver() bool {
	if m.master != nil {
		return m.master.Err() != nil
	}
	return m.slave.Err() != nil
}

// missing is how many of the numbers of the others that are due have not arrived here.
func (m *member) missing() (missing uint64) {
	others := []*member{m.class.master}
	if m.master != nil {
		others = m.class.slaves
	}
	if m.isEvicted() {
		return 0 // that is told
	}
	for _, other := range others {
		other.mu.Lock()
		n := other.due
		other.mu.Unlock()
		m.mu.Lock()
		s := m.heard[other.name]
		if s == nil {
			s = new(sequence)
		}
		missing += s.Missing(n)
		m.mu.Unlock()
	}
	return missing
}

// takePause is the longest pause since the last call, the present one included.
func (m *member) takePause(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	pause := m.pause
	if !m.heardAt.IsZero() {
		pause = max(pause, now.Sub(m.heardAt))
	}
	m.pause = 0
	return pause
}

// sleep tells whether the time was over before ctx was.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(max(d, 0))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
