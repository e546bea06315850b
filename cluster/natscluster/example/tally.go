package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern/transport"
)

// A tally is what has become of all that was sent in all classes.
type tally struct {
	sent, received, refused, gaps atomic.Uint64
	// What must not be. strange is a refusal that is not for a moment (busy), and what is not known.
	lost, doubled, disordered, evicted, strange atomic.Uint64

	sending, hearing sync.WaitGroup
	classes          []*class

	mu    sync.Mutex
	began time.Time
	told  []string // what was not as it should be, the first of it
}

// maxTold bounds what is told one by one.
const maxTold = 30

func (t *tally) fault(count *atomic.Uint64, m *member, format string, a ...any) {
	count.Add(1)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.told) < maxTold {
		t.told = append(t.told, fmt.Sprintf("at %.1f s: %s of %s ", time.Since(t.began).Seconds(), m.name, m.class.name)+fmt.Sprintf(format, a...))
	}
}

// startClasses has all members enter, and send and hear until these end. What it returns is to be closed, also where
// it fails.
func startClasses(sending, hearing context.Context, classes, slaves int, dialer func() transport.Dialer) (*tally, error) {
	t := &tally{began: time.Now()}
	failures := make([]error, classes)
	t.classes = make([]*class, classes)
	var entering sync.WaitGroup
	for i := range classes {
		entering.Go(func() {
			t.classes[i], failures[i] = startClass(sending, hearing, t, fmt.Sprintf("class %d", i+1), slaves, dialer)
		})
	}
	entering.Wait()
	for _, err := range failures {
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

// close ends the clients, when nobody sends and hears any more.
func (t *tally) close() {
	t.sending.Wait()
	t.hearing.Wait()
	var going sync.WaitGroup
	for _, c := range t.classes {
		going.Go(c.close)
	}
	going.Wait()
}

func (t *tally) members(do func(*member)) {
	for _, c := range t.classes {
		do(c.master)
		for _, s := range c.slaves {
			do(s)
		}
	}
}

// missing is how many messages are due and have not arrived, and who misses most.
func (t *tally) missing() (missing uint64, most *member) {
	var worst uint64
	t.members(func(m *member) {
		n := m.missing()
		missing += n
		if n > worst {
			worst, most = n, m
		}
	})
	return missing, most
}

// takePause is the longest time for which a slave has heard nothing since the last call, and which one.
func (t *tally) takePause() (pause time.Duration, whose *member) {
	now := time.Now()
	t.members(func(m *member) {
		if p := m.takePause(now); m.slave != nil && !m.isEvicted() && p > pause {
			pause, whose = p, m
		}
	})
	return pause, whose
}

// settle waits, for so long at most, until all has arrived that is acknowledged by now, and everybody has heard something
// since, where they still send. It returns what is missing, and how many have heard nothing.
func (t *tally) settle(ctx context.Context, atMost time.Duration, sending bool) (missing uint64, most *member, quiet int) {
	began := time.Now()
	t.members(func(m *member) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.due = m.acknowledged
	})
	for {
		quiet = 0
		t.members(func(m *member) {
			m.mu.Lock()
			defer m.mu.Unlock()
			if sending && !m.evicted && !m.heardAt.After(began) {
				quiet++
			}
		})
		missing, most = t.missing()
		if missing == 0 && quiet == 0 || time.Since(began) > atMost || !sleep(ctx, 50*time.Millisecond) {
			return missing, most, quiet
		}
	}
}
