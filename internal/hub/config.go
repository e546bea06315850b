package hub

import (
	"context"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// Config is what a hub enforces. No field has a default, unless its comment says so.
// The fields mean what the fields of the same names in the public Policy mean.
type Config struct {
	MasterTimeout time.Duration // zero: the channel ends at once
	SlaveTimeout  time.Duration // zero: the membership ends at once

	MaxSlaves                int
	MaxChannels              int
	MaxChannelsPerConnection int
	MaxMessageBytes          int
	MaxConnections           int

	HandshakeTimeout  time.Duration // zero: there is no limit
	WaitTimeout       time.Duration // zero: there is no limit
	MaxHandshakeBytes int
	FrameRate         RateLimit
	SlaveMessageRate  RateLimit
	MembershipRate    RateLimit

	Outbox       QueueLimit
	Slow         Slow
	HoldTimeout  time.Duration
	WriteTimeout time.Duration // zero: there is no limit
	Replay       QueueLimit

	// Authorize decides whether a peer may create or join, and under which name, and
	// whether a member may come back. Where CauseIn finds a cause in the error, the peer is told
	// it. For any other error the peer is only told unauthorized, or busy where it is a
	// member. Nil: everybody may.
	Authorize func(ctx context.Context, request AuthRequest) (Identity, error)
	// Reauthorize are the operations beside OpCreate, OpJoin and OpRefresh for which
	// Authorize is asked.
	Reauthorize []Operation
	// AuthorizeMessage decides whether a member may send a message. Its error is told as one of
	// Authorize. Nil: everybody may.
	AuthorizeMessage func(ctx context.Context, from Sender, message OutgoingMessage) error
	// Cluster is the engine by which the hub is one of several that have their channels together, or
	// nil.
	Cluster cluster.Engine
	// Name returns the name that is used for one that a peer asks for, or an error, as
	// Authorize does. Nil: names are used as they are.
	Name func(kind NameKind, name string) (string, error)
	// Logger may be nil: nothing is logged.
	Logger *slog.Logger
	// Observer may be nil: nothing is counted.
	Observer Observer
	// Topics are those by which messages are counted.
	Topics []string
	// PublicError turns the cause for which a connection ended into the error that
	// adapters and users get.
	PublicError func(*wire.Cause) error
	// CauseIn is the reverse: the cause of an error that an adapter passes back, or that the
	// service gives, or nil where it has none. It may be nil itself.
	CauseIn func(error) *wire.Cause
}

// These types are of the packages below. A Config can be written without importing
// those packages.
type (
	// QueueLimit limits messages by their number and by their bytes.
	QueueLimit = star.Bound
	// Metric is something that is counted.
	Metric = star.Metric
	// Observer gets what is counted.
	Observer = delivery.Observer
	// Slow is what happens where a slave does not read its messages in time.
	Slow = delivery.Slow
	// MemberReport is one member in a report of a Channel.
	MemberReport = star.MemberReport
)

// RateLimit bounds what comes in, as a token bucket: PerSecond frames in the long run, and
// Burst frames at once. A PerSecond of zero means no bound.
type RateLimit struct {
	PerSecond int
	Burst     int
}

// Operation is what a peer asks permission for.
type Operation string

// The operations that need permission.
const (
	OpCreate  Operation = "create"
	OpJoin    Operation = "join"
	OpResume  Operation = "resume"
	OpRefresh Operation = "refresh"
	OpStatus  Operation = "status"
	OpMaster  Operation = "master"
)

// AuthRequest is what Authorize gets. Channel and Username are valid names, but Username is
// empty where the peer has none.
type AuthRequest struct {
	Operation Operation
	Channel   string
	Username  string
	Token     string
	// Data is that of the Identity which the member was given, or the one that was given
	// last on the connection. It must not be changed.
	Data []byte
}

// Sender is who sends a message.
type Sender struct {
	Channel, Username string
	Master            bool
	Data              []byte // must not be changed
}

// OutgoingMessage is a message that AuthorizeMessage is asked about.
type OutgoingMessage struct {
	Payload wire.Payload
	To      string // empty: it is for all slaves, or for the master
	Topic   string
	Expires time.Time // zero: never
	Request bool
	ReplyTo uint64
	// Key is that of an attribute that is changed, or empty. Deleted: it is taken away.
	Key     string
	Deleted bool
}

// Identity is what Authorize returns.
type Identity struct {
	// Username is the user's. AsAsked: it is the one that was asked for.
	Username string
	AsAsked  bool
	Expires  time.Time // zero: never
	TakeOver bool
	Data     []byte
	Channel  ChannelLimits
	// Attributes are what the member has and cannot change.
	Attributes *wire.Attributes
}

// ChannelLimits are for a channel that is created. In each field zero means the hub's, and a
// negative value none.
type ChannelLimits struct {
	MasterTimeout time.Duration
	MaxSlaves     int
}

// discard is the Observer where Config.Observer is nil.
type discard struct{}

func (discard) Add(star.Metric, string, int64) {}
func (discard) Observe(star.Metric, float64)   {}
