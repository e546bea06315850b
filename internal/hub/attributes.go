package hub

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// slaveAttributeRate bounds how often a connection changes attributes as a slave, apart from
// what it sends: who types does not use up what its messages need.
var slaveAttributeRate = RateLimit{PerSecond: 20, Burst: 40}

// set changes an attribute of a member.
func (s *session) set(f *wire.Frame, limited bool, now time.Time) error {
	seat, err := s.heldSeat(f.Channel)
	if err != nil {
		return err
	}
	change := star.AttributeChange{Ref: f.Ref, Key: f.Code, Value: f.Payload}
	if problem := wire.ShortNameProblem(change.Key); problem != "" {
		return wire.ErrBadFrame.With("key: " + problem)
	}
	tooFastWhy := s.hub.refusals.frames
	if seat.Role() == wire.Slave {
		switch s.attributePace.take(slaveAttributeRate, now) {
		case muchTooFast:
			return errFlood
		case tooFast:
			limited, tooFastWhy = true, s.hub.refusals.attributes
		}
	}
	switch full := s.hub.clustered.noRoom(seat.Channel().Name()); {
	case limited:
		change.Refusal = tooFastWhy
	case len(f.Payload.Data) > s.hub.config.MaxMessageBytes:
		change.Refusal = s.hub.refusals.tooLarge
	case full != nil:
		change.Refusal = full
	default:
		change.Value.Data = bytes.Clone(f.Payload.Data) // it is in the connection's read buffer
		if s.hub.config.AuthorizeMessage != nil {
			if err := s.judgeChange(seat, f, &change); err != nil {
				return err
			}
		}
	}
	return s.decideOr(seat, func(rules *star.Channel, _ time.Time) {
		if err := rules.Set(&seat.Attachment, change); err != nil {
			s.answer(rules, seat, f, err)
		}
	}, "", func() *call { return s.frameCall(f, change.Refusal) })
}

// attributesOf is a copy of attributes, in the order of their keys.
func attributesOf(given *wire.Attributes) wire.Attributes {
	if given == nil || len(*given) == 0 {
		return nil
	}
	attributes := slices.Clone(*given)
	for i := range attributes {
		attributes[i].Value.Data = bytes.Clone(attributes[i].Value.Data)
	}
	slices.SortFunc(attributes, func(a, b wire.KeyValue) int { return strings.Compare(a.Key, b.Key) })
	return attributes
}

// areAttributes reports whether a member can have the attributes that the service has given,
// and logs why it cannot.
func (s *session) areAttributes(given *wire.Attributes) bool {
	if given == nil {
		return true
	}
	for _, attribute := range *given {
		problem := wire.ShortNameProblem(attribute.Key)
		if problem == "" && len(attribute.Value.Data) > s.hub.config.MaxMessageBytes {
			problem = s.hub.refusals.tooLarge.Text
		}
		if problem != "" {
			s.logger().Error("Authorize gave an attribute that is none", "key", wire.Quote(attribute.Key), "problem", problem)
			return false
		}
	}
	return true
}

// checkAttributes refuses attributes with which nobody can enter here.
func (s *session) checkAttributes(f *wire.Frame) error {
	if f.Attributes() == nil {
		return nil
	}
	for _, attribute := range *f.Attributes() {
		if problem := wire.ShortNameProblem(attribute.Key); problem != "" {
			return wire.ErrBadFrame.With("attributes: a key: " + problem)
		}
		if len(attribute.Value.Data) > s.hub.config.MaxMessageBytes {
			return s.hub.refusals.tooLarge
		}
	}
	return nil
}
