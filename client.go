package lectern

import (
	"context"
	"iter"
	"log/slog"
	"slices"
	"time"

	"github.com/lectern-go/lectern/internal/client"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// ClientOptions sets up a Client. In each field zero means the default. Where a time makes
// no sense, because it is between zero and a millisecond, or MaxBackoff is given and below
// MinBackoff, everything that is asked of the client fails with an error that says so.
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

	// CountSlaves: a master of this client is told how many slaves it has, by Counts events, at most
	// four a second, and of no slave that it has come or gone. So a channel of a hundred thousand costs it no more than
	// one of ten. Master.AllMembers tells who is there, where that matters, and what slaves send and set comes as ever.
	// Default: each change is told, and Master.Members is kept.
	CountSlaves bool

	// Token makes a token for the service's Policy.Authorize: a fresh one for each create,
	// join, resume and refresh for which none is given (WithToken, Ticket.Token). It is
	// called without a lock, in the goroutine of the call, or in the client's own before it
	// connects again; its context ends with the call, or after DialTimeout. Where it fails,
	// the call fails, and a lost connection is tried again later. It is not called because
	// a grant runs out (Identity.Expires): a program that wants to stay calls Slave.Refresh
	// or Master.Refresh in time. Nil: a token that was given is shown again at each resume.
	Token func(ctx context.Context, request TokenRequest) (string, error)

	// Tickets is called with the ticket of a membership each time it was entered or
	// resumed, and what it does is done before the hub takes this client for the holder of
	// the membership: from then on an older ticket is worth nothing. So a program that is
	// to come back after its end stores the ticket here. What is taken from the handle later is not in
	// this ticket (Ticket.Last), and comes again to who resumes with it, a request that was answered
	// too: a program that must not be given it twice stores the handle's Ticket each time that it has
	// taken something. It is called in the goroutine
	// that reads from the connection, one call at a time, and holds that up. It must not wait
	// for the client's answers. Nil: tickets are read from the handles.
	Tickets func(Ticket)

	// Logger is told of connections made (Debug), and of those that were lost or could not
	// be made (Info). Nil: silent.
	Logger *slog.Logger
}

// Client is one connection to a hub, and the memberships that it carries: any
// number of channels, as master of some and slave of others. It connects when it
// is first used, and when the connection is lost it connects again, with growing
// pauses and a random part in them, and resumes every membership. It is safe for
// concurrent use.
//
// When the hub tells that it shuts down, the client connects once more, after a random part of
// the time that the hub takes, and moves its memberships to the new connection while it still
// has the old one: its user is told only of what changes meanwhile. What the hub refuses then with ErrShuttingDown has not happened, and is done on the next connection:
// operations of a member wait for it in their order, and so do Create, Join, Status and resumes,
// until none can be reached, all have refused so for a minute, or their context ends. Members in the process of a hub that
// shuts down end with it. A client of several addresses, of which any will do, has a
// transport.DialAny.
//
// A Client without a membership keeps no connection for long, and no goroutine.
//
// Where the dialer is a transport.FirstDialer, as websocket.Dialer is, the first call
// on a new connection goes along with the dialling, unless it is a resume, or has a
// token and the dialer is no transport.FirstTokenDialer that lets it. Where such a call has
// had no answer for 5 seconds, it is asked again on another connection, and no call of this
// client goes along any more.
type Client struct {
	client  *client.Client
	options client.Options
}

// CreateOption adds to a create: WithToken, WithMasterTimeout, WithAttributes, WithDoor.
type CreateOption interface{ addToCreate(*wire.Frame) error }

// JoinOption adds to a join or a switch: WithToken, WithMaster, WithAttributes, WithWait, WithWaiting.
type JoinOption interface{ addToJoin(*client.Joining) error }

// TokenOption is what WithToken returns, for a create as well as for a join. It
// hides the token from what formats values for people.
type TokenOption struct{ add func(*wire.Frame) }

