package lectern

import (
	"context"
	"iter"
	"time"

	"github.com/lectern-go/lectern/internal/client"
	"github.com/lectern-go/lectern/internal/wire"
)

// Master is the handle of the one who is in charge of a channel. It is the same
// in the hub's process and across a network, and safe for concurrent use.
//
// A Master whose connection is lost comes back by itself: nothing is lost as
// long as it is back within the channel's master timeout.
type Master struct{ h handle }

// Channel returns the channel's name.
func (m *Master) Channel() string { return m.h.m.Channel() }

// Username returns the name that the others see, which the service may have
// given.
func (m *Master) Username() string { return m.h.m.Username() }

// MasterTimeout returns X of rule 3: how long this master may be away.
func (m *Master) MasterTimeout() time.Duration { return m.h.m.Timeout() }

// Broadcast sends to all slaves of the channel (rule 6), and returns once the hub has
// accepted the message, with its number and to how many it was queued. It waits while the connection
// is lost. On any error but one that matches ErrSendUnknown, nobody gets the
// message.
func (m *Master) Broadcast(ctx context.Context, payload Payload, options ...SendOption) (Receipt, error) {
	return m.h.send(ctx, wire.Frame{}, payload, options)
}

// Send sends to one slave (rule 6), also while it is away. The error matches
// ErrNoSuchSlave where the channel has none of that name; otherwise it is as
// Broadcast.
func (m *Master) Send(ctx context.Context, to string, payload Payload, options ...SendOption) (Receipt, error) {
	if !wire.Sendable(to) {
		return Receipt{}, m.noSuchSlave(to)
	}
	return m.h.send(ctx, wire.Frame{To: to, HasTo: true}, payload, options)
}

// Request sends to one slave, as Send does, and waits for its answer, also while
// the slave is away. The error is that of Send where the message was not
// accepted; else it matches ErrNoSuchSlave where the slave has left before it
// answered, or is a *DeclinedError where it says no, the context's, a *GapError where the answer was lost, or why
// the channel is over. A request that is given up is withdrawn: the slave that
// answers it later is told so.
func (m *Master) Request(ctx context.Context, to string, payload Payload, options ...SendOption) (Message, error) {
	if !wire.Sendable(to) {
		return Message{}, m.noSuchSlave(to)
	}
	return m.h.ask(ctx, wire.Frame{To: to, HasTo: true}, payload, to, options)
}

// Gather asks all slaves of the channel that are members at the moment at which
// the hub accepts the question, those away included, and yields the part of each
// once, as it ends: with the answer, or with an error where there will be none.
// It ends when nobody is awaited any more. When the context ends first, the
// parts that are left end with its error. Where the question could not be sent,
// one Answer without a sender tells why.
//
// Where the connection was lost before the hub could tell that it has accepted
// the question, the hub is asked who is still to answer once there is a new one:
// whose answer was lost, and who has left by then, is not among the parts. When
// the context ends before the hub has told, one Answer without a sender says so.
//
// Answers that were not taken yet wait, within the bytes of ClientOptions.Inbox.
// To leave the loop early withdraws the question. WithAsked tells who is asked, and WithNewcomers
// asks those too who join meanwhile; then it ends with its context, or at its expiry (WithExpiry), and each who was
// asked and has not answered has a part with its error.
func (m *Master) Gather(ctx context.Context, payload Payload, options ...GatherOption) iter.Seq[Answer] {
	return m.h.gather(ctx, payload, options)
}

// Reply answers a message of a slave that asks, one whose RequestID is not zero.
// The error matches ErrNoSuchRequest where the answer is not awaited, because it
// was given already or the slave waits no longer, and ErrNoSuchSlave where the
// slave has left; it is that of Send otherwise.
func (m *Master) Reply(ctx context.Context, to Message, payload Payload, options ...SendOption) (Receipt, error) {
	if to.RequestID == 0 {
		return Receipt{}, ErrNoSuchRequest.WithText("the message asks for no answer")
	}
	return m.h.send(ctx, wire.Frame{To: to.From, HasTo: true, Reply: to.RequestID}, payload, options)
}

// Decline says no to a message of a slave that asks, in the place of an answer: the request fails
// with a *DeclinedError of this code and text. The code is a word of 1 to 64 letters and digits of ASCII,
// _, - and ., and the text has at most 1,024 bytes and may be empty; else the error matches ErrBadFrame. Otherwise it is as Reply.
func (m *Master) Decline(ctx context.Context, to Message, code, text string) (Receipt, error) {
	return m.Reply(ctx, to, failed(code, text))
}

// OpenRequests returns the messages of slaves that ask and were not answered yet, by Reply or
// Decline, in the order of their numbers: those that were taken from Events or dropped there, and not those that still wait there. They
// are there after the program that has taken them has ended, too, for whoever goes on by its
// Ticket, as far as Policy.Replay has kept them: ResumeMaster returns when they are there, in front of
// everything else that is new. Not among them are those of which it is known that nobody awaits the answer any more; that a
// request was withdrawn is only known when it is answered. They are as many as ClientOptions.Inbox
// has room for; beyond that the oldest are forgotten. After the end of the handle there are none.
func (m *Master) OpenRequests() []Message { return m.h.openRequests() }

