package wire

import (
	"bytes"
	"encoding/base64"
	"slices"
	"unicode/utf8"

	"github.com/lectern-go/lectern/internal/jsontext"
)

// MaxFields is how many fields a frame may have in the text form, unknown ones
// included.
const MaxFields = 64

// Problems that the text form alone can have.
const (
	noType        problem = "type: not a string, or missing"
	tooManyFields problem = "more than 64 fields"
	notString     problem = "not a string"
	notMember     problem = "not an object with a username and a state"
	notMembers    problem = "not an array"
	notBase64     problem = "not base64 with its padding and nothing in between"
)

// jsonValue is one value's text, after a scanner has passed over it.
type jsonValue []byte

// object is a frame's own JSON object, before it is known what type of frame it
// is: the values by their names.
type object struct {
	values [slotCount]jsonValue
	count  int
	// unknown are the names that no frame has, kept to find repeated ones.
	unknown []jsontext.String
	// refTwice: the ref cannot be told, because it was given twice.
	refTwice bool
}

// decodeText reads a frame whose first byte is '{'.
func decodeText(data []byte, frame *Frame, lists bool) *DecodeError {
	if !utf8.Valid(data) {
		return badFrame("the frame is "+jsontext.NotUTF8, 0)
	}
	var o object
	s := jsontext.Scanner{Data: data}
	p := s.Object(-1, o.visit)
	if p == "" {
		s.Space()
		if s.Pos != len(data) {
			p = jsontext.TrailingData
		}
	}
	if p == jsontext.BadJSON || p == jsontext.BadEscape || p == jsontext.TrailingData || p == jsontext.TooDeep {
		p = p.At(s.Pos)
	}
	ref, refProblem := o.ref()
	if p == "" {
		p = refProblem
	}
	if p != "" {
		return badFrame(p, ref)
	}
	frame.Ref = ref
	word, isString := o.values[slotType].str()
	if !isString {
		return badFrame(noType, ref)
	}
	frame.Type = typeOf(word.Content())
	if frame.Type == 0 {
		return unsupported(unknownType, ref)
	}
	if p := o.decode(frame, specOf(frame.Type), lists); p != "" {
		return badFrame(p, ref)
	}
	return badFrame(frame.check(), ref)
}

// visit notes one field. It refuses a name that was there before.
func (o *object) visit(key jsontext.String, value []byte) problem {
	o.count++
	if o.count > MaxFields {
		return tooManyFields
	}
	key = key.Content()
	slot := slotOf(key)
	if slot < 0 {
		for _, other := range o.unknown {
			if bytes.Equal(key, other) {
				return repeatedField.Of("a field that is not known")
			}
		}
		o.unknown = append(o.unknown, key)
		return ""
	}
	if o.values[slot] != nil {
		o.refTwice = o.refTwice || slot == int(fieldRef)
		return repeatedField.Of(slotName(slot))
	}
	o.values[slot] = value
	return ""
}

// ref returns the frame's ref, zero if there is none.
func (o *object) ref() (uint64, problem) {
	value := o.values[fieldRef]
	if value == nil || o.refTwice {
		return 0, ""
	}
	n, p := value.number(fieldRef)
	return n, p.Of(fieldNames[fieldRef])
}

// decode reads the fields that the frame's type has. Others it does not look at. lists: lists
// of members are kept.
func (o *object) decode(frame *Frame, spec *spec, lists bool) problem {
	for rest := spec.fields() &^ set(fieldRef, fieldNumbers); rest != 0; rest = rest.butFirst() {
		f := rest.first()
		value := o.values[slotFor(frame.Type, f)]
		if value == nil {
			if spec.required.has(f) {
				return missingField.Of(nameOf(frame.Type, f))
			}
			continue
		}
		var p problem
		if f == fieldMembers && !lists {
			frame.HasMembers = true
			_, p = value.members(false)
		} else {
			p = frame.decodeTextField(f, value)
		}
		if p != "" {
			return p.Of(nameOf(frame.Type, f))
		}
	}
	if spec.payload {
		return o.decodePayload(frame)
	}
	return ""
}

func (o *object) decodePayload(frame *Frame) problem {
	text, data, encoded := o.values[slotText], o.values[slotData], o.values[slotBase64]
	given := text != nil || data != nil || encoded != nil
	switch {
	case frame.Payload.Kind == FailedPayload && given:
		return failedAndPayload
	case frame.Payload.Kind == FailedPayload, !given && specOf(frame.Type).emptied:
		return ""
	}
	var p problem
	frame.Payload, p = payloadOf(text, data, encoded)
	return p
}

