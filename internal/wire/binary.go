package wire

import (
	"encoding/binary"
	"math/bits"

	"github.com/lectern-go/lectern/internal/jsontext"
)

// The payload's tags are the highest of version 1, so that the payload comes
// last.
const (
	tagText  = 0x7d
	tagData  = 0x7e
	tagBytes = 0x7f

	// firstCritical is the first of the tags that a reader must know to
	// understand the frame. Unknown ones below it are passed over.
	firstCritical = 0x80
)

// payloadTags has the tag of each kind of payload.
var payloadTags = [...]byte{
	TextPayload:  tagText,
	DataPayload:  tagData,
	BytesPayload: tagBytes,
}

func appendBinary(dst []byte, frame *Frame) []byte {
	spec := specOf(frame.Type)
	if spec == nil {
		panic("wire: a frame without a type")
	}
	dst = append(dst, byte(frame.Type))
	for rest := spec.fields(); rest != 0; rest = rest.butFirst() {
		f := rest.first()
		value, has := frame.place(f)
		if spec.required.has(f) || isSet(value, has) {
			dst = append(dst, byte(f))
			dst = appendBinaryField(dst, value, has)
		}
	}
	if spec.payload && frame.Payload.Kind != NoPayload && frame.Payload.Kind != FailedPayload {
		dst = appendBinaryPayload(dst, frame.Payload)
	}
	return dst
}

// appendBinaryPayload writes the tag, the length and the content of a payload.
func appendBinaryPayload(dst []byte, payload Payload) []byte {
	dst = append(dst, payloadTags[payload.Kind])
	data := payload.Data
	switch payload.Kind {
	case TextPayload:
		data = validBytes(data)
	case DataPayload:
		data = jsontext.TrimSpace(data)
	}
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	return append(dst, data...)
}

// appendBinaryField writes the length and content of a field that has a value as
// Frame.place returns it.
func appendBinaryField(dst []byte, value any, has *bool) []byte {
	switch v := value.(type) {
	case *string:
		return appendBinaryString(dst, *v)
	case *uint64:
		return appendBinaryNumber(dst, *v)
	case *bool:
		if has == nil {
			return append(dst, 0)
		}
		return appendBinaryNumber(dst, choiceNumber(*v))
	case *choice:
		return appendBinaryNumber(dst, choiceNumber(bool(*v)))
	case *Role:
		return appendBinaryNumber(dst, uint64(*v))
	case *State:
		return appendBinaryNumber(dst, uint64(*v))
	case *Member:
		dst = binary.AppendUvarint(dst, uint64(memberSize(v)))
		return appendBinaryMember(dst, v)
	case *[]Member:
		return appendBinaryMembers(dst, *v)
	case *numbers:
		return v.appendBinary(dst)
	case *failure:
		dst = binary.AppendUvarint(dst, uint64(len(v.Data)))
		return append(dst, v.Data...)
	case **Attributes:
		return (*v).appendBinaryField(dst)
	case *Door:
		return appendBinaryNumber(dst, uint64(*v))
	case *WaitingFor:
		return appendBinaryNumber(dst, uint64(*v))
	case *Roster:
		return appendBinaryNumber(dst, uint64(*v))
	case **Knocks:
		return (*v).appendBinary(dst)
	}
	return dst
}

// choiceNumber is the number that stands for true or false.
func choiceNumber(v bool) uint64 {
	if v {
		return 1
	}
	return 0
}

// appendBinaryMembers, and numbers.appendBinary, are functions of their own for the sake
// of the stack: messages, which have no lists, are written on the small stacks of fresh
// goroutines, and to let these grow takes longer than to write the message.
func appendBinaryMembers(dst []byte, members []Member) []byte {
	size := 0
	for i := range members {
		size += memberSize(&members[i])
	}
	dst = binary.AppendUvarint(dst, uint64(size))
	for i := range members {
		dst = appendBinaryMember(dst, &members[i])
	}
	return dst
}

func (v numbers) appendBinary(dst []byte) []byte {
	size := 0
	for i := range v {
		size += uvarintSize(v[i].Number)
	}
	dst = binary.AppendUvarint(dst, uint64(size))
	for i := range v {
		dst = binary.AppendUvarint(dst, v[i].Number)
	}
	return dst
}

func appendBinaryString(dst []byte, s string) []byte {
	s = validString(s)
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendBinaryNumber(dst []byte, n uint64) []byte {
	dst = append(dst, byte(uvarintSize(n)))
	return binary.AppendUvarint(dst, n)
}

// An entry of a list is a member's name, as length and bytes, then its state in
// one byte.
func appendBinaryMember(dst []byte, member *Member) []byte {
	dst = appendBinaryString(dst, member.Username)
	return append(dst, byte(member.State))
}

func memberSize(member *Member) int {
	size := len(validString(member.Username))
	return uvarintSize(uint64(size)) + size + 1
}

func uvarintSize(n uint64) int { return (bits.Len64(n|1) + 6) / 7 }
