package wire

import (
	"strconv"
	"unicode/utf8"

	"github.com/lectern-go/lectern/internal/jsontext"
)

// An answer that says no has a code and a message for people in the place of a payload. In a
// Frame it is a Payload of a kind of its own, so that whoever keeps a payload, passes it on or
// tells it from another one does the same with it. Its Data is the field's content in the
// binary form: one byte with the length of the code, the code, and the message.

// failure is a frame's payload where it is a FailedPayload, as a field of its own.
type failure Payload

const (
	// MaxFailureCode and MaxFailureMessage bound the code and the message, in bytes.
	MaxFailureCode    = 64
	MaxFailureMessage = 1024

	badFailure        problem = "not an object with a code"
	badFailureCode    problem = "code: not a word of 1 to 64 letters and digits of ASCII, _, - and ."
	badFailureMessage problem = "message: not a string of at most 1,024 bytes"
	failedAndPayload  problem = "failed: it stands in the place of text, data and base64"
	failedWithNoReply problem = "failed: an answer alone says no, and reply is missing"
	failedAndAsks     problem = "failed: an answer that says no is no request"
)

// NewFailure returns the payload of an answer that says no, or what is wrong with the code or
// the message.
func NewFailure(code, message string) (payload Payload, wrong string) {
	payload = failureOf([]byte(code), []byte(message))
	if p := checkFailure(payload.Data); p != "" {
		return Payload{}, string(p)
	}
	return payload, ""
}

func failureOf(code, message []byte) Payload {
	data := make([]byte, 0, 1+len(code)+len(message))
	data = append(data, byte(min(len(code), MaxFailureCode+1))) // one that is too long is refused
	data = append(data, code...)
	return Payload{Kind: FailedPayload, Data: append(data, message...)}
}

// Failure returns the code and the message of a FailedPayload. Both are empty where it is none.
func (p Payload) Failure() (code, message string) {
	if p.Kind != FailedPayload || checkFailure(p.Data) != "" {
		return "", ""
	}
	end := 1 + int(p.Data[0])
	return string(p.Data[1:end]), string(p.Data[end:])
}

// ValidFailure reports whether the bytes can be the Data of a FailedPayload.
func ValidFailure(data []byte) bool { return checkFailure(data) == "" }

func checkFailure(data []byte) problem {
	if len(data) == 0 || data[0] == 0 || data[0] > MaxFailureCode || len(data) <= int(data[0]) {
		return badFailureCode
	}
	end := 1 + int(data[0])
	for _, c := range data[1:end] {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' || c == '.') {
			return badFailureCode
		}
	}
	if len(data)-end > MaxFailureMessage || !utf8.Valid(data[end:]) {
		return badFailureMessage
	}
	return ""
}

func (v *failure) decodeBinary(content []byte) problem {
	*v = failure{Kind: FailedPayload, Data: content}
	return checkFailure(content)
}

func (v *failure) decodeText(value jsonValue) problem {
	if value[0] != '{' {
		return badFailure
	}
	var code, message jsonValue
	s := jsontext.Scanner{Data: value}
	p := s.Object(0, func(key jsontext.String, value []byte) problem {
		into := &code
		switch string(key.Content()) {
		case "code":
		case "message":
			into = &message
		default:
			return ""
		}
		if *into != nil {
			return repeatedField
		}
		*into = value
		return ""
	})
	if p != "" {
		return p
	}
	if code == nil {
		return badFailure
	}
	word, isString := code.str()
	if !isString {
		return badFailureCode
	}
	var text jsontext.String
	if message != nil {
		if text, isString = message.str(); !isString {
			return badFailureMessage
		}
	}
	*v = failure(failureOf(word.Content(), text.Content()))
	return checkFailure(v.Data)
}

// appendText writes the object.
func (v *failure) appendText(dst []byte) []byte {
	code, message := Payload(*v).Failure()
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendQuote(dst, code) // a word, in which nothing is escaped
	if message != "" {
		dst = append(dst, `,"message":`...)
		dst = jsontext.AppendQuoted(dst, message)
	}
	return append(dst, '}')
}

// checkFailed tests what must be so of a frame that says no.
func (frame *Frame) checkFailed() problem {
	switch {
	case frame.Payload.Kind != FailedPayload:
		return ""
	case frame.Reply == 0:
		return failedWithNoReply
	case frame.Asks || frame.Request != 0:
		return failedAndAsks
	}
	return ""
}
