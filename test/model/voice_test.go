package model

import (
	"context"
	"fmt"
	"slices"

	"github.com/lectern-go/lectern"
)

// This file is the model of who may speak. It is the channel's, and goes by the users' numbers.

// muted reports whether a slave with that number may not speak of its own accord.
func (c *star) muted(number int) bool { return c.quiet != slices.Contains(c.exceptions, number) }

// forgetException makes room for one more: there are no more than there may be slaves.
func (g *game) forgetException(c *star) {
	if g.places == 0 || len(c.exceptions) < g.places {
		return
	}
	g.counts["an exception was forgotten"]++
	for _, who := range c.exceptions {
		if c.slaves[who] == nil {
			c.exceptions = without(c.exceptions, who)
			return
		}
	}
}

func without(numbers []int, number int) []int {
	return slices.DeleteFunc(numbers, func(other int) bool { return other == number })
}

// mute has a master mute a slave, or let it speak.
func (g *game) mute(ctx context.Context, s *seat, who int, on bool) error {
	c := s.star
	var expected error
	switch {
	case c.slaves[who] == nil:
		expected = lectern.ErrNoSuchSlave
	case on == c.muted(who):
	case on == c.quiet:
		c.exceptions = without(c.exceptions, who)
	default:
		g.forgetException(c)
		c.exceptions = append(c.exceptions, who)
	}
	set := s.master.Unmute
	if on {
		set = s.master.Mute
	}
	return same(set(ctx, fmt.Sprint("user_", who)), expected)
}

// muteAll has a master mute all slaves, or let them speak.
func (g *game) muteAll(ctx context.Context, s *seat, on bool) error {
	s.star.quiet, s.star.exceptions = on, nil
	if on {
		return s.master.MuteAll(ctx)
	}
	return s.master.UnmuteAll(ctx)
}

// compareVoice compares what a member knows of who may speak with the model.
func (s *seat) compareVoice() error {
	c := s.star
	if s.chief {
		if s.master.AllMuted() != c.quiet {
			return fmt.Errorf("all are muted: %v", s.master.AllMuted())
		}
		return nil
	}
	expected := c.muted(s.user.number)
	if s.slave.Muted() != expected || s.quiet != expected {
		return fmt.Errorf("it is muted: %v, and by its events %v", s.slave.Muted(), s.quiet)
	}
	return nil
}

// hearsOfVoice takes in what an event tells of who may speak.
func (s *seat) hearsOfVoice(event lectern.Event) {
	if muted, ok := event.(lectern.Muted); ok {
		if muted.On == s.quiet {
			s.seen = append(s.seen, "told that nothing has changed of its being muted")
		}
		s.quiet = muted.On
	}
}
