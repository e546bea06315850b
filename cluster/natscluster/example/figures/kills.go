//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A stage is nodes of NATS and hubs, all of them processes.
type stage struct {
	nodes *nodes
	hubs  *hubs
}

func (r *report) openStage() (*stage, error) {
	n, err := r.nodes()
	if err != nil {
		return nil, err
	}
	h, err := startHubs(n.url(), 3)
	if err != nil {
		n.close()
		return nil, err
	}
	return &stage{n, h}, nil
}

func (s *stage) close() {
	s.hubs.close()
	s.nodes.close()
}

// again starts a hub again, and lets everything come to rest.
func (s *stage) again(ctx context.Context, hub int) error {
	if err := s.hubs.start(hub); err != nil {
		return err
	}
	sleep(ctx, time.Second)
	return ctx.Err()
}

// kill measures what slaves at other hubs notice of the death of the hub that owns their channel, whose master comes
// back by itself at another one.
func kill(ctx context.Context, r *report) error {
	s, err := r.openStage()
	if err != nil {
		return err
	}
	defer s.close()
	var gaps times
	var all sums
	for i := range size(r, 40, 1) {
		gap, sums, err := s.killOwner(ctx, i%len(s.hubs.running), r.name())
		if err != nil {
			return err
		}
		gaps = append(gaps, gap)
		all.add(sums)
	}
	r.judged(fmt.Sprintf("the owner's hub is killed (%d times): the gap in the master's messages at slaves elsewhere, p50 / max", len(gaps)), "≤ 0.5 s / ≤ 1 s",
		fmt.Sprintf("%s / %s", ms(gaps.at(.5)), ms(gaps.max())), gaps.at(.5) <= 500*time.Millisecond && gaps.max() <= time.Second)
	r.judged("lost, twice and out of order meanwhile", "0 / 0", all.String(), all.clean())
	return nil
}

// killOwner is one round: of members whose clients have not been cut off a moment ago, as those have that dial more slowly.
func (s *stage) killOwner(ctx context.Context, owner int, name string) (gap time.Duration, sums sums, err error) {
	const every = 20 * time.Millisecond
	house, err := openHouse(ctx, 1, every, func(int) (*room, error) {
		return openRoom(ctx, name, s.hubs.anyFrom(owner), s.hubs.dialer(0), s.hubs.dialer(1), s.hubs.dialer(2))
	})
	if err != nil {
		return 0, sums, err
	}
	defer house.close()
	sleep(ctx, time.Second)
	house.takePauses()
	if err := s.hubs.kill(owner); err != nil {
		return 0, sums, err
	}
	sleep(ctx, 1200*time.Millisecond) // the slaves of the killed hub have to miss less than a channel keeps
	for hub, l := range house.rooms[0].slaves {
		if hub != owner {
			gap = max(gap, l.takePause())
		}
	}
	if err := s.again(ctx, owner); err != nil {
		return 0, sums, err
	}
	house.settle(ctx, 20*time.Second)
	sums, err = house.finish(ctx)
	return gap, sums, err
}