func (o TokenOption) addToJoin(j *client.Joining) error { return o.addToCreate(&j.Frame) }

func (o TokenOption) addToCreate(f *wire.Frame) error {
	if o.add != nil { // else it is the zero TokenOption, which is none
		o.add(f)
	}
	return nil
}

// TokenRequest tells ClientOptions.Token what a token is for.
type TokenRequest struct {
	// Operation is OpCreate, OpJoin, OpResume or OpRefresh.
	Operation Operation
	Channel   string
	Username  string
}

// WithToken gives a token to the service's Policy.Authorize. It is both a CreateOption
// and a JoinOption.
func WithToken(token string) TokenOption {
	return TokenOption{func(f *wire.Frame) { f.Token = token }}
}

type createOption func(*wire.Frame) error

func (o createOption) addToCreate(f *wire.Frame) error { return o(f) }

type joinOption func(*client.Joining)

func (o joinOption) addToJoin(j *client.Joining) error {
	o(j)
	return nil
}

// WithMaster makes a join expect that master: another one's channel is refused
// with ErrWrongMaster.
func WithMaster(username string) JoinOption {
	return joinOption(func(j *client.Joining) { j.Expect = username })
}

// WithMasterTimeout makes a create ask for its own master timeout, in whole
// milliseconds. One that is longer than Policy.MasterTimeout, or than what the service says of
// the channel (Identity.Channel), has no effect, nor has zero. A negative one, and one below a millisecond, is an error of Create.
func WithMasterTimeout(timeout time.Duration) CreateOption {
	return createOption(func(f *wire.Frame) error { return client.SetMasterTimeout(f, timeout) })
}

// WithDoor makes a create give the channel its door before anybody can be let in, see
// Master.SetDoor.
func WithDoor(door Door) CreateOption {
	return createOption(func(f *wire.Frame) error { return public(client.WithDoor(f, string(door))) })
}

// WithWait makes a join wait for a channel that does not exist yet, in the place of
// ErrNoSuchChannel, and then at its door as any other, for Policy.WaitTimeout in all. What Join says of
// a connection that is lost meanwhile is so here too.
func WithWait() JoinOption {
	return joinOption(func(j *client.Joining) { j.NeedEntering().Wait = true })
}

// WithWaiting has the function called when a join or a switch waits, and each time that what it waits for changes,
// in the goroutine of the call. Where several changes have come at once, it is called with the newest.
func WithWaiting(waiting func(Waiting)) JoinOption {
	return joinOption(func(j *client.Joining) {
		j.Waiting = func(w client.Waiting) { waiting(Waiting{WaitingFor(w.For.String()), presence(w.Master)}) }
	})
}

// NewClient returns a client of the hub that the dialer leads to. It does not
// connect yet.
func NewClient(dialer transport.Dialer, o ClientOptions) *Client {
	inner, wrong := client.Options{
		MinBackoff: o.MinBackoff, MaxBackoff: o.MaxBackoff, DialTimeout: o.DialTimeout, WriteTimeout: o.WriteTimeout,
		CloseTimeout: o.CloseTimeout, MaxMessageBytes: o.MaxMessageBytes, Inbox: client.QueueLimit(o.Inbox), Logger: o.Logger, CountSlaves: o.CountSlaves,
		PublicError: publicError, ErrSendUnknown: ErrSendUnknown,
	}.WithDefaults()
	inner.Wrong = wrong
	if o.Token != nil {
		inner.Token = func(ctx context.Context, operation wire.Type, channel, username string) (string, error) {
			return o.Token(ctx, TokenRequest{Operation: Operation(operation.String()), Channel: channel, Username: username})
		}
	}
	if o.Tickets != nil {
		inner.StoreTicket = func(frame wire.Frame, role wire.Role) { o.Tickets(ticketOf(frame, role == wire.Master)) }
	}
	if hubs := client.EndsOf[*Hub](dialer); hubs != nil {
		inner.HubIsOver = func() bool {
			return !slices.ContainsFunc(hubs, func(h *Hub) bool { return !h.hub.Closing() })
		}
	}
	return &Client{client: client.New(dialer, inner), options: inner}
}

