package wire

import (
	"slices"
	"strconv"
	"strings"
)

// Code is a word of the protocol that says why something was refused or has
// ended. PROTOCOL.md lists them all.
type Code string

// Cause is why something was refused, or why a membership has ended: a code, and
// a text for people, which may be empty. It is an error among the inner packages;
// users get the public Error that is made of it.
type Cause struct {
	Code Code
	Text string
}

func (c *Cause) Error() string {
	if c.Text == "" {
		return "lectern: " + string(c.Code)
	}
	return "lectern: " + string(c.Code) + ": " + c.Text
}

// Is reports whether target is a Cause with the same code.
func (c *Cause) Is(target error) bool {
	other, ok := target.(*Cause)
	return ok && other.Code == c.Code
}

// With is the cause with a text of its own. The receiver stays as it is.
func (c *Cause) With(text string) *Cause { return &Cause{Code: c.Code, Text: text} }

// Use tells what a code is for.
type Use uint8

const (
	// Refuses: what was asked for was refused, by an error, and has changed nothing.
	Refuses Use = 1 << iota
	// Ends: a membership is over.
	Ends
	// InClosed: the hub tells the end by a closed.
	InClosed
)

// Listed is a code of the protocol with what is fixed about it.
type Listed struct {
	Code Code
	Use  Use
	// Number is the one with which a connection ends for the code, and 0 where none does.
	Number uint16
	// Words say, for people, what was wrong and what to do, where a refusal has no text of
	// its own. See Explain.
	Words string
}

// The protocol's codes. This is the list of them: what else has to know a code takes it
// from here, or is held against this list by the tests of test/codes, which name each
// place that lacks one. The public errors of the same names say what each means.
var (
	ErrBadFrame        = listed(CodeBadFrame, Refuses, 0, "this {type} makes no sense here")
	ErrUnsupported     = listed(CodeUnsupported, Refuses, 0, "the frame is of a type, or has a field, that this hub does not know")
	ErrTooLarge        = listed("too_large", Refuses, 1009, "the payload is larger than this hub takes: send less at a time")
	ErrRateLimited     = listed("rate_limited", Refuses, 4105, "too much came at once: send it again later, under a new ref")
	ErrUnauthorized    = listed("unauthorized", Refuses, 4107, "the service does not allow {username} this {type} of {channel}")
	ErrForbidden       = listed("forbidden", Refuses, 0, "only the master of {channel} may send this {type}")
	ErrNoSuchChannel   = listed("no_such_channel", Refuses, 0, "there is no channel {channel}: its master has to create it first")
	ErrChannelExists   = listed("channel_exists", Refuses, 0, "the channel {channel} has its master already: join it, or create one of another name")
	ErrWrongMaster     = listed("wrong_master", Refuses, 0, "the master of {channel} is not {master}: join whoever its master is, or another channel")
	ErrNameTaken       = listed("name_taken", Refuses, 0, "the name {username} is taken in {channel}: choose another one, or resume if it is your own")
	ErrBadName         = listed("bad_name", Refuses, 0, "a name has 1 to 128 bytes of UTF-8, and nothing in it that cannot be seen")
	ErrBanned          = listed("banned", Refuses, 0, "the master of {channel} does not let {username} in any more")
	ErrLocked          = listed("locked", Refuses, 0, "the door of {channel} is locked: nobody is let in at present")
	ErrDenied          = listed("denied", Refuses, 0, "the master of {channel} does not let {username} in")
	ErrChannelFull     = listed("channel_full", Refuses, 0, "the channel {channel} is full: try again when somebody has left")
	ErrTooManyChannels = listed("too_many_channels", Refuses, 0, "there are as many channels as there may be: try again when one has ended")
	ErrNotAMember      = listed("not_a_member", Refuses, 0, "this connection is not a member of {channel}: create, join or resume it first")
	ErrNoSuchSlave     = listed("no_such_slave", Refuses, 0, "there is no slave {to} in {channel}: the list of its members tells who is there")
	ErrNoSuchRequest   = listed("no_such_request", Refuses, 0, "no answer to request {request} is awaited in {channel}: it has been answered, withdrawn, was asked of others, or its time is over")
	ErrBusy            = listed("busy", Refuses, 0, "too much waits already: try again later, under a new ref")
	ErrRoleChanged     = listed("role_changed", Refuses, 0, "the mastership of {channel} was handed over, and this {type} came from before that: send it anew as what you are now")
	ErrTooLate         = listed("too_late", Refuses, 0, "the time of the message was over: nobody gets it, or answers it, any more")
	ErrMuted           = listed("muted", Refuses, 0, "the master of {channel} does not let you speak at present: answer what you are asked, and wait for the rest")
	ErrAttributesFull  = listed("attributes_full", Refuses, 0, "there are as many attributes in {channel} as there may be: remove some first")
	ErrResumeFailed    = listed("resume_failed", Refuses|Ends, 0, "there is no membership of {username} in {channel} with that secret and that last message: join, or create, anew")
	ErrHubLost         = listed("hub_lost", Refuses|Ends, 0, "the hub that had {channel} is gone, and this one does not have what was in it: join, or create, anew")
	ErrShuttingDown    = listed("shutting_down", Refuses, 0, "the hub stops, and takes on nothing new: connect again later")

	ErrMasterLeft    = listed("master_left", Ends|InClosed, 4001, "")
	ErrMasterDown    = listed("master_down", Ends|InClosed, 4002, "")
	ErrKicked        = listed("kicked", Ends|InClosed, 4003, "")
	ErrChannelClosed = listed("channel_closed", Ends|InClosed, 4004, "")
	ErrLeft          = listed("left", Ends, 4005, "")
	ErrExpired       = listed("expired", Ends|InClosed, 4006, "")
	ErrRevoked       = listed("revoked", Ends|InClosed, 4007, "")
	ErrHandedOver    = listed("handed_over", Ends|InClosed, 4008, "")
	ErrReplaced      = listed("replaced", Refuses|Ends|InClosed, 4102, "another connection has the membership of {username} in {channel}")
	ErrShutdown      = listed("shutdown", Ends, 4106, "")

	// Connections alone end with these.
	ErrSlow          = listed("slow", 0, 4101, "")
	ErrProtocolError = listed("protocol_error", 0, 4103, "")
	ErrIdle          = listed("idle", 0, 4104, "")
)

