package wire

import "math/bits"

// MaxNumber bounds every number in a frame: the largest up to which all whole
// numbers are exact in JavaScript and in most readers of JSON.
const MaxNumber = 1 << 53

// MaxExpires bounds how many milliseconds a message can be worth something: a day.
const MaxExpires = 24 * 60 * 60 * 1000

// field names one field of a Frame other than its type and payload. Its value
// is the field's tag in the binary form, and the order of the values is the
// order in which both forms are written.
type field uint8

const (
	fieldRef           field = 0x01
	fieldChannel       field = 0x02
	fieldUsername      field = 0x03
	fieldExpect        field = 0x04
	fieldToken         field = 0x05
	fieldSecret        field = 0x06
	fieldEpoch         field = 0x07
	fieldFrom          field = 0x08
	fieldTo            field = 0x09
	fieldLast          field = 0x0a
	fieldSeq           field = 0x0b
	fieldSlaves        field = 0x0c
	fieldPrivate       field = 0x0d
	fieldAsks          field = 0x0e
	fieldRequest       field = 0x0f
	fieldReply         field = 0x10
	fieldExists        field = 0x11
	fieldRole          field = 0x12
	fieldState         field = 0x13
	fieldMaster        field = 0x14
	fieldMasterTimeout field = 0x15
	fieldTimeout       field = 0x16
	fieldGap           field = 0x17
	fieldCode          field = 0x18
	fieldMissed        field = 0x19
	fieldReason        field = 0x1a
	fieldBan           field = 0x1b
	fieldMembers       field = 0x1c
	fieldNumber        field = 0x1d
	// fieldNumbers has the numbers of the members in the binary form. In the text form
	// each number is in the member's own object.
	fieldNumbers         field = 0x1e
	fieldInstance        field = 0x1f
	fieldSeen            field = 0x20
	fieldConfirmMessages field = 0x21
	fieldConfirmBytes    field = 0x22
	fieldTopic           field = 0x23
	fieldExpires         field = 0x24
	fieldJoined          field = 0x25
	fieldFailed          field = 0x26
	fieldKey             field = 0x27
	fieldAttributes      field = 0x28
	fieldDoor            field = 0x29
	fieldWait            field = 0x2a
	fieldFor             field = 0x2b
	fieldKnock           field = 0x2c
	fieldOn              field = 0x2d
	fieldStay            field = 0x2e
	fieldMuted           field = 0x2f
	fieldKnocks          field = 0x30
	fieldRoster          field = 0x31
	fieldMore            field = 0x32
	fieldOnline          field = 0x33
	fieldAway            field = 0x34
	fieldAfter           field = 0x35
	fieldLimit           field = 0x36

	lastField = fieldLimit
)

// fieldNames are the names in the text form. An Error has "message" for its
// reason.
var fieldNames = [lastField + 1]string{
	fieldRef:           "ref",
	fieldChannel:       "channel",
	fieldUsername:      "username",
	fieldExpect:        "master",
	fieldToken:         "token",
	fieldSecret:        "resume",
	fieldEpoch:         "epoch",
	fieldFrom:          "from",
	fieldTo:            "to",
	fieldLast:          "last",
	fieldSeq:           "seq",
	fieldSlaves:        "slaves",
	fieldPrivate:       "private",
	fieldAsks:          "request",
	fieldRequest:       "request",
	fieldReply:         "reply",
	fieldExists:        "exists",
	fieldRole:          "role",
	fieldState:         "state",
	fieldMaster:        "master",
	fieldMasterTimeout: "master_timeout_ms",
	fieldTimeout:       "timeout_ms",
	fieldGap:           "gap",
	fieldCode:          "code",
	fieldMissed:        "missed",
	fieldReason:        "reason",
	fieldBan:           "ban",
	fieldMembers:       "members",
	fieldNumber:        "number",

	fieldInstance:        "instance",
	fieldSeen:            "seen",
	fieldConfirmMessages: "confirm_messages",
	fieldConfirmBytes:    "confirm_bytes",
	fieldTopic:           "topic",
	fieldExpires:         "expires_ms",
	fieldJoined:          "joined",
	fieldFailed:          "failed",
	fieldKey:             "key",
	fieldAttributes:      "attributes",
	fieldDoor:            "door",
	fieldWait:            "wait",
	fieldFor:             "for",
	fieldKnock:           "knock",
	fieldOn:              "on",
	fieldMuted:           "muted",
	fieldKnocks:          "knocks",
	fieldStay:            "stay",
	fieldRoster:          "roster",
	fieldMore:            "more",
	fieldOnline:          "online",
	fieldAway:            "away",
	fieldAfter:           "after",
	fieldLimit:           "limit",
}

