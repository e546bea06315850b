package client

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// This file ends a client whose memberships go on, for another one that resumes them.

// ErrDetached is the public end of the memberships of a client that was detached. It is no
// code that a hub knows.
var ErrDetached error = detachedError{}

type detachedError struct{}

func (detachedError) Error() string {
	return "lectern: the client was detached: its memberships go on with their tickets"
}

func (detachedError) Is(target error) bool { return target == net.ErrClosed }

// Ticket is what it takes to come back to a membership.
type Ticket struct {
	Resume wire.Frame
	Role   wire.Role
}

// Detach ends the client and keeps its memberships, which are away then. Nothing new is
// begun from its call on, and what is under way is settled until ctx ends. It returns the
// tickets in the order of their channels, and ctx's error where something was not settled.
// It returns when the client's goroutines have ended, as Close does.
func (c *Client) Detach(ctx context.Context) ([]Ticket, error) {
	c.mu.Lock()
	if c.closed || c.progress != nil {
		c.mu.Unlock()
		c.goroutines.Wait()
		return nil, c.overError()
	}
	progress := make(chan struct{}, 1)
	c.progress = progress
	for _, k := range slices.Clone(c.calls) {
		if !k.givenUp {
			// It gets no handle any more. What it may have entered is undone.
			k.result <- callResult{err: c.over()}
			c.giveUp(k)
		}
	}
	var err error
	for err == nil && !c.closed && !c.isSettled() {
		c.mu.Unlock()
		select {
		case <-progress:
		case <-ctx.Done():
			err = ctx.Err()
		case <-c.ctx.Done():
		}
		c.mu.Lock()
	}
	if c.closed {
		c.mu.Unlock()
		c.goroutines.Wait()
		return nil, c.overError()
	}
	tickets := c.endDetached()
	c.mu.Unlock()
	c.goroutines.Wait()
	return tickets, err
}

// endDetached ends the client and what is left of its memberships. The lock is held.
func (c *Client) endDetached() []Ticket {
	var tickets []Ticket
	for _, m := range c.memberships {
		if !m.leaving {
			tickets = append(tickets, Ticket{m.ticket(), m.role})
		}
		m.endAs(ErrDetached)
	}
	slices.SortFunc(tickets, func(a, b Ticket) int { return cmp.Compare(a.Resume.Channel, b.Resume.Channel) })
	c.closed = true
	c.failCalls(ErrDetached, all)
	for _, l := range c.links {
		// Any reason but left lets the hub keep the memberships.
		l.out.Close(transport.Reason{Code: transport.Idle, Text: "the client was detached"})
	}
	c.cancel()
	return tickets
}

// isSettled reports whether nothing is under way that an answer of the hub would end. The
// lock is held.
func (c *Client) isSettled() bool {
	for _, m := range c.memberships {
		if m.leaving || len(m.pending) > 0 {
			return false
		}
	}
	for _, l := range c.links {
		if len(l.leaves) > 0 {
			return false
		}
	}
	return len(c.calls) == 0
}

// madeProgress wakes a Detach that waits. The lock is held.
func (c *Client) madeProgress() {
	if c.progress == nil {
		return
	}
	select {
	case c.progress <- struct{}{}:
	default:
	}
}

// over is the error of what is asked of a client that has ended or is about to, and nil
// while it has not. The lock is held.
func (c *Client) over() error {
	switch {
	case c.progress != nil:
		return ErrDetached
	case c.closed:
		return fmt.Errorf("lectern: client: %w", net.ErrClosed)
	}
	return nil
}

func (c *Client) overError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over()
}
