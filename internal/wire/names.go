package wire

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the length in bytes of the longest channel name or username.
const MaxName = 128

// ValidName reports whether a name may be a channel's or a user's: 1 to MaxName bytes of
// valid UTF-8, in which there is nothing that cannot be seen (NameProblem), a letter,
// number, punctuation mark or symbol somewhere, and no space at either end. Names are
// compared byte by byte.
func ValidName(name string) bool { return NameProblem(name) == "" }

// Sendable reports whether a name can be in a frame, and is not longer than any that is
// valid. Members may have names that were valid when they entered and would not be now.
func Sendable(name string) bool {
	return name != "" && len(name) <= MaxName && utf8.ValidString(name)
}

// BadName is the refusal of a name that is not valid. field says which name it is.
func BadName(field, name string) *Cause {
	return ErrBadName.With(field + ": " + NameProblem(name))
}

// Quote is a name for a text that people read: in quotes, with escapes in the place of what
// cannot be seen, and not longer than a valid name, whoever sent it.
func Quote(name string) string {
	if len(name) <= MaxName {
		return strconv.Quote(name)
	}
	cut := MaxName / 2
	for cut > 0 && !utf8.RuneStart(name[cut]) {
		cut--
	}
	return fmt.Sprintf("%s… (%d bytes)", strconv.Quote(name[:cut]), len(name))
}

// MaxShortName is the length in bytes of the longest topic, or key of an attribute.
const MaxShortName = 64

// ShortNameProblem is NameProblem for a topic or a key: it is as a name, and at most MaxShortName
// bytes long.
func ShortNameProblem(name string) string {
	if len(name) > MaxShortName {
		return tooLong(name, MaxShortName)
	}
	return NameProblem(name)
}

func tooLong(name string, most int) string {
	return fmt.Sprintf("it has %d bytes, and at most %d are possible", len(name), most)
}

// NameProblem says what is wrong with a name and what to do, and is empty where it is
// valid.
//
// A name has no character that cannot be seen, but those that what is written needs:
// joiners (U+200C, U+200D) between letters of scripts in which they show, U+200D and U+FE0F
// in emoji, and the tags of three flags.
func NameProblem(name string) string {
	switch {
	case name == "":
		return "it is empty"
	case len(name) > MaxName:
		return tooLong(name, MaxName)
	case !utf8.ValidString(name):
		return "it is not UTF-8"
	}
	visible, before, number := false, rune(0), 0
	for rest := name; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		number++
		if problem := characterProblem(before, r, rest); problem != "" {
			return fmt.Sprintf("its character %d, U+%04X, %s", number, r, problem)
		}
		if r == blackFlag {
			rest = withoutFlagTags(rest)
		}
		visible = visible || !space(r) && !unicode.IsMark(r) && !joiner(r)
		before = r
	}
	if !visible {
		return "it has no letter, number, punctuation mark or symbol"
	}
	return ""
}

const (
	zeroWidthNonJoiner = '\u200c'
	zeroWidthJoiner    = '\u200d'
	emojiStyle         = '\ufe0f'
	keycap             = '\u20e3'
	malayalamVirama    = '\u0d4d'
	tatweel            = '\u0640'
	blackFlag          = '\U0001f3f4'
)

// characterProblem says why a name cannot have the character r, between the character
// before, which is 0 at the beginning, and what is left.
func characterProblem(before, r rune, rest string) string {
	after, _ := utf8.DecodeRuneInString(rest)
	if rest == "" {
		after = 0
	}
	switch {
	case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
		return ""
	case space(r):
		if before == 0 || after == 0 {
			return "is a space at the end of it, or in front: leave it out"
		}
	case joiner(r):
		if !joins(before, r, after) {
			return "is a joiner where it joins nothing: leave it out"
		}
	case r == emojiStyle:
		emoji := within(pictographs, before) && !within(colourful, before)
		digit := after == keycap && (before >= '0' && before <= '9' || before == '#' || before == '*')
		if !emoji && !digit {
			return "cannot be seen there: leave it out"
		}
	case unicode.Is(unicode.Zs, r):
		return "is a space of another kind: write a plain one"
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp):
		return "is not a character that can be seen: leave it out"
	case within(unseen, r):
		return "cannot be seen: leave it out"
	case !unicode.IsPrint(r):
		return "is not known as a character that can be seen"
	}
	return ""
}

// space reports whether the character is the space of a script: the plain one, and those
// of Ogham, Mongolian, Chinese and Japanese, Braille and hieroglyphs.
func space(r rune) bool {
	switch r {
	case ' ', '\u1680', '\u202f', '\u3000', '\u2800', '\U00013441', '\U00013442':
		return true
	}
	return false
}

// unseen are the letters, marks and symbols that show nothing. Most are those that Unicode
// calls default-ignorable.
var unseen = []span{
	{0x34f, 0x34f}, {0x115f, 0x1160}, {0x17b4, 0x17b5}, {0x180b, 0x180d}, {0x180f, 0x180f}, {0x3164, 0x3164},
	{0xfe00, 0xfe0f}, {0xffa0, 0xffa0}, {0x1d159, 0x1d159}, {0xe0100, 0xe01ef},
}

func joiner(r rune) bool { return r == zeroWidthJoiner || r == zeroWidthNonJoiner }

// joins reports whether the joiner r shows between the two characters.
func joins(before, r, after rune) bool {
	if r == zeroWidthJoiner {
		if before == malayalamVirama && !joiner(after) {
			return true // a chillu, which may be the end of a word
		}
		emoji := within(pictographs, before) || before == emojiStyle || before >= 0x1f3fb && before <= 0x1f3ff
		if emoji && within(pictographs, after) {
			return true
		}
	}
	return (joined(before) || within(harakat, before)) && joined(after)
}

// joined reports whether the character is a letter or mark of a script whose letters join or
// stack, so that a joiner between two of them shows.
func joined(r rune) bool {
	return r == tatweel || unicode.In(r, unicode.L, unicode.M) && unicode.In(r, joinedScripts...) && !within(unseen, r)
}

var joinedScripts = []*unicode.RangeTable{
	unicode.Arabic, unicode.Balinese, unicode.Bengali, unicode.Chakma, unicode.Devanagari, unicode.Grantha,
	unicode.Gujarati, unicode.Gurmukhi, unicode.Javanese, unicode.Kannada, unicode.Khmer, unicode.Malayalam,
	unicode.Meetei_Mayek, unicode.Mongolian, unicode.Myanmar, unicode.Newa, unicode.Nko, unicode.Oriya,
	unicode.Sinhala, unicode.Syriac, unicode.Tamil, unicode.Telugu, unicode.Tibetan, unicode.Tirhuta,
}

// harakat are the marks over Arabic letters, which are of no script.
var harakat = []span{{0x64b, 0x655}, {0x670, 0x670}}

// flagTags are what follows a black flag in those of England, Scotland and Wales.
var flagTags = func() (tags [3]string) {
	for i, word := range [...]string{"gbeng", "gbsct", "gbwls"} {
		tags[i] = strings.Map(func(r rune) rune { return 0xe0000 + r }, word) + "\U000e007f"
	}
	return tags
}()

// withoutFlagTags is what is left of a name after a black flag and its tags.
func withoutFlagTags(rest string) string {
	if i := slices.IndexFunc(flagTags[:], func(tags string) bool { return strings.HasPrefix(rest, tags) }); i >= 0 {
		return rest[len(flagTags[i]):]
	}
	return rest
}
