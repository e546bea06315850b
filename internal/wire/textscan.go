package wire

import "unicode/utf8"

// MaxDepth is how many arrays and objects may be open at once in the value of a
// field. The frame's own object does not count.
const MaxDepth = 64

// Problems that JSON can have.
const (
	badJSON      problem = "not JSON"
	badEscape    problem = "an escape that stands for half of a surrogate pair, or for none"
	trailingData problem = "more than one JSON value"
)

// scanner walks over JSON text. It allocates nothing and knows no frames. It
// takes what RFC 8259 defines as JSON, but for nesting over MaxDepth and
// escapes that stand for half a surrogate pair. That the text is UTF-8 is for
// the caller to know.
type scanner struct {
	data []byte
	pos  int
}

// ValidData reports whether data can be the content of a DataPayload: one JSON
// value in UTF-8, nested no deeper than MaxDepth, whose strings hold whole
// characters. Space around the value is no part of it, and is lost on the way.
func ValidData(data []byte) bool {
	_, p := oneValue(data)
	return p == ""
}

// oneValue returns the one JSON value that is in data, without space around it.
func oneValue(data []byte) ([]byte, problem) { return valueInside(data, 0) }

// valueInside is oneValue for a value inside of so many objects, where the frame is written as
// text.
func valueInside(data []byte, depth int) ([]byte, problem) {
	if !utf8.Valid(data) {
		return nil, notUTF8
	}
	s := scanner{data: data}
	s.space()
	start := s.pos
	if p := s.value(depth); p != "" {
		return nil, p
	}
	end := s.pos
	s.space()
	if s.pos != len(data) {
		return nil, trailingData
	}
	return data[start:end:end], ""
}

func trimSpace(data []byte) []byte {
	s := scanner{data: data}
	s.space()
	data = data[s.pos:]
	for len(data) > 0 && isSpace(data[len(data)-1]) {
		data = data[:len(data)-1]
	}
	return data
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (s *scanner) space() {
	for s.pos < len(s.data) && isSpace(s.data[s.pos]) {
		s.pos++
	}
}

// peek returns the next byte, and zero at the end.
func (s *scanner) peek() byte {
	if s.pos < len(s.data) {
		return s.data[s.pos]
	}
	return 0
}

// take passes over the byte c, which is not zero, and reports whether it was
// there.
func (s *scanner) take(c byte) bool {
	if s.peek() != c {
		return false
	}
	s.pos++
	return true
}

// value passes over one value, inside of as many others as depth tells.
func (s *scanner) value(depth int) problem {
	switch c := s.peek(); {
	case c == '"':
		_, p := s.str()
		return p
	case c == '{':
		return s.object(depth, nil)
	case c == '[':
		return s.array(depth, nil)
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

// object passes over an object, and calls visit, if there is one, for each of
// its fields.
func (s *scanner) object(depth int, visit func(key jsonString, value jsonValue) problem) problem {
	if depth == MaxDepth {
		return tooDeep
	}
	s.pos++
	s.space()
	if s.take('}') {
		return ""
	}
	for {
		key, p := s.str()
		if p != "" {
			return p
		}
		s.space()
		if !s.take(':') {
			return badJSON
		}
		s.space()
		start := s.pos
		if p := s.value(depth + 1); p != "" {
			return p
		}
		if visit != nil {
			if p := visit(key, s.data[start:s.pos:s.pos]); p != "" {
				return p
			}
		}
		s.space()
		if s.take('}') {
			return ""
		}
		if !s.take(',') {
			return badJSON
		}
		s.space()
	}
}

// array passes over an array, and calls visit, if there is one, for each of its
// values.
func (s *scanner) array(depth int, visit func(value jsonValue) problem) problem {
	if depth == MaxDepth {
		return tooDeep
	}
	s.pos++
	s.space()
	if s.take(']') {
		return ""
	}
	for {
		start := s.pos
		if p := s.value(depth + 1); p != "" {
			return p
		}
		if visit != nil {
			if p := visit(s.data[start:s.pos:s.pos]); p != "" {
				return p
			}
		}
		s.space()
		if s.take(']') {
			return ""
		}
		if !s.take(',') {
			return badJSON
		}
		s.space()
	}
}

func (s *scanner) literal(word string) problem {
	end := s.pos + len(word)
	if end > len(s.data) || string(s.data[s.pos:end]) != word {
		return badJSON
	}
	s.pos = end
	return ""
}

func (s *scanner) number() problem {
	s.take('-')
	if !s.take('0') && !s.digits() {
		return badJSON
	}
	if s.take('.') && !s.digits() {
		return badJSON
	}
	if s.take('e') || s.take('E') {
		_ = s.take('+') || s.take('-')
		if !s.digits() {
			return badJSON
		}
	}
	return ""
}

// digits passes over digits and reports whether there was one.
func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.data) && s.data[s.pos] >= '0' && s.data[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

// plain has the bytes that stand for themselves in a string.
var plain = func() (table [256]bool) {
	for c := range table {
		table[c] = c >= 0x20 && c != '"' && c != '\\'
	}
	return table
}()

// str passes over a string and returns what stands between its quotes.
func (s *scanner) str() (jsonString, problem) {
	if !s.take('"') {
		return nil, badJSON
	}
	start := s.pos
	for {
		for s.pos < len(s.data) && plain[s.data[s.pos]] {
			s.pos++
		}
		switch s.peek() {
		case '"':
			raw := s.data[start:s.pos:s.pos]
			s.pos++
			return raw, ""
		case '\\':
			r, size := unescape(s.data[s.pos:])
			if size == 0 {
				return nil, badJSON
			}
			if r < 0 {
				return nil, badEscape
			}
			s.pos += size
		default:
			return nil, badJSON
		}
	}
}