// SetAttribute gives the channel an attribute, which all slaves see, those too that join or come
// back later: the last value by key, such as the page that is on the board. It returns once the
// hub has accepted it, and waits while the connection is lost. A key is a name of at most 64
// bytes. A master has at most 64 attributes of 256 KiB together: with more, the error matches
// ErrAttributesFull. It matches ErrForbidden where the service has set the key
// (Identity.Attributes).
func (m *Master) SetAttribute(ctx context.Context, key string, value Payload) error {
	return m.h.set(ctx, key, value)
}

// DeleteAttribute takes an attribute away. Where there is none, nothing happens.
func (m *Master) DeleteAttribute(ctx context.Context, key string) error {
	return m.h.m.Set(ctx, key, wire.Payload{}, nil)
}

// Attributes are those that the channel has by this handle, or by an earlier client that had the membership
// before it was resumed or taken over, as far as the hub has accepted them. What the service has set
// (Identity.Attributes) is not among them.
func (m *Master) Attributes() map[string]Payload { return payloads(m.h.m.Attributes()) }

// AttributesOf returns the attributes of a slave, as they are known on this side at present. It
// is empty where there is no such slave. They end with the slave's membership. A handle that ResumeMaster or a
// Promotion has given begins without them: they come behind, as events, each in its place among the messages
// that were missed.
func (m *Master) AttributesOf(username string) map[string]Payload {
	return payloads(m.h.m.AttributesOf(username))
}

// SetDoor says what becomes of who joins from now on. Locked, the door refuses those too who wait there. Open,
// it lets them in, in their order, as far as there is room.
func (m *Master) SetDoor(ctx context.Context, door Door) error {
	return m.h.m.SetDoor(ctx, string(door))
}

// Door is what becomes of who joins, as far as it is known on this side.
func (m *Master) Door() Door { return Door(m.h.m.Door().String()) }

// Admit lets the one in who has knocked under the number. The error matches ErrNoSuchSlave where
// nobody waits under it any more, and ErrChannelFull where there is no room: then it waits on.
func (m *Master) Admit(ctx context.Context, knock uint64) error {
	return m.h.m.Judge(ctx, wire.Frame{Type: wire.Admit, Number: knock})
}

// Deny refuses the one who has knocked under the number, with ErrDenied and the reason, which may
// be empty. It may knock again; Ban refuses a name for good. The error is as that of Admit.
func (m *Master) Deny(ctx context.Context, knock uint64, reason string) error {
	return m.h.m.Judge(ctx, wire.Frame{Type: wire.Deny, Number: knock, Reason: reason})
}

// Knocks are those who wait at the door, in the order in which they have knocked, as far as it is
// known on this side.
func (m *Master) Knocks() []Knock { return client.All(m.h.m.Knocks(), knock) }

// Events yields what slaves send, as [Message], their attributes, as [Attribute], who waits at the door, as [Knock],
// and what becomes of slaves, as [Presence], in one order, so that a list kept from it is exact. A Presence
// with the master's own name tells that its connection is lost (StateUnknown) or
// back (StateOnline). After a [Gap], Members tells who is there.
//
// It ends with an error: the context's, or why the channel is over. Events that
// were not taken wait, within ClientOptions.Inbox, for the next call. Calls at
// the same time share the events between them.
func (m *Master) Events(ctx context.Context) iter.Seq2[Event, error] { return m.h.events(ctx) }

// Members returns the slaves of the channel, those away included, by their
// names, as they are known on this side at present.
//
// It is as long as the channel is large, and made anew by each call. A list that the hub sends of more than 1,024 slaves comes
// in pages: ResumeMaster returns behind the last one. With ClientOptions.CountSlaves it is empty.
func (m *Master) Members() []Presence { return client.All(m.h.m.Slaves(), presence) }

// Counts returns how many slaves there are, as it is known on this side at present.
func (m *Master) Counts() Counts { return Counts(m.h.m.Counts()) }

// AllMembers asks the hub who is there, and yields the slaves in the order in which they have joined. It asks for 1,024
// at a time, so each is told as it was at that moment: who comes meanwhile is among the last, and who has gone
// by the time may be missing or not. It ends with an error where the hub refuses, such as ErrBusy while too much waits to be
// taken, where ctx ends, or with the channel. Reason, Since, Deadline and Joined of a Presence are not told.
func (m *Master) AllMembers(ctx context.Context) iter.Seq2[Presence, error] {
	return client.Each(ctx, m.h.m, presence)
}

// Kick removes a slave, which is told the reason. It may join again.
func (m *Master) Kick(ctx context.Context, username, reason string) error {
	return m.kick(ctx, username, reason, false)
}

