// Package wire is Lectern's protocol, version 1: the frames, and their two
// forms on the wire. PROTOCOL.md describes both byte by byte, and
// testdata/vectors.json holds them as examples that tests of any language read.
//
// The package knows syntax only. Whether a frame makes sense, coming from this
// side, at this time, is decided by the core.
package wire

// Form is one of the two ways in which a frame is written.
type Form uint8

const (
	// Binary is the form that the library's own clients speak.
	Binary Form = iota
	// Text is one JSON object, for people and for clients without a library.
	Text
)

// Type tells what a frame is. Its value is the first byte of the binary form.
type Type uint8

// Frames from a client to the hub. The hub answers Status, Members and Awaiting
// with a frame of the same type.
const (
	Create  Type = 0x01
	Join    Type = 0x02
	Resume  Type = 0x03
	Send    Type = 0x04
	Leave   Type = 0x05
	Away    Type = 0x06
	Back    Type = 0x07
	Kick    Type = 0x08
	Status  Type = 0x09
	Members Type = 0x0a
	Ping    Type = 0x0b
	// Withdraw ends a request of the sender: it awaits no more answers to it.
	Withdraw Type = 0x0c
	// Awaiting asks whose answers to a request of the sender are still awaited.
	Awaiting Type = 0x0d
	// Refresh shows a new token for a membership.
	Refresh Type = 0x0e
	// Set gives an attribute of the sender a value, or takes it away where it has no payload.
	Set Type = 0x0f
	// Mute sets whether a slave, or all of them, may speak of their own accord.
	Mute Type = 0x23
	// SetDoor says what becomes of who joins.
	SetDoor Type = 0x20
	// Admit and Deny let somebody in who waits at the door, or do not.
	Admit Type = 0x21
	Deny  Type = 0x22
	// HandOver makes a slave the master in the place of the sender.
	HandOver Type = 0x24
)

// Frames from the hub to a client.
const (
	Created  Type = 0x11
	Joined   Type = 0x12
	Message  Type = 0x13
	Presence Type = 0x14
	Closed   Type = 0x15
	Gap      Type = 0x16
	Ack      Type = 0x17
	Left     Type = 0x18
	Pong     Type = 0x19
	Error    Type = 0x1a
	// Shutdown announces that the hub will close the connection.
	Shutdown Type = 0x1b
	// Attribute tells the value of another member's attribute, or that it is gone.
	Attribute Type = 0x1c
	// Reset tells that the attributes of the member in From, or of all, are told anew.
	Reset Type = 0x1d
	// Asked tells that all has come that the member is asked again.
	Asked Type = 0x1e
	// Muted tells a slave whether it may speak of its own accord.
	Muted Type = 0x32
	// Waiting tells who joins that the answer takes its time, and for what it waits.
	Waiting Type = 0x30
	// Knock tells a master that somebody waits at the door, or does not any more.
	Knock Type = 0x31
)

// Role is what a member is in its channel.
type Role uint8

const (
	Master Role = 1
	Slave  Role = 2
)

// State is a member's presence. StateLeft is used of slaves only: a master that
// is gone takes the channel with it.
type State uint8

const (
	StateOnline State = 1
	StateAway   State = 2
	StateLeft   State = 3
)

// PayloadKind tells how a payload was given, and so how every receiver gets it.
type PayloadKind uint8

const (
	// NoPayload is the kind of the zero Payload: the frame carries none.
	NoPayload PayloadKind = iota
	// TextPayload is valid UTF-8.
	TextPayload
	// DataPayload is one JSON value, passed through untouched.
	DataPayload
	// BytesPayload is any bytes; the text form carries them in base64.
	BytesPayload
	// FailedPayload is what an answer has that says no, in the place of a payload (NewFailure).
	FailedPayload
)

// Payload is what a message carries.
type Payload struct {
	Kind PayloadKind
	// Data is the payload's bytes: the string's UTF-8, the JSON value's text,
	// or the bytes themselves. After Decode it may lie in the decoded frame.
	Data []byte
}

// Member is an entry of a list of slaves, or the master in an answer.
type Member struct {
	Username string
	State    State
	// Number is the number of a slave's membership in its channel, or zero where it is
	// not told. It is used in lists only.
	Number uint64
}

// Aside is what few frames have. Each message has a Frame of its own for as long as it is
// kept, and most have nothing of this. A frame that has nothing of it has no Aside.
type Aside struct {
	// Topic is, in a Send and a Message, what it is about.
	Topic string
	// Expires is, in a Send and a Message, how many milliseconds it still is worth something.
	// Zero: for ever.
	Expires uint64
	// Entering is what frames have that are about how somebody comes in, or nil.
	Entering *Entering
	// Listing is what frames have that are about how a master is told of its slaves, or nil.
	Listing *Listing
}

// aside is what the frame has aside, to read.
func (frame *Frame) aside() Aside {
	if frame.Aside == nil {
		return Aside{}
	}
	return *frame.Aside
}

// Topic is what a Send or a Message is about, or empty.
func (frame *Frame) Topic() string { return frame.aside().Topic }

// Expires is how many milliseconds a Send or a Message still is worth something, or zero
// where it does not expire.
func (frame *Frame) Expires() uint64 { return frame.aside().Expires }

