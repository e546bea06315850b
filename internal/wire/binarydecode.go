package wire

import (
	"encoding/binary"
	"unicode/utf8"

	"github.com/lectern-go/lectern/internal/jsontext"
)

// Problems that the binary form alone can have.
const (
	tagOrder  problem = "tags do not ascend"
	badLength problem = "a length is not minimal or leads over the end"
	badMember problem = "an entry of a member is malformed"
	badList   problem = "there is not one number for each member"
)

// decodeBinary reads a frame whose first byte is in the range of types.
// lists: lists of members are kept.
func decodeBinary(data []byte, frame *Frame, lists bool) *DecodeError {
	frame.Type = Type(data[0])
	spec := specOf(frame.Type)
	var (
		rest     = data[1:]
		last     = -1
		seen     fieldSet
		payloads int
		critical bool
		passed   int // the entries of a list that is not kept
	)
	for len(rest) > 0 {
		tag := rest[0]
		if int(tag) <= last {
			return badFrame(tagOrder, frame.Ref)
		}
		last = int(tag)
		content, after, p := cut(rest[1:])
		if p != "" {
			return badFrame(p, frame.Ref)
		}
		rest = after
		f := field(tag)
		switch {
		case f == fieldRef, f <= lastField && spec != nil && spec.fields().has(f):
			switch {
			case lists || f != fieldMembers && f != fieldNumbers:
				p = frame.decodeBinaryField(f, content)
			case f == fieldMembers:
				frame.HasMembers = true
				passed, p = countMembers(content)
			default:
				p = checkNumbers(content, passed)
			}
			if p != "" {
				p = p.Of(nameOf(frame.Type, f))
			}
			seen |= set(f)
			if f == fieldFailed {
				payloads++
			}
		case tag >= firstCritical:
			critical = true
		case tag >= tagText && spec != nil && spec.payload:
			p = frame.decodeBinaryPayload(tag, content)
			payloads++
		}
		if p != "" {
			return badFrame(p, frame.Ref)
		}
	}
	switch {
	case spec == nil:
		return unsupported(unknownType, frame.Ref)
	case critical:
		return unsupported("a field with a tag from 0x80 on, which this side would have to know", frame.Ref)
	case seen&spec.required != spec.required:
		return badFrame(missingField.Of(nameOf(frame.Type, (spec.required&^seen).first())), frame.Ref)
	case spec.payload && payloads == 0 && !spec.emptied:
		return badFrame(noPayload, frame.Ref)
	case payloads > 1 && seen.has(fieldFailed):
		return badFrame(failedAndPayload, frame.Ref)
	case spec.payload && payloads > 1:
		return badFrame(twoPayloads, frame.Ref)
	}
	return badFrame(frame.check(), frame.Ref)
}

func (frame *Frame) decodeBinaryPayload(tag byte, content []byte) problem {
	if payload, p := binaryPayload(tag, content, 0); p != "" || payload.Kind != NoPayload {
		frame.Payload = payload
		return p
	}
	return ""
}

// binaryPayload is the payload with the tag, which is inside of so many objects. It is none
// where the tag is not a payload's.
func binaryPayload(tag byte, content []byte, depth int) (Payload, problem) {
	switch tag {
	case tagText:
		if !utf8.Valid(content) {
			return Payload{}, jsontext.NotUTF8.Of("text")
		}
		return Payload{Kind: TextPayload, Data: content}, ""
	case tagData:
		data, p := jsontext.ValueInside(content, depth)
		if p != "" {
			return Payload{}, p.Of("data")
		}
		return Payload{Kind: DataPayload, Data: data}, ""
	case tagBytes:
		return Payload{Kind: BytesPayload, Data: content}, ""
	}
	return Payload{}, ""
}

