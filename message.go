package lectern

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/lectern-go/lectern/internal/client"
	"github.com/lectern-go/lectern/internal/wire"
)

// Kind tells how a payload was given. The receiver gets the kind that was sent,
// whatever form of the protocol it speaks.
type Kind uint8

const (
	// KindText is a string.
	KindText Kind = iota
	// KindJSON is a JSON value, passed through byte for byte.
	KindJSON
	// KindBytes is any bytes.
	KindBytes
)

func (k Kind) String() string { return wordAt(int(k), "text", "json", "bytes") }

// wordAt is the word of a number, and unknown where there is none.
func wordAt(n int, words ...string) string {
	if n < len(words) {
		return words[n]
	}
	return "unknown"
}

// Payload is what a message carries. Make one by [Text], [JSON] or [Bytes]; the
// zero value is the empty text. A payload does not change and may be sent any
// number of times.
type Payload struct {
	kind Kind
	data []byte
	err  error
}

// Text is a payload of a string, which must be valid UTF-8.
func Text(text string) Payload {
	if !utf8.ValidString(text) {
		return Payload{err: ErrBadFrame.WithText("the text is not valid UTF-8")}
	}
	return Payload{kind: KindText, data: []byte(text)}
}

// JSON is a payload of the value's JSON. Where the value has none, the error
// comes when the payload is sent.
func JSON(value any) Payload {
	data, err := json.Marshal(value)
	if err != nil {
		return Payload{kind: KindJSON, err: fmt.Errorf("lectern: payload: %w", err)}
	}
	if !wire.ValidData(data) {
		return Payload{kind: KindJSON, err: ErrBadFrame.WithText("the JSON value has more than 64 arrays and objects inside of each other")}
	}
	return Payload{kind: KindJSON, data: data}
}

// Bytes is a payload of a copy of the bytes.
func Bytes(data []byte) Payload { return Payload{kind: KindBytes, data: bytes.Clone(data)} }

// Kind tells how the payload was given.
func (p Payload) Kind() Kind { return p.kind }

// Len is the payload's size in bytes, as Policy.MaxMessageBytes counts it.
func (p Payload) Len() int { return len(p.data) }

// Text returns the payload as a string: the text, the JSON text, or the bytes.
func (p Payload) Text() string { return string(p.data) }

// Bytes returns a copy of the payload's bytes.
func (p Payload) Bytes() []byte { return bytes.Clone(p.data) }

// Decode stores the JSON of the payload in the value that target points to, as
// json.Unmarshal does. It is an error on a payload of another kind.
func (p Payload) Decode(target any) error {
	if p.kind != KindJSON {
		return fmt.Errorf("lectern: payload is %s, not JSON", p.kind)
	}
	return json.Unmarshal(p.data, target)
}

// kindFailed is that of an answer that says no, which no user gets as a payload.
const kindFailed = KindBytes + 1

var kindsOnWire = [...]wire.PayloadKind{
	KindText: wire.TextPayload, KindJSON: wire.DataPayload, KindBytes: wire.BytesPayload, kindFailed: wire.FailedPayload,
}

// declined is what a payload says that is a no, or nil.
func declined(p wire.Payload) *DeclinedError {
	if p.Kind != wire.FailedPayload {
		return nil
	}
	code, text := p.Failure()
	return &DeclinedError{Code: code, Message: text}
}

// failed is what an answer has that says no.
func failed(code, text string) Payload {
	p, wrong := wire.NewFailure(code, text)
	if wrong != "" {
		return Payload{err: ErrBadFrame.WithText(wrong)}
	}
	return Payload{kind: kindFailed, data: p.Data}
}

// onWire is the payload for a frame. The frame shares the bytes.
func (p Payload) onWire() wire.Payload {
	return wire.Payload{Kind: kindsOnWire[p.kind], Data: p.data}
}

var kindsHere = [...]Kind{wire.DataPayload: KindJSON, wire.BytesPayload: KindBytes}

// payload is one that has arrived, and is a copy already.
func payload(p wire.Payload) Payload {
	if p.Kind == wire.FailedPayload {
		return Payload{}
	}
	return Payload{kind: kindsHere[p.Kind], data: p.Data}
}

// Event is one thing that a member is told, in the order in which it happened:
// a [Message], a [Presence], an [Attribute], a [Knock], a [Muted], a [Counts], a [Promotion] or a [Gap].
type Event interface{ event() }

