package model

import (
	"context"
	"fmt"
	"maps"

	"github.com/lectern-go/lectern"
)

// This file is the model of attributes. They belong to a membership, their changes take numbers
// among the messages, and whoever sees them sees exactly what there is.

// attributes are those of a membership.
type attributes struct {
	// values are what it has. keys are those that it has ever set, of which removals are kept.
	values map[string]string
	keys   map[string]bool
	// untold: it is a slave's whose master has not heard of it. Its changes have other numbers when
	// it does.
	untold bool
}

// set has a member change an attribute.
func (g *game) set(ctx context.Context, s *seat, n int) error {
	key, text := fmt.Sprint("key ", n%2), g.text()
	if s.chief {
		g.tells(s.star)
	}
	if n == 3 {
		if _, has := s.of.attributes.values[key]; has {
			*s.star.numbers(s)++
			delete(s.of.attributes.values, key)
		}
		if s.chief {
			return s.master.DeleteAttribute(ctx, key)
		}
		return s.slave.DeleteAttribute(ctx, key)
	}
	s.star.changes(s, key, text)
	g.counts["a change of an attribute"]++
	if s.chief {
		return s.master.SetAttribute(ctx, key, lectern.Text(text))
	}
	return s.slave.SetAttribute(ctx, key, lectern.Text(text))
}

// numbers counts what the member of the seat sends.
func (c *star) numbers(s *seat) *uint64 {
	if s.chief {
		return &c.down
	}
	return &c.up
}

// changes gives an attribute of the seat's member another value.
func (c *star) changes(s *seat, key, text string) {
	of := &s.of.attributes
	if of.values == nil {
		of.values, of.keys = map[string]string{}, map[string]bool{}
	}
	of.values[key], of.keys[key] = text, true
	*c.numbers(s)++
}

// hears is the return of a master: it hears of the slaves that have joined meanwhile.
func (c *star) hears() {
	for _, slave := range c.slaves {
		if of := &slave.of.attributes; of.untold {
			of.untold = false
			c.up += uint64(len(of.keys))
		}
	}
}

// compareAttributes compares what a member is told of others' attributes, and its own, with the model.
// told is by the names, as its events tell.
func (s *seat) compareAttributes() error {
	expected := map[string]map[string]string{}
	read := map[string]map[string]lectern.Payload{}
	if !s.chief {
		name := s.star.master.user.name()
		expected[name], read[name] = s.star.master.of.attributes.values, s.slave.MasterAttributes()
	} else {
		for _, slave := range s.star.slaves {
			name := slave.user.name()
			expected[name], read[name] = slave.of.attributes.values, s.master.AttributesOf(name)
		}
	}
	if own := textsOf(s.own()); !maps.Equal(own, s.of.attributes.values) {
		return fmt.Errorf("its own attributes are %v, not %v", own, s.of.attributes.values)
	}
	for name, values := range expected {
		if texts := textsOf(read[name]); !maps.Equal(texts, values) {
			return fmt.Errorf("the attributes of %s are %v, not %v", name, texts, values)
		}
		if !maps.Equal(s.told[name], values) {
			return fmt.Errorf("its events tell of the attributes %v of %s, not %v", s.told[name], name, values)
		}
	}
	return nil
}

func textsOf(attributes map[string]lectern.Payload) map[string]string {
	texts := make(map[string]string, len(attributes))
	for key, value := range attributes {
		texts[key] = value.Text()
	}
	return texts
}

func payloadsOf(texts map[string]string) map[string]lectern.Payload {
	payloads := make(map[string]lectern.Payload, len(texts))
	for key, text := range texts {
		payloads[key] = lectern.Text(text)
	}
	return payloads
}

// hearsOf takes in what an event tells of attributes.
func (s *seat) hearsOf(event lectern.Event) {
	switch event := event.(type) {
	case lectern.Attribute:
		if !s.chief {
			s.hearsOfMaster(event.From)
		}
		if s.told[event.From] == nil {
			if s.told == nil {
				s.told = map[string]map[string]string{}
			}
			s.told[event.From] = map[string]string{}
		}
		if event.Deleted {
			delete(s.told[event.From], event.Key)
		} else {
			s.told[event.From][event.Key] = event.Value.Text()
		}
	case lectern.Presence:
		if !s.chief {
			s.hearsOfMaster(event.Username)
		}
		if s.chief && (event.State == lectern.StateGone || event.Joined) {
			delete(s.told, event.Username)
		}
	}
}
