package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// masterTimeout is X of the class.
const masterTimeout = 30 * time.Second

// replacement is what one of them took. down is from the signal to the next hub's first
// connection; quiet is the longest time between two messages of each slave before it.
type replacement struct {
	stopped
	started
	down          time.Duration
	quiet, pauses []time.Duration
}

// replaceAll replaces the hub so many times under load.
func replaceAll(ctx context.Context, r *verdict.Report, o options) (err error) {
	p, err := newPlace(settings{MasterTimeout: masterTimeout, SlaveTimeout: o.every, Grace: o.grace})
	if err != nil {
		return err
	}
	if _, err = p.start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	c := newClass(p, o.rate, o.seed)
	defer c.end()
	if err := c.begin(ctx, o.slaves, o.scripts); err != nil {
		return err
	}
	fmt.Println("\n                 ---------- the hub, in ms ----------                --- longest pause of a slave, in ms ---")
	fmt.Println("replacement      shutdown    save  start    load   down    bytes      p50     p99     max   before it: max")
	var pauses, quiet, late []time.Duration
	for i := range o.times {
		one, ends, err := c.replace(ctx, i, o.every)
		if err != nil {
			return fmt.Errorf("replacement %d: %w", i+1, err)
		}
		slices.Sort(one.pauses)
		slices.Sort(one.quiet)
		fmt.Printf("%11d %13s %7s %6s %7s %6s %8d %8s %7s %7s %16s\n", i+1, milliseconds(one.Shutdown), milliseconds(one.Save),
			milliseconds(one.down-one.Shutdown-one.Save-one.Load), milliseconds(one.Load), milliseconds(one.down), one.Bytes,
			milliseconds(verdict.Percentile(one.pauses, 0.5)), milliseconds(verdict.Percentile(one.pauses, 0.99)), milliseconds(verdict.Percentile(one.pauses, 1)),
			milliseconds(verdict.Percentile(one.quiet, 1)))
		pauses, quiet, late = append(pauses, one.pauses...), append(quiet, one.quiet...), append(late, ends...)
	}
	c.calm()
	v := c.settle()
	fmt.Println()
	c.counts.print()
	r.Figure("messages", "%d expected, of %d sends of the master, %d requests", v.expected, len(c.down.targets), c.asked)
	r.None("lost", v.lost+c.counts.of(gaps))
	r.None("twice", v.twice+v.foreign)
	r.None("out of order", v.disordered)
	for _, name := range []string{letGo, dialsRefused, sendsRefused, unanswered, askedTwice, wrongTimes} {
		r.None(name, c.counts.of(name))
	}
	r.Figure("sends told busy, and sent again", "%d", c.counts.of(busy))
	r.Figure("ends of who is away, after their instant", "%s", verdict.Spread(late))
	r.Figure("longest pause of each slave, replaced", "%s", verdict.Spread(pauses))
	r.Figure("and before it", "%s", verdict.Spread(quiet))
	r.Target(verdict.Percentile(pauses, 0.99) < time.Second, "the 99th percentile of the pauses is below 1 s")
	return nil
}

// replace is one replacement, while a master and a slave are away whose time ends after it: the
// next one comes then.
func (c *class) replace(ctx context.Context, round int, every time.Duration) (one replacement, late []time.Duration, err error) {
	away, err := c.leave(ctx, round, every)
	if err != nil {
		return one, nil, err
	}
	c.laps()
	select {
	case <-time.After(time.Second + time.Duration(c.draw(500))*time.Millisecond):
	case <-ctx.Done():
		return one, nil, ctx.Err()
	}
	one.quiet = c.laps()
	began := time.Now()
	if one.stopped, err = c.place.stop(); err != nil {
		return one, nil, err
	}
	if one.started, err = c.place.start(); err != nil {
		return one, nil, err
	}
	one.down = time.Since(began)
	if !one.Restored {
		return one, nil, errors.New("the hub has started without what the last one has left")
	}
	late = away.wait()
	one.pauses = c.laps()
	return one, late, nil
}

// laps returns the longest time that each slave was without a message since the last call,
// beyond the mean time between two.
func (c *class) laps() []time.Duration {
	// All get four of five messages.
	interval := time.Second * 5 / 4 / time.Duration(c.rate)
	now := time.Now()
	var longest []time.Duration
	for _, m := range c.members {
		longest = append(longest, max(0, m.inbox.lap(now)-interval))
	}
	return longest
}
