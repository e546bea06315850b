package transport

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// CloseCode is the number with which a connection ends. It is the status code of a
// WebSocket close frame, and the number in a close unit on other transports.
//
// Lectern's own numbers start at 4000, which WebSocket leaves to applications.
// Those from 4000 to 4099 are final: what the connection was for is over, and coming
// back makes no sense. Those from 4100 on are about this one connection only.
type CloseCode uint16

// The codes from 4000 to 4099 are final.
const (
	// MasterLeft: the master closed the channel on purpose.
	MasterLeft CloseCode = 4001
	// MasterDown: the master was away for longer than the master timeout.
	MasterDown CloseCode = 4002
	// Kicked: the master removed this slave.
	Kicked CloseCode = 4003
	// ChannelClosed: the service closed the channel.
	ChannelClosed CloseCode = 4004
	// Left: the side that closes is done, and has left its channels on purpose.
	Left CloseCode = 4005
	// Expired: what the service has granted this slave has expired.
	Expired CloseCode = 4006
	// Revoked: the service does not let this member back.
	Revoked CloseCode = 4007
	// HandedOver: the channel has another master, and this one has left.
	HandedOver CloseCode = 4008
)

// The codes from 4100 on are about the connection: its memberships may live on,
// and coming back makes sense.
const (
	// Slow: the peer did not take its messages fast enough, or a message of its
	// own took too long to arrive.
	Slow CloseCode = 4101
	// Replaced: a newer connection has taken over the membership.
	Replaced CloseCode = 4102
	// ProtocolError: the peer sent what is not Lectern's protocol.
	ProtocolError CloseCode = 4103
	// Idle: the peer was silent, or held no membership, for too long.
	Idle CloseCode = 4104
	// RateLimited: the peer went on sending faster than it may.
	RateLimited CloseCode = 4105
	// Shutdown: the hub stops; another may take its place.
	Shutdown CloseCode = 4106
	// Unauthorized: what the service has granted this master has expired; it can come
	// back with a fresh token.
	Unauthorized CloseCode = 4107
)

// TooLarge ends a connection whose peer sent a message over the limit. It is
// WebSocket's own number for that, which WebSocket libraries send by themselves.
const TooLarge CloseCode = 1009

var codeWords = map[CloseCode]string{
	MasterLeft:    "master_left",
	MasterDown:    "master_down",
	Kicked:        "kicked",
	ChannelClosed: "channel_closed",
	Left:          "left",
	Expired:       "expired",
	Revoked:       "revoked",
	HandedOver:    "handed_over",
	Slow:          "slow",
	Replaced:      "replaced",
	ProtocolError: "protocol_error",
	Idle:          "idle",
	RateLimited:   "rate_limited",
	Shutdown:      "shutdown",
	Unauthorized:  "unauthorized",
	TooLarge:      "too_large",
}

// String returns the code's word in the protocol, for instance "master_down",
// and the bare number for a code that is not Lectern's.
func (c CloseCode) String() string {
	if word, ok := codeWords[c]; ok {
		return word
	}
	return strconv.Itoa(int(c))
}

// Final reports whether the code tells that coming back makes no sense.
func (c CloseCode) Final() bool { return c >= 4000 && c < 4100 }

// Reason says why a connection ends.
type Reason struct {
	Code CloseCode
	// Text is for people: UTF-8, at most MaxReasonText bytes of it are sent.
	Text string
}

// MaxReasonText is how many bytes of a reason's text reach the peer: what fits
// into a WebSocket close frame beside the number.
const MaxReasonText = 123

// ClippedText returns the text as it may be sent: valid UTF-8, at most
// MaxReasonText bytes, cut between characters.
func (r Reason) ClippedText() string {
	text := r.Text
	if len(text) > MaxReasonText {
		cut := MaxReasonText
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	if !utf8.ValidString(text) {
		return ""
	}
	return text
}

func (r Reason) String() string {
	if r.Text == "" {
		return r.Code.String()
	}
	return r.Code.String() + ": " + r.Text
}

// CloseError is the error of a Read after the peer has closed the connection
// and said why.
type CloseError struct {
	Reason Reason
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("transport: closed by the peer: %s", e.Reason)
}

var (
	// ErrSilent is the error of a Read when the peer was probed and gave no
	// sign of life in time.
	ErrSilent = errors.New("transport: the peer is silent")

	// ErrMessageTooLarge is the error of a Read when the peer announced a message
	// over the limit.
	ErrMessageTooLarge = errors.New("transport: message over the limit")

	// ErrProtocol is the error of a Read when the peer broke the transport's
	// framing.
	ErrProtocol = errors.New("transport: the peer broke the framing")

	// ErrSlow is the error of a Read when a message of the peer's had begun and
	// was not complete in time. The peer has been told [Slow].
	ErrSlow = errors.New("transport: a message took too long to arrive")

	// ErrFlood is the error of a Read when the peer went on sending more probes
	// and the like than it may. The peer has been told [RateLimited].
	ErrFlood = errors.New("transport: the peer floods the connection with control frames")
)