func (frame *Frame) decodeBinaryField(f field, content []byte) problem {
	frame.needAside(f)
	value, has := frame.place(f)
	if has != nil {
		*has = true
	}
	switch v := value.(type) {
	case *string:
		if !utf8.Valid(content) {
			return jsontext.NotUTF8
		}
		*v = string(content)
	case *uint64:
		n, p := wholeNumber(content)
		if p != "" || !inRange(f, n) {
			return notANumber(f)
		}
		*v = n
	case *bool:
		if has == nil {
			*v = true
			if len(content) != 0 {
				return badFlag
			}
			return ""
		}
		return decodeChoice(v, content)
	case *choice:
		return decodeChoice((*bool)(v), content)
	case *Role:
		n, p := wholeNumber(content)
		if p != "" || n != uint64(Master) && n != uint64(Slave) {
			return badRole
		}
		*v = Role(n)
	case *State:
		n, p := wholeNumber(content)
		if p != "" || n < uint64(StateOnline) || n > uint64(StateLeft) {
			return badState
		}
		*v = State(n)
	case *Member:
		return v.decodeBinary(content)
	case *[]Member:
		members, p := decodeBinaryMembers(content)
		if p != "" {
			return p
		}
		*v = members
	case *numbers:
		return v.decodeBinary(content)
	case *failure:
		return v.decodeBinary(content)
	case **Attributes:
		attributes, p := decodeBinaryAttributes(content, attributeDepth)
		*v = attributes
		return p
	case *Door:
		return v.decodeBinary(content)
	case *WaitingFor:
		return v.decodeBinary(content)
	case *Roster:
		return v.decodeBinary(content)
	case **Knocks:
		knocks, p := decodeBinaryKnocks(content)
		*v = knocks
		return p
	}
	return ""
}

// decodeChoice reads a number that stands for true or false.
func decodeChoice(v *bool, content []byte) problem {
	n, p := wholeNumber(content)
	if p != "" || n > 1 {
		return badFlag
	}
	*v = n == 1
	return ""
}

func (v *Member) decodeBinary(content []byte) problem {
	name, state, after, p := cutMember(content)
	if p != "" {
		return p
	}
	if len(after) != 0 {
		return badMember
	}
	v.Username, v.State = string(name), state
	return ""
}

// decodeBinary gives each member of the list its number. The list is the field before.
func (v numbers) decodeBinary(content []byte) problem {
	return eachNumber(content, len(v), func(i int, n uint64) { v[i].Number = n })
}

// checkNumbers tests the numbers of a list of so many members that is not kept.
func checkNumbers(content []byte, count int) problem {
	return eachNumber(content, count, func(int, uint64) {})
}

// eachNumber takes so many numbers, which have to be all of the content.
func eachNumber(content []byte, count int, take func(i int, n uint64)) problem {
	for i := range count {
		n, size := uvarint(content)
		if size == 0 {
			return badList
		}
		if n > MaxNumber {
			return badNumber
		}
		take(i, n)
		content = content[size:]
	}
	if len(content) != 0 {
		return badList
	}
	return ""
}

// decodeBinaryMembers walks over the entries before it allocates for them, so
// that only entries that are there are paid for.
func decodeBinaryMembers(content []byte) ([]Member, problem) {
	count, p := countMembers(content)
	if count == 0 {
		return nil, p
	}
	// One string holds all the names.
	all := string(content)
	members := make([]Member, count)
	for i := range members {
		name, state, after, _ := cutMember(content)
		end := len(all) - len(after) - 1
		members[i] = Member{Username: all[end-len(name) : end], State: state}
		content = after
	}
	return members, ""
}

// countMembers returns how many entries there are, or what is wrong with one.
func countMembers(content []byte) (count int, p problem) {
	for len(content) > 0 {
		if _, _, content, p = cutMember(content); p != "" {
			return 0, p
		}
		count++
	}
	return count, ""
}

// cutMember splits an entry of a list off the front.
func cutMember(b []byte) (name []byte, state State, after []byte, p problem) {
	name, after, p = cut(b)
	switch {
	case p != "":
		return nil, 0, nil, p
	case len(after) == 0:
		return nil, 0, nil, badMember
	case !utf8.Valid(name):
		return nil, 0, nil, jsontext.NotUTF8
	}
	state = State(after[0])
	if state != StateOnline && state != StateAway {
		return nil, 0, nil, badState
	}
	return name, state, after[1:], ""
}

// cut splits a length and as many bytes off the front.
func cut(b []byte) (content, after []byte, p problem) {
	n, size := uvarint(b)
	if size == 0 || n > uint64(len(b)-size) {
		return nil, nil, badLength
	}
	end := size + int(n)
	return b[size:end:end], b[end:], ""
}

// wholeNumber reads content that is one number and nothing else.
func wholeNumber(content []byte) (uint64, problem) {
	n, size := uvarint(content)
	if size == 0 || size != len(content) {
		return 0, badNumber
	}
	return n, ""
}

// uvarint reads a number in as few bytes as it can be written in. Its size is 0
// if there is none.
func uvarint(b []byte) (n uint64, size int) {
	n, size = binary.Uvarint(b)
	if size <= 0 || size > 1 && b[size-1] == 0 {
		return 0, 0
	}
	return n, size
}