// Create makes the channel, with the user as its master (rules 1 and 7). The username may be
// empty where Policy.Authorize gives the name. The
// error is the hub's refusal, or why it could not be reached. Where ctx ends
// first, the channel does not stay. Where this client is leaving a channel of that name, or
// undoes a call that was given up, Create waits for that. The values of ctx do not reach Policy.Authorize: the
// connection is for all that the client enters. In the hub's process Hub.Create passes
// them on, and memory.WithValues makes a dialer that does.
func (c *Client) Create(ctx context.Context, channel, username string, options ...CreateOption) (*Master, error) {
	frame := wire.Frame{Type: wire.Create, Channel: channel, Username: username}
	if err := client.AddAll(options, func(o CreateOption) error { return o.addToCreate(&frame) }); err != nil {
		return nil, err
	}
	return entered[Master](c.enter(ctx, wire.Master, client.Joining{Frame: frame}))
}

// Join enters a channel that its master has created before (rule 2), as a slave. The username
// may be empty, as for Create. The error is the hub's refusal, or why it could not be reached. Where ctx ends
// first, the membership does not stay. It waits for what is being undone, as Create does. The values of ctx do not reach Policy.Authorize, see
// Create.
//
// Where the master wants to be asked (DoorKnock), Join waits until it is in, or refused: with ErrDenied, with
// ErrLocked where the door is locked meanwhile, with ErrTooLate after Policy.WaitTimeout, or
// with the channel's end. When ctx ends, the knock is taken back. Where the connection is lost meanwhile, the
// client knocks anew on the next one, and stands at the end. WithWaiting tells that it waits. There is no Ticket
// of a wait: a program that is started again joins again.
//
// Who was told to wait goes on waiting while no hub can be reached. The client tries again, with the pauses of
// ClientOptions, until a hub answers, ctx ends or the client is closed. A ctx without end waits for ever then.
func (c *Client) Join(ctx context.Context, channel, username string, options ...JoinOption) (*Slave, error) {
	join := client.Joining{Frame: wire.Frame{Type: wire.Join, Channel: channel, Username: username}}
	if err := addToJoin(&join, options); err != nil {
		return nil, err
	}
	return entered[Slave](c.enter(ctx, wire.Slave, join))
}

// addToJoin adds the options of a join or a switch.
func addToJoin(join *client.Joining, options []JoinOption) error {
	return client.AddAll(options, func(o JoinOption) error { return o.addToJoin(join) })
}

// ResumeMaster takes over the membership that the ticket is for, which must be a
// master's. Another connection that holds it is told replaced. Where ctx ends
// first, the membership lives on, away, and can be resumed. The ticket is worth nothing any more
// where the error matches ErrResumeFailed, because the membership is over, ErrHubLost, ErrReplaced,
// because another client has used one since, or ErrUnauthorized, by the service's word: then Create
// anew, or give up.
func (c *Client) ResumeMaster(ctx context.Context, ticket Ticket) (*Master, error) {
	if !ticket.Master {
		return nil, publicError(client.ErrOtherRole)
	}
	return entered[Master](c.enter(ctx, wire.Master, client.Joining{Frame: ticket.resume()}))
}

// ResumeSlave takes over the membership that the ticket is for, which must be a
// slave's. Another connection that holds it is told replaced. Where ctx ends
// first, the membership lives on, away, and can be resumed. The ticket is worth nothing any more
// by the errors that ResumeMaster names: then Join anew, or give up.
func (c *Client) ResumeSlave(ctx context.Context, ticket Ticket) (*Slave, error) {
	if ticket.Master {
		return nil, publicError(client.ErrOtherRole)
	}
	return entered[Slave](c.enter(ctx, wire.Slave, client.Joining{Frame: ticket.resume()}))
}

