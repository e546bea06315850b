package lectern

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/hub"
	"github.com/lectern-go/lectern/transport"
	"github.com/lectern-go/lectern/transport/memory"
)

// Hub accepts connections, finds channels by their names, and checks the limits
// that concern more than one channel. All methods are safe for concurrent use. NewHub
// makes one: the zero Hub is of no use.
//
// A Hub is a transport.Server, and a transport.Acceptor: give it to an adapter, for
// instance to websocket.NewHandler or netconn.Serve. Within its own process, Create and Join
// make members over memory.
type Hub struct {
	hub *hub.Hub
	// maxMessageBytes is Policy.MaxMessageBytes, for the handles in this process.
	maxMessageBytes int
}

// NewHub returns a hub that enforces the policy. The error says which field
// makes no sense.
func NewHub(policy Policy) (*Hub, error) {
	config, err := policy.config().WithDefaults()
	if err != nil {
		return nil, err
	}
	h, err := hub.Open(config)
	return &Hub{hub: h, maxMessageBytes: config.MaxMessageBytes}, err
}

// MaxFrameBytes is the size in bytes of the largest frame that the hub's policy
// lets a peer send. Adapters whose options name no limit use it.
func (h *Hub) MaxFrameBytes() int { return h.hub.MaxFrameBytes() }

// ReadsContext reports whether the values of a connection's context matter: they are
// for Policy.Authorize to read.
func (h *Hub) ReadsContext() bool { return h.hub.ReadsContext() }

// SharesMessages is that of transport.MessageSharer: what a hub writes never changes, and is
// one slice for all of a channel's members that speak the same form.
func (h *Hub) SharesMessages() bool { return true }

// LogFault is for adapters: they tell what is wrong with the program around them, which
// Policy.Logger is told as an error.
func (h *Hub) LogFault(err error) { h.hub.LogFault(err) }

// Serve runs one accepted connection until it ends, and closes it. Adapters call
// it. When ctx is done, the connection is closed with shutdown. The error says
// why it ended; it is nil where the hub or the peer ended it in order.
func (h *Hub) Serve(ctx context.Context, conn transport.Conn) error {
	return public(h.hub.Serve(ctx, conn))
}

// Accept is Serve for adapters that know when a message is there: it is for them
// to read from conn, and to give the receiver what comes. See transport.Acceptor.
func (h *Hub) Accept(ctx context.Context, conn transport.Conn) (transport.Receiver, error) {
	receiver, err := h.hub.Accept(ctx, conn)
	return receiver, public(err)
}

// Dial connects to the hub from within its own process, over memory. It makes a
// Hub a transport.Dialer: NewClient(hub, ...) is a client of this hub.
func (h *Hub) Dial(ctx context.Context) (transport.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	near, far := memory.Pipe(memory.Options{MaxFrameBytes: max(h.MaxFrameBytes(), transport.DefaultMaxFrameBytes)})
	receiver, err := h.hub.TryAccept(context.WithoutCancel(ctx), far)
	if err != nil {
		if err = public(err); errors.Is(err, ErrShuttingDown) {
			// There is nothing to come back to.
			err = fmt.Errorf("%w: %w", err, net.ErrClosed)
		}
		return nil, err
	}
	far.Attend(receiver)
	return near, nil
}

// Create makes a channel from within the hub's process. The handle is the same
// as a client's; it has a connection of its own, over memory, which ends with
// it. Policy.Authorize is asked as for everybody, with the values of ctx.
func (h *Hub) Create(ctx context.Context, channel, username string, options ...CreateOption) (*Master, error) {
	c := h.localClient(ctx)
	master, err := c.Create(ctx, channel, username, options...)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	master.h.m.Own()
	return master, nil
}

// Join enters a channel as a slave from within the hub's process, as Create does
// for a master.
func (h *Hub) Join(ctx context.Context, channel, username string, options ...JoinOption) (*Slave, error) {
	c := h.localClient(ctx)
	slave, err := c.Join(ctx, channel, username, options...)
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	slave.h.m.Own()
	return slave, nil
}

// localClient is a client for one handle in this process.
func (h *Hub) localClient(ctx context.Context) *Client {
	// Policy.Authorize reads the values of the context that the handle is made with.
	return NewClient(memory.WithValues(ctx, h), ClientOptions{MaxMessageBytes: h.maxMessageBytes})
}

// Channel returns the channel of that name, and whether there is one.
func (h *Hub) Channel(name string) (*Channel, bool) {
	c, exists := h.hub.Channel(name)
	if c == (hub.Channel{}) {
		return nil, false
	}
	return handleOf(c), exists
}

