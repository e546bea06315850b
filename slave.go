package lectern

import (
	"context"
	"iter"
	"time"

	"github.com/lectern-go/lectern/internal/client"
	"github.com/lectern-go/lectern/internal/wire"
)

// Slave is the handle of one who is in a channel because of its master. It is
// the same in the hub's process and across a network, and safe for concurrent
// use.
//
// A Slave whose connection is lost comes back by itself and gets what it has
// missed. It ends by itself when it cannot reach the hub for as long as a master
// may be away (rule 3).
type Slave struct{ h handle }

// Channel returns the channel's name.
func (s *Slave) Channel() string { return s.h.m.Channel() }

// Username returns the name that the master sees, which the service may have
// given.
func (s *Slave) Username() string { return s.h.m.Username() }

// MasterTimeout returns X of rule 3: how long the master may be away.
func (s *Slave) MasterTimeout() time.Duration { return s.h.m.Timeout() }

// Master tells, without asking the hub, whether the master is connected (rule
// 4). The state is StateUnknown, with a deadline, while the own connection is lost.
func (s *Slave) Master() Presence { return presence(s.h.m.Master()) }

// Send sends to the master (rule 5), also while it is away, and returns once the hub has
// accepted the message, with its number. It waits while the connection
// is lost. The error matches ErrBusy where the master cannot take more at
// present, and ErrMuted where it wants to hear nothing. On any error but one that matches ErrSendUnknown, the master does not
// get the message.
func (s *Slave) Send(ctx context.Context, payload Payload, options ...SendOption) (Receipt, error) {
	return s.h.send(ctx, wire.Frame{}, payload, options)
}

// Request sends to the master, as Send does, and waits for its answer. While the
// master is away it waits for its return. The error is that of Send where the
// message was not accepted; else a *DeclinedError where the master says no, the context's, a *GapError where the answer was
// lost, or why the membership is over. A request that is given up is withdrawn:
// the master that answers it later is told so.
func (s *Slave) Request(ctx context.Context, payload Payload, options ...SendOption) (Message, error) {
	return s.h.ask(ctx, wire.Frame{}, payload, s.Master().Username, options)
}

// Reply answers a message of the master that asks, one whose RequestID is not
// zero. The error matches ErrNoSuchRequest where the answer is not awaited,
// because this slave has answered already or the master waits no longer; it is
// that of Send otherwise.
func (s *Slave) Reply(ctx context.Context, to Message, payload Payload, options ...SendOption) (Receipt, error) {
	if to.RequestID == 0 {
		return Receipt{}, ErrNoSuchRequest.WithText("the message asks for no answer")
	}
	return s.h.send(ctx, wire.Frame{Reply: to.RequestID}, payload, options)
}

// Decline says no to a message of the master that asks, in the place of an answer: the request fails
// with a *DeclinedError of this code and text. The code is a word of 1 to 64 letters and digits of ASCII,
// _, - and ., and the text has at most 1,024 bytes and may be empty; else the error matches ErrBadFrame. Otherwise it is as Reply.
func (s *Slave) Decline(ctx context.Context, to Message, code, text string) (Receipt, error) {
	return s.Reply(ctx, to, failed(code, text))
}

// OpenRequests returns the messages of the master that ask and were not answered yet, by Reply or
// Decline, in the order of their numbers: those that were taken from Events or by Receive, or dropped there, and not those that still wait there. They
// are there after the program that has taken them has ended, too, for whoever goes on by its
// Ticket, as far as Policy.Replay has kept them: ResumeSlave returns when they are there, in front of
// everything else that is new. Not among them are those of which it is known that nobody awaits the answer any more, as of a master that
// has handed over; that a request was withdrawn is only known when it is answered. They are as many as ClientOptions.Inbox
// has room for; beyond that the oldest are forgotten. After the end of the handle there are none.
func (s *Slave) OpenRequests() []Message { return s.h.openRequests() }

// SetAttribute gives this slave an attribute, which its master alone sees, also where it comes
// back later: the last value by key, such as a hand that is raised. It is as that of a Master, but
// for its bounds: a slave has at most 8 attributes of 4 KiB together, and all slaves of a channel
// 4 MiB. It may change 20 a second in the long run, with more the error matches ErrRateLimited:
// that is apart from Policy.SlaveMessageRate.
func (s *Slave) SetAttribute(ctx context.Context, key string, value Payload) error {
	return s.h.set(ctx, key, value)
}

