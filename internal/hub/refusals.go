package hub

import (
	"errors"
	"fmt"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// refusals are the refusals whose texts depend on the config. They are made once: a
// member's answers keep them.
type refusals struct {
	// frames, slaveMessages and memberships: more came than the rate of that name allows.
	frames, slaveMessages, attributes, memberships *wire.Cause
	// tooLarge: a payload is larger than MaxMessageBytes.
	tooLarge *wire.Cause
	// channelsOfHub: there are MaxChannels. channelsOfConnection: the connection has
	// MaxChannelsPerConnection.
	channelsOfHub, channelsOfConnection *wire.Cause
}

func newRefusals(c *Config) refusals {
	tooFast := func(what string, limit RateLimit) *wire.Cause {
		return wire.ErrRateLimited.With(fmt.Sprintf(
			"%s: at most %d a second, and %d at once; send it again later, under a new ref", what, limit.PerSecond, limit.Burst))
	}
	return refusals{
		frames:        tooFast("too many frames", c.FrameRate),
		slaveMessages: tooFast("too many messages of a slave", c.SlaveMessageRate),
		attributes:    tooFast("too many changes of a slave's attributes", slaveAttributeRate),
		memberships:   tooFast("too many of create, join, resume and leave", c.MembershipRate),
		tooLarge: wire.ErrTooLarge.With(fmt.Sprintf(
			"the payload is over %d bytes, which is the most that this hub takes", c.MaxMessageBytes)),
		channelsOfHub: wire.ErrTooManyChannels.With(fmt.Sprintf(
			"the hub has %d channels, and takes no more: try again when one has ended", c.MaxChannels)),
		channelsOfConnection: wire.ErrTooManyChannels.With(fmt.Sprintf(
			"this connection is in %d channels, and can be in no more: leave one, or connect once more", c.MaxChannelsPerConnection)),
	}
}

// shuttingDown is the refusal of what a hub that shuts down is asked by its service, and of
// connections.
var shuttingDown = wire.ErrShuttingDown.Explain(&wire.Frame{})

// notThere is the error of a hand-over that is repeated, with what it says where there is none.
func notThere(err error, f *wire.Frame) error {
	if errors.Is(err, wire.ErrNotAMember) {
		return notAMember(f.Channel)
	}
	return err
}

// notHere is the error of a resume, with what it says where there is no such membership.
//
// Only then it matters whether its names are valid: those of a membership were once. Where
// the secret is another hub's, the membership was never here: the hub that had it is gone,
// or what it had was not handed on. And where this hub goes on from what another one has
// left, and the peer has come further than that, it is what came after that which is lost.
func (h *Hub) notHere(err error, f *wire.Frame) error {
	switch {
	case err == star.ErrAhead && h.restored.Load():
		return wire.ErrHubLost.With("the hub that had " + wire.Quote(f.Channel) + " is gone, and this one has an older state of it: join, or create, anew")
	case err != wire.ErrResumeFailed:
		return err
	case !wire.ValidName(f.Channel):
		return wire.BadName("channel", f.Channel)
	case !wire.ValidName(f.Username):
		return wire.BadName("username", f.Username)
	case isOfAnother(f.Secret, h.id):
		return wire.ErrHubLost
	}
	return err
}

// notAMember is the refusal of a frame for a channel, which need not be the one that the
// frame is about.
func notAMember(channel string) *wire.Cause {
	return wire.ErrNotAMember.Explain(&wire.Frame{Channel: channel})
}

// refusalBy turns the public error in an error of the service's into what is told to the peer.
// A client would take the code of an end for the end of a membership: it gets the other one
// then. So it does where it would wait for the next hub, and this one goes on: that is busy.
func (h *Hub) refusalBy(err error, other *wire.Cause) error {
	if err == nil || h.config.CauseIn == nil {
		return err
	}
	refusal := h.config.CauseIn(err)
	if refusal == nil {
		return err
	}
	switch {
	case refusal.Code == "" || wire.Lookup(refusal.Code).Is(wire.Ends):
		refusal = other.With(refusal.Text)
	case refusal.Code == wire.ErrShuttingDown.Code && !h.closing.Load():
		refusal = wire.ErrBusy.With(refusal.Text)
	}
	return told{err, refusal}
}

// told is an error of the service's, for the log, and what the peer is told of it.
type told struct {
	error
	cause *wire.Cause
}

func (t told) Unwrap() error { return t.cause }
