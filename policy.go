package lectern

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/hub"
	"github.com/lectern-go/lectern/internal/wire"
)

// Policy is what a hub enforces. It is passed by value; the zero value is the
// documented default throughout. In each field zero means the default, and a
// negative value means "none" in the sense that the field states; where a bound
// must not be missing, a negative value is an error of NewHub. So is a time between
// zero and a millisecond: a unit was forgotten.
type Policy struct {
	// MasterTimeout is X of rule 3: how long a master may be away before its
	// channel is closed. Default 30 s. Negative: a lost master ends its channel
	// at once. A master may ask for less when it creates its channel, and Authorize may give
	// the channel another one (Identity.Channel).
	MasterTimeout time.Duration

	// SlaveTimeout is how long a slave whose connection is lost keeps its
	// place. Default 30 s. Negative: it leaves at once. More than MasterTimeout
	// makes little sense: the library's slaves give up by themselves after that
	// (rule 3), and their names would only stay taken.
	SlaveTimeout time.Duration

	// MaxSlaves bounds the slaves of one channel, those away included, and the
	// names that may be banned. Default 20,000. Negative: no bound. Authorize may give a
	// channel another one (Identity.Channel).
	MaxSlaves int

	// MaxChannels bounds the channels of the hub. Default 10,000. Negative: no
	// bound.
	MaxChannels int

	// MaxChannelsPerConnection bounds the memberships of one connection. Default 64.
	// Negative: no bound.
	MaxChannelsPerConnection int

	// MaxMessageBytes is the size of the largest payload, in bytes. Default 64 KiB.
	// It must not be negative.
	MaxMessageBytes int

	// MaxConnections bounds the connections of the hub, those without a
	// membership included. One more is closed with rate_limited. Default
	// 100,000. Negative: no bound.
	MaxConnections int

	// HandshakeTimeout is how long a connection may hold no membership before
	// it is closed with idle, and how long a client can repeat a create or join whose
	// answer it did not get. Default 10 s. Negative: for ever.
	HandshakeTimeout time.Duration

	// WaitTimeout is how long a join may wait, for its channel and at its door together, before
	// it is refused with too_late. Who waits is not idle. At most 256 wait at one door or for one channel, and
	// 10,000 at a hub; others are refused with busy. Default 10 min. Negative: for ever.
	WaitTimeout time.Duration

	// MaxHandshakeBytes is how much a connection may send before its first
	// membership; one that sends more is closed with too_large. It must leave
	// room for the names and the token of a join. Default 16 KiB. Negative: no
	// bound but HandshakeTimeout, FrameRate and MaxMessageBytes.
	MaxHandshakeBytes int

	// FrameRate bounds the frames that a connection sends. Those over it are refused
	// with rate_limited, and who goes on regardless, for another burst, is
	// closed with rate_limited. Default 1,000 a second, 2,000 at once. Negative:
	// no bound.
	FrameRate RateLimit

	// SlaveMessageRate bounds in the same way the messages that a connection sends as
	// a slave, to all its masters together, so that no slave can take up a
	// master's queue alone. Default 100 a second, 200 at once. Negative: no
	// bound but FrameRate.
	SlaveMessageRate RateLimit

	// MembershipRate bounds in the same way how often a connection creates, joins,
	// switches, resumes and leaves, so that nobody can keep a master busy with the
	// coming and going of one slave. A leave over it is carried out all the same.
	// Default 20 a second, and at once 128 or twice MaxChannelsPerConnection where
	// that is more, so that a client can enter all its channels and leave them.
	// Negative: no bound but FrameRate.
	MembershipRate RateLimit

	// Outbox bounds what waits to be written on one connection. Slow says what
	// happens to a slave's over it; a master's slaves are refused with busy
	// before its own is full. Default 256 messages, 1 MiB. It must not be
	// negative.
	Outbox QueueLimit

	// Slow is what happens where a slave does not take its messages in time.
	// Default SlowDisconnect.
	Slow Slow

	// HoldTimeout bounds, for SlowHold, how long a sender is held back for one
	// message. Default 1 s. It must be well below the time after which the
	// transports give up a silent peer, since the held connection is not read
	// meanwhile, and it must not be negative.
	HoldTimeout time.Duration

	// WriteTimeout is how long one write to a connection, of all that waits for it at
	// that moment, may take before the connection is closed with slow. Each 1,000 bytes
	// that the peer takes put that off by a second, but never to more than WriteTimeout
	// from then: a peer that takes at least 1,000 bytes a second is not closed, however
	// much there is, and one that stops is, WriteTimeout later. It is looked after eight
	// times in WriteTimeout. Where the connection is closing already, nothing puts it
	// off. Default 10 s. Negative: for ever.
	//
	// How finely it is known what a peer takes depends on the transport, see
	// transport.WriteMeter: on Linux over TCP, with and without TLS, it is what the
	// peer's system has acknowledged. Where a transport does not tell, each message has
	// WriteTimeout.
	WriteTimeout time.Duration

	// Replay bounds the messages that a channel keeps in each direction for
	// members that come back. Default 256 messages, 1 MiB. Negative: none are
	// kept. What slaves have sent and their connected master has not confirmed may
	// be as much more as Outbox allows.
	Replay QueueLimit

	// Authorize decides who may create and join (rule 1), and under which name.
	// Nil accepts everyone under the name given. It is asked too where a member shows a
	// new token (OpRefresh), and for what Reauthorize has.
	//
	// It is called without any lock held, in the goroutine of the connection
	// that asks: it may take its time and holds up that connection alone. The
	// context carries what the adapter knows of its peer, and ends after
	// HandshakeTimeout or when the hub shuts down; that the peer has gone is not
	// noticed meanwhile. An *Error that it returns is told to the peer as it is,
	// with a text of the service's own by Error.WithText; one whose code is the end of
	// a membership, such as ErrKicked, is told as unauthorized, and ErrShuttingDown, where it is
	// another hub that stops, as busy. Of any other error the
	// peer learns only unauthorized. At OpResume, OpRefresh, OpMaster and OpStatus an error that is no
	// *Error, a panic, and an *Error that passes, such as ErrBusy, are told as busy: the
	// client tries again.
	//
	// Over WebSocket the context has the values that routers and middleware have put
	// into the request's, until the connection's first membership stands. After that
	// they are gone, because routers use them again for other requests. So what later
	// creates and joins on the connection need too must not be looked up in them, but
	// in websocket.RequestFromContext, which has the path, its values and the header
	// for good, or kept in Identity.Data. The first call can be such a later one: a
	// membership that is resumed is asked for only where Reauthorize says so. The context
	// is not for use after the call.
	Authorize func(ctx context.Context, request AuthRequest) (Identity, error)

	// Reauthorize has the operations beside OpCreate, OpJoin, OpMaster and OpRefresh for which
	// Authorize is asked: OpResume, OpStatus. At a resume the secret is checked before.
	// A refusal of the client that holds the membership ends it, with ErrRevoked; where it
	// is a master's, the channel ends for its slaves with ErrMasterDown. Anybody else is
	// refused, and the membership goes on. A status that is refused does not tell
	// whether there is such a channel. Default: none, so a secret is enough for as long
	// as the membership lasts, and anybody may ask for a channel.
	Reauthorize []Operation

	// AuthorizeMessage decides whether a member may send a message: a send, a request, an
	// answer, or the change of an attribute. Nil: all may be sent, and nothing is paid.
	//
	// It is called before the message is numbered, in the goroutine of the sender's connection,
	// without any lock held: it may take its time, and may call any method of the hub but those
	// that end it. It holds up what comes behind on that connection, for which it must not wait,
	// and nobody else. It is not
	// asked about what is refused anyway, and not again about a message that is sent again because
	// the answer was lost, which is answered as before; where the connection was lost while it
	// was asked, it can be asked twice, and one of the two counts.
	//
	// An error refuses the message, and the sender alone is told: an *Error as Authorize's is,
	// any other one as unauthorized. Where it has not said by the end of its context, which is
	// as Authorize's, or has panicked, the sender is told busy. Who was asked and whose answer is
	// refused can answer again.
	AuthorizeMessage func(ctx context.Context, from Sender, message OutgoingMessage) error

	// Name makes the name that is used of a name that a peer asks for, or refuses it: to
	// normalise names that look alike to one, or to allow fewer. It is asked for the channel
	// and the username of a create and a join, the master that a join expects, the channel
	// of a status, and whom a Kick or Ban is for where no slave has the name as it is. The
	// name that it gets is valid (ValidName), what it returns has to be too, and has to stay
	// as it is when it is asked for again. Authorize is asked under the name that it has
	// returned; the name that Authorize gives is used as it is. Names are compared byte by
	// byte, here too. Who is a member already is not asked for: a name that was taken once
	// can be resumed, sent to and kicked.
	//
	// It is called without any lock held, in the goroutine of the connection that asks, and
	// has to be fast. An *Error that it returns is told to the peer, as one of Authorize is;
	// of any other error, or a panic, the peer learns bad_name and which name it was.
	// Nil: names are used as they are. The module examples/names has some.
	Name func(kind NameKind, name string) (string, error)

	// Logger is told of channels and memberships at level info, of each kind at
	// most 1,000 lines a second, and of what is refused, dropped and lost at level
	// warn, of each kind at most ten, and of faults of the program around at level error; never of single
	// messages that go well, and never of tokens or secrets. What is about one connection has its number
	// as "connection" and, where the transport knows it, its peer's "address"; who has left
	// has a "reason" (left, kicked, banned, timeout); a refusal by Authorize has the error that
	// it returned, which peers are not told. It is called on the way of what the hub delivers and must not
	// wait for it, as a Send by a member of the hub would. What it panics with
	// is dropped. Nil: silent.
	Logger *slog.Logger

	// Observer is told counts and durations. What it panics with is logged. Nil:
	// nobody is told.
	Observer Observer

	// Cluster is the engine by which this hub and others have their channels together: see "Several
	// hubs" in the package's documentation. All hubs of a cluster have to have the same Policy. MaxMessageBytes
	// can be 128 KiB at most then, and MasterTimeout half of the time for which the engine keeps what it
	// has. The engine stays the caller's, who closes it after the hub has ended. Nil: the hub is alone.
	Cluster cluster.Engine

	// Topics are those by which MetricMessagesByTopic counts messages (WithTopic): a fixed set,
	// so that no peer can add to it. Any other topic is counted as "other", which cannot be
	// among them, and is passed on all the same.
	Topics []string
}

