package lectern

import (
	"errors"
	"net"
	"strings"

	"github.com/lectern-go/lectern/internal/client"
	"github.com/lectern-go/lectern/internal/hub"
	"github.com/lectern-go/lectern/internal/wire"
)

// ErrorCode is a word of the protocol that says why something was refused or has
// ended. PROTOCOL.md lists them all.
type ErrorCode string

// Error is a refusal by the hub, or the end of a membership. Compare it with
// the Err variables below by errors.Is, which looks at the Code alone, or take
// it out by errors.As for the text. One that the library returns must not be changed:
// it may be one of these variables.
type Error struct {
	Code ErrorCode
	// Text says more, for people: in a refusal by the hub what was wrong, with which field
	// or name, and what to do. It may come from the other side.
	Text string
}

func (e *Error) Error() string {
	return strings.TrimSuffix("lectern: "+string(e.Code)+": "+e.Text, ": ")
}

// Is reports whether target is an Error with the same code, or net.ErrClosed
// where the code says that a membership has ended.
func (e *Error) Is(target error) bool {
	if target == net.ErrClosed {
		return e.ends()
	}
	other, ok := target.(*Error)
	return ok && other.Code == e.Code
}

// Refusals: the operation was refused and changed nothing.
var (
	// ErrBadFrame: a frame could not be understood, or made no sense there.
	ErrBadFrame = sentinel("bad_frame")
	// ErrUnsupported: this side does not know the type of frame.
	ErrUnsupported = sentinel("unsupported")
	// ErrTooLarge: the payload is over Policy.MaxMessageBytes.
	ErrTooLarge = sentinel("too_large")
	// ErrRateLimited: the connection sends faster than it may.
	ErrRateLimited = sentinel("rate_limited")
	// ErrUnauthorized: Policy.Authorize refused (rule 1 for a create).
	ErrUnauthorized = sentinel("unauthorized")
	// ErrForbidden: the member's role does not allow it, for instance a
	// slave's message with an address (rule 5).
	ErrForbidden = sentinel("forbidden")
	// ErrNoSuchChannel: no master has created the channel (rule 2).
	ErrNoSuchChannel = sentinel("no_such_channel")
	// ErrChannelExists: the channel has its master already (rule 7).
	ErrChannelExists = sentinel("channel_exists")
	// ErrWrongMaster: the channel's master is not the one that the join
	// expects (rule 2).
	ErrWrongMaster = sentinel("wrong_master")
	// ErrNameTaken: another member of the channel has this username.
	ErrNameTaken = sentinel("name_taken")
	// ErrBadName: a channel's name or a username is not a name, see ValidName. The text
	// says which one, and names the character.
	ErrBadName = sentinel("bad_name")
	// ErrBanned: the master has banned this username from the channel.
	ErrBanned = sentinel("banned")
	// ErrLocked: the door of the channel is locked (Master.SetDoor).
	ErrLocked = sentinel("locked")
	// ErrDenied: the master does not let this user in (Master.Deny), who may ask again.
	ErrDenied = sentinel("denied")
	// ErrChannelFull: the channel holds Policy.MaxSlaves.
	ErrChannelFull = sentinel("channel_full")
	// ErrTooManyChannels: the hub holds Policy.MaxChannels, or the connection
	// Policy.MaxChannelsPerConnection.
	ErrTooManyChannels = sentinel("too_many_channels")
	// ErrNotAMember: this connection holds no membership of the channel.
	ErrNotAMember = sentinel("not_a_member")
	// ErrNoSuchSlave: the channel has no slave of that name (rule 6).
	ErrNoSuchSlave = sentinel("no_such_slave")
	// ErrNoSuchRequest: nobody awaits this answer. The request was never made,
	// has been answered already, or is over; or this side was not asked.
	ErrNoSuchRequest = sentinel("no_such_request")
	// ErrBusy: the master cannot take more messages at present, or this side
	// has too many requests open or has not taken what it was sent. Nothing was
	// delivered; trying again later makes sense.
	ErrBusy = sentinel("busy")
	// ErrTooLate: the time of the message was over (WithExpiry): the hub could not be given it
	// before, or nobody had answered it by then. Of a join: it has waited for Policy.WaitTimeout.
	ErrTooLate = sentinel("too_late")
	// ErrMuted: the master does not let this slave send of its own accord at present
	// (Master.Mute, Master.MuteAll).
	ErrMuted = sentinel("muted")
	// ErrAttributesFull: the member has as many attributes as it may have, or as many bytes of
	// them, or all slaves of the channel have, see Master.SetAttribute and Slave.SetAttribute.
	ErrAttributesFull = sentinel("attributes_full")
	// ErrRoleChanged: the mastership was handed over while this was on its way, so nobody gets
	// it: what was meant for the master is no message to all, and the other way round.
	ErrRoleChanged = sentinel("role_changed")
	// ErrShuttingDown: the hub takes on nothing new. A Client does what was refused so on the
	// next connection, unless its hub is in the same process.
	ErrShuttingDown = sentinel("shutting_down")
)

