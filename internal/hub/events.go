package hub

import (
	"context"
	"iter"
	"time"

	"github.com/lectern-go/lectern/internal/delivery"
	"github.com/lectern-go/lectern/internal/star"
	"github.com/lectern-go/lectern/internal/wire"
)

// This file is what the service is told of all channels: how they are, and each change from
// then on.

// EventKind is what an Event tells. The public package has the same constants, and says what
// they mean.
type EventKind string

const (
	EventCreated    EventKind = "created"
	EventJoined     EventKind = "joined"
	EventAway       EventKind = "away"
	EventBack       EventKind = "back"
	EventGranted    EventKind = "granted"
	EventLeft       EventKind = "left"
	EventKnocked    EventKind = "knocked"
	EventHandedOver EventKind = "handed_over"
	EventEnded      EventKind = "ended"
	EventMoved      EventKind = "moved"
	EventMissed     EventKind = "missed"
)

// Event is a change of a channel for the service. The fields mean what those of the same names
// in the public HubEvent mean.
type Event struct {
	Kind       EventKind
	Time       time.Time
	Channel    string
	Username   string
	Master     bool
	State      wire.State
	Deadline   time.Time
	Existing   bool
	Number     uint64
	Epoch      uint64
	Connection uint64
	Address    string
	Data       []byte
	Why        string
	Text       string
	Missed     int
}

// kinds are what the changes of channels are told as.
var kinds = [...]EventKind{
	star.Created: EventCreated, star.SlaveJoined: EventJoined,
	star.ConnectionLost: EventAway, star.DeclaredAway: EventAway, star.GrantExpired: EventAway,
	star.DeclaredBack: EventBack, star.Resumed: EventBack, star.TakenOver: EventBack, star.EnteredAgain: EventBack,
	star.Granted: EventGranted, star.SlaveLeft: EventLeft, star.Knocked: EventKnocked, star.HandedOver: EventHandedOver, star.Ended: EventEnded,
}

// ways are why a member is away or back. Where it ends, the code of the end says why.
var ways = [star.Ended + 1]string{
	star.ConnectionLost: "lost", star.DeclaredAway: "declared", star.GrantExpired: "expired",
	star.DeclaredBack: "declared", star.Resumed: "resumed", star.TakenOver: "taken_over", star.EnteredAgain: "repeated",
}

// Events yields how all channels are, and then each change of them, until ctx or the hub ends.
// Whoever does not keep up is told how many events it has missed, and gets all channels anew.
// No lock is held during the loop.
func (h *Hub) Events(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		listener := h.delivering.Watch.Listen()
		defer listener.Close()
		f := follower{known: make(map[*delivery.Channel]uint64), ctx: ctx, yield: yield}
		f.follow(h, listener)
	}
}

// follower follows the channels of a hub for one loop over its events.
type follower struct {
	ctx   context.Context
	yield func(Event) bool
	// known are the channels that it has told of, each with the number of the last change.
	known map[*delivery.Channel]uint64
}

// follow reads until there is nothing to come, or nothing is wanted any more. Between what it
// tells of two channels as they are it reads the changes, so that it does not get behind.
func (f *follower) follow(h *Hub, listener *delivery.Listener) {
	buffer := make([]delivery.Event, 64)
	unknown := h.listed()
	for {
		events, missed, more := listener.Next(buffer)
		switch {
		case missed > 0:
			clear(f.known)
			if unknown = h.listed(); !f.give(Event{Kind: EventMissed, Time: time.Now(), Missed: missed}) {
				return
			}
		case events > 0:
			for i := range buffer[:events] {
				if !f.tell(&buffer[i]) {
					return
				}
			}
			clear(buffer[:events])
		case len(unknown) > 0:
			c := unknown[0]
			if unknown = unknown[1:]; !f.describe(c, "") {
				return
			}
		case more == nil:
			return
		default:
			select {
			case <-more:
			case <-f.ctx.Done():
				return
			}
		}
	}
}

// give yields an event, unless ctx has ended.
func (f *follower) give(e Event) bool { return f.ctx.Err() == nil && f.yield(e) }

// tell tells of a change, unless it is in what was told already, or of a channel that is not
// known yet.
func (f *follower) tell(e *delivery.Event) bool {
	last, known := f.known[e.Channel]
	switch {
	case e.Appeared:
		return f.describe(e.Channel, e.Text)
	case e.Moved && known:
		delete(f.known, e.Channel)
		return f.give(Event{Kind: EventMoved, Time: e.Time, Channel: e.Channel.Name()})
	case e.Moved, !known && e.Kind != star.Created || known && e.Number <= last:
		return true
	case e.Kind == star.Ended:
		delete(f.known, e.Channel)
	case !known:
		f.known[e.Channel] = e.Number
	}
	why := string(e.Why)
	if why == "" {
		why = ways[e.Kind]
	}
	text := e.Text
	if e.Kind == star.HandedOver {
		why, text = e.Text, "" // by whose word
	}
	return f.give(Event{
		Kind: kinds[e.Kind], Time: e.Time, Channel: e.Channel.Name(), Username: e.Username, Master: e.Role == wire.Master,
		State: e.State, Deadline: e.Deadline, Number: e.Membership, Epoch: e.Epoch, Connection: e.Connection, Address: e.Address,
		Data: e.Data, Why: why, Text: text,
	})
}

// describe tells how a channel is that is not known yet. why is by whose word it was handed over to come here, if it was.
func (f *follower) describe(c *delivery.Channel, why string) bool {
	if _, known := f.known[c]; known {
		return true
	}
	report, exists := c.Report()
	if !exists {
		return true
	}
	f.known[c] = report.Changes
	if !f.exists(EventCreated, report.Name, &report.Master, why) {
		return false
	}
	for i := range report.Slaves {
		if !f.exists(EventJoined, report.Name, &report.Slaves[i], "") {
			return false
		}
	}
	return true
}

// exists tells of a member that is there.
func (f *follower) exists(kind EventKind, channel string, m *star.MemberReport, why string) bool {
	e := Event{
		Kind: kind, Time: time.Now(), Channel: channel, Username: m.Username, Master: kind == EventCreated, State: m.State,
		Deadline: m.Deadline, Existing: true, Number: m.Number, Epoch: m.Epoch, Data: m.Data, Why: why,
	}
	if m.Line != nil {
		e.Connection, e.Address = delivery.Peer(m.Line)
	}
	return f.give(e)
}