func nameOf(t Type, f field) string {
	switch {
	case t == Error && f == fieldReason:
		return "message"
	case f == fieldNumbers:
		return "numbers" // for people alone
	}
	return fieldNames[f]
}

// fieldSet has the bit 1<<f set for each of its fields f.
type fieldSet uint64

func set(fields ...field) fieldSet {
	var s fieldSet
	for _, f := range fields {
		s |= 1 << f
	}
	return s
}

func (s fieldSet) has(f field) bool { return s&(1<<f) != 0 }

// first returns the first field of a set that is not empty.
func (s fieldSet) first() field { return field(bits.TrailingZeros64(uint64(s))) }

func (s fieldSet) butFirst() fieldSet { return s & (s - 1) }

// lastType is the last value that is kept for frame types. None of them is
// '{', so that the first bytes tell the form. Types after lastControl are characters too, which
// text can begin with: a frame of one of them has a ref or a channel, whose tag no text has.
const (
	lastType    Type = 0x3f
	lastControl Type = 0x1f
)

// spec is the shape of one type of frame. Every type may carry a ref. Those with
// a payload carry exactly one, or have failed in its place. One that is emptied need not have any.
type spec struct {
	word     string
	required fieldSet
	optional fieldSet
	payload  bool
	// emptied: a frame without a payload takes something away.
	emptied bool
}

func (s *spec) fields() fieldSet { return s.required | s.optional }