// Message is what arrived from the other side.
type Message struct {
	Payload
	// From is the sender's username, as the hub knows it. It is empty where the service has
	// sent the message itself (Channel.Broadcast, Channel.Send): no member can have that name.
	From string
	// Seq is the message's number in its channel and direction. A slave sees
	// rising numbers with holes where others were addressed; a master sees each.
	Seq uint64
	// Private tells a slave that the master, or the service, sent this to it alone.
	Private bool
	// RequestID is not zero where the sender awaits an answer, by the Reply of the
	// handle. It is the message's number.
	RequestID uint64
	// ReplyTo is, in an answer that Request or Gather returned, the RequestID of the
	// request.
	ReplyTo uint64
	// Topic is what the message is about, as its sender says (WithTopic), or empty.
	Topic string
	// Expires is from when on the message is worth nothing any more (WithExpiry), by this
	// side's clock. It is zero where it does not expire.
	Expires time.Time
}

// Receipt tells what the hub has made of a message that it has accepted.
type Receipt struct {
	// Seq is the message's number in its channel and direction.
	Seq uint64
	// Slaves is to how many slaves that are connected a master's message was queued. Those who
	// are away get it when they resume, and are not counted. It is zero for what a slave sends, which is for the
	// master alone, and was queued for it, or is kept until it is back.
	Slaves int
}

// Gap tells that messages were dropped, in their place in the order: they were
// no longer kept when this side came back, or this side did not take them in
// time from its own handle.
type Gap struct {
	// Missed is how many, where that is known, and zero where it is not. After
	// a resume it may count messages that were for others, and changes of
	// attributes, which are not lost; never less than the loss.
	Missed uint64
}

func (Message) event()   {}
func (Presence) event()  {}
func (Gap) event()       {}
func (Attribute) event() {}
func (Muted) event()     {}
func (Counts) event()    {}
func (Promotion) event() {}

// Promotion tells a slave that it is the master of the channel from now on, by the word of the former
// one (Master.HandOver) or of the service (Channel.SetMaster). Master is its handle. It is the last
// event of the slave's, which has ended. The attributes of its slaves come a moment later, as events
// and in AttributesOf. Whoever does not want to be the master hands over again, or
// closes the channel.
type Promotion struct{ Master *Master }

// Muted tells a slave that its master lets it send of its own accord no longer (On), or again: see
// Master.Mute. What it has sent before and the hub has not got yet is decided by that too. How it is for who
// joins is no change: Slave.Muted has it.
type Muted struct{ On bool }

// Counts tells a master how many slaves it has, online and away, where ClientOptions.CountSlaves is set.
type Counts struct{ Online, Away int }

func (Knock) event() {}

// Knock tells a master that somebody waits at its door (DoorKnock), or does not any more.
type Knock struct {
	// Number is what Master.Admit and Master.Deny take. Each knock has its own: who leaves and
	// knocks again has another one, and so has who knocks under a name that is free again.
	Number   uint64
	Username string
	// Attributes are those with which the user would enter (WithAttributes, Identity.Attributes).
	Attributes map[string]Payload
	// Over: nobody waits under the number any more, because it is in, was refused, or has gone.
	Over bool
}

// Door is what becomes of who joins a channel. It is asked at joins alone: who comes back after
// its connection was lost does not come to it.
type Door string

const (
	// DoorOpen lets everybody in. It is how a channel begins.
	DoorOpen Door = "open"
	// DoorKnock has everybody wait until the master says yes or no.
	DoorKnock Door = "knock"
	// DoorLocked refuses everybody with ErrLocked.
	DoorLocked Door = "locked"
)

// WaitingFor is what a join waits for.
type WaitingFor string

const (
	// WaitingForMaster: the channel does not exist yet (WithWait).
	WaitingForMaster WaitingFor = "master"
	// WaitingForDoor: the master has to say yes or no.
	WaitingForDoor WaitingFor = "door"
)

// Waiting is what a join waits for (WithWaiting).
type Waiting struct {
	For WaitingFor
	// Master is the channel's master and its state, at the door.
	Master Presence
}

// Attribute tells that an attribute of another member has changed: of the master, to its slaves,
// and of a slave, to its master. Those that there are when a member enters, or goes on by a
// Ticket, are told in the same way. While it waits to be taken, the next change of the same
// attribute takes its place, so that a key that changes often never fills a queue.
type Attribute struct {
	// From is the member, and Key which of its attributes.
	From, Key string
	// Value is the new value, unless Deleted.
	Value   Payload
	Deleted bool
	// Seq is the change's number, in one order with the messages of the same direction. A change
	// that is told anew may have a lower one than what came before.
	Seq uint64
}

