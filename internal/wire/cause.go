package wire

import "slices"

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
}

// The protocol's codes. This is the list of them: what else has to know a code takes it
// from here, or is held against this list by the tests of test/codes, which name each
// place that lacks one. The public errors of the same names say what each means.
var (
	ErrBadFrame        = listed(CodeBadFrame, Refuses, 0)
	ErrUnsupported     = listed(CodeUnsupported, Refuses, 0)
	ErrTooLarge        = listed("too_large", Refuses, 1009)
	ErrRateLimited     = listed("rate_limited", Refuses, 4105)
	ErrUnauthorized    = listed("unauthorized", Refuses, 4107)
	ErrForbidden       = listed("forbidden", Refuses, 0)
	ErrNoSuchChannel   = listed("no_such_channel", Refuses, 0)
	ErrChannelExists   = listed("channel_exists", Refuses, 0)
	ErrWrongMaster     = listed("wrong_master", Refuses, 0)
	ErrNameTaken       = listed("name_taken", Refuses, 0)
	ErrBadName         = listed("bad_name", Refuses, 0)
	ErrBanned          = listed("banned", Refuses, 0)
	ErrChannelFull     = listed("channel_full", Refuses, 0)
	ErrTooManyChannels = listed("too_many_channels", Refuses, 0)
	ErrNotAMember      = listed("not_a_member", Refuses, 0)
	ErrNoSuchSlave     = listed("no_such_slave", Refuses, 0)
	ErrNoSuchRequest   = listed("no_such_request", Refuses, 0)
	ErrBusy            = listed("busy", Refuses, 0)
	ErrResumeFailed    = listed("resume_failed", Refuses|Ends, 0)
	ErrShuttingDown    = listed("shutting_down", Refuses, 0)

	ErrMasterLeft    = listed("master_left", Ends|InClosed, 4001)
	ErrMasterDown    = listed("master_down", Ends|InClosed, 4002)
	ErrKicked        = listed("kicked", Ends|InClosed, 4003)
	ErrChannelClosed = listed("channel_closed", Ends|InClosed, 4004)
	ErrLeft          = listed("left", Ends, 4005)
	ErrExpired       = listed("expired", Ends|InClosed, 4006)
	ErrRevoked       = listed("revoked", Ends|InClosed, 4007)
	ErrReplaced      = listed("replaced", Refuses|Ends|InClosed, 4102)
	ErrShutdown      = listed("shutdown", Ends, 4106)

	// Connections alone end with these.
	ErrSlow          = listed("slow", 0, 4101)
	ErrProtocolError = listed("protocol_error", 0, 4103)
	ErrIdle          = listed("idle", 0, 4104)
)

var codes []Listed

// listed makes the cause of a code and enters it into the list.
func listed(code Code, use Use, number uint16) *Cause {
	codes = append(codes, Listed{Code: code, Use: use, Number: number})
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
