//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/transport"
)

// A room is a channel whose master sends numbers, each when the one before was acknowledged, and whose slaves
// look whether each comes once and in order.
type room struct {
	name   string
	master *lectern.Master
	slaves []*listener
	// away is how often the master was told that a slave is away, and sent how many numbers were acknowledged.
	away, sent atomic.Uint64
	// failed is the first thing that went wrong where nothing should.
	failed atomic.Pointer[error]
	// backAt is when the master was told that it is back, in Unix nanoseconds.
	backAt atomic.Int64

	clients []*lectern.Client
	end     context.CancelFunc
	going   sync.WaitGroup
}

// A listener is a slave.
type listener struct {
	room  *room
	slave *lectern.Slave

	mu                      sync.Mutex
	next                    uint64 // the number that comes next
	missed, twice, disorder uint64
	// at is when the last number came, and pause the longest time between two since it was asked for.
	at    time.Time
	pause time.Duration
	// away is how often it was told that the master is away, and awayAt when last.
	away   uint64
	awayAt time.Time
	heard  chan struct{} // of capacity 1: something has come
}

const masterName = "teacher"

// openRoom has the members enter: the master by one dialer, and a slave by each of the others.
func openRoom(ctx context.Context, name string, master transport.Dialer, slaves ...transport.Dialer) (*room, error) {
	r := &room{name: name, end: func() {}}
	c := r.client(master)
	if err := patiently(ctx, func() (err error) {
		r.master, err = c.Create(ctx, name, masterName)
		return err
	}); err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	for i, dialer := range slaves {
		l := &listener{room: r, next: 1, heard: make(chan struct{}, 1)}
		c := r.client(dialer)
		if err := patiently(ctx, func() (err error) {
			l.slave, err = c.Join(ctx, name, "student "+strconv.Itoa(i+1))
			return err
		}); err != nil {
			return r, fmt.Errorf("%s: %w", name, err)
		}
		r.slaves = append(r.slaves, l)
	}
	ctx, r.end = context.WithCancel(ctx)
	r.going.Go(func() { r.hear(ctx) })
	for _, l := range r.slaves {
		r.going.Go(func() { l.hear(ctx) })
	}
	return r, nil
}

// patiently calls until the answer is not that the hub is busy, for a minute at most.
func patiently(ctx context.Context, call func() error) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		if err := call(); !errors.Is(err, lectern.ErrBusy) || !sleep(ctx, 20*time.Millisecond) {
			return err
		}
	}
}

func (r *room) client(dialer transport.Dialer) *lectern.Client {
	c := lectern.NewClient(dialer, lectern.ClientOptions{})
	r.clients = append(r.clients, c)
	return c
}

func (r *room) fail(err error) { r.failed.CompareAndSwap(nil, &err) }

// hear is the master's.
func (r *room) hear(ctx context.Context) {
	for event, err := range r.master.Events(ctx) {
		switch p, ok := event.(lectern.Presence); {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.fail(fmt.Errorf("the master of %s is out: %w", r.name, err))
			return
		case ok && p.Username == masterName && p.State == lectern.StateOnline:
			r.backAt.Store(time.Now().UnixNano())
		case ok && p.Username != masterName && p.State == lectern.StateAway:
			r.away.Add(1)
		}
	}
}

func (l *listener) hear(ctx context.Context) {
	for event, err := range l.slave.Events(ctx) {
		now := time.Now()
		switch event := event.(type) {
		case lectern.Message:
			n, _ := strconv.ParseUint(event.Text(), 10, 64)
			l.number(n, now)
		case lectern.Presence:
			if event.Username == masterName && event.State == lectern.StateAway {
				l.mu.Lock()
				l.away++
				l.awayAt = now
				l.mu.Unlock()
			}
		}
		if err != nil {
			if ctx.Err() == nil {
				l.room.fail(fmt.Errorf("%s of %s is out: %w", l.slave.Username(), l.room.name, err))
			}
			return
		}
		select {
		case l.heard <- struct{}{}:
		default:
		}
	}
}

func (l *listener) number(n uint64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case n == l.next:
		l.next++
	case n > l.next:
		l.missed += n - l.next
		l.next = n + 1
	case l.missed > 0:
		l.disorder++
		l.missed--
	default:
		l.twice++
	}
	if !l.at.IsZero() {
		l.pause = max(l.pause, now.Sub(l.at))
	}
	l.at = now
}

// takePause is the longest time between two numbers since it was called last, what there is of the present one included.
func (l *listener) takePause() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	pause := l.pause
	if !l.at.IsZero() {
		pause = max(pause, time.Since(l.at))
	}
	l.pause = 0
	return pause
}

// takePause is the longest of all slaves.
func (r *room) takePause() (pause time.Duration) {
	for _, l := range r.slaves {
		pause = max(pause, l.takePause())
	}
	return pause
}

