package client

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// call is an operation without a membership. Unlike a member's request it does
// not survive its connection, since the hub could not recognise it again.
type call struct {
	frame   wire.Frame
	written bool
	enters  *Membership
	result  chan callResult
}

type callResult struct {
	answer wire.Frame
	err    error
}

// takeoverRef is the ref of resumes by a ticket. It is not above that of any send,
// which tells the hub that another client has held the membership before, however
// much this one has tried already. The channel tells them apart.
const takeoverRef = 1

// number gives a call its ref.
func (c *Client) number(frame *wire.Frame) {
	// The answer to one that was given up may still come, and must not be taken
	// for this one's. It ends the connection, so that this one is tried again.
	if _, open := c.forsaken[takeoverRef]; frame.Type == wire.Resume && !open {
		frame.Ref = takeoverRef
		return
	}
	c.lastRef++
	frame.Ref = c.lastRef
}

// call sends a frame once there is a connection, and waits for the answer.
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
	c.number(&k.frame)
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
		// It was answered in the same instant: what it has entered stands.
		return result.answer, result.err
	default:
	}
	c.removeCall(k)
	if k.written && k.frame.Type == wire.Resume && c.link != nil {
		if c.forsaken == nil {
			c.forsaken = make(map[uint64]struct{})
		}
		c.forsaken[k.frame.Ref] = struct{}{}
	}
	return wire.Frame{}, ctx.Err()
}

func (c *Client) writeCall(k *call) {
	k.written = true
	c.push(&k.frame)
}

func (c *Client) removeCall(k *call) {
	for i, other := range c.calls {
		if other == k {
			c.calls = append(c.calls[:i], c.calls[i+1:]...)
			return
		}
	}
}

// failCalls gives up the calls that were written, or all of them.
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

var operationWords = map[wire.Type]string{
	wire.Create: "create", wire.Join: "join", wire.Resume: "resume", wire.Status: "status",
}

func (k *call) answeredBy(frame *wire.Frame) bool {
	return k.frame.Ref == frame.Ref && (frame.Ref != takeoverRef || k.frame.Channel == frame.Channel)
}

// firstCall is the call that a new connection begins with, or nil. Memberships come
// first, and a secret does not belong into a handshake, which others may write to a
// log.
func (c *Client) firstCall() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.memberships) > 0 || len(c.calls) == 0 || c.calls[0].frame.Type == wire.Resume {
		return nil
	}
	return c.calls[0]
}

// awaited reports whether another call is on its way into the same membership:
// the hub takes a join that its connection repeats for the same one.
func (c *Client) awaited(frame *wire.Frame) bool {
	return slices.ContainsFunc(c.calls, func(k *call) bool {
		return k.written && k.frame.Type == wire.Join && frame.Type == wire.Joined &&
			k.frame.Channel == frame.Channel && k.frame.Username == frame.Username
	})
}

// enterAs checks that an answer makes a member of the role that was asked for: a
// resume may turn out to be of the other one.
func (c *Client) enterAs(m *Membership, frame *wire.Frame) error {
	expected := wire.Joined
	if m.role == wire.Master {
		expected = wire.Created
	}
	if frame.Type != expected {
		c.letGo()
		return c.public(ErrOtherRole)
	}
	c.enter(m, frame)
	return nil
}

// ErrOtherRole is why a resume by a ticket for the other role is refused.
var ErrOtherRole = wire.ErrForbidden.With("the ticket is for the other role")