// away measures after how long slaves elsewhere are told that their master is away, whose hub was killed and
// who does not come back.
func away(ctx context.Context, r *report) error {
	s, err := r.openStage()
	if err != nil {
		return err
	}
	defer s.close()
	house, err := openHouse(ctx, 1, 100*time.Millisecond, func(int) (*room, error) {
		return openRoom(ctx, r.name(), s.hubs.dialer(0), s.hubs.dialer(1), s.hubs.dialer(2))
	})
	if err != nil {
		return err
	}
	defer house.close()
	room := house.rooms[0]
	var after times
	for range size(r, 10, 1) {
		sleep(ctx, 2*time.Second)
		killed := time.Now()
		if err := s.hubs.kill(0); err != nil {
			return err
		}
		sleep(ctx, size(r, 5*time.Second, 3500*time.Millisecond))
		for _, l := range room.slaves {
			l.mu.Lock()
			at := l.awayAt
			l.mu.Unlock()
			if at.Before(killed) {
				return errors.New("a slave was not told in time that its master is away")
			}
			after = append(after, at.Sub(killed))
		}
		if err := s.again(ctx, 0); err != nil {
			return err
		}
		back := func() bool { return time.Unix(0, room.backAt.Load()).After(killed) }
		for deadline := time.Now().Add(20 * time.Second); !back() && time.Now().Before(deadline); {
			sleep(ctx, 50*time.Millisecond)
		}
		house.settle(ctx, 20*time.Second)
	}
	sums, err := house.finish(ctx)
	if err != nil {
		return err
	}
	r.judged(fmt.Sprintf("the master's hub is killed (%d times), and it does not come back: `away` at slaves elsewhere, p50 / max", len(after)/2), "≤ 3 s",
		fmt.Sprintf("%s / %s", ms(after.at(.5)), ms(after.max())), after.max() <= 3*time.Second)
	r.judged("lost, twice and out of order meanwhile", "0 / 0", sums.String(), sums.clean())
	return nil
}

// rolling measures what is noticed where each hub in turn is stopped and started again.
func rolling(ctx context.Context, r *report) error {
	s, err := r.openStage()
	if err != nil {
		return err
	}
	defer s.close()
	rooms, slaves := size(r, 300, 6), size(r, 30, 3)
	house, err := openHouse(ctx, rooms, time.Second, func(i int) (*room, error) {
		return openRoom(ctx, r.name(), s.hubs.anyFrom(i), s.hubs.spread(i, slaves)...)
	})
	if err != nil {
		return err
	}
	defer house.close()
	sleep(ctx, 3*time.Second)
	house.takePauses()
	var took times
	for i := range s.hubs.running {
		began := time.Now()
		if err := s.hubs.stop(i); err != nil {
			return err
		}
		took = append(took, time.Since(began))
		if err := s.hubs.start(i); err != nil {
			return err
		}
		sleep(ctx, size(r, 5*time.Second, time.Second))
	}
	pauses := house.takePauses()
	sums, err := house.finish(ctx)
	if err != nil {
		return err
	}
	r.judged(fmt.Sprintf("rolling restart of three hubs, %d channels of a master and %d slaves at one message a second", rooms, slaves),
		"0 `away`, 0 lost, 0 twice, ≤ 10 s a hub",
		fmt.Sprintf("%d `away`, %v, %s a hub at most; the longest pause between two messages %s, p50 of the channels %s", sums.away, sums, ms(took.max()), ms(pauses.max()), ms(pauses.at(.5))),
		sums.clean() && sums.away == 0 && took.max() <= 10*time.Second)
	return nil
}

// many measures how soon channels go on where a hub is killed that owns a lot of them.
func many(ctx context.Context, r *report) error {
	s, err := r.openStage()
	if err != nil {
		return err
	}
	defer s.close()
	n := size(r, 3000, 30)
	every := size(r, 2*time.Second, time.Second)
	house, err := openHouse(ctx, n, every, func(i int) (*room, error) {
		return openRoom(ctx, r.name(), s.hubs.anyFrom(0), s.hubs.anyFrom(1+i%2))
	})
	if err != nil {
		return err
	}
	defer house.close()
	sleep(ctx, 5*time.Second)
	house.takePauses()
	killed := time.Now()
	if err := s.hubs.kill(0); err != nil {
		return err
	}
	sleep(ctx, size(r, 15*time.Second, 4*time.Second))
	house.settle(ctx, 30*time.Second)
	var back times
	for _, room := range house.rooms {
		if at := time.Unix(0, room.backAt.Load()); at.After(killed) {
			back = append(back, at.Sub(killed))
		}
	}
	pauses := house.takePauses()
	sums, err := house.finish(ctx)
	if err != nil {
		return err
	}
	r.judged(fmt.Sprintf("a hub is killed that owns %s channels, with a master there and a slave elsewhere each: the masters are back, p50 / p99 / max", thousands(n)),
		"≤ 3 s",
		fmt.Sprintf("%s / %s / %s (%d of %d); the longest pause between two messages, sent each %v, was %s; %v, %d `away`",
			ms(back.at(.5)), ms(back.at(.99)), ms(back.max()), len(back), n, every, ms(pauses.max()), sums, sums.away),
		len(back) == n && back.max() <= 3*time.Second && sums.clean())
	return nil
}