// Slow is what happens where a slave's connection does not take its messages as
// fast as its master sends them, so that its outbox is full. Whatever it is, no
// other slave waits for the slow one but with SlowHold.
type Slow uint8

const (
	// SlowDisconnect closes the connection with slow. The slave can come back
	// and gets what it missed, as far as Replay keeps it.
	SlowDisconnect Slow = iota
	// SlowDropOldest drops the oldest messages that wait for the slave. It gets
	// a gap in their place.
	SlowDropOldest
	// SlowDropNewest drops the messages that find no room. The slave gets a gap
	// in their place.
	SlowDropNewest
	// SlowHold holds the master back, for at most HoldTimeout, until every slave's
	// outbox has room again; those that still have none are then disconnected.
	// Slaves are held back in the same way where their master is the slow one,
	// before they are refused with busy.
	SlowHold
)

// QueueLimit limits a queue by messages and by bytes of payload and framing,
// whichever is reached first. A single message is always let in, except where Replay is
// negative.
type QueueLimit struct {
	Messages int
	Bytes    int
}

// QueueSize is how much is in a queue, in messages and in bytes of payload and
// framing.
type QueueSize struct {
	Messages int
	Bytes    int
}

// Operation is what a peer asks permission for.
type Operation string

const (
	// OpCreate makes a channel, with the asking user as its master.
	OpCreate Operation = "create"
	// OpJoin enters a channel as a slave.
	OpJoin Operation = "join"
	// OpResume brings a member back, who has shown its resume secret: also a master that stays behind its
	// hand-over and repeats that on another connection. It is asked for where Policy.Reauthorize has it, and of
	// a master whose Identity has expired.
	OpResume Operation = "resume"
	// OpRefresh shows a new token of a member. Username is the member's.
	OpRefresh Operation = "refresh"
	// OpMaster makes a slave, Username, the master of its channel (Master.HandOver,
	// Channel.SetMaster). The context has the values of the slave's connection, and the Identity
	// is the slave's from then on.
	OpMaster Operation = "master"
	// OpStatus asks whether there is such a channel and how its master is, without being a
	// member. It is asked for where Policy.Reauthorize has it; Username is empty.
	OpStatus Operation = "status"
)

