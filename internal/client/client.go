// Package client is the other end: one connection to a hub, with any number of
// memberships on it. When the connection is lost, the client connects again and resumes
// all memberships.
//
// The package knows the frames of the protocol. It does not know the hub, nor the rules.
// It does not know the events of the users either: the public package makes its handles
// from memberships, and an [Inbox] holds the events that the public package builds.
package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// Client is one connection to a hub, and the memberships on it: any number of channels,
// as master of some and slave of others. It connects when it is first used. When the
// connection is lost it connects again, with an exponential backoff that has a random
// part, and resumes every membership. It is safe for concurrent use.
//
// When the hub shuts down, the client makes another connection and moves the memberships there,
// while it still has the first one (moving.go).
//
// A Client without a membership keeps no connection for long, and no goroutine.
//
// Where the dialer is a transport.FirstDialer, as websocket.Dialer is, the first call on
// a new connection is sent with the handshake, unless it is a resume, or has a token that
// the dialer does not want there.
type Client struct {
	dialer  transport.Dialer
	options Options
	// outboxLimits bound what waits to be written on the connection.
	outboxLimits outbox.Limits

	// ctx ends with the client.
	ctx    context.Context
	cancel context.CancelFunc
	// goroutines counts what Close waits for: the goroutine that dials and reads, those that
	// read from older connections, and running timers.
	goroutines sync.WaitGroup
	// places is to how many places the dialer leads.
	places int
	// storing lets one goroutine at a time store tickets. It is taken before mu.
	storing sync.Mutex

	// mu guards the fields below, and the memberships. In this package, the lock is mu.
	mu sync.Mutex
	// running: the goroutine that dials exists. It reads from the connection that it has made.
	running bool
	closed  bool
	// progress has a token when something was settled. It is nil until the client is
	// detached.
	progress chan struct{}
	// link is the newest connection, or nil where that one has ended. It is where the
	// memberships are, or will be. links are all connections, in the order in which they were
	// made. There is a second one while the memberships move (see moving.go).
	link  *link
	links []*link
	// instance is this client's id, which no other client has.
	instance string
	// lastRef is the ref of the newest frame. Refs rise during the client's whole life,
	// over all connections.
	lastRef uint64
	// memberships has the memberships by their channels.
	memberships map[string]*Membership
	// entries has the latest entry of each channel under the name that the call has given
	// (see entry).
	entries map[string]*entry
	// calls are the calls that wait for an answer.
	calls []*call
	// plain: the answer to a call that was sent with a handshake did not come. No call is
	// sent so any more.
	plain bool
}

