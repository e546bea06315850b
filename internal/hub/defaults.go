package hub

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/lectern-go/lectern/cluster"
	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
	"github.com/lectern-go/lectern/transport"
)

// This file is what the public Policy promises where a field says nothing, and what it
// refuses.

// The documented defaults of the public Policy.
const (
	defaultMasterTimeout            = 30 * time.Second
	defaultSlaveTimeout             = 30 * time.Second
	defaultMaxSlaves                = 20_000
	defaultMaxChannels              = 10_000
	defaultMaxChannelsPerConnection = 64
	defaultMaxMessageBytes          = 64 << 10
	defaultMaxConnections           = 100_000
	defaultMaxHandshakeBytes        = 16 << 10
	defaultHoldTimeout              = time.Second
	defaultHandshakeTimeout         = 10 * time.Second
	defaultWaitTimeout              = 10 * time.Minute
	defaultWriteTimeout             = 10 * time.Second
	defaultQueueMessages            = 256
	defaultQueueBytes               = 1 << 20
)

var (
	defaultFrameRate        = RateLimit{PerSecond: 1000, Burst: 2000}
	defaultSlaveMessageRate = RateLimit{PerSecond: 100, Burst: 200}
	defaultMembershipRate   = RateLimit{PerSecond: 20, Burst: 128}
)

// maxClusterMessage is the largest MaxMessageBytes of a hub of a cluster: a frame with it goes from hub to hub in one
// piece.
const maxClusterMessage = 128 << 10

// checkCluster returns why a hub with this config cannot be one of a cluster, or nil.
func (c *Config) checkCluster() error {
	if c.MaxMessageBytes > maxClusterMessage {
		return fmt.Errorf("lectern: Policy.MaxMessageBytes is %d, and between the hubs of a cluster a payload has %d at most", c.MaxMessageBytes, maxClusterMessage)
	}
	if longest := longestTimeout(c.Cluster); c.MasterTimeout > longest {
		return fmt.Errorf("lectern: Policy.MasterTimeout is %v, and the cluster keeps a channel of which nobody is there for %v: it has to keep what it has for twice as long", c.MasterTimeout, longest)
	}
	return nil
}

// longestTimeout is how long the engine keeps a channel at least whose hub has died, and of which no other hub has
// a member. What the channel is like is written down anew each third of the time for which the engine keeps it.
func longestTimeout(engine cluster.Engine) time.Duration { return engine.Keeps() / 2 }

// unbounded stands for a bound that a negative value has taken away.
const unbounded = int(^uint(0) >> 1)

