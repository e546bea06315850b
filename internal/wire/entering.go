package wire

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/lectern-go/lectern/internal/jsontext"
)

// Entering is what frames have that are about how somebody comes in. Few frames are.
type Entering struct {
	// Attributes are those with which a member enters, in Create, Join, the Presence of a slave
	// that has joined, and Knock. In Created and Joined they are the member's own that another client
	// has set. It is nil where there are none.
	Attributes *Attributes
	// Knocks are those who wait at the door, in Created. It is nil where there are none.
	Knocks *Knocks
	// Door is what a Create and a SetDoor ask for, and what the door of a Created is like.
	// Zero is none, which is an open door.
	Door Door
	// For is what a Waiting is for.
	For WaitingFor
	// Wait is set in a Join that waits for a channel which does not exist.
	Wait bool
}

// Door is what becomes of who joins.
type Door uint8

const (
	// DoorOpen lets everybody in.
	DoorOpen Door = 1
	// DoorKnock has everybody wait until the master says yes or no.
	DoorKnock Door = 2
	// DoorLocked lets nobody in.
	DoorLocked Door = 3
)

// WaitingFor is what who joins waits for.
type WaitingFor uint8

const (
	// ForMaster is for the channel, which its master has not created.
	ForMaster WaitingFor = 1
	// ForDoor is for the master's yes or no.
	ForDoor WaitingFor = 2
)

// MaxKnocks is how many can wait at one door.
const MaxKnocks = 256

// Knocks are those who wait at a door, in the order of their numbers.
type Knocks []Knocking

// Knocking is one who waits at a door.
type Knocking struct {
	// Number is the number of the knock.
	Number   uint64
	Username string
	// Attributes are those with which the user would enter, or nil.
	Attributes *Attributes
}

// knockDepth is how many arrays and objects are around the value of an attribute of a knock in
// the text form of a list.
const knockDepth = attributeDepth + 2

const (
	badDoor    problem = "none of open, knock and locked"
	badFor     problem = "neither master nor door"
	badKnocks  problem = "not an array of objects with a knock and a username"
	manyKnocks problem = "more than 256 entries"
)

var doorWords = [...]string{DoorOpen: "open", DoorKnock: "knock", DoorLocked: "locked"}

var forWords = [...]string{ForMaster: "master", ForDoor: "door"}

// String returns the door's word in the text form, and nothing for zero.
func (d Door) String() string { return wordOf(doorWords[:], int(d)) }

// String returns the word in the text form, and nothing for zero.
func (w WaitingFor) String() string { return wordOf(forWords[:], int(w)) }

func wordOf(words []string, n int) string {
	if n < len(words) {
		return words[n]
	}
	return ""
}

// DoorOf returns the door of the word, or zero if there is none.
func DoorOf(word string) Door { return Door(max(slices.Index(doorWords[1:], word)+1, 0)) }

// Entering is what the frame has of how somebody comes in, to read.
func (frame *Frame) Entering() Entering {
	if e := frame.aside().Entering; e != nil {
		return *e
	}
	return Entering{}
}

// NeedEntering returns what the frame has of how somebody comes in, and makes it first where
// there is nothing.
func (frame *Frame) NeedEntering() *Entering {
	if frame.Aside == nil {
		frame.Aside = new(Aside)
	}
	if frame.Aside.Entering == nil {
		frame.Aside.Entering = new(Entering)
	}
	return frame.Aside.Entering
}

// nothingEntering is as nothingAside.
var nothingEntering Entering

func (frame *Frame) placeEntering() *Entering {
	if e := frame.placeAside().Entering; e != nil {
		return e
	}
	return &nothingEntering
}

var enteringFields = set(fieldAttributes, fieldDoor, fieldWait, fieldFor, fieldKnocks)

// dropEmptyAside is for a frame that was decoded: fields that are there and empty leave nothing
// aside.
func (frame *Frame) dropEmptyAside() {
	if frame.Aside == nil {
		return
	}
	if e := frame.Aside.Entering; e != nil && *e == (Entering{}) {
		frame.Aside.Entering = nil
	}
	if l := frame.Aside.Listing; l != nil && *l == (Listing{}) {
		frame.Aside.Listing = nil
	}
	if *frame.Aside == (Aside{}) {
		frame.Aside = nil
	}
}

// FitKnock reports whether who has the attributes can be in a list of knocks: a value that is
// in as many arrays and objects as there may be has no place there.
func (a Attributes) FitKnock() bool {
	return !slices.ContainsFunc(a, func(x KeyValue) bool {
		if x.Value.Kind != DataPayload {
			return false
		}
		_, p := jsontext.ValueInside(x.Value.Data, knockDepth)
		return p != ""
	})
}