// DeleteAttribute takes an attribute away. Where there is none, nothing happens.
func (s *Slave) DeleteAttribute(ctx context.Context, key string) error {
	return s.h.m.Set(ctx, key, wire.Payload{}, nil)
}

// Attributes are those that this slave has, but for what the service has set, see Master.Attributes.
func (s *Slave) Attributes() map[string]Payload { return payloads(s.h.m.Attributes()) }

// MasterAttributes returns the attributes of the master, as they are known on this side at
// present.
func (s *Slave) MasterAttributes() map[string]Payload { return payloads(s.h.m.MasterAttributes()) }

// Receive returns the next message. It passes over changes of the master's
// presence, which Master tells, and of its attributes, which MasterAttributes tells. A *GapError says that messages are missing
// before the next one; the call after it goes on. Any other error is the
// context's, or why the membership is over: where that is ErrHandedOver, Promoted has the master's handle.
func (s *Slave) Receive(ctx context.Context) (Message, error) {
	for {
		event, err := client.Next(ctx, s.h.m, s.h.inbox)
		if err != nil {
			return Message{}, err
		}
		switch event := event.(type) {
		case Message:
			return event, nil
		case Gap:
			return Message{}, &GapError{Gap: event}
		}
	}
}

// Promoted returns the handle of the master that this slave has become, or nil. It is what
// [Promotion] tells, the last of the events of this handle, which ends with ErrHandedOver then.
func (s *Slave) Promoted() *Master { return client.PromotionOf[Promotion](s.h.m).Master }

// Muted reports whether the master does not let this slave send of its own accord (Master.Mute), as it
// is known on this side at present. A change is a [Muted] among the events.
func (s *Slave) Muted() bool { return s.h.m.Muted() }

// Events yields messages, changes of the master's [Presence] and of its attributes, as [Attribute],
// each [Muted] and each [Gap], in one order, and last of all a [Promotion] where this slave becomes the
// master. It ends with an error: the context's, or why the membership is
// over. Receive and Events take from the same queue; calls at the same time
// share the events between them.
func (s *Slave) Events(ctx context.Context) iter.Seq2[Event, error] { return s.h.events(ctx) }

// Switch joins another channel under the same name and leaves this one in a
// single step: where the join is refused, the user stays here. After it, this
// handle has ended with ErrLeft. Where ctx ends first, the error matches ErrSendUnknown, and
// what the switch may have entered is left again: this handle goes on, or ends with ErrLeft.
// Then Switch, if it is tried again, joins. Where it has to wait, as a Join does, the user stays here until it is in; where the
// membership here ends meanwhile, Switch fails.
func (s *Slave) Switch(ctx context.Context, channel string, options ...JoinOption) (*Slave, error) {
	join := client.Joining{Frame: wire.Frame{Type: wire.Join, Channel: channel, Username: s.Username(), From: s.Channel()}}
	if err := addToJoin(&join, options); err != nil {
		return nil, err
	}
	next := s.h
	next.inbox = s.h.client.inbox(0)
	var err error
	if next.m, err = s.h.m.Switch(ctx, join, next.inbox); err != nil {
		return nil, err
	}
	return &Slave{next}, nil
}

// Refresh shows the service a token before what it has granted expires
// (Identity.Expires). An empty one stands for a fresh one of ClientOptions.Token. Where the
// service refuses it, the error says so, and what was granted before stays.
func (s *Slave) Refresh(ctx context.Context, token string) error { return s.h.m.Refresh(ctx, token) }

// Leave leaves the channel. It waits for the hub's confirmation, for at most
// ClientOptions.CloseTimeout. The handle ends with ErrLeft in any case; an error says
// that the hub was not told: it is told when it can be reached again, or finds out by the
// slave's absence. Later calls do
// nothing more. Where the mastership has come to this slave at that moment, the error matches
// ErrRoleChanged, and Promoted has the master's handle: the channel goes on.
func (s *Slave) Leave() error { return s.h.m.Close() }

// Done is closed when the membership is over.
func (s *Slave) Done() <-chan struct{} { return s.h.m.Done() }

// Err says why the membership is over, and is nil before Done is closed. It is
// one of the ends among the Err variables, and matches net.ErrClosed.
func (s *Slave) Err() error { return s.h.m.Err() }

// Ticket returns what another client needs to take this membership over by
// Client.ResumeSlave.
func (s *Slave) Ticket() Ticket { return s.h.ticket(false) }
