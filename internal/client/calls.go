package client

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// call is an operation without a membership: a create, a join, a resume by a ticket, or a
// status. Where its connection is lost before the answer, it is repeated on the next one,
// by which the hub knows it.
type call struct {
	frame   wire.Frame
	written bool // on the present connection
	// writes counts the connections that it was written on.
	writes int
	// renewed: the frame has a ref for the connection that is being made.
	renewed bool
	enters  *Membership // what a create, join or resume makes, or nil
	result  chan callResult
}

// callResult is the hub's answer, or why there is none.
type callResult struct {
	answer wire.Frame
	err    error
}

// maxWrites is on how many connections a call is tried. Where each of them is lost before
// the answer, it may be because of the call.
const maxWrites = 3

// nextRef is the ref of the next frame.
func (c *Client) nextRef() uint64 {
	c.lastRef++
	return c.lastRef
}

// call sends a frame when there is a connection, and waits for the answer.
func (c *Client) call(ctx context.Context, frame wire.Frame, enters *Membership) (wire.Frame, error) {
	if err := ctx.Err(); err != nil {
		return wire.Frame{}, err
	}
	k := &call{frame: frame, enters: enters, result: make(chan callResult, 1)}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return wire.Frame{}, fmt.Errorf("lectern: client: %w", net.ErrClosed)
	}
	k.frame.Ref = c.nextRef()
	c.calls = append(c.calls, k)
	if c.link != nil {
		c.writeCall(k)
	}
	c.start()
	c.mu.Unlock()

	select {
	case result := <-k.result:
		return result.answer, result.err
	case <-ctx.Done():
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case result := <-k.result:
		// The answer came in the same instant. The membership that it has made stays.
		return result.answer, result.err
	default:
	}
	c.removeCall(k)
	if k.written && k.frame.Type == wire.Resume && c.link != nil {
		if c.abandonedResumes == nil {
			c.abandonedResumes = make(map[uint64]struct{})
		}
		c.abandonedResumes[k.frame.Ref] = struct{}{}
	}
	return wire.Frame{}, ctx.Err()
}

// writeCall sends the frame of a call on the present connection. The lock is held.
func (c *Client) writeCall(k *call) {
	c.renew(k)
	c.wrote(k)
	c.push(&k.frame)
}

// renew gives a call that was written on an earlier connection another ref, by which it is
// later than before. On one connection it keeps its ref. The lock is held.
func (c *Client) renew(k *call) {
	if k.writes > 0 && !k.renewed {
		k.frame.Ref = c.nextRef()
		k.renewed = true
	}
}

// wrote notes that the call was written on the present connection. The lock is held.
func (c *Client) wrote(k *call) {
	k.written, k.renewed = true, false
	k.writes++
}

// removeCall removes a call from those that wait for an answer. The lock is held.
func (c *Client) removeCall(k *call) {
	c.calls = slices.DeleteFunc(c.calls, func(other *call) bool { return other == k })
}

// repeatCalls lets the calls that were on a connection that is lost be repeated on the next
// one. The lock is held.
func (c *Client) repeatCalls() {
	for _, k := range c.calls {
		k.written = k.written && k.writes >= maxWrites
	}
}

// failCalls ends the calls that were written, or all calls, with the error. The lock is
// held.
func (c *Client) failCalls(err error, all bool) {
	waiting := c.calls[:0]
	for _, k := range c.calls {
		if all || k.written {
			k.result <- callResult{err: fmt.Errorf("lectern: no answer to %s: %w", operationWords[k.frame.Type], err)}
		} else {
			waiting = append(waiting, k)
		}
	}
	clear(c.calls[len(waiting):])
	c.calls = waiting
}

// operationWords are the names of the calls in error texts.
var operationWords = map[wire.Type]string{
	wire.Create: "create", wire.Join: "join", wire.Resume: "resume", wire.Refresh: "refresh", wire.Status: "status",
}

// joinPending reports whether another call was sent that joins the same channel under the
// same name as the answer frame. The hub answers a join that a connection repeats with
// the same membership. So that membership is still wanted.
func (c *Client) joinPending(frame *wire.Frame) bool {
	return slices.ContainsFunc(c.calls, func(k *call) bool {
		return k.written && k.frame.Type == wire.Join && frame.Type == wire.Joined &&
			k.frame.Channel == frame.Channel && k.frame.Username == frame.Username
	})
}

// enterAs enters the membership if the hub's answer is for its role. The membership of a
// resume may have the other role.
func (c *Client) enterAs(m *Membership, frame *wire.Frame) error {
	expected := wire.Joined
	if m.role == wire.Master {
		expected = wire.Created
	}
	if frame.Type != expected {
		c.dropLink()
		return c.public(ErrOtherRole)
	}
	if why := c.alreadyIn(frame); why != nil {
		return c.public(why)
	}
	c.enter(m, frame)
	return nil
}

// ErrOtherRole is the error of a resume by a ticket for the other role.
var ErrOtherRole = wire.ErrForbidden.With("the ticket is for the other role: resume with the one for it")