// AttributesOption is what WithAttributes returns, for a create as well as for a join.
type AttributesOption map[string]Payload

func (o AttributesOption) addToJoin(j *client.Joining) error { return o.addToCreate(&j.Frame) }

func (o AttributesOption) addToCreate(f *wire.Frame) error {
	return wire.SetAttributes(f, o, checked)
}

// WithAttributes makes the user enter with these attributes: as if they were set, but before
// anybody is told of the user. All keys and values together have at most 4 KiB. It is
// both a CreateOption and a JoinOption. Of several the last one counts.
func WithAttributes(attributes map[string]Payload) AttributesOption { return attributes }

// checked is onWire, with what is wrong with the payload.
func checked(p Payload) (wire.Payload, error) { return p.onWire(), p.err }

func payloads(values map[string]wire.Payload) map[string]Payload {
	return client.ValuesOf(values, payload)
}

// GapError is the error by which Slave.Receive tells of a [Gap]. The next call
// goes on behind the gap.
type GapError struct{ Gap Gap }

func (e *GapError) Error() string {
	if e.Gap.Missed == 0 {
		return "lectern: messages were dropped"
	}
	return fmt.Sprintf("lectern: %d messages were dropped", e.Gap.Missed)
}

// State says whether a member is there.
type State uint8

const (
	// StateUnknown: the own connection to the hub is down, so that nothing is known.
	StateUnknown State = iota
	// StateOnline: connected, and not declared away.
	StateOnline
	// StateAway: the connection is lost, or the master has declared itself away. The
	// member may still come back.
	StateAway
	// StateGone: it has left, or its time is over.
	StateGone
)

func (s State) String() string { return wordAt(int(s), "unknown", "online", "away", "gone") }

// Presence is the state of one member as it is known on this side.
type Presence struct {
	// Username of the member: the master's on a slave's side. On the master's side a
	// slave's, or the master's own where its connection is lost or back.
	Username string
	State    State
	// Since is when this side learned of the state, by its own clock.
	Since time.Time
	// Deadline is when a master that is away, or that cannot be asked after
	// because the own connection is down, will be given up. Zero otherwise.
	Deadline time.Time
	// Joined tells the new from those that are back: this slave is a member since it was
	// told last, and its membership is another one than that of anybody who had the name before.
	// Where a master has gone on by a Ticket, in a seat that it has taken over, or by a hand-over,
	// those who are there then are told, and not as joined. Members has what the newest change of each was.
	Joined bool
	// Reason says why a slave is gone, where that is known: "left", "kicked",
	// "timeout", "expired", "revoked", or the words of the kick. Of who has left while this
	// side could not be told, it is known only that they have.
	Reason string
}

var states = [...]State{wire.StateOnline: StateOnline, wire.StateAway: StateAway, wire.StateLeft: StateGone}

// Answer is one slave's part in a [Master.Gather].
type Answer struct {
	// From is the slave. It is empty where the question itself could not be
	// sent, or who was asked did not become known, which Err then says.
	From string
	// Message is the answer, where Err is nil.
	Message Message
	// Err says why there is no answer: a *DeclinedError where the slave says no,
	// ErrNoSuchSlave where it has left, ErrTooLate where the question's time is over
	// (WithExpiry), a *GapError where the answer was lost, the context's error where none had
	// come by then, or why the channel is over.
	Err error
}

// What users get of what the client has been told.

func message(m client.Message) Message {
	return Message{
		Payload: payload(m.Payload), From: m.From, Seq: m.Seq, Private: m.Private, RequestID: m.RequestID, ReplyTo: m.ReplyTo, Topic: m.Topic, Expires: m.Expires,
	}
}

func knock(k client.Knock) Knock {
	return Knock{Number: k.Number, Username: k.Username, Attributes: payloads(k.Attributes), Over: k.Over}
}

func presence(p client.Presence) Presence {
	return Presence{Username: p.Username, State: states[p.State], Since: p.Since, Deadline: p.Deadline, Joined: p.Joined, Reason: p.Reason}
}