func (d *Door) decodeBinary(content []byte) problem {
	n, p := wholeNumber(content)
	if p != "" || n < uint64(DoorOpen) || n > uint64(DoorLocked) {
		return badDoor
	}
	*d = Door(n)
	return ""
}

func (d *Door) decodeText(value jsonValue) problem {
	word, _ := value.str()
	if *d = DoorOf(string(word.Content())); *d == 0 {
		return badDoor
	}
	return ""
}

func (w *WaitingFor) decodeBinary(content []byte) problem {
	n, p := wholeNumber(content)
	if p != "" || n != uint64(ForMaster) && n != uint64(ForDoor) {
		return badFor
	}
	*w = WaitingFor(n)
	return ""
}

func (w *WaitingFor) decodeText(value jsonValue) problem {
	word, _ := value.str()
	if *w = WaitingFor(slices.Index(forWords[1:], string(word.Content())) + 1); *w == 0 {
		return badFor
	}
	return ""
}

// appendText writes the knocks, of which there may be none.
func (k *Knocks) appendText(dst []byte) []byte {
	dst = append(dst, '[')
	if k != nil {
		for i := range *k {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = (*k)[i].appendText(dst)
		}
	}
	return append(dst, ']')
}

func (k *Knocking) appendText(dst []byte) []byte {
	dst = append(dst, `{"knock":`...)
	dst = appendTextField(dst, &k.Number)
	dst = append(dst, `,"username":`...)
	dst = jsontext.AppendQuoted(dst, validString(k.Username))
	if k.Attributes != nil && len(*k.Attributes) > 0 {
		dst = append(dst, `,"attributes":`...)
		dst = k.Attributes.appendText(dst)
	}
	return append(dst, '}')
}

// appendBinary writes the length, and of each knock its number, its name with the length before
// it, and its attributes in the same way.
func (k *Knocks) appendBinary(dst []byte) []byte {
	var content []byte
	if k != nil {
		for _, one := range *k {
			content = binary.AppendUvarint(content, one.Number)
			content = appendBinaryString(content, one.Username)
			content = one.Attributes.appendBinaryField(content)
		}
	}
	dst = binary.AppendUvarint(dst, uint64(len(content)))
	return append(dst, content...)
}

// knocks reads an array of knocks.
func (v jsonValue) knocks() (*Knocks, problem) {
	if v[0] != '[' {
		return nil, badKnocks
	}
	var all Knocks
	s := jsontext.Scanner{Data: v}
	p := s.Array(0, func(value []byte) problem {
		knocking, p := jsonValue(value).knocking()
		if p == "" && len(all) == MaxKnocks {
			p = manyKnocks
		}
		all = append(all, knocking)
		return p
	})
	if p != "" || len(all) == 0 {
		return nil, p
	}
	return &all, ""
}

func (v jsonValue) knocking() (k Knocking, p problem) {
	if v[0] != '{' {
		return k, badKnocks
	}
	var number, username, attributes jsonValue
	s := jsontext.Scanner{Data: v}
	p = s.Object(0, func(key jsontext.String, value []byte) problem {
		var into *jsonValue
		switch string(key.Content()) {
		case "knock":
			into = &number
		case "username":
			into = &username
		case "attributes":
			into = &attributes
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
		return k, p
	}
	name, isString := username.str()
	if number == nil || !isString {
		return k, badKnocks
	}
	k.Username = string(name.Content())
	if k.Number, p = number.number(fieldKnock); p != "" || attributes == nil {
		return k, p
	}
	k.Attributes, p = attributes.attributes()
	return k, p
}

// decodeBinaryKnocks reads what appendBinary has written.
func decodeBinaryKnocks(content []byte) (*Knocks, problem) {
	var all Knocks
	for len(content) > 0 {
		number, size := uvarint(content)
		switch {
		case size == 0:
			return nil, badLength
		case !inRange(fieldKnock, number):
			return nil, badNumberZero
		case len(all) == MaxKnocks:
			return nil, manyKnocks
		}
		name, rest, p := cut(content[size:])
		if p != "" {
			return nil, p
		}
		if !utf8.Valid(name) {
			return nil, jsontext.NotUTF8
		}
		attributes, rest, p := cut(rest)
		if p != "" {
			return nil, p
		}
		k := Knocking{Number: number, Username: string(name)}
		if k.Attributes, p = decodeBinaryAttributes(attributes, knockDepth); p != "" {
			return nil, p
		}
		all = append(all, k)
		content = rest
	}
	if len(all) == 0 {
		return nil, ""
	}
	return &all, ""
}