// send sends number after number, one each time that so much time is over, until sending ends. The one that is under way then is sent.
func (r *room) send(sending context.Context, every time.Duration) {
	r.going.Go(func() {
		next := time.Now()
		for n := uint64(1); ; n++ {
			if !sleep(sending, time.Until(next)) {
				return
			}
			if next = next.Add(every); time.Until(next) < -every {
				next = time.Now() // what was not sent while it was held up is not made up for
			}
			for {
				_, err := r.master.Broadcast(context.Background(), lectern.Text(strconv.FormatUint(n, 10)))
				if err == nil {
					r.sent.Store(n)
					break
				}
				if r.master.Err() != nil {
					return // hear tells
				}
				if !errors.Is(err, lectern.ErrBusy) {
					r.fail(fmt.Errorf("%s: %d was not sent: %w", r.name, n, err))
					return
				}
				sleep(context.Background(), 20*time.Millisecond)
			}
		}
	})
}

// settle waits until the slaves have heard all that was acknowledged by now, and returns how many numbers
// they still miss.
func (r *room) settle(ctx context.Context) (missing uint64) {
	due := r.sent.Load()
	for _, l := range r.slaves {
		for {
			l.mu.Lock()
			there := l.next > due && l.missed == 0
			if !there {
				missing = l.missed + max(due+1, l.next) - l.next
			}
			l.mu.Unlock()
			if there {
				missing = 0
				break
			}
			select {
			case <-l.heard:
				continue
			case <-ctx.Done():
			}
			return missing
		}
	}
	return 0
}

// close ends it, when nothing is sent any more.
func (r *room) close() {
	r.end()
	var closing sync.WaitGroup
	for _, c := range r.clients {
		closing.Go(func() { _ = c.Close() })
	}
	closing.Wait()
	r.going.Wait()
}

// nameIn is one in that part of the log.
func (r *report) nameIn(shard int) string {
	for {
		if name := r.name(); cluster.KeyOf(name).Shard(shards) == shard {
			return name
		}
	}
}

// sums are those of some rooms: what must be 0, and how often somebody was told that another one is away.
type sums struct{ lost, twice, disorder, away uint64 }

func (s sums) String() string {
	return fmt.Sprintf("%d lost, %d twice, %d out of order", s.lost, s.twice, s.disorder)
}

func (s sums) clean() bool { return s.lost+s.twice+s.disorder == 0 }

func (s *sums) add(o sums) {
	s.lost, s.twice, s.disorder, s.away = s.lost+o.lost, s.twice+o.twice, s.disorder+o.disorder, s.away+o.away
}

// A house is rooms that send.
type house struct {
	rooms   []*room
	sending context.CancelFunc
}

// openHouse opens so many rooms, 32 at once, and has them send.
func openHouse(ctx context.Context, n int, every time.Duration, open func(i int) (*room, error)) (*house, error) {
	h := &house{rooms: make([]*room, n)}
	sending, stop := context.WithCancel(ctx)
	h.sending = stop
	failures := make([]error, n)
	inParallel(n, 32, func(i int) { h.rooms[i], failures[i] = open(i) })
	if err := errors.Join(failures...); err != nil {
		h.close()
		return nil, err
	}
	for i, r := range h.rooms {
		time.AfterFunc(every*time.Duration(i)/time.Duration(n), func() { r.send(sending, every) })
	}
	sleep(ctx, every)
	return h, nil
}

// inParallel does it for 0 to n-1, so many at once.
func inParallel(n, atOnce int, do func(i int)) {
	var going sync.WaitGroup
	next := atomic.Int64{}
	for range min(n, atOnce) {
		going.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				do(i)
			}
		})
	}
	going.Wait()
}

// takePauses begins to measure anew.
func (h *house) takePauses() (pauses times) {
	for _, r := range h.rooms {
		pauses = append(pauses, r.takePause())
	}
	return pauses
}

// settle waits until everything has arrived that is acknowledged, for so long at most.
func (h *house) settle(ctx context.Context, atMost time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	for _, r := range h.rooms {
		r.settle(ctx)
	}
}

// finish ends the sending, waits for what is under way, and sums up. It is an error where a member is out.
func (h *house) finish(ctx context.Context) (s sums, err error) {
	h.sending()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	sleep(ctx, 500*time.Millisecond)
	out := 0
	for _, r := range h.rooms {
		one := sums{lost: r.settle(ctx), away: r.away.Load()}
		for _, l := range r.slaves {
			l.mu.Lock()
			one.add(sums{twice: l.twice, disorder: l.disorder, away: l.away})
			l.mu.Unlock()
		}
		s.add(one)
		if failed := r.failed.Load(); failed != nil {
			out++
			err = *failed
		}
	}
	if out > 1 {
		err = fmt.Errorf("in %d rooms somebody is out, the last of them: %w", out, err)
	}
	return s, err
}

func (h *house) close() {
	h.sending()
	inParallel(len(h.rooms), 64, func(i int) {
		if h.rooms[i] != nil {
			h.rooms[i].close()
		}
	})
}