func answer(a client.Answer) Answer {
	given := Answer{From: a.From, Err: a.Err}
	switch {
	case a.Lost:
		given.Err = &GapError{Gap: Gap{Missed: 1}}
	case a.Message.Payload.Kind == wire.FailedPayload:
		given.Err = declined(a.Message.Payload)
	case a.Err == nil:
		given.Message = message(a.Message)
	}
	return given
}

// check is the error that keeps the payload from being sent, or nil.
func (p Payload) check(limit int) error {
	if p.err != nil {
		return p.err
	}
	if limit > 0 && len(p.data) > limit {
		return ErrTooLarge.WithText(fmt.Sprintf("the payload has %d bytes, and this client sends %d at most", len(p.data), limit))
	}
	return nil
}

// SendOption adds to a message: WithTopic, WithExpiry.
type SendOption interface {
	GatherOption
	addToSend(*wire.Frame) error
}

// GatherOption adds to a Gather: WithAsked, WithNewcomers, and every SendOption.
type GatherOption interface {
	addToGather(*wire.Frame, *client.Gathering) error
}

type gatherOption func(*client.Gathering)

func (o gatherOption) addToGather(_ *wire.Frame, how *client.Gathering) error {
	o(how)
	return nil
}

// WithAsked tells whom a Gather asks. The function is called in the goroutine that takes the answers,
// with the names in order, before that gets one of theirs: once for those who are asked at first, though they
// may be none, and under WithNewcomers again for those who are asked later. It is not called where the
// question could not be sent, or where it did not become known who was asked.
func WithAsked(asked func(usernames []string)) GatherOption {
	return gatherOption(func(how *client.Gathering) { how.Asked = asked })
}

// WithNewcomers makes a Gather ask who joins while it goes on, too: each new membership once, by a
// request of its own, with the same payload. So it ends with its context, its loop, the channel, or when the
// question has expired (WithExpiry) and nobody is awaited any more. Who has left and joins again is asked again, and has another part then. At most 128 newcomers are
// awaited at a time, and others are asked as these have answered or left: a hub takes 256 open
// requests of a master. They are asked by the loop as it goes on.
func WithNewcomers() GatherOption {
	return gatherOption(func(how *client.Gathering) { how.Newcomers = true })
}

type sendOption func(*wire.Frame) error

func (o sendOption) addToSend(f *wire.Frame) error { return o(f) }

func (o sendOption) addToGather(f *wire.Frame, _ *client.Gathering) error { return o(f) }

// WithTopic says what the message is about: the receiver has it as Message.Topic, to tell
// kinds of messages apart without a look at their payloads. It is a name as in ValidName, of
// at most 64 bytes; anything else is an error of the call, which matches ErrBadFrame, and
// nothing is sent.
func WithTopic(topic string) SendOption {
	return sendOption(func(f *wire.Frame) error { return public(client.SetTopic(f, topic)) })
}

// WithExpiry makes the message worth nothing any more after d, from the call on: nobody is
// handed it later than that and the time that it is on its way, wherever it has waited. Who
// would have got it is told a [Gap] in its place. A call that cannot give it to the hub in time
// fails with ErrTooLate; so do the parts of a Request or Gather that have no answer by then,
// and an answer after that is refused with ErrNoSuchRequest. d is from a millisecond to 24
// hours; anything else is an error of the call, which matches ErrBadFrame, and nothing is sent.
func WithExpiry(d time.Duration) SendOption {
	return sendOption(func(f *wire.Frame) error { return public(client.SetExpiry(f, d)) })
}

// in is the frame with the payload and the options, or the error that keeps it from being sent.
func (p Payload) in(frame wire.Frame, limit int, options []SendOption) (wire.Frame, error) {
	frame.Payload = p.onWire()
	if err := p.check(limit); err != nil || len(options) == 0 {
		return frame, err
	}
	extended := frame // only where there are options, it is not on the stack
	err := client.AddAll(options, func(o SendOption) error { return o.addToSend(&extended) })
	return extended, err
}

// MaxNameBytes is the length in bytes of the longest channel name or username.
const MaxNameBytes = wire.MaxName

// ValidName reports whether a name may be a channel's or a user's: 1 to
// MaxNameBytes bytes of valid UTF-8, with a letter, number, punctuation mark or symbol
// somewhere, no space at either end, and nothing in it that cannot be seen, but for
// the joiners that some scripts and emoji are written with. PROTOCOL.md has the whole of it.
// Names are compared byte by byte: two that look alike may be two. Policy.Name lets a
// service be stricter.
func ValidName(name string) bool { return wire.ValidName(name) }