// entered is the handle as that of a master or a slave, or the error.
func entered[H Master | Slave](h handle, err error) (*H, error) {
	if err != nil {
		return nil, err
	}
	return &H{h}, nil
}

// enter makes a membership and its handle.
func (c *Client) enter(ctx context.Context, role wire.Role, join client.Joining) (handle, error) {
	h := handle{client: c, inbox: c.inbox(join.Last)}
	var err error
	h.m, err = c.client.EnterWaiting(ctx, role, join, h.inbox)
	return h, err
}

// inbox is for the events of a new handle. last is the number of the last message
// that was taken before.
func (c *Client) inbox(last uint64) *client.Inbox[Event] {
	return client.NewInbox(c.options.Inbox, last, client.Constructors[Event]{
		Message:   func(m client.Message) Event { return message(m) },
		Presence:  func(p client.Presence) Event { return presence(p) },
		Attribute: func(a client.Attribute) Event { return Attribute{a.From, a.Key, payload(a.Value), a.Deleted, a.Seq} },
		Muted:     func(on bool) Event { return Muted{On: on} },
		Counts:    func(c client.Counts) Event { return Counts(c) },
		Knock:     func(k client.Knock) Event { return knock(k) },
		Promoted:  func(m *client.Membership) Event { return Promotion{&Master{c.handleOf(m)}} },
		Gap:       func(missed uint64) Event { return Gap{Missed: missed} },
	})
}

// handleOf is that of a membership which another one has become.
func (c *Client) handleOf(m *client.Membership) handle { return handle{c, m, client.InboxOf[Event](m)} }

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
	master, exists, err := c.client.Status(ctx, channel)
	return Status{Exists: exists, Master: presence(master)}, err
}

// Close leaves every channel, which closes those of which it is the master, and closes
// the connection. It returns when the client's goroutines are gone, after at most about
// WriteTimeout. Later calls only wait.
func (c *Client) Close() error { return c.client.Close() }

// Detach ends the client and keeps its memberships: each of them is away, as after a lost
// connection, until somebody resumes it with its ticket, or its time is over. It returns the
// tickets of all of them, in the order of their channels; no other client has a part in
// what this one was told, so a Ticket's Last is what was taken from the handle. What had arrived
// there behind it comes again as far as Policy.Replay has kept it, or is told as a Gap: who
// wants all of it takes the handle's Events to the end, and then its Ticket.
//
// Nothing new is begun from its call on. What has been sent already is answered, for as
// long as ctx lasts: then Detach returns the tickets together with ctx's error, and the error
// of an operation that was written and has no answer matches ErrSendUnknown. Creates, joins
// and switches that are under way fail, and are undone. The handles end with ErrDetached.
//
// It returns when the client's goroutines are gone, as Close does. After Close, or a second
// time, it returns no tickets and an error that matches net.ErrClosed.
func (c *Client) Detach(ctx context.Context) ([]Ticket, error) {
	detached, err := c.client.Detach(ctx)
	return client.All(detached, func(t client.Ticket) Ticket { return ticketOf(t.Resume, t.Role == wire.Master) }), err
}

// Ticket is what it takes to come back to a membership from another client, for
// instance after the program has been started again. Whoever has it can take the
// membership over, so keep it as you would a password. It hides its secret from
// everything that formats values for people; as JSON it is whole, to be kept. Its JSON is
// the same as that of the client in JavaScript, see "Tickets" in PROTOCOL.md.
type Ticket struct {
	Channel  string
	Username string
	Secret   string
	// Master tells that the ticket is a master's.
	Master bool
	// Epoch counts the connections of the membership up to the one for which the ticket
	// was made. A ticket is worth nothing once another client has used one.
	Epoch uint64
	// Last is the number of the last message that was taken from the handle.
	Last uint64
	// Token is for the service's Policy.Authorize at the resume, where ClientOptions.Token
	// makes none. It is no part of the membership: a handle's Ticket has none, nor has the
	// JSON.
	Token string
}