// New returns a client of the hub that the dialer connects to. It does not connect yet.
func New(dialer transport.Dialer, options Options) *Client {
	c := &Client{
		dialer: dialer, options: options, instance: newInstance(), places: transport.Places(dialer),
		memberships: make(map[string]*Membership), entries: make(map[string]*entry),
	}
	c.outboxLimits = outbox.Limits{
		Messages: maxUnwrittenMessages, Bytes: maxUnwrittenBytes, WriteTimeout: c.options.WriteTimeout,
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// newInstance makes the id of a client. It is new with each client, and kept nowhere: two
// clients that have the same ticket are told apart by it.
func newInstance() string {
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// Enter makes a membership of the role, by a create, a join or a resume frame. The
// membership takes part as soon as the answer is read, so that no frame after the answer
// is missed. What arrives for it goes to the inbox. Enter returns when all has come that the
// member is asked again. The error is the hub's refusal, or
// why the hub could not be reached. Where ctx ends first, the client leaves what a create
// or join has entered; a membership that was to be resumed goes on, as away. Where an
// earlier membership of the channel is being undone, Enter waits until that is over.
func (c *Client) Enter(ctx context.Context, role wire.Role, frame wire.Frame, inbox inbox) (*Membership, error) {
	return c.EnterWaiting(ctx, role, Joining{Frame: frame}, inbox)
}

// EnterWaiting is Enter for a user who may have to wait.
func (c *Client) EnterWaiting(ctx context.Context, role wire.Role, joining Joining, inbox inbox) (*Membership, error) {
	frame := joining.Frame
	if c.options.Wrong != nil {
		return nil, c.options.Wrong
	}
	// The hub would refuse the names too, but a name with invalid UTF-8 would not even
	// reach the hub.
	if err := checkNames(&frame); err != nil {
		return nil, c.public(err)
	}
	m := newMembership(c, role, frame.Channel, inbox)
	m.last, m.epoch, m.ownToken = frame.Last, frame.Epoch, frame.Token != ""
	m.entersWith(&frame)
	asked := frame
	entry, err := c.claim(ctx, m, &asked)
	if err != nil {
		return nil, err
	}
	if entry.adopted {
		return m.afterAsked(ctx)
	}
	c.showsItself(&frame)
	if frame.Token, err = c.tokenFor(ctx, frame.Type, frame.Channel, frame.Username, frame.Token); err != nil {
		entry.release()
		return nil, err
	}
	m.token = frame.Token
	if _, err = c.callWaiting(ctx, frame, m, joining.Waiting); err != nil {
		return nil, err
	}
	return m.afterAsked(ctx)
}

// checkNames returns why the names of a create, a join or a resume are refused, or nil. The
// username of a create or join may be empty: the service may give one. The names of a
// membership that is resumed were valid once, under rules that may have changed.
func checkNames(frame *wire.Frame) *wire.Cause {
	valid := wire.ValidName
	if frame.Type == wire.Resume {
		valid = wire.Sendable
	}
	switch {
	case !valid(frame.Channel):
		return wire.BadName("channel", frame.Channel)
	case !valid(frame.Username) && (frame.Username != "" || frame.Type == wire.Resume):
		return wire.BadName("username", frame.Username)
	case frame.Expect != "" && !wire.Sendable(frame.Expect):
		return wire.BadName("master", frame.Expect)
	}
	return checkAttributes(frame)
}

// Status asks the hub for the state of a channel's master, and whether there is the channel.
func (c *Client) Status(ctx context.Context, channel string) (master Presence, exists bool, err error) {
	if c.options.Wrong != nil {
		return Presence{}, false, c.options.Wrong
	}
	if !wire.ValidName(channel) {
		return Presence{}, false, c.public(wire.BadName("channel", channel))
	}
	answer, err := c.call(ctx, wire.Frame{Type: wire.Status, Channel: channel}, nil)
	if err != nil || !answer.Exists {
		return Presence{}, false, err
	}
	now := time.Now()
	master = Presence{Username: answer.Master.Username, State: answer.Master.State, Since: now}
	if answer.HasTimeout {
		master.Deadline = now.Add(wire.FromMilliseconds(answer.Timeout))
	}
	return master, true, nil
}

// public is the error that users get for a cause.
func (c *Client) public(why *wire.Cause) error { return c.options.PublicError(why) }

// Close leaves every channel on purpose and closes the connection. It returns when the
// client's goroutines have ended, after about WriteTimeout at most. Later calls only
// wait.
func (c *Client) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed, c.progress = true, nil
		for _, m := range c.memberships {
			m.end(wire.ErrLeft)
		}
		c.failCalls(net.ErrClosed, all)
		for _, l := range c.links {
			l.out.Close(transport.Reason{Code: transport.Left})
		}
		c.cancel()
	}
	c.mu.Unlock()
	c.goroutines.Wait()
	return nil
}

// alreadyIn is the refusal of an answer that makes this client a member of a channel of which
// it is one already, or nil. The service may take two names of channels for the same. The
// lock is held.
func (c *Client) alreadyIn(answer *wire.Frame) *wire.Cause {
	if c.memberships[answer.Channel] == nil {
		return nil
	}
	return wire.ErrForbidden.With("this client is in " + wire.Quote(answer.Channel) + " already")
}

// enter adds a membership that the hub's answer on the connection has made. The answer has
// the names under which it stands. The lock is held.
func (c *Client) enter(m *Membership, answer *wire.Frame, l *link) {
	m.channel, m.link = answer.Channel, l
	m.onEntered(answer, time.Now())
	m.enteredBy = answer.Ref
	c.memberships[m.channel] = m
	c.attach(m)
}

// attach lets a membership that was entered use its connection: at once, or after the user
// has stored its ticket. The lock is held.
func (c *Client) attach(m *Membership) {
	if c.options.StoreTicket == nil || m.leaving {
		m.onAttached()
	} else {
		m.link.unstored = append(m.link.unstored, m)
	}
}

// storeTickets lets the user store the tickets of the memberships that were entered on the
// connection. Until then nothing is sent for them: by their first frame the hub takes this
// client for the one that holds the membership, and an earlier ticket is worth nothing.
func (c *Client) storeTickets(l *link) {
	c.storing.Lock()
	defer c.storing.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(l.unstored) > 0 {
		m := l.unstored[0]
		l.unstored = l.unstored[1:]
		ticket := m.ticket()
		c.mu.Unlock()
		c.options.StoreTicket(ticket, m.role)
		c.mu.Lock()
		if c.memberships[m.channel] == m && !m.attached {
			m.onAttached()
		}
	}
	l.unstored = nil
	c.goOnMoving()
}

// start starts the goroutine that dials and reads, unless it is running. The lock is
// held.
func (c *Client) start() {
	if c.running || c.closed {
		return
	}
	c.running = true
	c.goroutines.Add(1)
	go c.run(0, 0)
}