// WithDefaults returns the config of a Policy as it was given, with every default filled in,
// and "none" as what it comes to: a timeout of 0 is "at once", except for HandshakeTimeout,
// WaitTimeout and WriteTimeout, where it is "never". The error names each field of the Policy that makes
// no sense.
func (c Config) WithDefaults() (Config, error) {
	var errs []error
	must := func(field string, value int64) {
		if value < 0 {
			errs = append(errs, fmt.Errorf("lectern: Policy.%s must not be negative", field))
		}
	}
	must("MaxMessageBytes", int64(c.MaxMessageBytes))
	must("Outbox.Messages", int64(c.Outbox.Messages))
	must("Outbox.Bytes", int64(c.Outbox.Bytes))
	must("HoldTimeout", int64(c.HoldTimeout))
	errs = append(errs,
		transport.CheckTime("lectern: Policy.MasterTimeout", c.MasterTimeout),
		transport.CheckTime("lectern: Policy.SlaveTimeout", c.SlaveTimeout),
		transport.CheckTime("lectern: Policy.HandshakeTimeout", c.HandshakeTimeout),
		transport.CheckTime("lectern: Policy.WaitTimeout", c.WaitTimeout),
		transport.CheckTime("lectern: Policy.HoldTimeout", c.HoldTimeout),
		transport.CheckTime("lectern: Policy.WriteTimeout", c.WriteTimeout))
	for _, op := range c.Reauthorize {
		if op != OpResume && op != OpStatus {
			errs = append(errs, fmt.Errorf("lectern: Policy.Reauthorize has %q: it may have OpResume and OpStatus", op))
		}
	}
	if len(c.Reauthorize) > 0 && c.Authorize == nil {
		errs = append(errs, errors.New("lectern: Policy.Reauthorize is set, and there is no Authorize to ask"))
	}
	if c.Slow > delivery.SlowHold {
		errs = append(errs, fmt.Errorf("lectern: Policy.Slow has no value %d", c.Slow))
	}

	for _, topic := range c.Topics {
		if problem := wire.ShortNameProblem(topic); problem != "" {
			errs = append(errs, fmt.Errorf("lectern: Policy.Topics has %s, which is no topic: %s", wire.Quote(topic), problem))
		}
		if topic == star.LabelOther {
			errs = append(errs, fmt.Errorf("lectern: Policy.Topics has %q, which stands for all that it does not have", topic))
		}
	}

	c.MasterTimeout = orDefault(c.MasterTimeout, defaultMasterTimeout, 0)
	c.SlaveTimeout = orDefault(c.SlaveTimeout, defaultSlaveTimeout, 0)
	c.HandshakeTimeout = orDefault(c.HandshakeTimeout, defaultHandshakeTimeout, 0)
	c.WaitTimeout = orDefault(c.WaitTimeout, defaultWaitTimeout, 0)
	c.WriteTimeout = orDefault(c.WriteTimeout, defaultWriteTimeout, 0)
	c.MaxSlaves = orDefault(c.MaxSlaves, defaultMaxSlaves, unbounded)
	c.MaxChannels = orDefault(c.MaxChannels, defaultMaxChannels, unbounded)
	c.MaxChannelsPerConnection = orDefault(c.MaxChannelsPerConnection, defaultMaxChannelsPerConnection, unbounded)
	c.MaxMessageBytes = min(orDefault(c.MaxMessageBytes, defaultMaxMessageBytes, 0), addable)
	c.MaxConnections = orDefault(c.MaxConnections, defaultMaxConnections, unbounded)
	c.MaxHandshakeBytes = orDefault(c.MaxHandshakeBytes, defaultMaxHandshakeBytes, unbounded)
	c.FrameRate = c.FrameRate.orDefault(defaultFrameRate)
	c.SlaveMessageRate = c.SlaveMessageRate.orDefault(defaultSlaveMessageRate)
	memberships := defaultMembershipRate
	memberships.Burst = max(memberships.Burst, 2*min(c.MaxChannelsPerConnection, maxRate/2))
	c.MembershipRate = c.MembershipRate.orDefault(memberships)
	c.HoldTimeout = orDefault(c.HoldTimeout, defaultHoldTimeout, 0)
	c.Outbox = queueOrDefault(c.Outbox)
	c.Replay = queueOrDefault(c.Replay)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Cluster != nil {
		errs = append(errs, c.checkCluster())
	}
	return c, errors.Join(errs...)
}

// orDefault is the value, or the default for zero, or none for less.
func orDefault[T int | time.Duration](value, fallback, none T) T {
	switch {
	case value == 0:
		return fallback
	case value < 0:
		return none
	}
	return value
}

func queueOrDefault(b QueueLimit) QueueLimit {
	return QueueLimit{
		Messages: min(orDefault(b.Messages, defaultQueueMessages, 0), addable),
		Bytes:    min(orDefault(b.Bytes, defaultQueueBytes, 0), addable),
	}
}

// addable is what larger sizes come down to: more than there is memory, and few of
// them can be added up.
const addable = unbounded / 4

// maxRate is more than any connection brings about, and leaves room to calculate:
// a burst of twice as many, at one a second, is 34 years.
const maxRate = 1 << 29

func (r RateLimit) orDefault(fallback RateLimit) RateLimit {
	if r.PerSecond < 0 {
		return RateLimit{}
	}
	r.PerSecond, r.Burst = min(r.PerSecond, maxRate), min(r.Burst, maxRate)
	if r.Burst <= 0 {
		r.Burst = 2 * r.PerSecond
	}
	if r.PerSecond == 0 {
		r.PerSecond = fallback.PerSecond
	}
	if r.Burst == 0 {
		r.Burst = fallback.Burst
	}
	return r
}