var specs = [lastType + 1]spec{
	Create: {
		word:     "create",
		required: set(fieldChannel, fieldUsername),
		optional: set(fieldRef, fieldToken, fieldMasterTimeout, fieldInstance, fieldAttributes, fieldDoor, fieldRoster),
	},
	Join: {
		word:     "join",
		required: set(fieldChannel, fieldUsername),
		optional: set(fieldRef, fieldExpect, fieldToken, fieldFrom, fieldInstance, fieldAttributes, fieldWait, fieldRoster),
	},
	Resume: {
		word:     "resume",
		required: set(fieldChannel, fieldUsername, fieldSecret),
		optional: set(fieldRef, fieldToken, fieldEpoch, fieldLast, fieldSeq, fieldInstance, fieldRoster),
	},
	Send: {
		word:     "send",
		required: set(fieldChannel),
		optional: set(fieldRef, fieldTo, fieldAsks, fieldReply, fieldEpoch, fieldSeen, fieldTopic, fieldExpires, fieldFailed),
		payload:  true,
	},
	Leave: {
		word:     "leave",
		required: set(fieldChannel),
		optional: set(fieldRef, fieldEpoch, fieldSeen),
	},
	Away: {
		word:     "away",
		required: set(fieldChannel),
		optional: set(fieldRef, fieldEpoch, fieldSeen),
	},
	Back: {
		word:     "back",
		required: set(fieldChannel),
		optional: set(fieldRef, fieldEpoch, fieldSeen),
	},
	Kick: {
		word:     "kick",
		required: set(fieldChannel, fieldTo),
		optional: set(fieldRef, fieldReason, fieldBan, fieldEpoch, fieldSeen),
	},
	Status: {
		word:     "status",
		required: set(fieldChannel),
		optional: set(fieldRef, fieldExists, fieldMaster, fieldTimeout),
	},
	Members: {
		word:     "members",
		required: set(fieldChannel),
		optional: set(fieldRef, fieldMembers, fieldNumbers, fieldEpoch, fieldSeen, fieldMore, fieldOnline, fieldAway, fieldAfter, fieldLimit),
	},
	Ping: {
		word:     "ping",
		optional: set(fieldRef, fieldChannel, fieldEpoch, fieldSeen),
	},
	Withdraw: {
		word:     "withdraw",
		required: set(fieldChannel, fieldRequest),
		optional: set(fieldRef, fieldEpoch, fieldSeen),
	},
	Awaiting: {
		word:     "awaiting",
		required: set(fieldChannel, fieldRequest),
		optional: set(fieldRef, fieldCode, fieldMembers, fieldNumbers, fieldEpoch, fieldSeen, fieldMore, fieldAfter, fieldLimit),
	},
	Refresh: {
		word:     "refresh",
		required: set(fieldChannel, fieldToken),
		optional: set(fieldRef, fieldEpoch, fieldSeen),
	},
	Set: {
		word:     "set",
		required: set(fieldChannel, fieldKey),
		optional: set(fieldRef, fieldEpoch, fieldSeen),
		payload:  true,
		emptied:  true,
	},
	HandOver: {
		word:     "hand_over",
		required: set(fieldChannel, fieldTo),
		optional: set(fieldRef, fieldUsername, fieldToken, fieldSecret, fieldEpoch, fieldInstance, fieldSeen, fieldStay),
	},
	Created: {
		word:     "created",
		required: set(fieldChannel, fieldUsername, fieldSecret, fieldEpoch),
		optional: set(fieldRef, fieldSeq, fieldAsks, fieldMasterTimeout, fieldGap, fieldMembers, fieldNumbers, fieldConfirmMessages, fieldConfirmBytes, fieldAttributes, fieldDoor, fieldMuted, fieldKnocks, fieldMore, fieldOnline, fieldAway),
	},
	Joined: {
		word:     "joined",
		required: set(fieldChannel, fieldUsername, fieldSecret, fieldMaster),
		optional: set(fieldRef, fieldEpoch, fieldAsks, fieldMasterTimeout, fieldAttributes, fieldMuted),
	},
	Message: {
		word:     "message",
		required: set(fieldChannel, fieldFrom, fieldSeq),
		optional: set(fieldRef, fieldPrivate, fieldRequest, fieldReply, fieldTopic, fieldExpires, fieldFailed),
		payload:  true,
	},
	Presence: {
		word:     "presence",
		required: set(fieldChannel, fieldUsername, fieldRole, fieldState),
		optional: set(fieldRef, fieldSeq, fieldTimeout, fieldReason, fieldNumber, fieldJoined, fieldAttributes),
	},
	Closed: {
		word:     "closed",
		required: set(fieldChannel, fieldCode),
		optional: set(fieldRef, fieldReason),
	},
	Gap: {
		word:     "gap",
		required: set(fieldChannel, fieldMissed),
		optional: set(fieldRef, fieldSeq),
	},
	Ack: {
		word:     "ack",
		optional: set(fieldRef, fieldSeq, fieldSlaves),
	},
	Left: {
		word:     "left",
		required: set(fieldChannel),
		optional: set(fieldRef),
	},
	Pong: {
		word:     "pong",
		optional: set(fieldRef),
	},
	Error: {
		word:     "error",
		required: set(fieldCode),
		optional: set(fieldRef, fieldChannel, fieldReason),
	},
	Shutdown: {
		word:     "shutdown",
		required: set(fieldTimeout),
		optional: set(fieldRef),
	},
	Attribute: {
		word:     "attribute",
		required: set(fieldChannel, fieldFrom, fieldSeq, fieldKey),
		optional: set(fieldRef),
		payload:  true,
		emptied:  true,
	},
	Reset: {
		word:     "reset",
		required: set(fieldChannel),
		optional: set(fieldRef, fieldFrom, fieldSeq),
	},
	Asked: {
		word:     "asked",
		required: set(fieldChannel),
		optional: set(fieldRef),
	},
	Mute: {
		word:     "mute",
		required: set(fieldChannel, fieldOn),
		optional: set(fieldRef, fieldTo, fieldEpoch, fieldSeen),
	},
	Muted: {
		word:     "muted",
		required: set(fieldChannel, fieldOn),
		optional: set(fieldRef),
	},
	SetDoor: {
		word:     "door",
		required: set(fieldChannel, fieldDoor),
		optional: set(fieldRef, fieldEpoch, fieldSeen),
	},
	Admit: {
		word:     "admit",
		required: set(fieldChannel, fieldKnock),
		optional: set(fieldRef, fieldEpoch, fieldSeen),
	},
	Deny: {
		word:     "deny",
		required: set(fieldChannel, fieldKnock),
		optional: set(fieldRef, fieldReason, fieldEpoch, fieldSeen),
	},
	Waiting: {
		word:     "waiting",
		required: set(fieldChannel, fieldFor),
		optional: set(fieldRef, fieldMaster, fieldTimeout),
	},
	Knock: {
		word:     "knock",
		required: set(fieldChannel, fieldUsername, fieldKnock, fieldOn),
		optional: set(fieldRef, fieldAttributes),
	},
}

// specOf returns the shape of a type, or nil if there is no such type.
func specOf(t Type) *spec {
	if t > lastType || specs[t].word == "" {
		return nil
	}
	return &specs[t]
}
