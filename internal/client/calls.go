package client

import (
	"context"
	"fmt"
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
	// along: it is being sent with the handshake of the next connection.
	along  bool
	enters *Membership // what a create, join or resume makes, or nil
	// behind is an entry of the same channel under another name, which is being undone. The
	// call is sent again when that is over. Nil: there is none.
	behind *entry
	// givenUp: the caller waits no longer, and what the call does is undone.
	givenUp bool
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
	k := &call{frame: frame, enters: enters, result: make(chan callResult, 1)}
	c.mu.Lock()
	if err := ctx.Err(); err != nil {
		k.release()
		c.mu.Unlock()
		return wire.Frame{}, err
	}
	if err := c.over(); err != nil {
		k.release()
		c.mu.Unlock()
		return wire.Frame{}, err
	}
	k.frame.Ref = c.nextRef()
	c.calls = append(c.calls, k)
	if c.link != nil {
		c.writeCall(k)
	}
	c.start()
	c.mu.Unlock()

	var result callResult
	select {
	case result = <-k.result:
		c.mu.Lock()
		defer c.mu.Unlock()
	case <-ctx.Done():
		c.mu.Lock()
		defer c.mu.Unlock()
		select {
		case result = <-k.result:
		default:
			c.giveUp(k)
			return wire.Frame{}, ctx.Err()
		}
	}
	if enters != nil {
		return result.answer, c.settle(ctx, enters.entry, result.err)
	}
	return result.answer, result.err
}

// release finishes the entry of the call, if it has one. The lock is held.
func (k *call) release() {
	if k.enters != nil {
		k.enters.entry.finish()
	}
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

// repeatCalls lets the calls that were on a connection that has ended be repeated on the next
// one: all of them, where it was lost, and in any case those that are to be undone, so that
// it becomes known what there is to undo. A resume is undone by the end of its connection.
// The lock is held.
func (c *Client) repeatCalls(lost bool) {
	for _, k := range slices.Clone(c.calls) {
		switch {
		case k.givenUp && k.frame.Type == wire.Resume:
			c.removeCall(k)
			k.release()
		case k.behind != nil:
		case lost || k.givenUp:
			k.written = k.written && k.writes >= maxWrites
		}
	}
}

// failCalls ends the calls that were written, or all calls, with the error. The lock is
// held.
func (c *Client) failCalls(err error, all bool) {
	waiting := c.calls[:0]
	for _, k := range c.calls {
		if all || k.written {
			k.finish(callResult{err: fmt.Errorf("lectern: no answer to %s: %w", operationWords[k.frame.Type], err)})
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

// enterAs enters the membership if the hub's answer is for its role. The membership of a
// resume may have the other role.
func (c *Client) enterAs(m *Membership, frame *wire.Frame) error {
	if frame.Type != m.enteredType() {
		c.dropLink(nil)
		return c.public(ErrOtherRole)
	}
	if why := c.alreadyIn(frame); why != nil {
		return c.public(why)
	}
	c.enter(m, frame)
	return nil
}

// enteredType is the type of the answer by which the membership is entered.
func (m *Membership) enteredType() wire.Type {
	if m.role == wire.Master {
		return wire.Created
	}
	return wire.Joined
}

// ErrOtherRole is the error of a resume by a ticket for the other role.
var ErrOtherRole = wire.ErrForbidden.With("the ticket is for the other role: resume with the one for it")
