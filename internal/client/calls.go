package client

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/wire"
)

// call is an operation without a membership: a create, a join, a resume by a ticket, or a
// status. Where its connection is lost before the answer, it is repeated on the next one,
// by which the hub knows it.
type call struct {
	frame wire.Frame
	// link is the connection on which it was written and is to be answered, or nil. refused is
	// the newest one whose hub takes on nothing new.
	link, refused *link
	// writes counts the connections that it was written on, losses those of them that were
	// lost before the answer.
	writes, losses int
	// nowhere are the places whose hubs do not have what it resumes.
	nowhere without
	// stoppedAt is when it was refused first so that it waits for another hub, or zero.
	stoppedAt time.Time
	// renewed: the frame has a ref for the connection that is being made.
	renewed bool
	// along: it is being sent with the handshake of the next connection.
	along  bool
	enters *Membership // what a create, join or resume makes, or nil
	// behind is an entry of the same channel under another name, which is being undone. The
	// call is sent again when that is over. Nil: there is none.
	behind *entry
	// waiting is what the hub has told of a join that waits to be let in.
	waiting waiting
	// waited: a hub has told it to wait, at least once.
	waited bool
	// givenUp: the caller waits no longer, and what the call does is undone.
	givenUp bool
	result  chan callResult
}

// callResult is the hub's answer, or why there is none.
type callResult struct {
	answer wire.Frame
	err    error
}

// maxLosses is how many connections of a call may be lost before the answer: it may be
// because of the call, unless that is patient.
const maxLosses = 3

// hubWait is how long after a hub that shuts down, or has not what is resumed, has refused a call
// other refusals of that kind are waited out. A membership has its own time, that of its master, and a
// patient call that of its caller.
const hubWait = time.Minute

// awaitsHub is called when a call was refused because the hub shuts down, or has not what is
// resumed, and reports whether it waits for another hub.
func (k *call) awaitsHub() bool {
	if k.isPatient() {
		return true
	}
	now := time.Now()
	if k.stoppedAt.IsZero() {
		k.stoppedAt = now
	}
	return now.Sub(k.stoppedAt) < hubWait
}

// nextRef is the ref of the next frame.
func (c *Client) nextRef() uint64 {
	c.lastRef++
	return c.lastRef
}

// call sends a frame when there is a connection, and waits for the answer.
func (c *Client) call(ctx context.Context, frame wire.Frame, enters *Membership) (wire.Frame, error) {
	return c.callWaiting(ctx, frame, enters, nil)
}

