package lectern

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/lectern-go/lectern/internal/outbox"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// ClientOptions sets up a Client. In each field zero means the default.
type ClientOptions struct {
	// MinBackoff and MaxBackoff bound the pause before the client dials again:
	// a random part of MinBackoff after the first loss, of twice as much each
	// time that it fails again, and of MaxBackoff at the most. Defaults 200 ms
	// and 5 s.
	MinBackoff time.Duration
	MaxBackoff time.Duration

	// DialTimeout bounds each attempt to connect. Default 10 s.
	DialTimeout time.Duration

	// WriteTimeout is how long one write may take before the connection is
	// given up and made anew. Default 10 s.
	WriteTimeout time.Duration

	// CloseTimeout bounds how long a handle's Close waits for the hub's
	// confirmation. Default 5 s.
	CloseTimeout time.Duration

	// MaxMessage is the size in bytes of the largest payload that is sent;
	// larger ones fail with ErrTooLarge before anything is sent. It should not
	// be above the hub's. Default 64 KiB.
	MaxMessage int

	// Inbox bounds what waits in each handle to be taken. When it is full, the
	// oldest is dropped and told as a Gap. Default 1,024 events, 4 MiB.
	Inbox Bound

	// Logger is told of connections made and lost. Nil: silent.
	Logger *slog.Logger
}