func (t Ticket) String() string { return "ticket for " + t.Username + " in " + t.Channel }

// GoString keeps the secret out of %#v as well.
func (t Ticket) GoString() string { return t.String() }

// LogValue keeps the secret out of structured logs.
func (t Ticket) LogValue() slog.Value { return slog.StringValue(t.String()) }

// resume is the frame by which the ticket is used.
func (t Ticket) resume() wire.Frame {
	return wire.Frame{Type: wire.Resume, Channel: t.Channel, Username: t.Username, Secret: t.Secret, Epoch: t.Epoch, Last: t.Last, Token: t.Token}
}

// ticketOf is the ticket whose use is the frame.
func ticketOf(resume wire.Frame, master bool) Ticket {
	return Ticket{
		Channel: resume.Channel, Username: resume.Username, Secret: resume.Secret, Master: master, Epoch: resume.Epoch, Last: resume.Last, Token: resume.Token,
	}
}

// MarshalJSON returns the ticket as JSON, with its secret and without its Token.
func (t Ticket) MarshalJSON() ([]byte, error) { return wire.MarshalTicket(t.resume(), t.Master) }

// UnmarshalJSON reads a ticket. It passes over fields that it does not know, and leaves the
// Token as it is. It takes what MarshalJSON wrote before there was one form for all clients,
// too. What is no ticket is an error that names the field, and leaves the ticket as it is.
func (t *Ticket) UnmarshalJSON(data []byte) error {
	frame, master, err := wire.UnmarshalTicket(data)
	if err == nil {
		frame.Token = t.Token
		*t = ticketOf(frame, master)
	}
	return err
}

// handle is what Master and Slave have in common: the membership, and what its
// user has not taken yet.
type handle struct {
	client *Client
	m      *client.Membership
	inbox  *client.Inbox[Event]
}

// send is Send, Broadcast and Reply.
func (h *handle) send(ctx context.Context, frame wire.Frame, payload Payload, options []SendOption) (Receipt, error) {
	frame, err := payload.in(frame, h.client.options.MaxMessageBytes, options)
	if err != nil {
		return Receipt{}, err
	}
	receipt, err := h.m.Send(ctx, frame)
	return Receipt(receipt), err
}

// ask sends a request to one member and waits for its answer.
func (h *handle) ask(ctx context.Context, frame wire.Frame, payload Payload, of string, options []SendOption) (Message, error) {
	frame, err := payload.in(frame, h.client.options.MaxMessageBytes, options)
	if err != nil {
		return Message{}, err
	}
	a := answer(h.m.Ask(ctx, frame, of))
	return a.Message, a.Err
}

// gather asks all slaves.
func (h *handle) gather(ctx context.Context, payload Payload, options []GatherOption) iter.Seq[Answer] {
	return func(yield func(Answer) bool) {
		var how client.Gathering
		frame, err := payload.in(wire.Frame{}, h.client.options.MaxMessageBytes, nil)
		if err == nil {
			err = client.AddAll(options, func(o GatherOption) error { return o.addToGather(&frame, &how) })
		}
		if err != nil {
			yield(Answer{Err: err})
			return
		}
		h.m.Gather(ctx, frame, how)(func(a client.Answer) bool { return yield(answer(a)) })
	}
}

// openRequests is OpenRequests of both handles.
func (h *handle) openRequests() []Message { return client.All(h.m.OpenRequests(), message) }

// set sets an attribute.
func (h *handle) set(ctx context.Context, key string, value Payload) error {
	return h.m.Set(ctx, key, value.onWire(), value.check(h.client.options.MaxMessageBytes))
}

func (h *handle) events(ctx context.Context) iter.Seq2[Event, error] {
	return client.Events(ctx, h.m, h.inbox)
}

func (h *handle) ticket(master bool) Ticket { return ticketOf(h.m.Ticket(), master) }
