package client

import (
	"context"
	"fmt"
	"net"
	"slices"

	"github.com/lectern-go/lectern/internal/wire"
)

// call is an operation without a membership: a create, a join, a resume by a ticket, or a
// status. Unlike a member's request it is not retransmitted after its connection was
// lost, because the hub could not recognise it.
type call struct {
	frame   wire.Frame
	written bool
	enters  *Membership // what a create, join or resume makes, or nil
	result  chan callResult
}

// callResult is the hub's answer, or why there is none.
type callResult struct {
	answer wire.Frame
	err    error
}

// takeoverRef is the ref of every resume by a ticket. It is not higher than the ref of any
// send. That tells the hub that another client has held the membership before, no matter
// how many refs this client has used already. Several resumes at once have the same ref;
// their answers differ in the channel.
const takeoverRef = 1

// setRef gives a call its ref.
func (c *Client) setRef(frame *wire.Frame) {
	// Where a resume with takeoverRef was given up on this connection, its answer may
	// still come, and must not be taken for the answer to this call. That answer ends the
	// connection. So this call gets another ref.
	if _, open := c.abandonedResumes[takeoverRef]; frame.Type == wire.Resume && !open {
		frame.Ref = takeoverRef
		return
	}
	c.lastRef++
	frame.Ref = c.lastRef
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
	c.setRef(&k.frame)
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
	k.written = true
	c.push(&k.frame)
}

// removeCall removes a call from those that wait for an answer. The lock is held.
func (c *Client) removeCall(k *call) {
	c.calls = slices.DeleteFunc(c.calls, func(other *call) bool { return other == k })
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
	wire.Create: "create", wire.Join: "join", wire.Resume: "resume", wire.Status: "status",
}

// answeredBy reports whether the frame is the answer to the call.
func (k *call) answeredBy(frame *wire.Frame) bool {
	return k.frame.Ref == frame.Ref && (frame.Ref != takeoverRef || k.frame.Channel == frame.Channel)
}

// firstCall is the call that can be sent with the handshake of a new connection, or nil.
// There is none while there are memberships, which are resumed first. A resume is never
// sent so: its secret must not be in a handshake, which others may write to a log.
func (c *Client) firstCall() *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.memberships) > 0 || len(c.calls) == 0 || c.calls[0].frame.Type == wire.Resume {
		return nil
	}
	return c.calls[0]
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
	c.enter(m, frame)
	return nil
}

// ErrOtherRole is the error of a resume by a ticket for the other role.
var ErrOtherRole = wire.ErrForbidden.With("the ticket is for the other role")
