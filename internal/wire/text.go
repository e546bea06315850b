package wire

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lectern-go/lectern/internal/jsontext"
)

func appendText(dst []byte, frame *Frame) []byte {
	spec := specOf(frame.Type)
	if spec == nil {
		panic("wire: a frame without a type")
	}
	dst = append(dst, `{"type":"`...)
	dst = append(dst, spec.word...)
	dst = append(dst, '"')
	for rest := spec.fields(); rest != 0; rest = rest.butFirst() {
		f := rest.first()
		if f == fieldNumbers {
			continue // they are written with the members
		}
		value, has := frame.place(f)
		if spec.required.has(f) || isSet(value, has) {
			dst = append(dst, `,"`...)
			dst = append(dst, nameOf(frame.Type, f)...)
			dst = append(dst, `":`...)
			dst = appendTextField(dst, value)
		}
	}
	if spec.payload && frame.Payload.Kind != NoPayload && frame.Payload.Kind != FailedPayload {
		dst = append(dst, ',')
		dst = appendTextPayload(dst, frame.Payload)
	}
	return append(dst, '}')
}

func appendTextPayload(dst []byte, payload Payload) []byte {
	switch payload.Kind {
	case TextPayload:
		dst = append(dst, `"text":`...)
		dst = jsontext.AppendQuoted(dst, validBytes(payload.Data))
	case DataPayload:
		dst = append(dst, `"data":`...)
		dst = append(dst, jsontext.TrimSpace(payload.Data)...)
	case BytesPayload:
		dst = append(dst, `"base64":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, payload.Data)
		dst = append(dst, '"')
	}
	return dst
}

// appendTextField writes a value as Frame.place returns it.
func appendTextField(dst []byte, value any) []byte {
	switch v := value.(type) {
	case *string:
		return jsontext.AppendQuoted(dst, validString(*v))
	case *uint64:
		return strconv.AppendUint(dst, *v, 10)
	case *bool:
		return strconv.AppendBool(dst, *v)
	case *choice:
		return strconv.AppendBool(dst, bool(*v))
	case *Role:
		return jsontext.AppendQuoted(dst, v.String())
	case *State:
		return jsontext.AppendQuoted(dst, v.String())
	case *Member:
		return appendTextMember(dst, Member{Username: v.Username, State: v.State})
	case *[]Member:
		dst = append(dst, '[')
		for i, member := range *v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendTextMember(dst, member)
		}
		return append(dst, ']')
	case *failure:
		return v.appendText(dst)
	case **Attributes:
		return (*v).appendText(dst)
	case *Door:
		return jsontext.AppendQuoted(dst, v.String())
	case *WaitingFor:
		return jsontext.AppendQuoted(dst, v.String())
	case *Roster:
		return jsontext.AppendQuoted(dst, v.String())
	case **Knocks:
		return (*v).appendText(dst)
	}
	return dst
}

func appendTextMember(dst []byte, member Member) []byte {
	dst = append(dst, `{"username":`...)
	dst = jsontext.AppendQuoted(dst, validString(member.Username))
	dst = append(dst, `,"state":`...)
	dst = jsontext.AppendQuoted(dst, member.State.String())
	if member.Number != 0 {
		dst = append(dst, `,"number":`...)
		dst = strconv.AppendUint(dst, member.Number, 10)
	}
	return append(dst, '}')
}

func validString(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}

func validBytes(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return bytes.ToValidUTF8(b, []byte("\ufffd"))
}