// Ban removes a slave, if it is there, and refuses its name for the life of the
// channel.
func (m *Master) Ban(ctx context.Context, username, reason string) error {
	return m.kick(ctx, username, reason, true)
}

func (m *Master) kick(ctx context.Context, username, reason string, ban bool) error {
	if !wire.Sendable(username) {
		return m.noSuchSlave(username)
	}
	return m.h.m.Kick(ctx, wire.Frame{To: username, HasTo: true, Reason: reason, Ban: ban})
}

// Mute has a slave be quiet: what it sends of its own accord, requests too, fails with ErrMuted from
// then on, also after it has left and joined again. Its answers and its attributes do not. It is
// told by [Muted]. Where the channel has no slave of that name the error matches ErrNoSuchSlave.
//
// A slave that is muted or not by its name is an exception of what MuteAll or UnmuteAll has said of
// all. The hub remembers as many exceptions as there may be slaves, those of members that have left
// as long as there is room for them.
func (m *Master) Mute(ctx context.Context, username string) error {
	return m.h.m.Mute(ctx, username, true)
}

// Unmute lets a slave speak that Mute or MuteAll has muted.
func (m *Master) Unmute(ctx context.Context, username string) error {
	return m.h.m.Mute(ctx, username, false)
}

// MuteAll has all slaves be quiet, as Mute does, those too that join later. There are no
// exceptions any more.
func (m *Master) MuteAll(ctx context.Context) error { return m.h.m.MuteAll(ctx, true) }

// UnmuteAll lets all slaves speak. There are no exceptions any more.
func (m *Master) UnmuteAll(ctx context.Context) error { return m.h.m.MuteAll(ctx, false) }

// AllMuted reports whether all slaves are muted that are no exceptions, as it is known on this side.
// That is so for a program too that goes on by the Ticket of another one.
func (m *Master) AllMuted() bool { return m.h.m.Muted() }

// HandOver makes a slave the master of the channel, in the place of this one, and returns once it is.
// It has to be connected, or the error matches ErrNoSuchSlave, and has to have got what it has missed, or
// it matches ErrBusy. Policy.Authorize is asked (OpMaster). With stay this user goes on as a slave, by the handle that is returned, without
// attributes; else it leaves, and there is none. In both cases this handle ends with ErrHandedOver.
//
// All slaves are told the name of their new master, and stay as they are; the attributes that this master has set
// stay too, but for those of its Identity. The new master gets what slaves have sent and this one is
// not known to have got, and what they ask and was not answered. What this one asks is over. What is
// on its way while the mastership goes over fails with ErrRoleChanged, or with ErrNotAMember or ErrHandedOver where this user leaves, and nobody gets it. Where ctx ends
// first, the error matches ErrSendUnknown, and if the mastership has gone over, this user leaves.
func (m *Master) HandOver(ctx context.Context, username string, stay bool) (*Slave, error) {
	next, err := m.h.m.HandOver(ctx, username, stay)
	return client.HandleOf(next, func(stays *client.Membership) Slave { return Slave{m.h.client.handleOf(stays)} }), err
}

// noSuchSlave is the error for a name that no slave can have.
func (m *Master) noSuchSlave(username string) error {
	return publicError(wire.ErrNoSuchSlave.Explain(&wire.Frame{Channel: m.Channel(), To: username}))
}

// Away tells the slaves that the master is not there, though it is connected.
// Its time starts to run, see MasterTimeout. A resume after a lost connection counts
// as being back.
func (m *Master) Away(ctx context.Context) error {
	return m.h.m.Do(ctx, wire.Frame{Type: wire.Away})
}

// Back ends what Away has begun.
func (m *Master) Back(ctx context.Context) error {
	return m.h.m.Do(ctx, wire.Frame{Type: wire.Back})
}

// Refresh shows the service a token before what it has granted expires
// (Identity.Expires). An empty one stands for a fresh one of ClientOptions.Token. Where the
// service refuses it, the error says so, and what was granted before stays.
func (m *Master) Refresh(ctx context.Context, token string) error { return m.h.m.Refresh(ctx, token) }

// Close closes the channel: every slave is told master_left and let go. It waits for
// the hub's confirmation, for at most ClientOptions.CloseTimeout. This handle ends with
// ErrLeft in any case; an error says that the hub was not told: it is told when it can be
// reached again, or finds out by the master's absence. Later calls do nothing more.
func (m *Master) Close() error { return m.h.m.Close() }

// Done is closed when the channel is over for this handle.
func (m *Master) Done() <-chan struct{} { return m.h.m.Done() }

// Err says why the channel is over, and is nil before Done is closed. It is one
// of the ends among the Err variables, and matches net.ErrClosed.
func (m *Master) Err() error { return m.h.m.Err() }

// Ticket returns what another client needs to take this membership over by
// Client.ResumeMaster.
func (m *Master) Ticket() Ticket { return m.h.ticket(true) }
