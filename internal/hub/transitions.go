package hub

import (
	"time"

	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// transition is what a frame of a member has the rules decide.
type transition func(*star.Channel, time.Time, *star.Attachment) error

// transitionOf is that of a frame which has all that its transition needs, or nil.
func (h *Hub) transitionOf(f *wire.Frame) transition {
	switch f.Type {
	case wire.Leave:
		return func(rules *star.Channel, now time.Time, a *star.Attachment) error { return rules.Leave(now, a, f.Ref) }
	case wire.Away:
		return func(rules *star.Channel, now time.Time, a *star.Attachment) error { return rules.Away(now, a, f.Ref) }
	case wire.Back:
		return func(rules *star.Channel, now time.Time, a *star.Attachment) error { return rules.Back(now, a, f.Ref) }
	case wire.Kick:
		return h.aboutSlave(f, func(rules *star.Channel, a *star.Attachment) error {
			return rules.Kick(a, f.Ref, f.To, f.Ban, f.Reason)
		})
	case wire.Mute:
		return h.aboutSlave(f, func(rules *star.Channel, a *star.Attachment) error {
			return rules.Mute(a, f.Ref, f.To, f.HasTo, f.Muted)
		})
	case wire.SetDoor:
		return func(rules *star.Channel, now time.Time, a *star.Attachment) error {
			return rules.SetDoor(now, a, f.Ref, f.Entering().Door)
		}
	case wire.Admit:
		return func(rules *star.Channel, now time.Time, a *star.Attachment) error {
			return rules.Admit(now, a, f.Ref, f.Number)
		}
	case wire.Deny:
		return func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
			return rules.Deny(a, f.Ref, f.Number, f.Reason)
		}
	case wire.Members:
		return func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
			return rules.Members(a, f.Ref, pageOf(f))
		}
	case wire.Withdraw:
		return func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
			return rules.Withdraw(a, f.Ref, f.Request)
		}
	case wire.Awaiting:
		return func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
			return rules.Awaiting(a, f.Ref, f.Request, pageOf(f))
		}
	}
	return nil
}

// pageOf is which part of a list the frame asks for.
func pageOf(f *wire.Frame) star.Page {
	l := f.Listing()
	return star.Page{After: l.After, Limit: l.Limit}
}

// aboutSlave is the transition of a frame about the slave in its To, which it may call by a name of which
// the service makes another one.
func (h *Hub) aboutSlave(f *wire.Frame, decide func(*star.Channel, *star.Attachment) error) transition {
	other := h.otherName(NameOfUser, f.To)
	return func(rules *star.Channel, _ time.Time, a *star.Attachment) error {
		if !rules.HasSlave(f.To) {
			f.To = other
		}
		return decide(rules, a)
	}
}