// NameKind tells what a name is of.
type NameKind string

const (
	// NameOfChannel is the name of a channel.
	NameOfChannel NameKind = "channel"
	// NameOfUser is a username, of a master or a slave.
	NameOfUser NameKind = "username"
)

// AuthRequest is what Policy.Authorize is asked. The names are valid names, after
// Policy.Name. Username is empty where the peer leaves it to the service.
type AuthRequest struct {
	Operation Operation
	Channel   string
	Username  string
	// Token is what the peer gave as its token, or empty.
	Token string
	// Data is Identity.Data of an earlier answer: at OpResume, OpRefresh and OpMaster what the member
	// was given last, otherwise what was given last on this connection. It must not be
	// changed.
	Data []byte
}

func (r AuthRequest) String() string {
	return fmt.Sprintf("%s of channel %q as %q", r.Operation, r.Channel, r.Username)
}

// GoString and LogValue keep the token out of %#v and of logs, as String does
// out of everything else that formats values.
func (r AuthRequest) GoString() string { return r.String() }

// LogValue makes an AuthRequest a slog.LogValuer.
func (r AuthRequest) LogValue() slog.Value { return slog.StringValue(r.String()) }

// Identity is who a peer is, in the judgement of Policy.Authorize.
type Identity struct {
	// Username is the name that the others see. At OpResume, OpRefresh and OpMaster it has to be the
	// member's own; another one is a refusal. At OpStatus it is not used.
	Username string
	// AsAsked says that the name which was asked for is right. Where there is none, the
	// peer is refused with bad_name. An Identity with neither a Username nor AsAsked is a
	// refusal: it is what an Authorize returns that was not finished.
	AsAsked bool
	// Expires is until when the user may be a member. At that instant a slave's membership
	// ends with ErrExpired, and what waits for it is dropped. A master loses its connection
	// and is away: it can come back with a fresh token until MasterTimeout is over. A
	// refresh moves the instant. The zero time: never. One that is over is a refusal.
	Expires time.Time
	// TakeOver gives the user the membership of that name in the channel, in its role,
	// from whoever has it: the former connection ends with ErrReplaced, and its resume
	// secret is worth nothing. The user gets what the channel keeps of what was sent since
	// the member has entered, and with it requests that were answered already: an answer to one of
	// those fails with ErrNoSuchRequest. The attributes with which the user enters (WithAttributes) are the
	// member's then, beside those that it had. Where nobody has the name, it is as if it were not set. It
	// is for a service that knows its users, so that one whose device is lost gets their
	// place back. It is used at OpCreate and OpJoin. A Join of one who is the master by now fails with
	// ErrForbidden, and its Create has the seat; so it is the other way round.
	TakeOver bool
	// Data is the service's own, kept with the membership: later requests and snapshots
	// have it, as events of the hub do. A hub has it in memory once for each member.
	Data []byte
	// Attributes are attributes of the member that it cannot change itself, such as a role or a
	// picture: to enter with one of the same key (WithAttributes), or to set it, is ErrForbidden. They are
	// set as the member enters, and each time that Authorize is asked again they become those that it returns
	// then, in place of what the member has set under these keys meanwhile. They count in
	// the bounds of Master.SetAttribute and Slave.SetAttribute. It is a refusal where a key is
	// not one, or a value is over MaxMessageBytes.
	Attributes map[string]Payload
	// Channel is for the channel that an OpCreate makes. It is the service's word, so it may
	// be more than the Policy allows others.
	Channel ChannelLimits
}

