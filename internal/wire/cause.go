package wire

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

// Refusals: what was asked for was refused and has changed nothing. The public
// errors of the same names say what each means.
var (
	ErrBadFrame        = &Cause{Code: CodeBadFrame}
	ErrUnsupported     = &Cause{Code: CodeUnsupported}
	ErrTooLarge        = &Cause{Code: "too_large"}
	ErrRateLimited     = &Cause{Code: "rate_limited"}
	ErrUnauthorized    = &Cause{Code: "unauthorized"}
	ErrForbidden       = &Cause{Code: "forbidden"}
	ErrNoSuchChannel   = &Cause{Code: "no_such_channel"}
	ErrChannelExists   = &Cause{Code: "channel_exists"}
	ErrWrongMaster     = &Cause{Code: "wrong_master"}
	ErrNameTaken       = &Cause{Code: "name_taken"}
	ErrBadName         = &Cause{Code: "bad_name"}
	ErrBanned          = &Cause{Code: "banned"}
	ErrChannelFull     = &Cause{Code: "channel_full"}
	ErrTooManyChannels = &Cause{Code: "too_many_channels"}
	ErrNotAMember      = &Cause{Code: "not_a_member"}
	ErrNoSuchSlave     = &Cause{Code: "no_such_slave"}
	ErrNoSuchRequest   = &Cause{Code: "no_such_request"}
	ErrBusy            = &Cause{Code: "busy"}
	ErrResumeFailed    = &Cause{Code: "resume_failed"}
	ErrShuttingDown    = &Cause{Code: "shutting_down"}
)

// Ends: the membership is over.
var (
	ErrMasterLeft    = &Cause{Code: "master_left"}
	ErrMasterDown    = &Cause{Code: "master_down"}
	ErrKicked        = &Cause{Code: "kicked"}
	ErrChannelClosed = &Cause{Code: "channel_closed"}
	ErrLeft          = &Cause{Code: "left"}
	ErrReplaced      = &Cause{Code: "replaced"}
	ErrShutdown      = &Cause{Code: "shutdown"}
)

// Refusals lists the causes that a hub refuses with.
var Refusals = []*Cause{
	ErrBadFrame, ErrUnsupported, ErrTooLarge, ErrRateLimited, ErrUnauthorized, ErrForbidden, ErrNoSuchChannel, ErrChannelExists,
	ErrWrongMaster, ErrNameTaken, ErrBadName, ErrBanned, ErrChannelFull, ErrTooManyChannels, ErrNotAMember, ErrNoSuchSlave,
	ErrNoSuchRequest, ErrBusy, ErrResumeFailed, ErrShuttingDown,
}
