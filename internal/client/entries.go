package client

import (
	"cmp"
	"context"
	"fmt"

	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// This file is about who may enter a channel. A client has at most one membership in a
// channel. Where an earlier one is being undone, because its user leaves or the caller of
// its call has given up, an entry behind it waits until that is over: otherwise the hub
// would take the two for one, and the leave of the first would end both. Where it asks for
// the same as a call that was given up, it gets what that call has made, and nothing has to
// be undone.

// entry is what one call does to a channel: from when it claims the channel until nothing of
// it is left. That is when it is refused, or when its membership has ended. The client's
// lock guards its fields.
type entry struct {
	client  *Client
	channel string
	// asked is the frame of the call, as the caller has given it.
	asked *wire.Frame
	// ctx is the call's. Where it ends before the call has returned a membership, the entry
	// is undone.
	ctx context.Context
	// member is what the call makes. entered: the call has returned it.
	member  *Membership
	entered bool
	// before is an entry of the same channel that is being undone, for which this one waits,
	// or nil.
	before *entry
	// waiting is what the hub has told of a switch that waits to be let in.
	waiting waiting
	// adopted: this entry has got what the one before it has made.
	adopted bool
	// unreachable gets why the hub could not be reached while this entry waits. It has room
	// for one error.
	unreachable chan error
	// over is closed when nothing of the entry is left; ended is true then.
	over  chan struct{}
	ended bool
}

// claim makes an entry for the membership. It waits while an earlier one is being undone,
// and refuses where there is one that is not. Where it returns no error, the entry must be
// finished, or the membership returned. Where the entry is adopted, the membership was
// entered already.
func (c *Client) claim(ctx context.Context, m *Membership, asked *wire.Frame) (*entry, error) {
	e := &entry{
		client: c, channel: m.channel, asked: asked, ctx: ctx, member: m,
		unreachable: make(chan error, 1), over: make(chan struct{}),
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.over(); err != nil {
		return nil, err
	}
	if e.before = c.latestEntry(m.channel); e.before != nil && e.before.undone() == nil {
		return nil, c.occupied(m.channel)
	}
	c.entries[m.channel], m.entry = e, e
	for e.previous() != nil {
		undone := e.before.undone()
		if undone == nil {
			// A switch that was given up was refused: the user is in the channel still.
			e.finish()
			return nil, c.occupied(m.channel)
		}
		c.mu.Unlock()
		var err error
		select {
		case <-undone:
		case <-ctx.Done():
			err = ctx.Err()
		case <-c.ctx.Done():
		case err = <-e.unreachable:
			err = fmt.Errorf("lectern: no answer to %s: %w", operationWords[asked.Type], err)
		}
		c.mu.Lock()
		if e.adopted {
			return e, c.settle(ctx, e, nil)
		}
		if err = cmp.Or(err, c.over()); err != nil {
			e.finish()
			return nil, err
		}
	}
	return e, nil
}

// settle is called when it is known what has come of an entry whose caller waits. It
// returns what the caller gets: where the context has ended in the same instant, what was
// entered is undone, since another entry may wait for that already. The lock is held.
func (c *Client) settle(ctx context.Context, e *entry, err error) error {
	switch {
	case err != nil:
		e.finish()
	case ctx.Err() != nil:
		e.undoEntered()
		return ctx.Err()
	default:
		e.entered = true
	}
	return err
}

// adopter is an entry that waits for this one, which was given up, and asks for the same,
// or nil. To enter a channel without leaving another one is less than to switch to it. The
// lock is held.
func (e *entry) adopter() *entry {
	next := e.client.entries[e.channel]
	if next == nil || next.previous() != e || next.ctx.Err() != nil {
		return nil
	}
	a, b := e.asked, next.asked
	same := a.Type == b.Type && a.Username == b.Username && a.Expect == b.Expect && a.Token == b.Token &&
		a.MasterTimeout == b.MasterTimeout && a.HasMasterTimeout == b.HasMasterTimeout &&
		a.Attributes() == nil && b.Attributes() == nil && a.Secret == b.Secret && a.Epoch == b.Epoch && a.Last == b.Last && (a.From == b.From || b.From == "")
	if !same {
		return nil
	}
	next.member.token, next.member.remade = e.member.token, e.member.remade
	return next
}

// occupied is the refusal of a second membership in the channel.
func (c *Client) occupied(channel string) error {
	return c.public(wire.ErrForbidden.With("this client is in " + wire.Quote(channel) + " already, or is about to be"))
}

// latestEntry is the last entry of the channel that is not over, or nil. The lock is held.
func (c *Client) latestEntry(channel string) *entry {
	e := c.entries[channel]
	if e != nil && e.ended {
		e = e.previous()
		if c.entries[channel] = e; e == nil {
			delete(c.entries, channel)
		}
	}
	if m := c.memberships[channel]; e == nil && m != nil {
		e = m.entry // it was entered under another name of the channel
	}
	return e
}

// previous is the entry before this one, if there is one that is not over. The lock is
// held.
func (e *entry) previous() *entry {
	for e.before != nil && e.before.ended {
		e.before = e.before.before
	}
	return e.before
}

// undone is closed when it is decided what is left of an entry that is being undone. It is
// nil where the entry is not being undone. The lock is held.
func (e *entry) undone() <-chan struct{} {
	switch {
	case !e.entered && e.ctx.Err() != nil, e.entered && e.member.leaving:
		return e.over
	case e.entered:
		for _, r := range e.member.pending {
			if r.enters != nil && r.enters.ctx.Err() != nil {
				return r.enters.over
			}
		}
	}
	return nil
}

// finish notes that nothing of the entry is left. The lock is held.
func (e *entry) finish() {
	if e == nil || e.ended {
		return
	}
	e.ended = true
	close(e.over)
	for _, k := range e.client.calls {
		if k.behind == e {
			k.behind = nil
			e.client.writeCall(k)
		}
	}
	if e.client.entries[e.channel] == e {
		e.client.latestEntry(e.channel)
	}
}

// finishIf finishes an entry that nobody waits for any more. The lock is held.
func (e *entry) finishIf(abandoned bool) {
	if abandoned {
		e.finish()
	}
}

// release finishes an entry whose call has failed.
func (e *entry) release() {
	e.client.mu.Lock()
	defer e.client.mu.Unlock()
	e.finish()
}

// someWait reports whether an entry waits for another one to be undone. The lock is held.
func (c *Client) someWait() bool {
	for _, e := range c.entries {
		if e.previous() != nil {
			return true
		}
	}
	return false
}

// failWaiting ends the entries that wait for others to be undone. The lock is held.
func (c *Client) failWaiting(err error) {
	for _, e := range c.entries {
		if e.previous() != nil {
			select {
			case e.unreachable <- err:
			default:
			}
		}
	}
}

// giveUp is called when the caller of a call has given up. What the hub may have got is
// undone: by its answer it is known what there is to undo. The lock is held.
func (c *Client) giveUp(k *call) {
	c.takeBack(&k.waiting)
	if k.enters != nil && k.behind == nil && (k.link != nil || k.along || k.writes > 0 && k.frame.Type != wire.Resume) {
		k.givenUp = true
		return
	}
	c.removeCall(k)
	k.release()
}

// finish gives a call its result. The lock is held.
func (k *call) finish(result callResult) {
	if k.givenUp {
		k.enters.entry.finish()
		return
	}
	k.result <- result
}

// undo undoes what a call has done whose caller has given up, by the hub's answer to it on
// the connection. What was created or joined is left. What was resumed goes on, as away. The lock is held.
func (c *Client) undo(k *call, answer *wire.Frame, l *link) {
	m := k.enters
	next := m.entry.adopter()
	switch {
	case refusalIn(answer) != nil:
		m.entry.finish()
	case next != nil && answer.Type == m.enteredType() && c.alreadyIn(answer) == nil:
		next.adopted = true
		c.enter(next.member, answer, l)
		m.entry.finish()
	case k.frame.Type == wire.Resume || answer.Type != m.enteredType():
		c.dropLink(l, m.entry)
	case c.alreadyIn(answer) != nil:
		m.entry.finish()
	default:
		m.leaving = true
		c.enter(m, answer, l)
		m.leave()
	}
}

// undoEntered undoes a membership that was entered in the instant in which its caller has
// given up. The lock is held.
func (e *entry) undoEntered() {
	m := e.member
	switch {
	case m.err != nil:
	case e.asked.Type == wire.Resume:
		m.entry = nil // it is over with the connection
		l := cmp.Or(m.link, m.asked)
		m.end(wire.ErrLeft)
		e.client.dropLink(l, e)
	default:
		m.leave()
	}
}

// dropLink closes the connection. There is a membership on it that no caller wants any
// more: that one is away then, and can be resumed elsewhere. Its entry, which may be nil, is
// over when the connection has ended. The client connects again and resumes its own
// memberships. The lock is held.
func (c *Client) dropLink(l *link, e *entry) {
	if l == nil {
		e.finish()
		return
	}
	if e != nil {
		l.dropped = append(l.dropped, e)
	}
	l.out.Close(transport.Reason{Code: transport.Idle, Text: "a resume was given up"})
}

// entersAgain reports whether the answer makes this client a member of a channel that it is
// just leaving under another name of the channel. Its leave would end what was entered, so
// the call is sent again behind it. The lock is held.
func (c *Client) entersAgain(k *call, answer *wire.Frame) bool {
	old := c.memberships[answer.Channel]
	if k.enters == nil || answer.Type != k.enters.enteredType() || old == nil || old.entry == nil || old.entry.undone() != old.entry.over {
		return false
	}
	k.link, k.behind = nil, old.entry
	c.calls = append(c.calls, k)
	return true
}

// leaveUnanswered leaves what a call may have entered whose answer does not come, and that
// nobody wants any more. The lock is held.
func (c *Client) leaveUnanswered(k *call, l *link) {
	c.removeCall(k)
	if c.memberships[k.frame.Channel] != nil {
		k.enters.entry.finish()
		return
	}
	if l.leaves == nil {
		l.leaves = make(map[uint64]*entry)
	}
	ref := c.nextRef()
	l.leaves[ref] = k.enters.entry
	l.push(&wire.Frame{Type: wire.Leave, Ref: ref, Channel: k.frame.Channel})
}

// finishEntries finishes the entries that are over with the connection. The client's lock is
// held.
func (l *link) finishEntries() {
	for _, e := range l.dropped {
		e.finish()
	}
	for _, e := range l.leaves {
		e.finish()
	}
	l.dropped, l.leaves = nil, nil
}
