package lectern

import (
	"context"
	"iter"
	"log/slog"
	"strings"
	"time"

	"github.com/lectern-go/lectern/internal/client"
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
	// given up and made anew. What the hub takes puts that off, by the rule of
	// Policy.WriteTimeout. Default 10 s.
	WriteTimeout time.Duration

	// CloseTimeout bounds how long Master.Close and Slave.Leave wait for the hub's
	// confirmation. Default 5 s.
	CloseTimeout time.Duration

	// MaxMessageBytes is the size in bytes of the largest payload that is sent;
	// larger ones fail with ErrTooLarge before anything is sent. It should not
	// be above the hub's. Default 64 KiB.
	MaxMessageBytes int

	// Inbox bounds what waits in each handle to be taken. When it is full, the
	// oldest is dropped and told as a Gap. Default 1,024 events, 4 MiB.
	Inbox QueueLimit

	// Logger is told of connections made and lost. Nil: silent.
	Logger *slog.Logger
}

func (o ClientOptions) withDefaults() ClientOptions {
	o.MinBackoff = orDefault(o.MinBackoff, 200*time.Millisecond, 0)
	o.MaxBackoff = max(orDefault(o.MaxBackoff, 5*time.Second, 0), o.MinBackoff)
	o.DialTimeout = orDefault(o.DialTimeout, 10*time.Second, 10*time.Second)
	o.WriteTimeout = orDefault(o.WriteTimeout, defaultWriteTimeout, 0)
	o.CloseTimeout = orDefault(o.CloseTimeout, 5*time.Second, 0)
	o.MaxMessageBytes = orDefault(o.MaxMessageBytes, defaultMaxMessageBytes, defaultMaxMessageBytes)
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
	client  *client.Client
	options ClientOptions
}

// CreateOption adds to a create: WithToken, WithMasterTimeout.
type CreateOption interface{ addToCreate(*wire.Frame) }

// JoinOption adds to a join or a switch: WithToken, WithMaster.
type JoinOption interface{ addToJoin(*wire.Frame) }

// TokenOption is what WithToken returns, for a create as well as for a join. It
// hides the token from what formats values for people.
type TokenOption struct{ add func(*wire.Frame) }

func (o TokenOption) addToCreate(f *wire.Frame) { o.add(f) }
func (o TokenOption) addToJoin(f *wire.Frame)   { o.add(f) }

// WithToken gives a token to the service's Policy.Authorize. It is both a CreateOption
// and a JoinOption.
func WithToken(token string) TokenOption {
	return TokenOption{func(f *wire.Frame) { f.Token = token }}
}

type createOption func(*wire.Frame)

func (o createOption) addToCreate(f *wire.Frame) { o(f) }

type joinOption func(*wire.Frame)

func (o joinOption) addToJoin(f *wire.Frame) { o(f) }

// WithMaster makes a join expect that master: another one's channel is refused
// with ErrWrongMaster.
func WithMaster(username string) JoinOption {
	return joinOption(func(f *wire.Frame) { f.Expect = username })
}

// WithMasterTimeout makes a create ask for its own master timeout, in whole
// milliseconds. One that is longer than Policy.MasterTimeout has no effect, nor has
// zero.
func WithMasterTimeout(timeout time.Duration) CreateOption {
	return createOption(func(f *wire.Frame) {
		f.MasterTimeout, f.HasMasterTimeout = wire.Milliseconds(timeout), true
	})
}

// NewClient returns a client of the hub that the dialer leads to. It does not
// connect yet.
func NewClient(dialer transport.Dialer, options ClientOptions) *Client {
	o := options.withDefaults()
	inner := client.Options{
		MinBackoff: o.MinBackoff, MaxBackoff: o.MaxBackoff, DialTimeout: o.DialTimeout, WriteTimeout: o.WriteTimeout,
		CloseTimeout: o.CloseTimeout, Inbox: client.QueueLimit(o.Inbox), Logger: o.Logger,
		PublicError: publicError, ErrSendUnknown: ErrSendUnknown,
	}
	switch dialer := dialer.(type) {
	case *Hub:
		inner.HubIsOver = dialer.hub.Closing
	case localDialer:
		inner.HubIsOver = dialer.hub.hub.Closing
	}
	return &Client{client: client.New(dialer, inner), options: o}
}

// Create makes the channel, with the user as its master (rules 1 and 7). The
// error is the hub's refusal, or why it could not be reached. Where ctx ends
// first, the channel does not stay.
func (c *Client) Create(ctx context.Context, channel, username string, options ...CreateOption) (*Master, error) {
	frame := wire.Frame{Type: wire.Create, Channel: channel, Username: username}
	for _, option := range options {
		option.addToCreate(&frame)
	}
	h, err := c.enter(ctx, wire.Master, frame)
	if err != nil {
		return nil, err
	}
	return &Master{h}, nil
}

// Join enters a channel that its master has created before (rule 2), as a slave.
// The error is the hub's refusal, or why it could not be reached. Where ctx ends
// first, the membership does not stay.
func (c *Client) Join(ctx context.Context, channel, username string, options ...JoinOption) (*Slave, error) {
	frame := wire.Frame{Type: wire.Join, Channel: channel, Username: username}
	for _, option := range options {
		option.addToJoin(&frame)
	}
	h, err := c.enter(ctx, wire.Slave, frame)
	if err != nil {
		return nil, err
	}
	return &Slave{h}, nil
}