var codes []Listed

// listed makes the cause of a code and enters it into the list.
func listed(code Code, use Use, number uint16, words string) *Cause {
	codes = append(codes, Listed{Code: code, Use: use, Number: number, Words: words})
	return &Cause{Code: code}
}

// Codes lists the protocol's codes.
func Codes() []Listed { return slices.Clone(codes) }

// Lookup is what is fixed about the code. It is the zero Listed for a code that is not
// the protocol's, as a service may use in its refusals.
func Lookup(code Code) Listed {
	for i := range codes {
		if codes[i].Code == code {
			return codes[i]
		}
	}
	return Listed{}
}

// Is reports whether the code is for all of that use.
func (l Listed) Is(use Use) bool { return l.Use&use == use }

// Explain is the cause of a refusal with a text: its own, or else the words of its code, with
// what they name as it is in the frame that is refused. A refusal with a code of the
// service's own and without a text is told as that.
func (c *Cause) Explain(refused *Frame) *Cause {
	if c.Text != "" {
		return c
	}
	words := Lookup(c.Code).Words
	if words == "" {
		words = "the service refuses this {type} of {channel}, and does not say why"
	}
	username := "you"
	if refused.Username != "" {
		username = Quote(refused.Username)
	}
	request := refused.Request
	if request == 0 {
		request = refused.Reply
	}
	return c.With(strings.NewReplacer(
		"{type}", refused.Type.String(), "{channel}", Quote(refused.Channel), "{username}", username,
		"{master}", Quote(refused.Expect), "{to}", Quote(refused.To), "{request}", strconv.FormatUint(request, 10),
	).Replace(words))
}
