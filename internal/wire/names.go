package wire

import (
	"unicode"
	"unicode/utf8"
)

// MaxName is the length in bytes of the longest channel name or username.
const MaxName = 128

// ValidName reports whether a name may be a channel's or a user's: 1 to MaxName
// bytes of valid UTF-8, every character printable in the sense of
// unicode.IsPrint, a letter, number, punctuation mark or symbol somewhere, and
// no space at either end. Names are compared byte by byte.
func ValidName(name string) bool {
	if name == "" || len(name) > MaxName || !utf8.ValidString(name) {
		return false
	}
	if name[0] == ' ' || name[len(name)-1] == ' ' {
		return false
	}
	visible := false
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return false
		}
		visible = visible || !unicode.IsMark(r)
	}
	return visible
}
