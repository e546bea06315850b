package wire

import (
	"github.com/lectern-go/lectern/internal/jsontext"
)

// The two codes of a DecodeError.
const (
	CodeBadFrame    = "bad_frame"
	CodeUnsupported = "unsupported"
)

// Append writes the frame in the form at the end of dst and returns the result.
//
// It writes the fields that the frame's type has: the required ones always, the
// others where they are set. It panics if Type is none of the constants. What
// it writes can be decoded, to an equal frame, if
//   - strings and a TextPayload are valid UTF-8 (U+FFFD is written in place of
//     what is not);
//   - a DataPayload is one that ValidData accepts;
//   - a Send or Message has a payload, no number is over MaxNumber, and roles
//     and states that the type requires are set.
//
// The same frame in the same form gives the same bytes.
func Append(dst []byte, form Form, frame *Frame) []byte {
	if dst == nil {
		dst = make([]byte, 0, frame.usualSize())
	}
	if form == Text {
		return appendText(dst, frame)
	}
	return appendBinary(dst, frame)
}

// usualSize is enough for most frames in the binary form, and not much more: it
// saves the growing in steps.
func (frame *Frame) usualSize() int {
	return 32 + len(frame.Channel) + len(frame.Username) + len(frame.From) + len(frame.Secret) +
		len(frame.Reason) + len(frame.Payload.Data)
}

// FormOf tells a frame's form by its first byte: '{' begins the text form alone. Data that is in neither form
// counts as Binary; Decode refuses it with NoForm set.
func FormOf(data []byte) Form {
	if len(data) > 0 && data[0] == '{' {
		return Text
	}
	return Binary
}

// Decode reads one frame of either form. Its error is always a *DecodeError.
//
// The frame's strings are copies, but its payload may lie in data. Decode does
// not change data. What it allocates is bounded by the size of data: no length
// or count is believed before its bytes are there.
func Decode(data []byte) (Frame, error) {
	var frame Frame
	err := DecodeInto(&frame, data)
	return frame, err
}

// DecodeInto is Decode into a frame that is zero, and is so after an error.
func DecodeInto(frame *Frame, data []byte) error { return decodeInto(frame, data, true) }

// DecodeFromClient is DecodeInto for what a client sends. A client asks for lists of members
// and has none to tell: one is read, so that it is refused where it is malformed, and not
// kept. An entry takes two bytes in the frame, and would take 32 here.
func DecodeFromClient(frame *Frame, data []byte) error { return decodeInto(frame, data, false) }

// decodeInto decodes into the frame. lists: lists of members are kept.
func decodeInto(frame *Frame, data []byte, lists bool) error {
	var err *DecodeError
	switch {
	case FormOf(data) == Text:
		err = decodeText(data, frame, lists)
	case !isBinary(data):
		err = &DecodeError{Code: CodeBadFrame, NoForm: true, Detail: "no frame: one in the text form begins with {"}
	default:
		err = decodeBinary(data, frame, lists)
	}
	if err != nil {
		*frame = Frame{}
		return err
	}
	frame.dropEmptyAside()
	return nil
}

// isBinary reports whether the data begins as a frame in the binary form does.
func isBinary(data []byte) bool {
	switch {
	case len(data) == 0 || data[0] == 0 || Type(data[0]) > lastType:
		return false
	case Type(data[0]) <= lastControl:
		return true
	}
	return len(data) > 1 && (field(data[1]) == fieldRef || field(data[1]) == fieldChannel)
}

// DecodeError tells why a frame could not be read.
type DecodeError struct {
	// Code is the protocol's error code: bad_frame or unsupported.
	Code string
	// Ref is the frame's ref, where that much could be read, else zero.
	Ref uint64
	// NoForm is set where the first byte, or the lack of one, already tells
	// that this is a frame in neither form.
	NoForm bool
	// Detail is for people. It never quotes the peer's bytes.
	Detail string
}

func (e *DecodeError) Error() string { return "wire: " + e.Code + ": " + e.Detail }

// problem is the Detail of a bad_frame, and empty where there is none.
type problem = jsontext.Problem

const (
	badNumber     problem = "not a whole number from 0 to 2^53, in digits and without quotes"
	badNumberZero problem = "not a whole number from 1 to 2^53, in digits and without quotes"
	badExpiry     problem = "not a whole number from 1 to 86400000, in digits and without quotes"
	badFlag       problem = "neither true nor false"
	badRole       problem = "neither master nor slave"
	badState      problem = "not a state that is possible here"
	missingField  problem = "required, and missing"
	repeatedField problem = "given twice"
	noPayload     problem = "one of text, data and base64 is required"
	twoPayloads   problem = "only one of text, data and base64 is possible"
)

// notANumber is the problem of a field that has no number, or one out of its range.
func notANumber(f field) problem {
	if f == fieldExpires {
		return badExpiry
	}
	if !inRange(f, 0) {
		return badNumberZero
	}
	return badNumber
}

// badFrame returns the error for a problem, and nil for none.
func badFrame(p problem, ref uint64) *DecodeError {
	if p == "" {
		return nil
	}
	return &DecodeError{Code: CodeBadFrame, Ref: ref, Detail: string(p)}
}

// unknownType is the Detail of an unsupported type.
const unknownType = "type: not one that this side knows"

func unsupported(detail string, ref uint64) *DecodeError {
	return &DecodeError{Code: CodeUnsupported, Ref: ref, Detail: detail}
}

// check tests what the fields of a decoded frame must satisfy together.
func (frame *Frame) check() problem {
	if frame.Type == Presence && frame.Role == Master && frame.State == StateLeft {
		return badState.Of(fieldNames[fieldState])
	}
	return frame.checkFailed()
}
