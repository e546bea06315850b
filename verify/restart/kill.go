package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lectern-go/lectern/verify/internal/verdict"
)

// killedTimeout is X, and how long a slave may be away, where hubs are killed.
const killedTimeout = 3 * time.Second

// killAll plays the ends of a process after which there is nothing to go on from.
func killAll(ctx context.Context, r *verdict.Report, o options) error {
	for _, scene := range []struct {
		name string
		run  func(context.Context, *verdict.Report, *class) error
	}{
		{"killed: the next hub has nothing", killed},
		{"killed: the next hub has what an earlier one has left", killedAndOutdated},
		{"stopped: the next hub comes after X", tooLate},
	} {
		fmt.Printf("\n== %s\n", scene.name)
		if err := inClass(ctx, r, o, scene.run); err != nil {
			return err
		}
	}
	return nil
}

// inClass runs a scene with a class under load.
func inClass(ctx context.Context, r *verdict.Report, o options, scene func(context.Context, *verdict.Report, *class) error) (err error) {
	p, err := newPlace(settings{MasterTimeout: killedTimeout, SlaveTimeout: killedTimeout, Grace: o.grace})
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
	return scene(ctx, r, c)
}

// killed is a hub that goes on from an earlier one, and is killed: the file of the earlier
// one is gone, and the next hub has nothing.
func killed(ctx context.Context, r *verdict.Report, c *class) error {
	return c.killed(ctx, r, false)
}

// killedAndOutdated is the same, but what the earlier hub has left is put back, as from a
// backup. It is not taken for the present.
func killedAndOutdated(ctx context.Context, r *verdict.Report, c *class) error {
	return c.killed(ctx, r, true)
}

func (c *class) killed(ctx context.Context, r *verdict.Report, outdated bool) error {
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	if _, err := c.place.stop(); err != nil {
		return err
	}
	backup := c.place.settings.State + ".backup"
	if err := copyFile(backup, c.place.settings.State); err != nil {
		return err
	}
	if _, err := c.place.start(); err != nil {
		return err
	}
	// All have come back, and have gone on.
	if err := pause(ctx, 2*time.Second); err != nil {
		return err
	}
	r.None("members let go before", c.counts.of(letGo))
	began := time.Now()
	if err := c.place.kill(); err != nil {
		return err
	}
	r.Target(!c.place.hasState(), "a hub that was killed has left no file")
	if outdated {
		if err := copyFile(c.place.settings.State, backup); err != nil {
			return err
		}
	}
	told, err := c.place.start()
	if err != nil {
		return err
	}
	r.Target(told.Restored == outdated, "the next hub goes on from a file: %t", outdated)
	c.allEnd(r, began, "hub_lost")
	r.Target(c.lastEnd(began) < killedTimeout, "the last one before X")
	return nil
}

// tooLate is a hub that comes back after X: everybody's time was up meanwhile.
func tooLate(ctx context.Context, r *verdict.Report, c *class) error {
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	began := time.Now()
	if _, err := c.place.stop(); err != nil {
		return err
	}
	if err := pause(ctx, killedTimeout-time.Since(began)+200*time.Millisecond); err != nil {
		return err
	}
	told, err := c.place.start()
	if err != nil {
		return err
	}
	r.Target(told.Restored, "the next hub goes on from a file")
	client := c.client()
	for _, name := range []string{channelName, scriptedName} {
		status, err := client.Status(ctx, name)
		if err != nil {
			return err
		}
		r.Target(!status.Exists, "the channel %s has ended", name)
	}
	c.allEnd(r, began, "master_down", "resume_failed")
	return nil
}

// allEnd waits for the ends of all memberships, and holds them to what is true.
func (c *class) allEnd(r *verdict.Report, began time.Time, codes ...string) {
	all := len(c.members) + 1
	if c.script != nil {
		all += 2 // the channel of its own
	}
	ended := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.endings)
	}
	for ended() < all && time.Since(began) < killedTimeout+5*time.Second {
		time.Sleep(50 * time.Millisecond)
	}
	c.calm()
	c.mu.Lock()
	defer c.mu.Unlock()
	var times []time.Duration
	otherwise := 0
	for _, e := range c.endings {
		times = append(times, e.ended.Sub(began))
		if !slices.ContainsFunc(codes, func(code string) bool { return strings.Contains(e.why, code) }) {
			otherwise++
			fmt.Printf("  %s: %s\n", e.name, e.why)
		}
	}
	v := c.missing()
	r.Figure("ends, after the end of the process", "%d: %s", len(times), verdict.Spread(times))
	r.Target(len(times) == all, "all %d are told", all)
	r.None("told otherwise than "+strings.Join(codes, " or "), otherwise)
	r.None("twice", v.twice)
	r.None("out of order", v.disordered)
	r.None("dials refused", c.counts.of(dialsRefused))
}

// lastEnd is how long after began the last membership has ended.
func (c *class) lastEnd(began time.Time) (last time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.endings {
		last = max(last, e.ended.Sub(began))
	}
	return last
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func copyFile(to, from string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}
