package main

import (
	"fmt"
	"sync"
	"time"
)

// What became of a send: whether it must arrive, must not, or may.
type outcome uint8

const (
	pending outcome = iota
	accepted
	refused
	unknown
)

// toAll is the target of a message to everybody.
const toAll = -1

// stream is what one sender has sent, numbered from 0: the messages are "g 0", "g 1".
type stream struct {
	mu       sync.Mutex
	targets  []int32
	outcomes []outcome
}

// add begins a message to the target, and returns its number.
func (s *stream) add(target int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.targets, s.outcomes = append(s.targets, int32(target)), append(s.outcomes, pending)
	return len(s.targets) - 1
}

func (s *stream) ends(n int, as outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[n] = as
}

// acceptedTo is for a sender elsewhere, which tells how many of its messages were accepted so far.
func (s *stream) acceptedTo(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.targets) < n {
		s.targets, s.outcomes = append(s.targets, toAll), append(s.outcomes, accepted)
	}
}

// judgement is what is wrong with what has arrived.
type judgement struct{ expected, lost, twice, disordered, foreign int }

func (v *judgement) add(other judgement) {
	v.expected += other.expected
	v.lost += other.lost
	v.twice += other.twice
	v.disordered += other.disordered
	v.foreign += other.foreign
}

// judge compares the numbers that somebody got, in their order, with what was sent to it.
func (s *stream) judge(target int, got []uint32) (v judgement) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := make([]bool, len(s.targets))
	next := uint32(0)
	for _, n := range got {
		switch {
		case int(n) >= len(seen) || s.targets[n] != toAll && int(s.targets[n]) != target || s.outcomes[n] == refused:
			v.foreign++
			continue
		case seen[n]:
			v.twice++
		case n < next:
			v.disordered++
		}
		seen[n] = true
		next = max(next, n+1)
	}
	for n, to := range s.targets {
		if s.outcomes[n] == accepted && (to == toAll || int(to) == target) {
			v.expected++
			if !seen[n] {
				v.lost++
			}
		}
	}
	return v
}

// inbox is what one receiver got of one stream, and how regularly.
type inbox struct {
	mu      sync.Mutex
	got     []uint32
	last    time.Time
	longest time.Duration
}

// arrives notes that something has arrived.
func (i *inbox) arrives(at time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.last.IsZero() {
		i.longest = max(i.longest, at.Sub(i.last))
	}
	i.last = at
}

func (i *inbox) take(n uint32, at time.Time) {
	i.arrives(at)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got = append(i.got, n)
}

// lap returns the longest time between two arrivals since the last lap.
func (i *inbox) lap(now time.Time) time.Duration {
	i.mu.Lock()
	defer i.mu.Unlock()
	longest := i.longest
	if !i.last.IsZero() {
		longest = max(longest, now.Sub(i.last))
	}
	i.longest = 0
	return longest
}

func (i *inbox) judge(of *stream, target int) judgement {
	i.mu.Lock()
	defer i.mu.Unlock()
	return of.judge(target, i.got)
}

// counts counts by name, and keeps the first few errors of each for people.
type counts struct {
	mu    sync.Mutex
	names []string
	count map[string]int
	first map[string][]string
}

func (c *counts) add(name string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count == nil {
		c.count, c.first = make(map[string]int), make(map[string][]string)
	}
	if c.count[name] == 0 {
		c.names = append(c.names, name)
	}
	c.count[name]++
	if err != nil && len(c.first[name]) < 5 {
		c.first[name] = append(c.first[name], err.Error())
	}
}

func (c *counts) of(name string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count[name]
}

// print prints the errors that were kept.
func (c *counts) print() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range c.names {
		for _, text := range c.first[name] {
			fmt.Printf("  %s: %s\n", name, text)
		}
	}
}