// ResumeMaster takes over the membership that the ticket is for, which must be a
// master's. Another connection that holds it is told replaced. Where ctx ends
// first, the membership lives on, away, and can be resumed.
func (c *Client) ResumeMaster(ctx context.Context, ticket Ticket) (*Master, error) {
	if !ticket.Master {
		return nil, publicError(client.ErrOtherRole)
	}
	h, err := c.enter(ctx, wire.Master, ticket.resume())
	if err != nil {
		return nil, err
	}
	return &Master{h}, nil
}

// ResumeSlave takes over the membership that the ticket is for, which must be a
// slave's. Another connection that holds it is told replaced. Where ctx ends
// first, the membership lives on, away, and can be resumed.
func (c *Client) ResumeSlave(ctx context.Context, ticket Ticket) (*Slave, error) {
	if ticket.Master {
		return nil, publicError(client.ErrOtherRole)
	}
	h, err := c.enter(ctx, wire.Slave, ticket.resume())
	if err != nil {
		return nil, err
	}
	return &Slave{h}, nil
}

// enter makes a membership and its handle.
func (c *Client) enter(ctx context.Context, role wire.Role, frame wire.Frame) (handle, error) {
	h := handle{client: c, inbox: c.inbox(frame.Last)}
	var err error
	h.m, err = c.client.Enter(ctx, role, frame, h.inbox)
	return h, err
}

// inbox is for the events of a new handle. last is the number of the last message
// that was taken before.
func (c *Client) inbox(last uint64) *client.Inbox[Event] {
	return client.NewInbox(client.QueueLimit(c.options.Inbox), last, client.Constructors[Event]{
		Message:  func(m client.Message) Event { return message(m) },
		Presence: func(p client.Presence) Event { return presence(p) },
		Gap:      func(missed uint64) Event { return Gap{Missed: missed} },
	})
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
	answer, err := c.client.Status(ctx, channel)
	if err != nil || !answer.Exists {
		return Status{}, err
	}
	now := time.Now()
	master := Presence{Username: answer.Master.Username, State: states[answer.Master.State], Since: now}
	if answer.HasTimeout {
		master.Deadline = now.Add(wire.FromMilliseconds(answer.Timeout))
	}
	return Status{Exists: true, Master: master}, nil
}

// Close leaves every channel, which closes those of which it is the master, and closes
// the connection. It returns when the client's goroutines are gone, after at most about
// WriteTimeout. Later calls only wait.
func (c *Client) Close() error { return c.client.Close() }

// Ticket is what it takes to come back to a membership from another client, for
// instance after the program has been started again. Whoever has it can take the
// membership over, so keep it as you would a password. It hides its secret from
// everything that formats values for people; as JSON it is whole, to be kept.
type Ticket struct {
	Channel  string
	Username string
	Secret   string
	// Master tells that the ticket is a master's.
	Master bool
	// Last is the number of the last message that was taken from the handle.
	Last uint64
}

func (t Ticket) String() string {
	return strings.Join([]string{"ticket for", t.Username, "in", t.Channel}, " ")
}

// GoString keeps the secret out of %#v as well.
func (t Ticket) GoString() string { return t.String() }

// LogValue keeps the secret out of structured logs.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(t.String()) }

// resume is the frame by which the ticket is used.
func (t Ticket) resume() wire.Frame {
	return wire.Frame{Type: wire.Resume, Channel: t.Channel, Username: t.Username, Secret: t.Secret, Last: t.Last}
}

// handle is what Master and Slave have in common: the membership, and what its
// user has not taken yet.
type handle struct {
	client *Client
	m      *client.Membership
	inbox  *client.Inbox[Event]
}

// send is Send, Broadcast and Reply.
func (h *handle) send(ctx context.Context, frame wire.Frame, payload Payload) (uint64, error) {
	if err := payload.check(h.client.options.MaxMessageBytes); err != nil {
		return 0, err
	}
	frame.Payload = payload.onWire()
	return h.m.Send(ctx, frame)
}

// ask sends a request to one member and waits for its answer.
func (h *handle) ask(ctx context.Context, frame wire.Frame, payload Payload, of string) (Message, error) {
	if err := payload.check(h.client.options.MaxMessageBytes); err != nil {
		return Message{}, err
	}
	frame.Payload = payload.onWire()
	a := answer(h.m.Ask(ctx, frame, of))
	return a.Message, a.Err
}

// gather asks all slaves.
func (h *handle) gather(ctx context.Context, payload Payload) iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		if err := payload.check(h.client.options.MaxMessageBytes); err != nil {
			yield(Answer{Err: err})
			return
		}
		for a := range h.m.Gather(ctx, payload.onWire()) {
			if !yield(answer(a)) {
				return
			}
		}
	}
}

// next waits for the next event. The error is the context's, or why the membership
// is over.
func (h *handle) next(ctx context.Context) (Event, error) {
	event, ok, err := h.inbox.Take(ctx, h.m.Done())
	if err == nil && !ok {
		err = h.m.Err()
	}
	return event, err
}

// events yields what arrives until the membership is over.
func (h *handle) events(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			event, err := h.next(ctx)
			if !yield(event, err) || err != nil {
				return
			}
		}
	}
}

func (h *handle) ticket(master bool) Ticket {
	resume := h.m.Ticket()
	return Ticket{Channel: resume.Channel, Username: resume.Username, Secret: resume.Secret, Master: master, Last: h.inbox.Last()}
}
