// Package jsontext walks over JSON text, takes strings out of it and writes them. It
// allocates nothing where nothing is escaped, and never decodes a value that nobody asks for.
//
// It takes what RFC 8259 defines as JSON, but for nesting over [MaxDepth] and escapes that
// stand for half a surrogate pair. That the text is UTF-8 is for the caller to know.
package jsontext

import (
	"fmt"
	"unicode/utf8"
)

// MaxDepth is how many arrays and objects may be open at once in the value of a
// frame's field, or as an argument of an event.
const MaxDepth = 64

// A Problem says what is wrong with a text, for people, and is empty where nothing is. It never
// quotes the text.
type Problem string

// Problems that JSON can have.
const (
	NotUTF8      Problem = "not UTF-8"
	BadJSON      Problem = "not JSON"
	BadEscape    Problem = "an escape that stands for half of a surrogate pair, or for none"
	TrailingData Problem = "more than one JSON value"
	TooDeep      Problem = "more than 64 arrays and objects are inside of each other"
)

// Of says which field the Problem is with.
func (p Problem) Of(field string) Problem {
	if p == "" {
		return ""
	}
	return Problem(field) + ": " + p
}

// At says where in a text the Problem is.
func (p Problem) At(position int) Problem {
	return p + Problem(fmt.Sprintf(", at byte %d", position+1))
}

// A Scanner walks over a text. It reads Data from Pos on.
type Scanner struct {
	Data []byte
	Pos  int
}

// OneValue returns the one JSON value that is in data, without space around it.
func OneValue(data []byte) ([]byte, Problem) { return ValueInside(data, 0) }

// ValueInside is OneValue for a value that is to stand inside of so many objects.
func ValueInside(data []byte, depth int) ([]byte, Problem) {
	if !utf8.Valid(data) {
		return nil, NotUTF8
	}
	s := Scanner{Data: data}
	s.Space()
	start := s.Pos
	if p := s.Value(depth); p != "" {
		return nil, p
	}
	end := s.Pos
	s.Space()
	if s.Pos != len(data) {
		return nil, TrailingData
	}
	return data[start:end:end], ""
}

// TrimSpace cuts off what is space around a value.
func TrimSpace(data []byte) []byte {
	s := Scanner{Data: data}
	s.Space()
	data = data[s.Pos:]
	for len(data) > 0 && isSpace(data[len(data)-1]) {
		data = data[:len(data)-1]
	}
	return data
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// Space passes over space.
func (s *Scanner) Space() {
	for s.Pos < len(s.Data) && isSpace(s.Data[s.Pos]) {
		s.Pos++
	}
}

// Peek returns the next byte, and zero at the end.
func (s *Scanner) Peek() byte {
	if s.Pos < len(s.Data) {
		return s.Data[s.Pos]
	}
	return 0
}

// Take passes over the byte c, which is not zero, and reports whether it was
// there.
func (s *Scanner) Take(c byte) bool {
	if s.Peek() != c {
		return false
	}
	s.Pos++
	return true
}

// Value passes over one value, inside of as many others as depth tells.
func (s *Scanner) Value(depth int) Problem {
	switch c := s.Peek(); {
	case c == '"':
		_, p := s.String()
		return p
	case c == '{':
		return s.Object(depth, nil)
	case c == '[':
		return s.Array(depth, nil)
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

// Object passes over an object, and calls visit, if there is one, for each of
// its fields.
func (s *Scanner) Object(depth int, visit func(key String, value []byte) Problem) Problem {
	if depth == MaxDepth {
		return TooDeep
	}
	s.Pos++
	s.Space()
	if s.Take('}') {
		return ""
	}
	for {
		key, p := s.String()
		if p != "" {
			return p
		}
		s.Space()
		if !s.Take(':') {
			return BadJSON
		}
		s.Space()
		start := s.Pos
		if p := s.Value(depth + 1); p != "" {
			return p
		}
		if visit != nil {
			if p := visit(key, s.Data[start:s.Pos:s.Pos]); p != "" {
				return p
			}
		}
		s.Space()
		if s.Take('}') {
			return ""
		}
		if !s.Take(',') {
			return BadJSON
		}
		s.Space()
	}
}

// Array passes over an array, and calls visit, if there is one, for each of its
// values.
func (s *Scanner) Array(depth int, visit func(value []byte) Problem) Problem {
	if depth == MaxDepth {
		return TooDeep
	}
	s.Pos++
	s.Space()
	if s.Take(']') {
		return ""
	}
	for {
		start := s.Pos
		if p := s.Value(depth + 1); p != "" {
			return p
		}
		if visit != nil {
			if p := visit(s.Data[start:s.Pos:s.Pos]); p != "" {
				return p
			}
		}
		s.Space()
		if s.Take(']') {
			return ""
		}
		if !s.Take(',') {
			return BadJSON
		}
		s.Space()
	}
}

func (s *Scanner) literal(word string) Problem {
	end := s.Pos + len(word)
	if end > len(s.Data) || string(s.Data[s.Pos:end]) != word {
		return BadJSON
	}
	s.Pos = end
	return ""
}

func (s *Scanner) number() Problem {
	s.Take('-')
	if !s.Take('0') && !s.digits() {
		return BadJSON
	}
	if s.Take('.') && !s.digits() {
		return BadJSON
	}
	if s.Take('e') || s.Take('E') {
		_ = s.Take('+') || s.Take('-')
		if !s.digits() {
			return BadJSON
		}
	}
	return ""
}

// digits passes over digits and reports whether there was one.
func (s *Scanner) digits() bool {
	start := s.Pos
	for s.Pos < len(s.Data) && s.Data[s.Pos] >= '0' && s.Data[s.Pos] <= '9' {
		s.Pos++
	}
	return s.Pos > start
}

// plain has the bytes that stand for themselves in a string.
var plain = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return table
}()

// String passes over a string and returns what stands between its quotes.
func (s *Scanner) String() (String, Problem) {
	if !s.Take('"') {
		return nil, BadJSON
	}
	start := s.Pos
	for {
		for s.Pos < len(s.Data) && plain[s.Data[s.Pos]] {
			s.Pos++
		}
		switch s.Peek() {
		case '"':
			raw := s.Data[start:s.Pos:s.Pos]
			s.Pos++
			return raw, ""
		case '\\':
			r, size := unescape(s.Data[s.Pos:])
			if size == 0 {
				return nil, BadJSON
			}
			if r < 0 {
				return nil, BadEscape
			}
			s.Pos += size
		default:
			return nil, BadJSON
		}
	}
}
