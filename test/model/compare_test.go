package model

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/lectern-go/lectern"
	"github.com/lectern-go/lectern/internal/stage"
)

// compare compares what is told of the master.
func (c *star) compare(told lectern.Presence) error {
	expected, deadline := lectern.StateOnline, time.Time{}
	if c.away {
		expected, deadline = lectern.StateAway, c.deadline
	}
	if told.Username != c.master.user.name() {
		return fmt.Errorf("the master of %s is told to be %s, not %s", c.name, told.Username, c.master.user.name())
	}
	if told.State != expected {
		return fmt.Errorf("the master of %s is told to be %v, not %v", c.name, told.State, expected)
	}
	// Deadlines travel in whole milliseconds, rounded up.
	if late := told.Deadline.Sub(deadline); late < 0 || late >= time.Millisecond {
		return fmt.Errorf("the deadline of %s is told %v late", c.name, late)
	}
	return nil
}

func (one *sending) compare() error {
	if !one.done {
		return fmt.Errorf("%q is not answered", one.text)
	}
	if err := same(one.err, one.expect); err != nil {
		return fmt.Errorf("%q: %w", one.text, err)
	}
	if one.expect == nil && one.Receipt != (lectern.Receipt{Seq: one.number, Slaves: one.slaves}) {
		return fmt.Errorf("%q has the receipt %v, and not the number %d and %d slaves", one.text, one.Receipt, one.number, one.slaves)
	}
	return nil
}

func same(err, expected error) error {
	if expected == nil && err != nil || !errors.Is(err, expected) {
		return fmt.Errorf("the outcome is %v, not %v", err, expected)
	}
	return nil
}

func (s *seat) handle() stage.Handle {
	if s.chief {
		return s.master
	}
	return s.slave
}

// own are the attributes of the seat's member by its own account.
func (s *seat) own() map[string]lectern.Payload {
	if s.chief {
		return s.master.Attributes()
	}
	return s.slave.Attributes()
}

func (s *seat) err() error { return s.handle().Err() }

func (s *seat) close() error {
	if s.chief {
		return s.master.Close()
	}
	return s.slave.Leave()
}

// watch takes all events of the handle.
func (s *seat) watch() {
	if !s.chief {
		s.mu.Lock()
		s.quiet = s.slave.Muted()
		s.mu.Unlock()
	}
	for event, err := range s.handle().Events(context.Background()) {
		s.mu.Lock()
		s.hearsOf(event)
		s.hearsOfVoice(event)
		s.hearsOfKnock(event)
		switch event := event.(type) {
		case lectern.Message:
			line := event.From + ": " + event.Text()
			if event.Private {
				line += " (private)"
			}
			s.seen = append(s.seen, line)
		case lectern.Presence:
			if event.State == lectern.StateGone {
				delete(s.roster, event.Username)
			} else {
				s.roster[event.Username] = event.State
			}
		case lectern.Gap:
			s.seen = append(s.seen, expired(int(event.Missed), 0).line)
		}
		_ = err // the end, which the handle tells
		s.mu.Unlock()
	}
}

// compare compares everything that anybody sees with the model.
func (g *game) compare() error {
	if err := errors.Join(g.failed, g.compareAttempts()); err != nil {
		return err
	}
	for _, s := range g.seats {
		if err := s.compare(); err != nil {
			return fmt.Errorf("%v: %w", s, err)
		}
	}
	if g.down {
		return nil
	}
	if err := g.roster.Compare(); err != nil {
		return err
	}
	for _, c := range g.stars {
		if err := g.compareChannel(c); err != nil {
			return fmt.Errorf("%s at the hub: %w", c.name, err)
		}
	}
	return nil
}

// compareChannel compares what the hub has of a channel with the model.
func (g *game) compareChannel(c *star) error {
	channel, exists := g.hub.Channel(c.name)
	if exists != (c.master != nil) {
		return fmt.Errorf("it exists: %v", exists)
	}
	if !exists {
		return nil
	}
	has, _ := channel.Snapshot()
	if has.Master.Username != c.master.user.name() {
		return fmt.Errorf("its master is %s, not %s", has.Master.Username, c.master.user.name())
	}
	return g.compareDoor(c, has)
}

// isSeen reports whether what was seen is what was to be. Of what is no longer kept the count may be too high.
// What has expired may be told in several parts: a change of an attribute can come in between.
func isSeen(seen, expected []string) bool {
	for _, line := range expected {
		missed := 0
		for {
			if len(seen) == 0 {
				return false
			}
			next := seen[0]
			seen = seen[1:]
			if missed == 0 && next == line || line == gap.line && strings.HasPrefix(next, gap.line+" of ") {
				break
			}
			var part int
			if n, _ := fmt.Sscanf(next, gap.line+" of %d", &part); n != 1 || part == 0 {
				return false
			}
			if missed += part; line == expired(missed, 0).line {
				break
			}
		}
	}
	return len(seen) == 0
}

func (s *seat) compare() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if expected := lines(s.messages[:s.delivered]); !isSeen(s.seen, expected) {
		return fmt.Errorf("received %q, not %q", s.seen, expected)
	}
	if s.behind != nil || s.master == nil && s.slave == nil {
		return nil // its user does not know of it: what that has is another seat's
	}
	err := s.err()
	if s.end != nil {
		if !errors.Is(err, s.end) || !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("ended with %v, not %v", err, s.end)
		}
		if !s.chief && s.slave.Master().State != lectern.StateGone {
			return fmt.Errorf("ended, but its master is %v", s.slave.Master().State)
		}
		for _, one := range s.waiting {
			late := one.lasts > 0 && errors.Is(one.err, lectern.ErrTooLate) && one.isLate(time.Now())
			if !one.done || !errors.Is(one.err, s.end) && !late && !(s.promoted && errors.Is(one.err, lectern.ErrRoleChanged)) {
				return fmt.Errorf("a send that waited has ended with %v, not %v", one.err, s.end)
			}
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("ended with %w", err)
	}
	if !s.chief {
		if s.user.offline {
			lifeline := s.lifeline
			if s.heir != nil {
				lifeline = s.heir.lifeline
			}
			if p := s.slave.Master(); p.State != lectern.StateUnknown || !p.Deadline.Equal(lifeline) {
				return fmt.Errorf("offline, but its master is %v until %v", p.State, p.Deadline)
			}
			return nil
		}
		if err := errors.Join(s.compareAttributes(), s.compareVoice()); err != nil {
			return err
		}
		return s.star.compare(s.slave.Master())
	}
	if s.user.offline {
		return nil
	}
	if err := errors.Join(s.compareAttributes(), s.compareVoice(), s.compareKnocks()); err != nil {
		return err
	}
	expected := map[string]lectern.State{}
	for _, slave := range s.star.slaves {
		expected[slave.user.name()] = lectern.StateOnline
		if slave.user.offline || !slave.deadline.IsZero() {
			expected[slave.user.name()] = lectern.StateAway
		}
	}
	members := map[string]lectern.State{}
	for _, p := range s.master.Members() {
		members[p.Username] = p.State
	}
	if !maps.Equal(expected, members) {
		return fmt.Errorf("its members are %v, not %v", members, expected)
	}
	followed := maps.Clone(s.roster)
	delete(followed, s.user.name())
	if !maps.Equal(expected, followed) {
		return fmt.Errorf("its events tell of the members %v, not %v", followed, expected)
	}
	return nil
}
