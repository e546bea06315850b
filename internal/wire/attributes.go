package wire

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lectern-go/lectern/internal/jsontext"
)

// Attributes are keys with their values, in the order of the keys. Like a payload, what was
// decoded may lie in the decoded frame.
type Attributes []KeyValue

// KeyValue is one attribute. Its value has a kind.
type KeyValue struct {
	Key   string
	Value Payload
}

const (
	// maxAttributes is how many attributes one frame may have. It bounds what is allocated
	// for a frame.
	maxAttributes = 64
	// attributeDepth is how many objects are around a value in the text form.
	attributeDepth = 2
)

const (
	badAttributes  problem = "not an object whose values are objects with one of text, data and base64"
	manyAttributes problem = "more than 64 keys"
)

// add adds a decoded attribute behind the others.
func (a *Attributes) add(key string, value Payload) problem {
	switch {
	case len(*a) == maxAttributes:
		return manyAttributes
	case slices.ContainsFunc(*a, func(other KeyValue) bool { return other.Key == key }):
		return repeatedField
	}
	*a = append(*a, KeyValue{Key: key, Value: value})
	return ""
}

// Sorted are the attributes in the order of their keys, or nil where there are none.
func (a Attributes) Sorted() *Attributes {
	if len(a) == 0 {
		return nil
	}
	slices.SortFunc(a, func(x, y KeyValue) int { return strings.Compare(x.Key, y.Key) })
	return &a
}

// AttributesFrom makes attributes of values, or nil where there are none. The error is that of
// one that convert refuses.
func AttributesFrom[V any](values map[string]V, convert func(V) (Payload, error)) (*Attributes, error) {
	var all Attributes
	for key, value := range values {
		payload, err := convert(value)
		if err != nil {
			return nil, err
		}
		all = append(all, KeyValue{Key: key, Value: payload})
	}
	return all.Sorted(), nil
}

// SetAttributes gives the frame the attributes that are made of values.
func SetAttributes[V any](frame *Frame, values map[string]V, convert func(V) (Payload, error)) error {
	attributes, err := AttributesFrom(values, convert)
	frame.SetAttributes(attributes)
	return err
}

// appendText writes the attributes, of which there may be none.
func (a *Attributes) appendText(dst []byte) []byte {
	dst = append(dst, '{')
	if a != nil {
		for i, attribute := range *a {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = jsontext.AppendQuoted(dst, validString(attribute.Key))
			dst = append(dst, ":{"...)
			dst = appendTextPayload(dst, attribute.Value)
			dst = append(dst, '}')
		}
	}
	return append(dst, '}')
}

// appendBinary writes each attribute as its key, with the length before it, and its value as
// the payload of a frame is written.
func (a *Attributes) appendBinary(dst []byte) []byte {
	if a == nil {
		return dst
	}
	for _, attribute := range *a {
		key := validString(attribute.Key)
		dst = binary.AppendUvarint(dst, uint64(len(key)))
		dst = append(dst, key...)
		dst = appendBinaryPayload(dst, attribute.Value)
	}
	return dst
}

// appendBinaryField writes the length and the attributes, of which there may be none.
func (a *Attributes) appendBinaryField(dst []byte) []byte {
	content := a.appendBinary(nil)
	dst = binary.AppendUvarint(dst, uint64(len(content)))
	return append(dst, content...)
}

// attributes reads an object of attributes.
func (v jsonValue) attributes() (*Attributes, problem) {
	if v[0] != '{' {
		return nil, badAttributes
	}
	var all Attributes
	s := jsontext.Scanner{Data: v}
	p := s.Object(0, func(key jsontext.String, value []byte) problem {
		payload, p := jsonValue(value).attribute()
		if p != "" {
			return p
		}
		return all.add(string(key.Content()), payload)
	})
	if p != "" {
		return nil, p
	}
	return all.Sorted(), ""
}

// attribute reads the value of one attribute.
func (v jsonValue) attribute() (Payload, problem) {
	if v[0] != '{' {
		return Payload{}, badAttributes
	}
	var values [3]jsonValue
	s := jsontext.Scanner{Data: v}
	p := s.Object(0, func(key jsontext.String, value []byte) problem {
		i := slices.Index([]string{"text", "data", "base64"}, string(key.Content()))
		switch {
		case i < 0:
			return ""
		case values[i] != nil:
			return repeatedField
		}
		values[i] = value
		return ""
	})
	if p != "" {
		return Payload{}, p
	}
	return payloadOf(values[0], values[1], values[2])
}

// decodeBinaryAttributes reads what appendBinary has written. depth is how many arrays and
// objects are around a value in the text form.
func decodeBinaryAttributes(content []byte, depth int) (*Attributes, problem) {
	var all Attributes
	for len(content) > 0 {
		key, rest, p := cut(content)
		switch {
		case p != "":
			return nil, p
		case len(rest) == 0:
			return nil, badLength
		case !utf8.Valid(key):
			return nil, jsontext.NotUTF8
		}
		tag := rest[0]
		value, rest, p := cut(rest[1:])
		if p != "" {
			return nil, p
		}
		payload, p := binaryPayload(tag, value, depth)
		if p == "" && payload.Kind == NoPayload {
			p = noPayload
		}
		if p == "" {
			p = all.add(string(key), payload)
		}
		if p != "" {
			return nil, p
		}
		content = rest
	}
	return all.Sorted(), ""
}