// callWaiting is call for a join whose caller wants to be told what it waits for. tell may be nil.
func (c *Client) callWaiting(ctx context.Context, frame wire.Frame, enters *Membership, tell func(Waiting)) (wire.Frame, error) {
	k := &call{frame: frame, enters: enters, waiting: newWaiting(tell), result: make(chan callResult, 1)}
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
	var entry *entry // the membership may have another role when its caller is told
	if enters != nil {
		entry = enters.entry
	}
	k.frame.Ref = c.nextRef()
	c.calls = append(c.calls, k)
	c.writeCall(k)
	c.start()
	c.mu.Unlock()

	var result callResult
	for waits := true; waits; {
		select {
		case result = <-k.result:
			waits = false
		case now := <-k.waiting.news:
			k.waiting.caller(now)
		case <-ctx.Done():
			waits = false
			c.mu.Lock()
			select {
			case result = <-k.result:
			default:
				defer c.mu.Unlock()
				c.giveUp(k)
				return wire.Frame{}, ctx.Err()
			}
			c.mu.Unlock()
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if entry != nil {
		return result.answer, c.settle(ctx, entry, result.err)
	}
	return result.answer, result.err
}

// release finishes the entry of the call, if it has one. The lock is held.
func (k *call) release() {
	if k.enters != nil {
		k.enters.entry.finish()
	}
}

// writeCall sends the frame of a call on the newest connection, if there is one whose hub has
// not refused it because it shuts down. The lock is held.
func (c *Client) writeCall(k *call) {
	if c.link == nil || k.refused == c.link {
		return
	}
	c.renew(k)
	c.wrote(k)
	c.link.push(&k.frame)
}

// renew gives a call that was written on an earlier connection another ref, by which it is
// later than before. On one connection it keeps its ref. The lock is held.
func (c *Client) renew(k *call) {
	if k.writes > 0 && !k.renewed {
		k.frame.Ref = c.nextRef()
		k.renewed = true
	}
}

// wrote notes that the call was written on the newest connection. The lock is held.
func (c *Client) wrote(k *call) {
	k.link, k.renewed = c.link, false
	k.writes++
}

// removeCall removes a call from those that wait for an answer. The lock is held.
func (c *Client) removeCall(k *call) {
	c.calls = slices.DeleteFunc(c.calls, func(other *call) bool { return other == k })
}

// callsAgain reports whether a call that was refused on the connection is repeated on the next
// one: the hub takes on nothing new, and another may take its place, or it does not have what
// is to be resumed, and another may. A connection that is for nothing else is closed then. The
// lock is held.
func (c *Client) callsAgain(k *call, l *link, answer *wire.Frame) bool {
	k.link, k.waiting.on = nil, nil
	switch {
	case isOfShutdown(answer) && !c.hubIsOver() && k.awaitsHub():
	case answer.Type == wire.Error && answer.Code == string(wire.ErrHubLost.Code) && !c.uses(l) && k.nowhere.add(l) < c.places && k.awaitsHub():
	default:
		return false
	}
	if k.refused = l; k.givenUp {
		c.removeCall(k)
		k.release()
	} else {
		c.writeCall(k)
	}
	if l == c.link && !c.uses(l) {
		l.tryLater()
	}
	return true
}

// writeCalls sends the calls that wait for a connection on the newest one. sent is the one that
// was sent with its handshake already, or nil. The lock is held.
func (c *Client) writeCalls(sent *call) {
	if c.link == nil {
		return
	}
	for _, k := range slices.Clone(c.calls) {
		if k.link != nil {
			continue
		}
		k.along = false
		switch {
		case k == sent:
			c.wrote(k)
			c.awaitFirst(c.link, k)
		case k.behind != nil:
		case k.givenUp && k.writes == 0:
			// It did not go along, so there is nothing to undo.
			c.removeCall(k)
			k.release()
		default:
			c.writeCall(k)
		}
	}
}

// repeatCalls lets the calls that were on a connection that has ended be repeated on the next
// one: all of them, where again, and in any case those that wait to be let in, of which the hub has told,
// and those that are to be undone, so that it becomes known what there is to undo. A resume is undone by the end of its connection. shutdown:
// the hub has closed it for that, so it is not because of them; nor is it where this side has, since a membership
// was refused for the moment. The lock is held.
func (c *Client) repeatCalls(l *link, again, shutdown bool) {
	for _, k := range slices.Clone(c.calls) {
		if k.link != l {
			continue
		}
		over, waits := false, k.waiting.on == l
		k.waiting.on = nil
		switch {
		case shutdown:
			over = !k.awaitsHub()
		case !l.later:
			k.losses++
			over = k.losses >= maxLosses && !k.isPatient()
		}
		switch {
		case k.givenUp && k.frame.Type == wire.Resume:
			c.removeCall(k)
			k.release()
		case (again || waits || k.givenUp) && !over:
			k.link = nil
		}
	}
}

// failCalls ends the calls that the function says with the error. The lock is held.
func (c *Client) failCalls(err error, which func(*call) bool) {
	waiting := c.calls[:0]
	for _, k := range c.calls {
		if which(k) {
			k.finish(callResult{err: fmt.Errorf("lectern: no answer to %s: %w", operationWords[k.frame.Type], err)})
		} else {
			waiting = append(waiting, k)
		}
	}
	clear(c.calls[len(waiting):])
	c.calls = waiting
}

// all is for failCalls.
func all(*call) bool { return true }

// operationWords are the names of the calls in error texts.
var operationWords = map[wire.Type]string{
	wire.Create: "create", wire.Join: "join", wire.Resume: "resume", wire.Refresh: "refresh", wire.Status: "status",
}

// enterAs enters the membership if the hub's answer on the connection is for its role. The
// membership of a resume may have the other role.
func (c *Client) enterAs(m *Membership, frame *wire.Frame, l *link) error {
	if frame.Type != m.enteredType() {
		c.dropLink(l, nil)
		return c.public(errOtherSeat)
	}
	if why := c.alreadyIn(frame); why != nil {
		return c.public(why)
	}
	c.enter(m, frame, l)
	return nil
}

// enteredType is the type of the answer by which the membership is entered.
func (m *Membership) enteredType() wire.Type {
	if m.role == wire.Master {
		return wire.Created
	}
	return wire.Joined
}

// errOtherSeat is the error where what there is of the user is of the other role: by a ticket that stands for
// it, or a seat that the service gives back (Identity.TakeOver).
var errOtherSeat = wire.ErrForbidden.With("the membership is of the other role by now: create, or resume as the master, where it is the master's; else join, or resume as a slave")

// ErrOtherRole is the error of a resume by a ticket for the other role.
var ErrOtherRole = wire.ErrForbidden.With("the ticket is for the other role: resume with the one for it")