func (o ClientOptions) withDefaults() ClientOptions {
	o.MinBackoff = orDefault(o.MinBackoff, 200*time.Millisecond, 0)
	o.MaxBackoff = max(orDefault(o.MaxBackoff, 5*time.Second, 0), o.MinBackoff)
	o.DialTimeout = orDefault(o.DialTimeout, 10*time.Second, 10*time.Second)
	o.WriteTimeout = orDefault(o.WriteTimeout, defaultWriteTimeout, 0)
	o.CloseTimeout = orDefault(o.CloseTimeout, 5*time.Second, 0)
	o.MaxMessage = orDefault(o.MaxMessage, defaultMaxMessage, defaultMaxMessage)
	o.Inbox.Messages = orDefault(o.Inbox.Messages, 1024, 1)
	o.Inbox.Bytes = orDefault(o.Inbox.Bytes, 4<<20, 1)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

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
	options ClientOptions
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
	memberships map[string]*membership
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

// call is an operation without a membership. Unlike a member's request it does
// not survive its connection, since the hub could not recognise it again.
type call struct {
	frame   wire.Frame
	written bool
	enters  *membership
	result  chan callResult
}

type callResult struct {
	answer wire.Frame
	err    error
}

// Option adds to a create, join or switch. See WithToken, WithMaster and
// WithMasterTimeout.
type Option struct{ set func(*wire.Frame) }

// WithToken gives a token to the service's Policy.Authorize.
func WithToken(token string) Option {
	return Option{func(f *wire.Frame) { f.Token = token }}
}

// WithMaster makes a join expect that master: another one's channel is refused
// with ErrWrongMaster.
func WithMaster(username string) Option {
	return Option{func(f *wire.Frame) { f.Expect = username }}
}

// WithMasterTimeout makes a create ask for its own master timeout, in whole
// milliseconds. What is more than the hub's counts for nothing.
func WithMasterTimeout(timeout time.Duration) Option {
	return Option{func(f *wire.Frame) {
		f.MasterTimeout, f.HasMasterTimeout = milliseconds(timeout), true
	}}
}

// NewClient returns a client of the hub that the dialer leads to. It does not
// connect yet.
func NewClient(dialer transport.Dialer, options ClientOptions) *Client {
	c := &Client{
		dialer: dialer, options: options.withDefaults(), lastRef: takeoverRef,
		memberships: make(map[string]*membership), claimed: make(map[string]struct{}),
	}
	c.unwritten = outbox.Limits{
		Messages: maxUnwrittenMessages, Bytes: maxUnwrittenBytes, WriteTimeout: c.options.WriteTimeout,
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Create makes the channel, with the user as its master (rules 1 and 7). The
// error is the hub's refusal, or why it could not be reached. Where ctx ends
// first, the channel does not stay.
func (c *Client) Create(ctx context.Context, channel, username string, options ...Option) (*Master, error) {
	m := newMembership(c, wire.Master, channel)
	frame := wire.Frame{Type: wire.Create, Channel: channel, Username: username}
	if err := c.enterBy(ctx, frame, m, options); err != nil {
		return nil, err
	}
	return &Master{m}, nil
}

// Join enters a channel that its master has created before (rule 2), as a slave.
// The error is the hub's refusal, or why it could not be reached. Where ctx ends
// first, the membership does not stay.
func (c *Client) Join(ctx context.Context, channel, username string, options ...Option) (*Slave, error) {
	m := newMembership(c, wire.Slave, channel)
	frame := wire.Frame{Type: wire.Join, Channel: channel, Username: username}
	if err := c.enterBy(ctx, frame, m, options); err != nil {
		return nil, err
	}
	return &Slave{m}, nil
}

// ResumeMaster takes over the membership that the ticket is for, which must be a
// master's. Another connection that holds it is told replaced. Where ctx ends
// first, the membership lives on, away, and can be resumed.
func (c *Client) ResumeMaster(ctx context.Context, ticket Ticket) (*Master, error) {
	if !ticket.Master {
		return nil, errOtherRole
	}
	m := newMembership(c, wire.Master, ticket.Channel)
	if err := c.resumeBy(ctx, m, ticket); err != nil {
		return nil, err
	}
	return &Master{m}, nil
}

// ResumeSlave takes over the membership that the ticket is for, which must be a
// slave's. Another connection that holds it is told replaced. Where ctx ends
// first, the membership lives on, away, and can be resumed.
func (c *Client) ResumeSlave(ctx context.Context, ticket Ticket) (*Slave, error) {
	if ticket.Master {
		return nil, errOtherRole
	}
	m := newMembership(c, wire.Slave, ticket.Channel)
	if err := c.resumeBy(ctx, m, ticket); err != nil {
		return nil, err
	}
	return &Slave{m}, nil
}

func (c *Client) resumeBy(ctx context.Context, m *membership, ticket Ticket) error {
	m.last, m.inbox.taken = ticket.Last, ticket.Last
	frame := wire.Frame{
		Type: wire.Resume, Channel: ticket.Channel, Username: ticket.Username, Secret: ticket.Secret, Last: ticket.Last,
	}
	return c.enterBy(ctx, frame, m, nil)
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

// Status is what anybody may know of a channel.
type Status struct {
	// Exists tells whether there is such a channel at present.
	Exists bool
	// Master is the channel's master and its state, where the channel exists.
	Master Presence
}

// Status asks for a channel and its master, for which no membership is needed
// (rule 4).
func (c *Client) Status(ctx context.Context, channel string) (Status, error) {
	if !ValidName(channel) {
		return Status{}, ErrBadName
	}
	answer, err := c.call(ctx, wire.Frame{Type: wire.Status, Channel: channel}, nil)
	if err != nil || !answer.Exists {
		return Status{}, err
	}
	now := time.Now()
	master := Presence{Username: answer.Master.Username, State: stateFromWire(answer.Master.State), Since: now}
	if answer.HasTimeout {
		master.Deadline = now.Add(fromMilliseconds(answer.Timeout))
	}
	return Status{Exists: true, Master: master}, nil
}

// Close leaves every channel on purpose, closes the connection and returns when
// the client's goroutines are gone, after at most about WriteTimeout. Later
// calls only wait.
func (c *Client) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		for _, m := range c.memberships {
			m.end(ErrLeft)
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

// enterBy runs the call that makes the membership. The membership takes part as
// soon as the answer is read, so that nothing behind the answer is missed.
func (c *Client) enterBy(ctx context.Context, frame wire.Frame, m *membership, options []Option) error {
	for _, option := range options {
		option.set(&frame)
	}
	// The hub would say so too, but invalid UTF-8 would not even reach it.
	if !ValidName(frame.Channel) || !ValidName(frame.Username) {
		return ErrBadName
	}
	if err := c.claim(m.channel); err != nil {
		return err
	}
	defer c.unclaim(m.channel)
	_, err := c.call(ctx, frame, m)
	return err
}

// claim keeps two calls from entering the same channel at once: a client has one
// membership of a channel.
func (c *Client) claim(channel string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, claimed := c.claimed[channel]
	if claimed || c.memberships[channel] != nil {
		return ErrForbidden.with("this client is in the channel already")
	}
	c.claimed[channel] = struct{}{}
	return nil
}

func (c *Client) unclaim(channel string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.claimed, channel)
}

// call sends a frame once there is a connection, and waits for the answer.
func (c *Client) call(ctx context.Context, frame wire.Frame, enters *membership) (wire.Frame, error) {
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

// enter makes the membership one of the client's, as the answer tells.
func (c *Client) enter(m *membership, answer *wire.Frame) {
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

// Create makes a channel from within the hub's process. The handle is the same
// as a client's; it has a connection of its own, over memory, which ends with
// it. Policy.Authorize is asked as for everybody, with the values of ctx.
func (h *Hub) Create(ctx context.Context, channel, username string, options ...Option) (*Master, error) {
	c := NewClient(localDialer{h, ctx}, ClientOptions{MaxMessage: h.policy.MaxMessage})
	master, err := c.Create(ctx, channel, username, options...)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	master.m.owned = true
	return master, nil
}

// Join enters a channel as a slave from within the hub's process, as Create does
// for a master.
func (h *Hub) Join(ctx context.Context, channel, username string, options ...Option) (*Slave, error) {
	c := NewClient(localDialer{h, ctx}, ClientOptions{MaxMessage: h.policy.MaxMessage})
	slave, err := c.Join(ctx, channel, username, options...)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	slave.m.owned = true
	return slave, nil
}

// localDialer dials the hub with the values of the context that a handle was
// made with, for Policy.Authorize to read.
type localDialer struct {
	hub *Hub
	ctx context.Context
}

func (d localDialer) Dial(context.Context) (transport.Conn, error) {
	return d.hub.Dial(context.WithoutCancel(d.ctx))
}
