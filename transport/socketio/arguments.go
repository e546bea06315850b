package socketio

import (
	"bytes"

	"github.com/lectern-go/lectern/internal/jsontext"
)

// maxArguments is how many arguments an event may have.
const maxArguments = 6

// An event is what a client emits: a name, and arguments as JSON text.
type event struct {
	name      []byte
	arguments [maxArguments][]byte
	count     int
	// attachments are the binary arguments, for which the text has places.
	attachments [][]byte
}

// A notPossible is what is wrong with the arguments of an event that is one: it is refused, and
// the socket goes on. So it is with half a character, which scripts can have in their strings.
type notPossible string

func (n notPossible) Error() string { return string(n) }

// parseEvent reads the data of an event.
func parseEvent(data []byte) (e event, err error) {
	all, err := parseArray(data, &e.arguments)
	if err != nil {
		return e, err
	}
	name, isString := jsontext.StringOf(e.arguments[0])
	if all == 0 || !isString {
		return e, badPacket("an event without a name")
	}
	e.name = name.Content()
	e.count = all - 1
	copy(e.arguments[:], e.arguments[1:])
	e.arguments[e.count] = nil
	return e, nil
}

// tooMany is the problem of arguments for which there is no place.
const tooMany jsontext.Problem = "there are more arguments than any event has"

// parseArray reads an array into the values, and returns how many there are.
func parseArray(data []byte, values *[maxArguments][]byte) (count int, err error) {
	s := jsontext.Scanner{Data: data}
	s.Space()
	if s.Peek() != '[' {
		return 0, badPacket("no array of arguments")
	}
	p := s.Array(-1, func(value []byte) jsontext.Problem {
		if count == maxArguments {
			return tooMany
		}
		values[count] = value
		count++
		return ""
	})
	switch p {
	case "":
	case jsontext.BadEscape, jsontext.TooDeep, tooMany:
		return 0, notPossible(p)
	default:
		return 0, badPacket(string(p))
	}
	if s.Space(); s.Pos != len(data) {
		return 0, badPacket(string(jsontext.TrailingData))
	}
	return count, nil
}

// argument returns the i-th argument, nil where there is none.
func (e *event) argument(i int) []byte {
	if i < e.count {
		return e.arguments[i]
	}
	return nil
}

var (
	placeBegin = []byte(`{"_placeholder":true,"num":`)
	placeEnd   = []byte(`}`)
)

// attachment returns the binary value for which the argument has a place, as clients write it.
func (e *event) attachment(argument []byte) (content []byte, ok bool) {
	digits, isPlace := bytes.CutPrefix(argument, placeBegin)
	if !isPlace {
		return nil, false
	}
	digits, isPlace = bytes.CutSuffix(digits, placeEnd)
	n, isNumber := number(digits)
	if !isPlace || !isNumber || n >= uint64(len(e.attachments)) {
		return nil, false
	}
	return e.attachments[n], true
}

// An incoming is a packet of which the attachments have not all come. It holds what has, at most
// as much as one message may have.
type incoming struct {
	packet      packet
	attachments [][]byte
	size        int
}

// expect keeps the packet until its attachments have come.
func expect(p packet) *incoming {
	p.data, p.namespace = bytes.Clone(p.data), bytes.Clone(p.namespace)
	return &incoming{packet: p, size: len(p.data)}
}

// add takes the next attachment, and reports whether it is the last one.
func (i *incoming) add(content []byte) (complete bool) {
	i.attachments = append(i.attachments, bytes.Clone(content))
	i.size += len(content)
	return len(i.attachments) == i.packet.attachments
}

// isText reports whether the argument is a string.
func isText(argument []byte) bool { return len(argument) > 0 && argument[0] == '"' }

// isObject reports whether the argument is an object.
func isObject(argument []byte) bool { return len(argument) > 0 && argument[0] == '{' }