// SetExpires sets how many milliseconds a Send or a Message still is worth something.
func (frame *Frame) SetExpires(ms uint64) {
	frame.needAside(fieldExpires)
	frame.Aside.Expires = ms
}

// Attributes are those with which a member enters, or that it has, or nil.
func (frame *Frame) Attributes() *Attributes { return frame.Entering().Attributes }

// SetAttributes sets those with which a member enters, or that it has.
func (frame *Frame) SetAttributes(attributes *Attributes) {
	if attributes != nil {
		frame.NeedEntering().Attributes = attributes
	}
}

// SetTopic sets what a Send or a Message is about.
func (frame *Frame) SetTopic(topic string) {
	frame.needAside(fieldTopic)
	frame.Aside.Topic = topic
}

// Frame is any frame of the protocol. Each type uses the fields that PROTOCOL.md
// lists for it; the others are zero and are not written.
//
// Each message has a Frame of its own for as long as it is kept, so the flags lie
// together: that saves 40 bytes.
type Frame struct {
	Type Type

	// HasTo to HasMembers tell a zero or empty value from none at all. HasExists tells
	// the answer that there is no such channel from the question, which is of the same
	// type.
	HasTo            bool
	HasMasterTimeout bool
	HasTimeout       bool
	HasExists        bool
	HasSeen          bool
	HasMembers       bool

	// Asks is, in a Send, set for a request ("request":true). In a Created and a Joined it says
	// that what the member is asked again follows, up to an Asked.
	Asks bool
	// Private is in a Message that is for the receiver alone.
	Private bool
	// Ban is in a Kick. In a HandOver it is stay: the master goes on as a slave. A field of its
	// own would make every message that is kept larger.
	Ban    bool
	Gap    bool // in the Created of a resume: the replay fell short
	Exists bool // in the answer Status
	// Joined is in the Presence of a slave that is new: it has joined, and not come back.
	Joined bool
	// Muted is, in a Mute and a Muted, whether slaves may not speak of their own accord from now
	// on ("on" in the text form), and in a Joined whether the receiver may not, in a Created
	// whether all may not who are no exceptions.
	// Muted is, in a Knock, whether it is still there ("on" in the text form).
	Muted bool
	Role  Role
	State State

	// Ref is the sender's number for the frame, carried back by the answer.
	// Zero is none.
	Ref uint64

	Channel  string
	Username string

	// Token goes with Create, Join, Resume, Refresh and a HandOver that is repeated, for the service's
	// authorization.
	Token string
	// Instance is the client's own id, in Create, Join, Resume and a HandOver that is
	// repeated. It is of use to whoever
	// knows it, so nobody is told another's.
	Instance string
	// Secret is the resume secret, "resume" in the text form: in Resume and a HandOver that is
	// repeated, and in the answers Created and Joined.
	Secret string
	// Expect is the master that a Join expects, "master" in the text form.
	Expect string
	// From is, in a Join, the channel to leave in the same step; in a Message
	// its sender.
	From string
	// To is the slave that a master's Send, Kick, Mute or HandOver is for.
	To string

	// Last is, in a Resume, the highest number that the member has seen.
	Last uint64
	// Seen is, in the frames of a member, the number up to which it has got everything.
	Seen uint64
	// Seq is the number of a Message, or the one that an Ack tells. In the
	// Created of a resume it is the number of the newest message for the
	// master, so that the replay's end can be known. In a Gap it is the number of the newest
	// message that is missing, where that is known. In an Attribute, a Reset and a Presence with
	// attributes it is the number of the change, and in a Resume the one up to which the
	// member knows the attributes of others.
	Seq uint64
	// Request is, in a Message, the number that an answer must carry, and in a
	// Withdraw or Awaiting the number of the sender's own request.
	Request uint64
	// Reply is the number of the request that a Send or Message answers.
	Reply   uint64
	Payload Payload

	// MasterTimeout and Timeout are in milliseconds, and may be over what a
	// time.Duration can hold.
	MasterTimeout uint64
	Timeout       uint64

	// Number is, in the Presence of a slave that has joined, the number of the
	// membership, as in Member.
	Number uint64

	// Code is the word in a Closed or an Error, and in an Awaiting that tells that the request
	// is over. In a Set or an Attribute it is the key, for which a field of its own would
	// make every message that is kept larger.
	Code string
	// Reason is for people: in Kick, Closed and a slave's Presence, and the
	// "message" of an Error.
	Reason string

	// Epoch counts the connections of a membership: in Created, Joined and Resume, and in any
	// frame of a member that shows that it knows of it.
	Epoch  uint64
	Missed uint64 // in a Gap
	Slaves uint64 // in an Ack: to how many it was queued
	// ConfirmMessages and ConfirmBytes are in Created: after so many messages, or so many
	// bytes of payload, the master is to tell what it has got.
	ConfirmMessages uint64
	ConfirmBytes    uint64

	// Aside is what few frames have, or nil.
	Aside *Aside

	// Master is the channel's master, in Joined and in the answer Status. It is
	// none where its State is zero.
	Master Member
	// Members lists a channel's slaves, in the answer Members and in the
	// Created of a resume, and those whose answers are awaited in the answer
	// Awaiting.
	Members []Member
}