// ChannelLimits are bounds of one channel, in the place of those of the Policy. They stay with it
// for as long as it lives, also on another hub (Hub.Restore), whatever the Policy there says. In
// each field zero means the Policy's, and a negative value means what it means there.
type ChannelLimits struct {
	// MasterTimeout is X of rule 3. A master may ask for less. One between zero and a
	// millisecond refuses the create with ErrUnauthorized, and is logged.
	MasterTimeout time.Duration
	// MaxSlaves bounds the slaves of the channel, and the names that may be banned.
	MaxSlaves int
}

// RateLimit bounds what comes in: PerSecond in the long run, and Burst at once. In
// each field zero means the default; a PerSecond that is given alone has a Burst
// of twice as much. A negative PerSecond means no bound.
type RateLimit struct {
	PerSecond int
	Burst     int
}

// config is the policy in the hub's own terms, without its defaults.
func (p Policy) config() hub.Config {
	config := hub.Config{
		MasterTimeout: p.MasterTimeout, SlaveTimeout: p.SlaveTimeout,
		MaxSlaves: p.MaxSlaves, MaxChannels: p.MaxChannels, MaxChannelsPerConnection: p.MaxChannelsPerConnection,
		MaxMessageBytes: p.MaxMessageBytes, MaxConnections: p.MaxConnections,
		HandshakeTimeout: p.HandshakeTimeout, MaxHandshakeBytes: p.MaxHandshakeBytes,
		WaitTimeout: p.WaitTimeout, FrameRate: hub.RateLimit(p.FrameRate), SlaveMessageRate: hub.RateLimit(p.SlaveMessageRate),
		MembershipRate: hub.RateLimit(p.MembershipRate),
		Outbox:         hub.QueueLimit(p.Outbox), Slow: hub.Slow(p.Slow), HoldTimeout: p.HoldTimeout, WriteTimeout: p.WriteTimeout,
		Replay: hub.QueueLimit(p.Replay), Logger: p.Logger, Topics: p.Topics, Cluster: p.Cluster, PublicError: publicError, CauseIn: causeIn,
	}
	if p.Authorize != nil {
		config.Authorize = p.authorize
	}
	if p.AuthorizeMessage != nil {
		config.AuthorizeMessage = func(ctx context.Context, from hub.Sender, m hub.OutgoingMessage) error {
			return p.AuthorizeMessage(ctx, Sender(from), OutgoingMessage{payload(m.Payload), m.To, m.Topic, m.Expires, m.Request, m.ReplyTo, declined(m.Payload), m.Key, m.Deleted})
		}
	}
	for _, op := range p.Reauthorize {
		config.Reauthorize = append(config.Reauthorize, hub.Operation(op))
	}
	if p.Name != nil {
		config.Name = func(kind hub.NameKind, name string) (string, error) { return p.Name(NameKind(kind), name) }
	}
	if p.Observer != nil {
		config.Observer = observer{p.Observer}
	}
	return config
}

// authorize asks Authorize.
func (p Policy) authorize(ctx context.Context, request hub.AuthRequest) (hub.Identity, error) {
	identity, err := p.Authorize(ctx, AuthRequest{
		Operation: Operation(request.Operation), Channel: request.Channel, Username: request.Username, Token: request.Token, Data: request.Data,
	})
	attributes, wrong := wire.AttributesFrom(identity.Attributes, checked)
	return hub.Identity{
		Username: identity.Username, AsAsked: identity.AsAsked, Expires: identity.Expires, TakeOver: identity.TakeOver, Data: identity.Data, Channel: hub.ChannelLimits(identity.Channel), Attributes: attributes,
	}, cmp.Or(err, wrong)
}