// Channels yields the channels that there are at the moment of the call, in the
// order of their names. The loop may call any method, of the hub too.
func (h *Hub) Channels() iter.Seq[*Channel] {
	channels := h.hub.Channels()
	return func(yield func(*Channel) bool) {
		channels(func(c hub.Channel) bool { return yield(handleOf(c)) })
	}
}

// Ready reports whether the hub is of use to new connections, for a load balancer: it does not shut
// down, and where it is one of a cluster it reaches the engine. It becomes false within 2 s after that was lost.
func (h *Hub) Ready() bool { return h.hub.Ready() }

// Cluster is the cluster that a hub is one of, as it knows it (Policy.Cluster).
type Cluster struct{ hub *hub.Hub }

// Cluster returns the cluster that the hub is one of. Without a Policy.Cluster there is no other hub in it.
func (h *Hub) Cluster() Cluster { return Cluster{h.hub} }

// Hubs are those that this hub knows of, itself first. One that is not heard any more is known for a minute.
// Where the hub is alone there are none.
func (c Cluster) Hubs() []cluster.HubInfo { return c.hub.Hubs() }

// Channels are the names of the channels of all hubs that are heard, in their order. The error says that one of them has
// not answered, for 5 s or until ctx has ended. What there is of a channel, and what the service does
// to it, is the same at each hub (Hub.Channel).
func (c Cluster) Channels(ctx context.Context) ([]string, error) { return c.hub.ChannelNames(ctx) }

// Shutdown ends the hub in order. It takes on nothing new: connections, creates,
// joins, resumes and messages are refused with ErrShuttingDown. Every connection
// is told at once, and closed with shutdown once what was accepted for it has
// been sent. The closing is spread over three quarters of the time until ctx's
// deadline, at most 10 ms for each connection, so that not everybody comes back
// elsewhere in one instant; without a deadline it is not spread. Where there are other
// hubs (Policy.Cluster) it begins later, a second at most behind the last client that moves
// to one of them, so that nobody is away meanwhile. Nobody's time
// runs out meanwhile, not that of masters either: the end is shutdown for all.
// Shutdown returns when all of the hub's goroutines are gone.
//
// When ctx is done first, the connections are closed without regard to what
// waits, and the error is the context's. Later calls wait as the first does, and
// their contexts hurry it on in the same way.
//
// Members in this process end with ErrShutdown. Clients elsewhere cannot know
// whether another hub takes the place of this one: after a random part of the
// time over which the closing is spread they connect once more, and move there where
// there is one (see Client). When this hub has closed their connections they go on trying,
// for as long as a master may be away.
func (h *Hub) Shutdown(ctx context.Context) error { return h.hub.Shutdown(ctx) }

// Export writes down what the hub has, for a hub that takes its place: channels, members
// and all that is known of them, messages that are kept for them, and what was confirmed,
// answered and asked. It is for a hub that was shut down: while Shutdown runs, Export waits
// for it, and before, it is ErrNotShutDown. What the hub had accepted is in it, what came
// afterwards was refused with ErrShuttingDown. It needs memory for about 64 KiB of it at a
// time, and can be called again; another error is w's. Package hubfile writes to a file.
//
// What is written holds messages, and hashes of secrets, but no secret: keep it where nobody
// else reads it. It is for this release and for later ones.
func (h *Hub) Export(w io.Writer) error { return h.hub.Export(w) }

// Restore has a new hub go on from what another one has exported, before it serves anybody.
// All members are away at first, and come back with the tickets that they have: who was online
// when the other hub was shut down is away since then, and everybody's time goes on by the
// clock, so a channel whose master's time is up by now ends at once, in order. Where the clock
// is behind that of the other hub, as on another machine, no time has gone by.
//
// Nothing is restored unless all of it can be. What is over the bounds of this hub's Policy
// is an error that matches ErrOverPolicy and names the field: MaxChannels, MaxSlaves,
// MaxMessageBytes or Replay. A MasterTimeout that is longer than Policy.MasterTimeout becomes
// that. What the service has said of a channel (Identity.Channel) stays as it was. The error matches ErrBadState for what Export has not written, or not all of it, and
// ErrNotNew for a hub that has been used.
//
// Restore only what the last hub has left, and restore it once: members that have moved on
// since are refused with ErrHubLost. Members in the process of the other hub (Hub.Create,
// Hub.Join), whose handles have ended with ErrShutdown, are away too: a service that goes on
// with them takes their Events to the end, keeps their Tickets, and resumes them by a NewClient
// of this hub. What has arrived at a handle and was not taken comes again only as far as
// Policy.Replay has kept it. Package hubfile has an example.
func (h *Hub) Restore(r io.Reader) error { return h.hub.Restore(r) }

// Close ends the hub at once: like Shutdown, without waiting for what is still
// to be sent. It returns when the hub's goroutines are gone.
func (h *Hub) Close() error { return h.hub.Close() }