// Ends: the membership is over. Each also matches net.ErrClosed.
var (
	// ErrMasterLeft: the master closed the channel.
	ErrMasterLeft = sentinel("master_left")
	// ErrMasterDown: the master was away for longer than the master timeout,
	// or this side could not reach the hub for as long (rule 3).
	ErrMasterDown = sentinel("master_down")
	// ErrKicked: the master removed this slave.
	ErrKicked = sentinel("kicked")
	// ErrChannelClosed: the service closed the channel, by Channel.Close. Where the
	// master did, it is ErrMasterLeft.
	ErrChannelClosed = sentinel("channel_closed")
	// ErrLeft: this side left, by Slave.Leave, Slave.Switch, Master.Close or
	// Client.Close.
	ErrLeft = sentinel("left")
	// ErrExpired: what Policy.Authorize has granted has expired (Identity.Expires).
	ErrExpired = sentinel("expired")
	// ErrRevoked: Policy.Authorize does not let this member back (Policy.Reauthorize).
	ErrRevoked = sentinel("revoked")
	// ErrHandedOver: the mastership has gone to another member (Master.HandOver,
	// Channel.SetMaster). It ends the handle of the former master, and that which the new one
	// had as a slave.
	ErrHandedOver = sentinel("handed_over")
	// ErrReplaced: another connection, with the membership's resume secret, has
	// taken it over. It refuses a resume where another client has done so since the
	// ticket was made.
	ErrReplaced = sentinel("replaced")
	// ErrShutdown: the hub has shut down.
	ErrShutdown = sentinel("shutdown")
	// ErrResumeFailed: there is no membership with that name and secret any
	// more. It refuses a resume, and is the end of a membership whose client was
	// away for too long.
	ErrResumeFailed = sentinel("resume_failed")
	// ErrHubLost: the hub that had the channel is gone, and the one that is there now does not
	// have what was in it: the process was killed, or what it had was not handed on
	// (Hub.Export). It refuses a resume, and is the end of a membership that no hub can take
	// back.
	ErrHubLost = sentinel("hub_lost")
)

// ErrSendUnknown is matched by the error of a Send, Broadcast or other operation
// of a handle that was given up (its context ended, or the membership did, or three
// connections were closed as too slow, by either side, while it was the first that had no
// answer) after it had been written and before the hub's answer came. The hub may have carried
// it out or not. The error matches its cause too.
var ErrSendUnknown = errors.New("lectern: the hub may have carried it out or not")

// ErrDetached is the end of the handles of a client that was detached, by Client.Detach, and
// the error of what is asked of it afterwards. It matches net.ErrClosed, as the other ends
// do. The memberships go on, away: whoever has their tickets can resume them.
var ErrDetached = client.ErrDetached

// ErrBadState is the error of Hub.Restore where what is to be restored is not what Hub.Export
// has written, or not all of it, or is damaged, or was written by a later release. Its text
// says more, as do those of the next three.
var ErrBadState = hub.ErrBadState

// ErrOverPolicy is the error of Hub.Restore where there is more of something in it than the
// Policy of this hub allows. The text names the channel and the field.
var ErrOverPolicy = hub.ErrOverPolicy

// ErrNotShutDown is the error of Hub.Export before Shutdown.
var ErrNotShutDown = hub.ErrNotShutDown

// ErrNotNew is the error of Hub.Restore for a hub that has served somebody.
var ErrNotNew = hub.ErrNotNew

// DeclinedError is the error of a request to which the one who was asked has said no, by
// Master.Decline or Slave.Decline.
type DeclinedError struct {
	// Code is for programs, a word that those who ask and answer agree on. Message is for people, and
	// may be empty. Both are the other side's.
	Code, Message string
}

func (e *DeclinedError) Error() string {
	return strings.TrimSuffix("lectern: declined: "+e.Code+": "+e.Message, ": ")
}

// ends reports whether the code tells the end of a membership.
func (e *Error) ends() bool { return wire.Lookup(wire.Code(e.Code)).Is(wire.Ends) }

// WithText returns an error with the same code and a text of its own, for instance for
// Policy.Authorize to refuse with: ErrUnauthorized.WithText("the lesson begins at nine").
// The receiver stays as it is.
func (e *Error) WithText(text string) *Error { return &Error{Code: e.Code, Text: text} }

// sentinels are the Err variables, by their codes: those of wire.Codes that refuse or end.
var sentinels = make(map[ErrorCode]*Error)

// sentinel makes the Err variable of a code.
func sentinel(code ErrorCode) *Error {
	e := &Error{Code: code}
	sentinels[code] = e
	return e
}

// publicError is what users get of a cause. One without a text is the Err variable
// itself.
func publicError(why *wire.Cause) error {
	if e := sentinels[ErrorCode(why.Code)]; e != nil && why.Text == "" {
		return e
	}
	return &Error{Code: ErrorCode(why.Code), Text: why.Text}
}

// causeIn is the cause that a public error states, or nil where there is none in the
// chain of err.
func causeIn(err error) *wire.Cause {
	var e *Error
	if !errors.As(err, &e) || e == nil {
		return nil
	}
	return &wire.Cause{Code: wire.Code(e.Code), Text: e.Text}
}

// public is publicError for what may be no cause, or no error.
func public(err error) error {
	if why, ok := err.(*wire.Cause); ok {
		return publicError(why)
	}
	return err
}