// leader measures how long channels stand still where a node of NATS is killed: those whose part of the log it leads, and the others.
func leader(ctx context.Context, r *report) error {
	return nodesFall(ctx, r, size(r, 6, 1), func(n *nodes, i int) error { return n.kill(i) }, func(own, others times, sums sums) {
		r.judged(fmt.Sprintf("a node of NATS is killed (%d times): the longest pause of channels in the parts of the log that it leads / in others", size(r, 6, 1)), "≤ 10 s / ≤ 0.5 s",
			fmt.Sprintf("%s / %s (p50 %s / %s), of messages sent each 50 ms", ms(own.max()), ms(others.max()), ms(own.at(.5)), ms(others.at(.5))), own.max() <= 10*time.Second && others.max() <= 500*time.Millisecond)
		r.judged("lost, twice and out of order meanwhile", "0 / 0", sums.String(), sums.clean())
	})
}

// upgrade measures the same where nodes end in order, one after the other.
func upgrade(ctx context.Context, r *report) error {
	return nodesFall(ctx, r, size(r, 6, 1), func(n *nodes, i int) error { return n.stop(i) }, func(own, others times, sums sums) {
		all := append(own, others...)
		r.judged(fmt.Sprintf("rolling upgrade of NATS (%d nodes stopped in order): the longest pause of a channel", size(r, 6, 1)), "≤ 1.5 s",
			fmt.Sprintf("%s (p50 of the channels %s)", ms(all.max()), ms(all.at(.5))), all.max() <= 1500*time.Millisecond)
		r.judged("lost, twice and out of order meanwhile", "0 / 0", sums.String(), sums.clean())
	})
}

// nodesFall has the nodes of NATS end one after the other, and be there again each time before the next one does.
func nodesFall(ctx context.Context, r *report, rounds int, fall func(*nodes, int) error, tell func(own, others times, sums sums)) error {
	s, err := r.openStage()
	if err != nil {
		return err
	}
	defer s.close()
	balancer, err := openEngine(s.nodes.url())
	if err != nil {
		return err
	}
	defer balancer.Close()
	house, err := openHouse(ctx, 2*shards, 50*time.Millisecond, func(i int) (*room, error) {
		return openRoom(ctx, r.nameIn(i%shards), s.hubs.anyFrom(i), s.hubs.anyFrom(i+1))
	})
	if err != nil {
		return err
	}
	defer house.close()
	var own, others times
	for i := range rounds {
		if err := balancer.Balance(ctx); err != nil {
			return err
		}
		sleep(ctx, 3*time.Second)
		leaders, err := s.nodes.whole()
		if err != nil {
			return err
		}
		node := i % nodeCount
		house.takePauses()
		if err := fall(s.nodes, node); err != nil {
			return err
		}
		sleep(ctx, 2*time.Second)
		house.settle(ctx, 30*time.Second)
		for k, pause := range house.takePauses() {
			if leaders[k%shards] == nodeName(node) {
				own = append(own, pause)
			} else {
				others = append(others, pause)
			}
		}
		if err := s.nodes.start(node); err != nil {
			return err
		}
		if _, err := s.nodes.whole(); err != nil {
			return err
		}
	}
	sums, err := house.finish(ctx)
	if err != nil {
		return err
	}
	tell(own, others, sums)
	return nil
}