// payloadOf is the payload that is given by one of the three, of which the others are nil.
func payloadOf(text, data, encoded jsonValue) (Payload, problem) {
	switch {
	case text != nil && data == nil && encoded == nil:
		s, isString := text.str()
		if !isString {
			return Payload{}, notString.Of("text")
		}
		return Payload{Kind: TextPayload, Data: s.Content()}, ""
	case text == nil && data != nil && encoded == nil:
		return Payload{Kind: DataPayload, Data: data}, ""
	case text == nil && data == nil && encoded != nil:
		s, isString := encoded.str()
		if !isString {
			return Payload{}, notString.Of("base64")
		}
		b, p := decodeBase64(s.Content())
		if p != "" {
			return Payload{}, p.Of("base64")
		}
		return Payload{Kind: BytesPayload, Data: b}, ""
	case text == nil && data == nil && encoded == nil:
		return Payload{}, noPayload
	}
	return Payload{}, twoPayloads
}

// decodeBase64 takes the one way to write some bytes: padded, unused bits zero,
// no line breaks.
func decodeBase64(encoded []byte) ([]byte, problem) {
	if bytes.ContainsAny(encoded, "\r\n") {
		return nil, notBase64
	}
	b := make([]byte, base64.StdEncoding.DecodedLen(len(encoded)))
	n, err := base64.StdEncoding.Strict().Decode(b, encoded)
	if err != nil {
		return nil, notBase64
	}
	return b[:n:n], ""
}

func (frame *Frame) decodeTextField(f field, value jsonValue) problem {
	frame.needAside(f)
	place, has := frame.place(f)
	if has != nil {
		*has = true
	}
	switch v := place.(type) {
	case *string:
		s, isString := value.str()
		if !isString {
			return notString
		}
		*v = string(s.Content())
	case *uint64:
		n, p := value.number(f)
		if p != "" {
			return p
		}
		*v = n
	case *bool:
		return value.flag(v)
	case *choice:
		return value.flag((*bool)(v))
	case *Role:
		s, _ := value.str()
		*v = roleOf(s.Content())
		if *v == 0 {
			return badRole
		}
	case *State:
		s, _ := value.str()
		*v = stateOf(s.Content())
		if *v == 0 {
			return badState
		}
	case *Member:
		name, state, _, p := jsonValue(value).member()
		if p != "" {
			return p
		}
		*v = Member{Username: string(name.Content()), State: state}
	case *[]Member:
		members, p := value.members(true)
		if p != "" {
			return p
		}
		*v = members
	case *failure:
		return v.decodeText(value)
	case **Attributes:
		attributes, p := value.attributes()
		if p != "" {
			return p
		}
		*v = attributes
	case *Door:
		return v.decodeText(value)
	case *WaitingFor:
		return v.decodeText(value)
	case *Roster:
		return v.decodeText(value)
	case **Knocks:
		knocks, p := value.knocks()
		*v = knocks
		return p
	}
	return ""
}

// flag reads true or false.
func (v jsonValue) flag(into *bool) problem {
	switch string(v) {
	case "true":
		*into = true
	case "false":
		*into = false
	default:
		return badFlag
	}
	return ""
}

// str returns the string that the value is. It reports false, and no string, for
// a value of another type.
func (v jsonValue) str() (jsontext.String, bool) { return jsontext.StringOf(v) }

// number returns the whole number that the value is, written in digits alone.
func (v jsonValue) number(f field) (uint64, problem) {
	var n uint64
	for _, c := range v {
		if c < '0' || c > '9' || n > MaxNumber {
			return 0, notANumber(f)
		}
		n = n*10 + uint64(c-'0')
	}
	if !inRange(f, n) {
		return 0, notANumber(f)
	}
	return n, ""
}

// member reads an entry of a list. The number is not read yet, and nil where there is
// none: the master, who is no entry of a list, has none.
func (v jsonValue) member() (name jsontext.String, state State, number jsonValue, p problem) {
	if v[0] != '{' {
		return nil, 0, nil, notMember
	}
	var username, word jsonValue
	s := jsontext.Scanner{Data: v}
	p = s.Object(0, func(key jsontext.String, value []byte) problem {
		var into *jsonValue
		switch string(key.Content()) {
		case "username":
			into = &username
		case "state":
			into = &word
		case "number":
			into = &number
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
		return nil, 0, nil, p
	}
	name, isString := username.str()
	if !isString {
		return nil, 0, nil, notMember
	}
	text, _ := word.str()
	state = stateOf(text.Content())
	if state != StateOnline && state != StateAway {
		return nil, 0, nil, badState
	}
	return name, state, number, ""
}

// members reads a list. It is nil where it is not to be kept.
func (v jsonValue) members(keep bool) ([]Member, problem) {
	if v[0] != '[' {
		return nil, notMembers
	}
	var members []Member
	s := jsontext.Scanner{Data: v}
	p := s.Array(0, func(value []byte) problem {
		name, state, number, p := jsonValue(value).member()
		var n uint64
		if p == "" && number != nil {
			n, p = number.number(fieldNumber)
		}
		if keep && p == "" {
			members = append(members, Member{Username: string(name.Content()), State: state, Number: n})
		}
		return p
	})
	if p != "" {
		return nil, p
	}
	return slices.Clip(members), ""
}
