package jsontext

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// A String is what stands between the quotes of a string in JSON text, after
// a scanner has passed over it.
type String []byte

// Content returns the characters of the string. They lie in the JSON text where
// nothing in it is escaped.
func (s String) Content() []byte {
	i := bytes.IndexByte(s, '\\')
	if i < 0 {
		return s
	}
	// No escape is shorter than the character that it stands for.
	dst := make([]byte, 0, len(s))
	for i >= 0 {
		dst = append(dst, s[:i]...)
		r, size := unescape(s[i:])
		dst = utf8.AppendRune(dst, r)
		s = s[i+size:]
		i = bytes.IndexByte(s, '\\')
	}
	return append(dst, s...)
}

// unescape reads the escape at the front of b, which begins with a backslash,
// and the second half of a surrogate pair with the first. The size is 0 if it is
// none. The rune is negative if it stands for half a pair.
func unescape(b []byte) (r rune, size int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(b[2:])
		if r < 0 {
			return 0, 0
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if len(b) >= 8 && b[6] == '\\' && b[7] == 'u' {
			if r := utf16.DecodeRune(r, hex4(b[8:])); r != utf8.RuneError {
				return r, 12
			}
		}
		return -1, 6
	}
	return 0, 0
}

// hex4 returns the number in the four hexadecimal digits at the front of b, or
// -1 if they are not there.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			r = r<<4 | rune(c-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case c >= 'A' && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return -1
		}
	}
	return r
}

// asIs has the bytes that are written into a string as they are. 0xe2 begins
// U+2028 and U+2029, which old JavaScript takes for ends of lines.
var asIs = func() (table [256]bool) {
	for c := range table {
		table[c] = plain[c] && c != 0xe2
	}
	return table
}()

// AppendQuoted writes s, which is valid UTF-8, as a string.
func AppendQuoted[S string | []byte](dst []byte, s S) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if asIs[c] {
			i++
			continue
		}
		if c == 0xe2 {
			if !isLineSeparator(s[i:]) {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			dst = append(dst, `\u202`...)
			dst = append(dst, hex[s[i+2]&0xf])
			i += 3
			start = i
			continue
		}
		dst = append(dst, s[start:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
		i++
		start = i
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// isLineSeparator reports whether s begins with U+2028 or U+2029.
func isLineSeparator[S string | []byte](s S) bool {
	return len(s) >= 3 && s[0] == 0xe2 && s[1] == 0x80 && s[2]&^1 == 0xa8
}

// StringOf returns the string that a value is, over which a Scanner has passed. It reports
// false for a value of another type, and for none.
func StringOf(value []byte) (String, bool) {
	if len(value) == 0 || value[0] != '"' {
		return nil, false
	}
	end := len(value) - 1
	return String(value[1:end:end]), true
}
