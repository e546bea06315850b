// Package client is the other end: one connection to a hub, with any number of
// memberships on it, which connects again when it is lost and resumes them all. It
// knows the wire and nothing of the hub or of its rules. Handles are made of its
// memberships by the public package, whose events an [Inbox] holds.
package client

import (
	"context"
	"net"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// Client is one connection to a hub, and the memberships that it carries: any
// number of channels, as master of some and slave of others. It connects when it
// is first used, and when the connection is lost it connects again, with growing
// pauses and a random part in them, and resumes every membership. It is safe for
// concurrent use.
//
// A Client without a membership keeps no connection for long, and no goroutine.
//
// Where the dialer is a transport.FirstDialer, as websocket.Dialer is, the first call
// on a new connection goes along with the dialling, unless it is a resume.
type Client struct {
	dialer  transport.Dialer
	options Options
	// unwritten bounds what waits to be written on a connection.
	unwritten outbox.Limits

	// ctx ends with the client.
	ctx    context.Context
	cancel context.CancelFunc
	// goroutines counts what Close waits for.
	goroutines sync.WaitGroup

	mu sync.Mutex
	// running: the goroutine that dials and reads exists.
	running bool
	closed  bool
	// link is the present connection, or nil.
	link *link
	// lastRef is the ref of the newest frame. Refs rise for the client's life,
	// over all connections.
	lastRef     uint64
	memberships map[string]*Membership
	// claimed are the channels that some call is entering.
	claimed map[string]struct{}
	// calls wait for an answer and belong to no membership.
	calls []*call
	// forsaken are the refs of resumes on the present connection whose callers
	// have given up.
	forsaken map[uint64]struct{}
	// left is the ref of the call that went along with the present connection and was
	// given up by then, if any: what it has entered has been left already.
	left uint64
	// announced is over what time the hub lets its clients go, once it has told
	// that it shuts down.
	announced time.Duration
}

// New returns a client of the hub that the dialer leads to. It does not connect
// yet.
func New(dialer transport.Dialer, options Options) *Client {
	c := &Client{
		dialer: dialer, options: options, lastRef: takeoverRef,
		memberships: make(map[string]*Membership), claimed: make(map[string]struct{}),
	}
	c.unwritten = outbox.Limits{
		Messages: maxUnwrittenMessages, Bytes: maxUnwrittenBytes, WriteTimeout: c.options.WriteTimeout,
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Enter makes a membership of the role, by a create, a join or a resume. It takes
// part as soon as the answer is read, so that nothing behind the answer is missed;
// what arrives for it goes to the inbox. The error is the hub's refusal, or why it
// could not be reached. Where ctx ends first, what a create or join has made does
// not stay, and what a resume was for lives on, away.
func (c *Client) Enter(ctx context.Context, role wire.Role, frame wire.Frame, inbox inbox) (*Membership, error) {
	// The hub would say so too, but invalid UTF-8 would not even reach it.
	if !wire.ValidName(frame.Channel) || !wire.ValidName(frame.Username) {
		return nil, c.public(wire.ErrBadName)
	}
	if err := c.claim(frame.Channel); err != nil {
		return nil, err
	}
	defer c.unclaim(frame.Channel)
	m := newMembership(c, role, frame.Channel, inbox)
	m.last = frame.Last
	_, err := c.call(ctx, frame, m)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Status asks for a channel and its master. The answer is a frame of type Status.
func (c *Client) Status(ctx context.Context, channel string) (wire.Frame, error) {
	if !wire.ValidName(channel) {
		return wire.Frame{}, c.public(wire.ErrBadName)
	}
	return c.call(ctx, wire.Frame{Type: wire.Status, Channel: channel}, nil)
}

// public is what users get of a cause.
func (c *Client) public(why *wire.Cause) error { return c.options.PublicError(why) }

// Close leaves every channel on purpose, closes the connection and returns when
// the client's goroutines are gone, after at most about WriteTimeout. Later
// calls only wait.
func (c *Client) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		for _, m := range c.memberships {
			m.end(wire.ErrLeft)
		}
		c.failCalls(net.ErrClosed, true)
		if c.link != nil {
			c.link.out.Close(transport.Reason{Code: transport.Left})
		}
		c.cancel()
	}
	c.mu.Unlock()
	c.goroutines.Wait()
	return nil
}

// claim keeps two calls from entering the same channel at once: a client has one
// membership of a channel.
func (c *Client) claim(channel string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, claimed := c.claimed[channel]
	if claimed || c.memberships[channel] != nil {
		return c.public(wire.ErrForbidden.With("this client is in the channel already"))
	}
	c.claimed[channel] = struct{}{}
	return nil
}

func (c *Client) unclaim(channel string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.claimed, channel)
}

// enter makes the membership one of the client's, as the answer tells.
func (c *Client) enter(m *Membership, answer *wire.Frame) {
	m.entered(answer, time.Now())
	c.memberships[m.channel] = m
	m.attach()
}

// push writes a frame to the present connection, if there is one.
func (c *Client) push(frame *wire.Frame) {
	if c.link == nil {
		return
	}
	if err := c.link.out.Push(wire.Append(nil, wire.Binary, frame)); err == outbox.ErrFull {
		// What was not answered is sent again on the next one. A connection that
		// is ending already is left to its reader, which may still have to read
		// why: a membership that was taken over must not be resumed.
		c.link.out.Abort(transport.Reason{Code: transport.Slow})
	}
	c.link.out.Start()
}

// start sees to it that there is a connection. The lock is held.
func (c *Client) start() {
	if c.running || c.closed {
		return
	}
	c.running = true
	c.goroutines.Add(1)
	go c.run()
}
